package dev.panamba.graph;

import dev.panamba.memory.Extent;
import java.util.ArrayList;
import java.util.List;

/**
 * Places lives in memory: a pure function on intervals, without programs or values. Largest first, each at the lowest offset
 * that is free for its whole life.
 */
public final class Planner {
    private Planner() {}

    /**
     * A life.
     *
     * @param first step of the first access
     * @param last step of the last access, at least first
     * @param bytes size in bytes
     */
    public record Interval(int first, int last, long bytes) {
        boolean overlaps(Interval other) {
            return first <= other.last && other.first <= last;
        }
    }

    /**
     * Places intervals so that no two that are alive together share a byte.
     *
     * @param intervals lives in any order
     * @return their extents, in the same order, each aligned
     */
    public static List<Extent> place(List<Interval> intervals) {
        var order = new ArrayList<Integer>();
        for (int i = 0; i < intervals.size(); i++) {
            order.add(i);
        }
        order.sort((i, j) ->
                Long.compare(intervals.get(j).bytes(), intervals.get(i).bytes()));
        var extents = new Extent[intervals.size()];
        var placed = new ArrayList<Placed>();
        for (int i : order) {
            extents[i] = new Extent(
                    lowest(intervals.get(i), placed), intervals.get(i).bytes());
            insert(new Placed(intervals.get(i), extents[i]), placed);
        }
        return List.of(extents);
    }

    private record Placed(Interval life, Extent extent) {}

    /** The lowest free offset; those placed are in the order of theirs. A method of its own, so that it is compiled before the last life. */
    private static long lowest(Interval life, List<Placed> placed) {
        long offset = 0;
        for (var other : placed) {
            if (life.overlaps(other.life)) {
                if (other.extent.offset() - offset >= Extent.align(life.bytes())) {
                    break;
                }
                offset = Math.max(offset, Extent.align(other.extent.end()));
            }
        }
        return offset;
    }

    private static void insert(Placed last, List<Placed> placed) {
        int at = placed.size();
        while (at > 0 && placed.get(at - 1).extent.offset() > last.extent.offset()) {
            at--;
        }
        placed.add(at, last);
    }
}
