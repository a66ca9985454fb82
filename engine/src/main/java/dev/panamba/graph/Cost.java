package dev.panamba.graph;

import static dev.panamba.graph.ForwardOp.*;
import static dev.panamba.graph.GradientOp.*;

/**
 * About how long an op takes on one core, to tell apart what is worth sharing among workers and what is over before they have
 * met. Only the magnitude counts.
 */
final class Cost {
    private static final double BYTES_PER_NANOSECOND = 20;
    private static final double PRODUCTS_PER_NANOSECOND = 20;
    /** Functions such as exp, which the scan and the activations are made of. */
    private static final double FUNCTIONS_PER_NANOSECOND = 1.5;

    private Cost() {}

    /**
     * Estimates an op.
     *
     * @param op any op
     * @return nanoseconds
     */
    static double nanoseconds(Op op) {
        return switch (op) {
            case Embedding o -> bytes(o.x());
            case CacheAppend o -> bytes(o.qkv());
            case Linear o -> Math.max(product(o.x(), o.y()), bytes(o.weight()));
            case LinearGrad o -> product(o.dy(), o.dx());
            case LinearWeightGrad o -> product(o.dy(), o.x());
            case ExpertLinear o ->
                Math.max(
                        product(o.x(), o.y()),
                        bytes(o.weight())
                                * Math.min(
                                        1,
                                        (double) o.x().rows()
                                                / o.weight().shape().dim(0)));
            case ExpertLinearGrad o -> product(o.dy(), o.dx());
            case ExpertWeightGrad o -> product(o.dy(), o.x());
            case Convolution o -> functions(o.u());
            case ConvolutionGrad o -> 2 * functions(o.du());
            case Scan o -> functions(o.g()) * (o.b().columns() + 3);
            case ScanGrad o -> 3 * functions(o.dg()) * (o.of().b().columns() + 3);
            // Every query may meet every key.
            case Attention o -> pairs(o.y(), keys(o));
            case AttentionGrad o -> 3 * pairs(o.y(), o.y().rows() / o.B());
            case Route o -> functions(o.logits());
            case CrossEntropy o -> functions(o.logits());
            case CrossEntropyGrad o -> functions(o.logits());
            default -> {
                double sum = 0;
                var uses = Uses.of(op);
                for (var value : uses.reads()) {
                    sum += bytes(value);
                }
                for (var value : uses.writes()) {
                    sum += bytes(value);
                }
                yield sum;
            }
        };
    }

    private static double bytes(Value value) {
        return value.bytes() / BYTES_PER_NANOSECOND;
    }

    private static double functions(Value value) {
        return value.shape().elements() / FUNCTIONS_PER_NANOSECOND;
    }

    private static long keys(Attention o) {
        var root = o.k().root();
        return root.shape().rank() == 3 ? root.shape().dim(1) : o.y().rows() / o.B();
    }

    private static double pairs(Value y, long keys) {
        return 2.0 * y.shape().elements() * keys / PRODUCTS_PER_NANOSECOND;
    }

    /** Of two matrices with the same number of rows. */
    private static double product(Value a, Value b) {
        return (double) a.shape().elements() * b.columns() / PRODUCTS_PER_NANOSECOND;
    }
}
