package dev.panamba.graph;

import dev.panamba.bindings.Kernels;
import dev.panamba.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Map;

/** A bound op, or a part of one: run by all workers at once, each its share, with a barrier behind it. */
sealed interface Step {
    /**
     * Runs one worker's share.
     *
     * @param worker 0 .. workers - 1
     * @param workers size of the team
     */
    void run(int worker, int workers);

    /** The first item of a worker's share of n items. */
    static long share(long n, int worker, int workers) {
        return n * worker / workers;
    }

    /**
     * A call of a kernel over its range.
     *
     * @param function address of the kernel
     * @param args its argument block
     * @param items size of its range
     */
    record Kernel(MemorySegment function, MemorySegment args, long items) implements Step {
        @Override
        public void run(int worker, int workers) {
            var begin = share(items, worker, workers);
            var end = share(items, worker + 1, workers);
            if (begin < end) {
                Kernels.call(function, args, begin, end);
            }
        }
    }

    /** A copy of bytes. */
    record Copy(MemorySegment from, MemorySegment to) implements Step {
        @Override
        public void run(int worker, int workers) {
            var begin = share(from.byteSize(), worker, workers);
            MemorySegment.copy(from, begin, to, begin, share(from.byteSize(), worker + 1, workers) - begin);
        }
    }

    /** Fills a value with what shows when it is read after its life: NaN, or the smallest integer. */
    record Poison(MemorySegment memory, DType type) implements Step {
        @Override
        public void run(int worker, int workers) {
            if (worker != 0) {
                return;
            }
            for (long i = 0; i < memory.byteSize() / type.bytes(); i++) {
                switch (type) {
                    case F32 -> memory.setAtIndex(ValueLayout.JAVA_FLOAT_UNALIGNED, i, Float.NaN);
                    case F64 -> memory.setAtIndex(ValueLayout.JAVA_DOUBLE_UNALIGNED, i, Double.NaN);
                    default -> memory.setAtIndex(ValueLayout.JAVA_INT_UNALIGNED, i, Integer.MIN_VALUE);
                }
            }
        }
    }

    /**
     * Refuses a result that is not finite.
     *
     * @param op who made it
     * @param value the result, or a window
     * @param memory of the whole value
     * @param parameters that the op read
     * @param offset I32 [X + 1] whose last entry counts the rows that hold something, or null for all
     */
    record Finite(
            String op, Value value, MemorySegment memory, Map<Value, MemorySegment> parameters, MemorySegment offset)
            implements Step {
        @Override
        public void run(int worker, int workers) {
            // One worker alone finds the same place at every number of them.
            if (worker == 0) {
                var rows = offset == null ? value.rows() : first(offset, offset.byteSize() / Integer.BYTES - 1);
                FiniteChecks.check(op, value, memory, parameters, rows);
            }
        }
    }

    private static long first(MemorySegment offset, long expert) {
        return offset.getAtIndex(ValueLayout.JAVA_INT_UNALIGNED, expert);
    }
}
