package dev.panamba.graph;

import dev.panamba.bindings.Pages;
import dev.panamba.graph.Planner.Interval;
import dev.panamba.memory.Extent;
import dev.panamba.memory.Placement;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Where a program's inputs and activations stand in one slab.
 *
 * @param where the extent of each planned value
 * @param deaths extents whose last access is a given step, by step
 * @param bytes size of the slab
 * @param naiveBytes what it would be if no two values shared bytes
 */
public record Plan(Map<Value, Extent> where, Map<Integer, List<Value>> deaths, long bytes, long naiveBytes) {

    /** Values that take over each other's memory, and their common life. */
    private static final class Life {
        final List<Value> values = new ArrayList<>();
        int first;
        int last;
    }

    /**
     * Plans a program.
     *
     * @param program whose values get places
     * @param placement how
     * @return the plan
     */
    public static Plan of(Program program, Placement placement) {
        var shares = switch (placement) {
            case PACKED, POISON, CHECKED -> true;
            case SPREAD, GUARDED -> false;
        };
        var lives = lives(program, shares);
        var intervals = lives.stream()
                .map(life -> new Interval(
                        life.first, life.last, life.values.getFirst().bytes()))
                .toList();
        var extents = shares ? Planner.place(intervals) : separate(intervals, placement == Placement.GUARDED);
        var where = new LinkedHashMap<Value, Extent>();
        var deaths = new HashMap<Integer, List<Value>>();
        long bytes = 0;
        long naive = 0;
        for (int i = 0; i < extents.size(); i++) {
            var life = lives.get(i);
            bytes = Math.max(bytes, Extent.align(extents.get(i).end()));
            for (var value : life.values) {
                where.put(value, extents.get(i));
                naive += Extent.align(value.bytes());
            }
            deaths.computeIfAbsent(life.last, _ -> new ArrayList<>()).add(life.values.getLast());
        }
        return new Plan(where, deaths, placement == Placement.GUARDED ? bytes + 2 * Pages.SIZE : bytes, naive);
    }

    private static List<Life> lives(Program program, boolean shares) {
        var lives = new LinkedHashMap<Value, Life>();
        var end = program.ops().size();
        var allUses = new ArrayList<Uses>(end);
        for (var op : program.ops()) {
            allUses.add(Uses.of(op));
        }
        var last = lastAccesses(allUses);
        program.inputs().forEach(input -> touch(lives, input, 0, end, program));
        for (int i = 0; i < end; i++) {
            var uses = allUses.get(i);
            for (var value : uses.reads()) {
                touch(lives, value, i, end, program);
            }
            for (int w = 0; w < uses.writes().size(); w++) {
                var value = uses.writes().get(w);
                if (shares
                        && w == 0
                        && value.owner() == null
                        && value.role() == Role.ACTIVATION
                        && !lives.containsKey(value)) {
                    takeOver(lives, value, uses.inPlace(), i, last, program);
                }
                touch(lives, value, i, end, program);
            }
        }
        return lives.values().stream().distinct().toList();
    }

    private static Map<Value, Integer> lastAccesses(List<Uses> uses) {
        var last = new HashMap<Value, Integer>();
        for (int i = 0; i < uses.size(); i++) {
            for (var value : uses.get(i).reads()) {
                last.put(value.root(), i);
            }
            for (var value : uses.get(i).writes()) {
                last.put(value.root(), i);
            }
        }
        return last;
    }

    private static void touch(Map<Value, Life> lives, Value value, int step, int end, Program program) {
        var root = value.root();
        if (!root.role().planned()) {
            return;
        }
        var life = lives.computeIfAbsent(root, v -> {
            var fresh = new Life();
            fresh.values.add(v);
            fresh.first = step;
            return fresh;
        });
        var toTheEnd = root.role() == Role.INPUT || program.outputs().contains(root);
        life.last = toTheEnd ? end : Math.max(life.last, step);
    }

    private static void takeOver(
            Map<Value, Life> lives,
            Value value,
            List<Value> candidates,
            int step,
            Map<Value, Integer> last,
            Program program) {
        for (var candidate : candidates) {
            if (candidate.owner() == null
                    && candidate.role() == Role.ACTIVATION
                    && candidate.bytes() == value.bytes()
                    && last.get(candidate) == step
                    && !program.outputs().contains(candidate)) {
                var life = lives.get(candidate);
                life.values.add(value);
                lives.put(value, life);
                return;
            }
        }
    }

    /** One after the other; with guards each ends where a page begins that is then forbidden. */
    private static List<Extent> separate(List<Interval> intervals, boolean guarded) {
        var extents = new ArrayList<Extent>();
        long next = 0;
        for (var interval : intervals) {
            if (guarded) {
                var end = Math.ceilDiv(next + interval.bytes(), Pages.SIZE) * Pages.SIZE;
                extents.add(new Extent(end - interval.bytes(), interval.bytes()));
                next = end + Pages.SIZE;
            } else {
                extents.add(new Extent(next, interval.bytes()));
                next = Extent.align(next + interval.bytes());
            }
        }
        return extents;
    }
}
