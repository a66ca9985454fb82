package dev.panamba.graph;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.graph.Planner.Interval;
import dev.panamba.memory.Extent;
import dev.panamba.memory.Placement;
import dev.panamba.model.Config;
import dev.panamba.tensor.DType;
import dev.panamba.train.TrainingProgram;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class PlannerTest {
    private static final int PROGRAMS = 10_000;

    @Test
    void livesNeverShareBytesAndSharingNeverCosts() {
        for (int seed = 0; seed < PROGRAMS; seed++) {
            var intervals = intervals(new SplittableRandom(seed));
            var extents = Planner.place(intervals);
            assertEquals(intervals.size(), extents.size());
            long total = 0;
            long naive = 0;
            for (int i = 0; i < intervals.size(); i++) {
                assertEquals(intervals.get(i).bytes(), extents.get(i).bytes());
                assertEquals(0, extents.get(i).offset() % Extent.ALIGNMENT);
                total = Math.max(total, extents.get(i).end());
                naive += Extent.align(intervals.get(i).bytes());
                for (int j = 0; j < i; j++) {
                    assertTrue(
                            !together(intervals.get(i), intervals.get(j)) || apart(extents.get(i), extents.get(j)),
                            "program " + seed + ": values " + j + " and " + i + " share bytes");
                }
            }
            assertTrue(total <= naive, "program " + seed + " takes " + total + " bytes, naively " + naive);
            assertTrue(total >= mostAlive(intervals), "program " + seed + " takes less than what is alive at once");
        }
    }

    @Test
    void aChainNeedsTwoBuffers() {
        var chain = IntStream.range(0, 100)
                .mapToObj(i -> new Interval(i, i + 1, 64))
                .toList();
        var end = Planner.place(chain).stream().mapToLong(Extent::end).max();
        assertEquals(128, end.orElseThrow());
    }

    /** The obvious planner: the extents that a planner of any speed must give. */
    private static List<Extent> reference(List<Interval> intervals) {
        var order = IntStream.range(0, intervals.size())
                .boxed()
                .sorted(Comparator.comparing(i -> -intervals.get(i).bytes()))
                .toList();
        var extents = new Extent[intervals.size()];
        for (int i : order) {
            var life = intervals.get(i);
            var taken = order.stream()
                    .filter(j -> extents[j] != null
                            && life.first() <= intervals.get(j).last()
                            && intervals.get(j).first() <= life.last())
                    .map(j -> extents[j])
                    .sorted(Comparator.comparing(Extent::offset))
                    .toList();
            long offset = 0;
            for (var other : taken) {
                if (other.offset() - offset >= Extent.align(life.bytes())) {
                    break;
                }
                offset = Math.max(offset, Extent.align(other.end()));
            }
            extents[i] = new Extent(offset, life.bytes());
        }
        return List.of(extents);
    }

    @Test
    void everyLifeStandsWhereTheObviousPlannerPutsIt() {
        for (int seed = 0; seed < PROGRAMS / 10; seed++) {
            var few = intervals(new SplittableRandom(seed));
            assertEquals(reference(few), Planner.place(few), "program " + seed);
        }
        for (int seed = 0; seed < 8; seed++) {
            var many = deep(new SplittableRandom(seed), 200 + 80 * seed);
            assertEquals(reference(many), Planner.place(many), "deep program " + seed);
        }
    }

    /** As a training has them: values of each layer that live on to its derivative, short ones both ways, and a few of all steps. */
    private static List<Interval> deep(SplittableRandom random, int layers) {
        int each = random.nextInt(1, 4);
        int steps = 2 * each * layers;
        long[] sizes = random.longs(4, 0, 5000).toArray();
        var intervals = new ArrayList<Interval>();
        intervals.add(new Interval(0, steps, 700));
        for (int layer = 0; layer < layers; layer++) {
            int first = each * layer;
            intervals.add(new Interval(first, steps - first, sizes[layer % 2]));
            intervals.add(new Interval(first, first + random.nextInt(3), sizes[2]));
            intervals.add(new Interval(steps - first - 1, steps - first, sizes[3]));
            int anywhere = random.nextInt(steps);
            intervals.add(new Interval(anywhere, random.nextInt(anywhere, steps), random.nextLong(5000)));
        }
        return intervals;
    }

    /** What planning takes grows as the program does: of four times the layers about four times as much, not sixteen. */
    @Test
    void planningGrowsWithTheProgram() {
        plan(1_000);
        var few = plan(1_000);
        var many = plan(4_000);
        assertTrue(many < 9 * few, "1,000 blocks take " + few + " ns and 4,000 take " + many + " ns");
    }

    /** Processor time of this thread, which others on the same cores do not change much; the best of some. */
    private static long plan(int blocks) {
        var config = new Config(
                16,
                4,
                blocks,
                new Config.Mamba(8, 2, 2, 1, false, true),
                new Config.Switch(2, 4, 1, 0.01),
                false,
                Config.Norm.RMS,
                1e-5,
                true,
                false,
                Config.Position.NONE,
                0);
        var clock = ManagementFactory.getThreadMXBean();
        long best = Long.MAX_VALUE;
        for (int i = 0; i < 3; i++) {
            long start = clock.getCurrentThreadCpuTime();
            var training = TrainingProgram.of(config, DType.F32, DType.F32, 1, 4, 1, true);
            Plan.of(training.program(), Placement.PACKED);
            best = Math.min(best, clock.getCurrentThreadCpuTime() - start);
        }
        return best;
    }

    private static List<Interval> intervals(SplittableRandom random) {
        int steps = random.nextInt(1, 30);
        var intervals = new ArrayList<Interval>();
        for (int i = random.nextInt(1, 40); i > 0; i--) {
            int first = random.nextInt(steps);
            int last = random.nextInt(4) == 0 ? steps : Math.min(steps, first + random.nextInt(5));
            intervals.add(new Interval(first, last, random.nextInt(8) == 0 ? 0 : random.nextLong(1, 1000)));
        }
        return intervals;
    }

    private static long mostAlive(List<Interval> intervals) {
        return IntStream.rangeClosed(0, 30)
                .mapToLong(step -> intervals.stream()
                        .filter(i -> i.first() <= step && step <= i.last())
                        .mapToLong(Interval::bytes)
                        .sum())
                .max()
                .orElseThrow();
    }

    private static boolean together(Interval a, Interval b) {
        return IntStream.rangeClosed(a.first(), a.last()).anyMatch(step -> b.first() <= step && step <= b.last());
    }

    private static boolean apart(Extent a, Extent b) {
        return a.bytes() == 0 || b.bytes() == 0 || a.end() <= b.offset() || b.end() <= a.offset();
    }
}
