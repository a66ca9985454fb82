package dev.panamba.graph;

import dev.panamba.memory.Extent;
import java.util.ArrayList;
import java.util.Comparator;
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
        order.sort(Comparator.comparingLong((Integer i) -> intervals.get(i).bytes())
                .reversed());
        var extents = new Extent[intervals.size()];
        var byOffset = new ArrayList<Integer>();
        for (int i : order) {
            var interval = intervals.get(i);
            long offset = 0;
            for (int j : byOffset) {
                if (!interval.overlaps(intervals.get(j))) {
                    continue;
                }
                if (extents[j].offset() - offset >= Extent.align(interval.bytes())) {
                    break;
                }
                offset = Math.max(offset, Extent.align(extents[j].end()));
            }
            extents[i] = new Extent(offset, interval.bytes());
            int at = 0;
            while (at < byOffset.size() && extents[byOffset.get(at)].offset() <= offset) {
                at++;
            }
            byOffset.add(at, i);
        }
        return List.of(extents);
    }
}
