package dev.panamba.graph;

import dev.panamba.bindings.Kernels;
import dev.panamba.bindings.OpenBlas;
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

    /**
     * A dense product c = op(a) op(b), or c += op(a) op(b), by OpenBLAS, one part of c for each worker. Addresses and sizes are those of
     * when it was bound.
     *
     * @param f64 whether in double precision
     * @param aStride elements from row to row, as of b and c
     * @param beta 0 or 1: what c holds is overwritten or added to
     * @param parts at most one for each worker of the team
     */
    record Gemm(
            boolean f64,
            boolean transA,
            boolean transB,
            int aStride,
            int bStride,
            double beta,
            int cStride,
            Part[] parts)
            implements Step {
        /** A product c [m, n] of its own. */
        record Part(int m, int n, int k, MemorySegment a, MemorySegment b, MemorySegment c) {}

        @Override
        public void run(int worker, int workers) {
            // A worker who is alone does all parts, cut as for the team.
            for (int i = worker; i < parts.length; i += workers) {
                var p = parts[i];
                if (f64) {
                    OpenBlas.dgemm(transA, transB, p.m, p.n, p.k, 1, p.a, aStride, p.b, bStride, beta, p.c, cStride);
                } else {
                    var real = (float) beta;
                    OpenBlas.sgemm(transA, transB, p.m, p.n, p.k, 1, p.a, aStride, p.b, bStride, real, p.c, cStride);
                }
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
