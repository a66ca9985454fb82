package dev.panamba.graph;

import dev.panamba.bindings.kernels.panamba_h;
import dev.panamba.bindings.kernels.pb_gemm_args;
import dev.panamba.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** {@link Lowering} of large products of matrices: all are {@code pb_gemm}, cut into one share for each worker. */
final class ProductLowering {
    private final Lowering to;
    private final Arena arena;
    private final int workers;
    private MemorySegment scratch;

    ProductLowering(Lowering to, Arena arena, int workers) {
        this.to = to;
        this.arena = arena;
        this.workers = workers;
    }

    /** What a product is of. */
    enum Form {
        /** y [T, O] = x [T, I] times weight [O, I], transposed. */
        FORWARD,
        /** dx [T, I] = dy [T, O] times weight [O, I]. */
        BACKWARD,
        /** dweight [O, I] = dy [T, O], transposed, times x [T, I]. */
        WEIGHTS
    }

    /**
     * Binds c = a b in one of the forms, or c += a b.
     *
     * @param offset I32 [X + 1] first row of each expert, whose weights [X, O, I] are one behind the other; null for one weight
     * @param factors type to which is rounded what is multiplied: BF16, or that of a
     */
    List<Step> lower(Form form, Value c, Value a, Value b, Value offset, DType factors, boolean accumulate) {
        var weights = form == Form.WEIGHTS;
        var block = pb_gemm_args.allocate(arena);
        pb_gemm_args.c(block, to.write(c));
        pb_gemm_args.scratch(block, scratch());
        pb_gemm_args.a(block, to.read(a));
        pb_gemm_args.b(block, to.read(b));
        pb_gemm_args.offset(block, to.read(offset));
        pb_gemm_args.c_stride(block, c.stride());
        pb_gemm_args.a_stride(block, a.stride());
        pb_gemm_args.b_stride(block, b.stride());
        pb_gemm_args.m(block, weights ? a.columns() : a.rows());
        pb_gemm_args.n(block, c.columns());
        pb_gemm_args.k(block, weights ? a.rows() : a.columns());
        pb_gemm_args.X(block, offset == null ? 1 : offset.shape().elements() - 1);
        pb_gemm_args.shares(block, workers);
        pb_gemm_args.trans_a(block, weights ? 1 : 0);
        pb_gemm_args.trans_b(block, form == Form.FORWARD ? 1 : 0);
        pb_gemm_args.accumulate(block, accumulate ? 1 : 0);
        pb_gemm_args.sums(block, weights && offset != null ? 1 : 0);
        pb_gemm_args.format(block, Lowering.format(b));
        pb_gemm_args.bf16(block, factors == DType.BF16 ? 1 : 0);
        return to.kernel("pb_gemm", block, workers);
    }

    /** Room for what is packed; steps run one after the other and share it. */
    private MemorySegment scratch() {
        if (scratch == null) {
            scratch = to.reals((long) workers * panamba_h.PB_GEMM_SCRATCH());
        }
        return scratch;
    }
}
