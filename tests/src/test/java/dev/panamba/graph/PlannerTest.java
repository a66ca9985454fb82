package dev.panamba.graph;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.graph.Planner.Interval;
import dev.panamba.memory.Extent;
import java.util.ArrayList;
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
