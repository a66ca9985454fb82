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

    /** A matrix in row-major order: address of its first element, distance between rows in elements. */
    record Matrix(long start, long stride) {}

    /** c = op(a) op(b), or c += op(a) op(b), where op transposes or not. */
    record Product(boolean f64, boolean transA, boolean transB, boolean accumulate) {
        /** Runs on parts: c is [m, n], k the common dimension, offsets are those of the parts in elements. */
        void run(long m, long n, long k, Matrix a, long aOffset, Matrix b, long bOffset, Matrix c, long cOffset) {
            if (f64) {
                OpenBlas.dgemm(
                        transA,
                        transB,
                        (int) m,
                        (int) n,
                        (int) k,
                        1,
                        at(a, aOffset, Double.BYTES),
                        (int) a.stride,
                        at(b, bOffset, Double.BYTES),
                        (int) b.stride,
                        accumulate ? 1 : 0,
                        at(c, cOffset, Double.BYTES),
                        (int) c.stride);
            } else {
                OpenBlas.sgemm(
                        transA,
                        transB,
                        (int) m,
                        (int) n,
                        (int) k,
                        1,
                        at(a, aOffset, Float.BYTES),
                        (int) a.stride,
                        at(b, bOffset, Float.BYTES),
                        (int) b.stride,
                        accumulate ? 1 : 0,
                        at(c, cOffset, Float.BYTES),
                        (int) c.stride);
            }
        }

        // An address and no segment, which would be garbage wherever the compiler does not see through it.
        private static long at(Matrix matrix, long offset, int bytes) {
            return matrix.start + offset * bytes;
        }
    }

    /** One product, c [m, n], split along the longer side of c. */
    record Gemm(Product product, Matrix a, Matrix b, Matrix c, long m, long n, long k) implements Step {
        /** Shares begin at multiples of this many rows or columns: two workers never write to one cache line. */
        private static final long UNIT = 16;

        @Override
        public void run(int worker, int workers) {
            var side = Math.max(m, n);
            var units = Math.ceilDiv(side, UNIT);
            var begin = Math.min(side, share(units, worker, workers) * UNIT);
            var size = Math.min(side, share(units, worker + 1, workers) * UNIT) - begin;
            if (size == 0) {
                return;
            }
            if (m >= n) {
                product.run(size, n, k, a, product.transA ? begin : begin * a.stride, b, 0, c, begin * c.stride);
            } else {
                product.run(m, size, k, a, 0, b, product.transB ? begin * b.stride : begin, c, begin);
            }
        }
    }

    /**
     * Every expert's product of its rows with its weight: the kept rows are shared out evenly, wherever that cuts an expert.
     *
     * @param offset I32 [X + 1] first row of each expert
     * @param experts X
     * @param weight elements of one expert's weight
     */
    record ExpertRows(
            Product product,
            Matrix a,
            Matrix b,
            Matrix c,
            MemorySegment offset,
            long experts,
            long weight,
            long n,
            long k)
            implements Step {
        @Override
        public void run(int worker, int workers) {
            var kept = first(offset, experts);
            var begin = share(kept, worker, workers);
            var end = share(kept, worker + 1, workers);
            for (long e = 0; e < experts; e++) {
                var from = Math.max(begin, first(offset, e));
                var rows = Math.min(end, first(offset, e + 1)) - from;
                if (rows > 0) {
                    product.run(rows, n, k, a, from * a.stride, b, e * weight, c, from * c.stride);
                }
            }
        }
    }

    /**
     * Every expert's weight gradient, c_e += a_e^T b_e over its rows; every worker takes some rows of each c_e.
     *
     * @param offset I32 [X + 1] first row of each expert
     * @param experts X
     * @param m rows of one expert's weight
     * @param n columns of one expert's weight
     */
    record ExpertOuter(
            Product product, Matrix a, Matrix b, Matrix c, MemorySegment offset, long experts, long m, long n)
            implements Step {
        @Override
        public void run(int worker, int workers) {
            var begin = share(m, worker, workers);
            var size = share(m, worker + 1, workers) - begin;
            for (long e = 0; e < experts; e++) {
                var from = first(offset, e);
                var rows = first(offset, e + 1) - from;
                if (rows > 0 && size > 0) {
                    product.run(size, n, rows, a, from * a.stride + begin, b, from * b.stride, c, (e * m + begin) * n);
                }
            }
        }
    }

    /**
     * A product with a narrow weight, y = x weight^T or y += x weight^T, expert by expert: some rows of the weight at a time are
     * expanded, by the worker that then multiplies with them while they are in its cache.
     *
     * @param expand address of {@code pb_dequantise}
     * @param blocks its argument blocks, one for each worker
     * @param panels where they expand to, one for each worker
     * @param x [T, k]
     * @param y [T, n]
     * @param offset I32 [experts + 1] first row of each expert, or null where one has all
     * @param experts number of weights
     * @param T rows of x and y
     * @param n rows of one weight
     * @param k columns of one weight
     */
    record Panels(
            Product product,
            MemorySegment expand,
            MemorySegment[] blocks,
            Matrix[] panels,
            Matrix x,
            Matrix y,
            MemorySegment offset,
            long experts,
            long T,
            long n,
            long k)
            implements Step {
        /** Rows of a weight that are expanded at once: with 1,000 columns they fill a quarter of a megabyte. */
        static final long ROWS = 64;

        @Override
        public void run(int worker, int workers) {
            var each = Math.ceilDiv(n, ROWS);
            var end = share(each * experts, worker + 1, workers);
            for (long i = share(each * experts, worker, workers); i < end; i++) {
                var expert = i / each;
                var row = i % each * ROWS;
                var rows = Math.min(ROWS, n - row);
                var from = offset == null ? 0 : first(offset, expert);
                var tokens = (offset == null ? T : first(offset, expert + 1)) - from;
                if (tokens > 0) {
                    Kernels.call(expand, blocks[worker], expert * n + row, expert * n + row + rows);
                    product.run(tokens, rows, k, x, from * x.stride, panels[worker], 0, y, from * y.stride + row);
                }
            }
        }
    }

    private static long first(MemorySegment offset, long expert) {
        return offset.getAtIndex(ValueLayout.JAVA_INT_UNALIGNED, expert);
    }
}
