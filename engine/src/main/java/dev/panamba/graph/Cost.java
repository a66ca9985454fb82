package dev.panamba.graph;

import static dev.panamba.graph.ForwardOp.*;
import static dev.panamba.graph.GradientOp.*;

/**
 * How much work an op is: what a profile divides by its time, and from which it is told what is worth sharing among workers and
 * what is over before they have met.
 *
 * @param products multiplications with their additions
 * @param functions values of functions such as exp, which the scan and the activations are made of
 * @param bytes that are read or written at least once
 */
record Cost(double products, double functions, double bytes) {
    private static final double BYTES_PER_NANOSECOND = 20;
    private static final double PRODUCTS_PER_NANOSECOND = 20;
    private static final double FUNCTIONS_PER_NANOSECOND = 1.5;

    /** About how long it takes on one core. Only the magnitude counts. */
    double nanoseconds() {
        return Math.max(
                bytes / BYTES_PER_NANOSECOND,
                Math.max(products / PRODUCTS_PER_NANOSECOND, functions / FUNCTIONS_PER_NANOSECOND));
    }

    /**
     * Counts an op.
     *
     * @param op any op
     * @return its work
     */
    static Cost of(Op op) {
        return switch (op) {
            case Embedding o -> new Cost(0, 0, 2.0 * o.x().bytes());
            case CacheAppend o -> new Cost(0, 0, 2.0 * o.qkv().bytes());
            case Linear o -> product(o, o.x(), o.y());
            case LinearGrad o -> product(o, o.dy(), o.dx());
            case LinearWeightGrad o -> product(o, o.dy(), o.x());
            case ExpertLinear o -> experts(o, o.x(), o.y(), o.weight());
            case ExpertLinearGrad o -> experts(o, o.dy(), o.dx(), o.weight());
            case ExpertWeightGrad o -> product(o, o.dy(), o.x());
            case Convolution o -> functions(o, o.u(), 1);
            case ConvolutionGrad o -> functions(o, o.du(), 2);
            case Scan o -> functions(o, o.g(), o.b().columns() + 3);
            case ScanGrad o -> functions(o, o.dg(), 3 * (o.of().b().columns() + 3));
            // Every query may meet every key; a cache is read as far as it is filled, which is not known here.
            case Attention o -> new Cost(2.0 * o.y().shape().elements() * keys(o), 0, 2.0 * o.y().bytes());
            case AttentionGrad o ->
                new Cost(6.0 * o.y().shape().elements() * o.y().rows() / o.B(), 0, 2.0 * o.y().bytes());
            case Route o -> functions(o, o.logits(), 1);
            case CrossEntropy o -> functions(o, o.logits(), 1);
            case CrossEntropyGrad o -> functions(o, o.logits(), 1);
            default -> new Cost(0, 0, touched(op));
        };
    }

    private static long keys(Attention o) {
        var root = o.k().root();
        return root.shape().rank() == 3 ? root.shape().dim(1) : o.y().rows() / o.B();
    }

    private static Cost functions(Op op, Value each, long several) {
        return new Cost(0, (double) each.shape().elements() * several, touched(op));
    }

    /** Of two matrices with the same number of rows. */
    private static Cost product(Op op, Value a, Value b) {
        return new Cost((double) a.shape().elements() * b.columns(), 0, touched(op));
    }

    /** Few tokens reach few experts, and only their weights are read. */
    private static Cost experts(Op op, Value a, Value b, Value weight) {
        var idle = 1 - Math.min(1, (double) a.rows() / weight.shape().dim(0));
        return new Cost((double) a.shape().elements() * b.columns(), 0, touched(op) - idle * weight.bytes());
    }

    private static double touched(Op op) {
        double bytes = 0;
        var uses = Uses.of(op);
        for (var value : uses.reads()) {
            bytes += value.bytes();
        }
        for (var value : uses.writes()) {
            bytes += value.bytes();
        }
        return bytes;
    }
}
