package dev.panamba.graph;

import dev.panamba.bindings.Kernels;
import dev.panamba.bindings.Pages;
import dev.panamba.bindings.kernels.*;
import dev.panamba.graph.UpdateOp.*;
import dev.panamba.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/** From ops to bound steps: an op's values become pointers in an argument block, written once. */
final class Lowering {
    /** The types that a weight can have. */
    static final Set<DType> FORMATS = EnumSet.of(DType.F32, DType.F64, DType.BF16, DType.INT8, DType.INT4);

    private final Arena arena;
    private final Memory memory;
    private final Kernels.Library library;
    private final boolean f64;
    private final GemmLowering gemms;
    private MemorySegment groups = MemorySegment.NULL;

    Lowering(Arena arena, Memory memory, DType real, int workers, Gemm gemm) {
        this.arena = arena;
        this.memory = memory;
        this.f64 = real == DType.F64;
        this.gemms = new GemmLowering(this, arena, f64, workers, gemm);
        this.library = f64 ? Kernels.f64() : Kernels.f32();
    }

    /**
     * Binds an op.
     *
     * @param op checked before
     * @return steps to run one after the other
     */
    List<Step> lower(Op op) {
        return switch (op) {
            case ForwardOp forward -> new ForwardLowering(this).lower(forward);
            case GradientOp gradient -> new GradientLowering(this).lower(gradient);
            case SquaredNorm o -> {
                var a = pb_squared_norm_args.allocate(arena);
                pb_squared_norm_args.parts(a, write(o.parts()));
                pb_squared_norm_args.x(a, read(o.x()));
                pb_squared_norm_args.count(a, o.x().shape().elements());
                yield kernel("pb_squared_norm", a, o.parts().shape().elements());
            }
            case Quantise o -> {
                var a = pb_quantise_args.allocate(arena);
                pb_quantise_args.weight(a, write(o.weight()));
                pb_quantise_args.w(a, read(o.w()));
                var O = o.w().shape().dim(o.w().shape().rank() - 2);
                pb_quantise_args.O(a, O);
                pb_quantise_args.I(a, o.w().columns());
                pb_quantise_args.format(a, format(o.weight()));
                yield kernel("pb_quantise", a, o.w().rows() / O * Math.ceilDiv(O, panamba_h.PB_TILE()));
            }
            case AdamW o -> {
                var a = pb_adamw_args.allocate(arena);
                pb_adamw_args.parameter(a, write(o.parameter()));
                pb_adamw_args.m(a, write(o.m()));
                pb_adamw_args.v(a, write(o.v()));
                pb_adamw_args.gradient(a, write(o.gradient()));
                pb_adamw_args.step(a, read(o.step()));
                pb_adamw_args.kept(a, read(o.kept()));
                var X = o.kept() == null ? 1 : o.kept().columns();
                var count = o.parameter().shape().elements() / X;
                pb_adamw_args.X(a, X);
                pb_adamw_args.count(a, count);
                pb_adamw_args.assigned(a, o.assigned() ? 1 : 0);
                pb_adamw_args.decay(a, o.decay());
                yield kernel("pb_adamw", a, count);
            }
        };
    }

    /** A type as the kernels know it. */
    static int format(Value weight) {
        return switch (weight.type()) {
            case BF16 -> panamba_h.PB_BF16();
            case INT8 -> panamba_h.PB_INT8();
            case INT4 -> panamba_h.PB_INT4();
            default -> panamba_h.PB_AS_REAL();
        };
    }

    /** Room for numbers as they are computed with. An arena would write zeros into it first, which the system has done. */
    MemorySegment reals(long count) {
        return Pages.map(count * (f64 ? Double.BYTES : Float.BYTES), arena);
    }

    /** Room for a token's groups; steps run one after the other and share it. */
    MemorySegment groups(long bytes) {
        if (groups.byteSize() < bytes) {
            groups = arena.allocate(bytes, 64);
        }
        return groups;
    }

    GemmLowering gemms() {
        return gemms;
    }

    Arena arena() {
        return arena;
    }

    MemorySegment read(Value value) {
        return memory.read(value);
    }

    MemorySegment write(Value value) {
        return memory.write(value);
    }

    MemorySegment segment(Value value) {
        return memory.segment(value);
    }

    /** The argument block becomes a bare address: a checked call would count threads in and out of the arena. */
    List<Step> kernel(String name, MemorySegment args, long items) {
        return List.of(new Step.Kernel(library.find(name), MemorySegment.ofAddress(args.address()), items));
    }

    /** Address of the number of kept rows, which ends the experts' offsets. */
    MemorySegment kept(Value offset) {
        return offset == null
                ? MemorySegment.NULL
                : MemorySegment.ofAddress(
                        read(offset).address() + (offset.shape().elements() - 1) * Integer.BYTES);
    }
}
