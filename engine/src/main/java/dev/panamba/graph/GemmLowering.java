package dev.panamba.graph;

import dev.panamba.bindings.Natives;
import dev.panamba.bindings.kernels.panamba_h;
import dev.panamba.bindings.kernels.pb_gemm_args;
import dev.panamba.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.stream.LongStream;

/**
 * {@link Lowering} of products of matrices of more than a few tokens, each cut into one share for each worker: the one place that
 * says who does which.
 *
 * <p>OpenBLAS has no form for the ragged products of experts and none for factors or weights in bf16: {@code pb_gemm} does them. Dense
 * products of real numbers are OpenBLAS's from {@link #SMALLEST_SIDE} on. In double precision all dense ones are, so that the
 * gradient checks see this lowering.
 */
final class GemmLowering {
    /**
     * The least of a product's three sides from which OpenBLAS does it. Its speed for one of {@code pb_gemm}, two cores of Zen 4
     * (jmh/README.md has the table): with all sides of 512 and more 0.93 to 1.04 forward and backward; with one of 128 0.76 to 0.94; x_proj
     * (64) 0.89 to 1.04, dt_proj (32) 0.84 to 1.1, a router (16 or 32) 0.75 to 0.94; with 64 tokens 0.82.
     */
    static final long SMALLEST_SIDE = 256;

    /**
     * The longer side of a weight from which OpenBLAS makes its gradient, too: its packing reads dy across its rows. The speed for one
     * of {@code pb_gemm} is 0.85 to 0.98 above, 0.83 to 0.94 for 512 x 1024 and 1536 x 512, 0.3 to 0.8 for x_proj, dt_proj and routers.
     */
    static final long LARGE_WEIGHT = 2048;

    /** Columns for one row from which a product is cut between columns: each worker packs all of the factor that is not cut. */
    private static final long WIDE = 4;

    /** Shares begin at multiples of so many rows or columns: two workers never write to one cache line. */
    private static final long UNIT = 16;

    private final Lowering to;
    private final Arena arena;
    private final int workers;
    private final Gemm gemm;
    private final boolean f64;
    private MemorySegment scratch;

    GemmLowering(Lowering to, Arena arena, boolean f64, int workers, Gemm gemm) {
        this.to = to;
        this.arena = arena;
        this.workers = workers;
        this.f64 = f64;
        this.gemm = gemm;
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
        var m = form == Form.WEIGHTS ? a.columns() : a.rows();
        var k = form == Form.WEIGHTS ? a.rows() : a.columns();
        var n = c.columns();
        var isDense = offset == null && factors == a.type() && b.type() == a.type();
        // OpenBLAS counts in ints.
        var fits =
                LongStream.of(m, n, k, a.stride(), b.stride(), c.stride()).max().getAsLong() <= Integer.MAX_VALUE;
        return isDense && fits && isForOpenBlas(form, m, n, k)
                ? openBlas(form, c, a, b, m, n, k, accumulate)
                : own(form, c, a, b, offset, m, n, k, factors, accumulate);
    }

    private boolean isForOpenBlas(Form form, long m, long n, long k) {
        var isLarge = Math.min(Math.min(m, n), k) >= SMALLEST_SIDE
                && (form != Form.WEIGHTS || Math.max(m, n) >= LARGE_WEIGHT);
        return switch (gemm) {
            // To look for it opens jars, so a program without large products does not.
            case FASTEST -> (f64 || isLarge) && Natives.hasOpenBlas();
            case OPENBLAS -> true;
            case PANAMBA -> false;
        };
    }

    private List<Step> openBlas(Form form, Value c, Value a, Value b, long m, long n, long k, boolean accumulate) {
        Natives.loadOpenBlas();
        var transA = form == Form.WEIGHTS;
        var transB = form == Form.FORWARD;
        var cutsRows = n < WIDE * m;
        var side = cutsRows ? m : n;
        var units = Math.ceilDiv(side, UNIT);
        var parts = new Step.Gemm.Part[(int) Math.min(workers, units)];
        for (int i = 0; i < parts.length; i++) {
            var begin = Step.share(units, i, parts.length) * UNIT;
            var size = Math.min(side, Step.share(units, i + 1, parts.length) * UNIT) - begin;
            long row = cutsRows ? begin : 0;
            long column = cutsRows ? 0 : begin;
            parts[i] = new Step.Gemm.Part(
                    Math.toIntExact(cutsRows ? size : m),
                    Math.toIntExact(cutsRows ? n : size),
                    Math.toIntExact(k),
                    transA ? at(to.read(a), row) : at(to.read(a), row * a.stride()),
                    transB ? at(to.read(b), column * b.stride()) : at(to.read(b), column),
                    at(to.write(c), row * c.stride() + column));
        }
        return List.of(new Step.Gemm(
                f64,
                transA,
                transB,
                Math.toIntExact(a.stride()),
                Math.toIntExact(b.stride()),
                accumulate ? 1 : 0,
                Math.toIntExact(c.stride()),
                parts));
    }

    /** The address of an element. */
    private MemorySegment at(MemorySegment start, long element) {
        return MemorySegment.ofAddress(start.address() + element * (f64 ? Double.BYTES : Float.BYTES));
    }

    private List<Step> own(
            Form form,
            Value c,
            Value a,
            Value b,
            Value offset,
            long m,
            long n,
            long k,
            DType factors,
            boolean accumulate) {
        var block = pb_gemm_args.allocate(arena);
        pb_gemm_args.c(block, to.write(c));
        pb_gemm_args.scratch(block, scratch());
        pb_gemm_args.a(block, to.read(a));
        pb_gemm_args.b(block, to.read(b));
        pb_gemm_args.offset(block, to.read(offset));
        pb_gemm_args.c_stride(block, c.stride());
        pb_gemm_args.a_stride(block, a.stride());
        pb_gemm_args.b_stride(block, b.stride());
        pb_gemm_args.m(block, m);
        pb_gemm_args.n(block, n);
        pb_gemm_args.k(block, k);
        pb_gemm_args.X(block, offset == null ? 1 : offset.shape().elements() - 1);
        pb_gemm_args.shares(block, workers);
        pb_gemm_args.trans_a(block, form == Form.WEIGHTS ? 1 : 0);
        pb_gemm_args.trans_b(block, form == Form.FORWARD ? 1 : 0);
        pb_gemm_args.accumulate(block, accumulate ? 1 : 0);
        pb_gemm_args.sums(block, form == Form.WEIGHTS && offset != null ? 1 : 0);
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
