package dev.panamba.graph;

import dev.panamba.memory.Extent;
import java.util.ArrayList;
import java.util.Arrays;
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

        boolean covers(Interval other) {
            return first <= other.first && other.last <= last;
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
        int steps = 0;
        for (int i = 0; i < intervals.size(); i++) {
            order.add(i);
            steps = Math.max(steps, intervals.get(i).last + 1);
        }
        order.sort((i, j) ->
                Long.compare(intervals.get(j).bytes(), intervals.get(i).bytes()));
        var extents = new Extent[intervals.size()];
        var placed = Stretch.of(0, steps);
        for (int i : order) {
            var life = intervals.get(i);
            extents[i] = new Extent(lowest(life, placed), life.bytes());
            if (life.bytes() > 0) {
                placed.add(new Placed(life, extents[i].offset(), Extent.align(extents[i].end())));
            }
        }
        return List.of(extents);
    }

    private static long lowest(Interval life, Stretch placed) {
        long need = Extent.align(life.bytes());
        long offset = placed.free(life, need, 0);
        // What is free in one half of the time may be taken in the other; a scan of one stretch needs no second look.
        while (placed instanceof Halves) {
            long next = placed.free(life, need, offset);
            if (next == offset) {
                break;
            }
            offset = next;
        }
        return offset;
    }

    /** A life and the bytes that are its own, up to where the next may begin. */
    private record Placed(Interval life, long offset, long end) {}

    /**
     * Steps that follow each other, and what has its place during some of them. A program of thousands of layers has as many values
     * alive at once, so long stretches know the bytes that are taken without knowing by whom.
     */
    private sealed interface Stretch {
        /** Steps that are scanned life by life; to cut them would cost more than it spares. */
        int SHORT = 512;

        static Stretch of(int first, int end) {
            return end - first <= SHORT ? new Scanned() : new Halves(first, end);
        }

        /** Remembers a life that overlaps the stretch. */
        void add(Placed placed);

        /** An offset that is not above the lowest free one from another on, and is that one where it is given again. */
        long free(Interval life, long need, long from);
    }

    /** A short stretch: its lives in the order of their offsets. */
    private static final class Scanned implements Stretch {
        private final List<Placed> placed = new ArrayList<>();

        @Override
        public void add(Placed last) {
            int at = placed.size();
            while (at > 0 && placed.get(at - 1).offset > last.offset) {
                at--;
            }
            placed.add(at, last);
        }

        @Override
        public long free(Interval life, long need, long from) {
            long offset = from;
            for (var other : placed) {
                if (life.overlaps(other.life)) {
                    if (other.offset - offset >= need) {
                        break;
                    }
                    offset = Math.max(offset, other.end);
                }
            }
            return offset;
        }
    }

    /** A long stretch. */
    private static final class Halves implements Stretch {
        private final Interval steps;
        private final int middle;
        /** Taken at every step. */
        private final Spans throughout = new Spans();
        /** Taken at some step. */
        private final Spans sometimes = new Spans();

        private final Stretch earlier;
        private final Stretch later;

        Halves(int first, int end) {
            steps = new Interval(first, end - 1, 0);
            middle = (first + end) >>> 1;
            earlier = Stretch.of(first, middle);
            later = Stretch.of(middle, end);
        }

        @Override
        public void add(Placed placed) {
            sometimes.add(placed.offset, placed.end);
            if (placed.life.covers(steps)) {
                throughout.add(placed.offset, placed.end);
                return;
            }
            if (placed.life.first < middle) {
                earlier.add(placed);
            }
            if (placed.life.last >= middle) {
                later.add(placed);
            }
        }

        @Override
        public long free(Interval life, long need, long from) {
            if (life.covers(steps)) {
                return sometimes.free(need, from);
            }
            long offset = throughout.free(need, from);
            if (life.first < middle) {
                offset = earlier.free(life, need, offset);
            }
            return life.last >= middle ? later.free(life, need, offset) : offset;
        }
    }

    /** Bytes that are taken: spans in order, none of which touches another. */
    private static final class Spans {
        private long[] begins = new long[4];
        private long[] ends = new long[4];
        private int count;

        /** The first span that ends at or behind an offset. */
        private int at(long offset) {
            int at = Arrays.binarySearch(ends, 0, count, offset);
            return at < 0 ? -at - 1 : at;
        }

        void add(long begin, long end) {
            int from = at(begin);
            int to = from;
            while (to < count && begins[to] <= end) {
                begin = Math.min(begin, begins[to]);
                end = Math.max(end, ends[to]);
                to++;
            }
            if (from == to && count == begins.length) {
                begins = Arrays.copyOf(begins, 2 * count);
                ends = Arrays.copyOf(ends, 2 * count);
            }
            System.arraycopy(begins, to, begins, from + 1, count - to);
            System.arraycopy(ends, to, ends, from + 1, count - to);
            count += from + 1 - to;
            begins[from] = begin;
            ends[from] = end;
        }

        long free(long need, long from) {
            if (count == 0 || ends[count - 1] <= from) {
                return from;
            }
            long offset = from;
            for (int i = at(from); i < count && begins[i] - offset < need; i++) {
                offset = Math.max(offset, ends[i]);
            }
            return offset;
        }
    }
}
