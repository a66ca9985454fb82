package dev.panamba.graph;

import static dev.panamba.graph.ForwardOp.*;
import static dev.panamba.graph.GradientOp.*;

import dev.panamba.tensor.DType;

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
            case Convolution o -> new Cost(0, elements(o.u()), touched(o) + states(o.after(), o.before(), o.B()));
            case ConvolutionGrad o -> functions(o, o.du(), 2);
            case Scan o ->
                new Cost(0, elements(o.g()) * (o.b().columns() + 3), touched(o) + states(o.after(), o.before(), o.B()));
            case ScanGrad o -> functions(o, o.dg(), 3 * (o.of().b().columns() + 3));
            // Every query may meet every key; a cache is read as far as it is filled, which is not known here.
            case Attention o -> new Cost(2 * elements(o.y()) * keys(o), 0, 2.0 * o.y().bytes());
            case AttentionGrad o -> new Cost(6 * elements(o.y()) * o.y().rows() / o.B(), 0, 2.0 * o.y().bytes());
            case Route o -> functions(o, o.logits(), 1);
            case CrossEntropy o -> functions(o, o.logits(), 1);
            case CrossEntropyGrad o -> functions(o, o.logits(), 1);
            default -> new Cost(0, 0, touched(op));
        };
    }

    /**
     * What an op's products round their factors to.
     *
     * @param op any op
     * @return a type, F32 also where there are no products
     */
    static DType factors(Op op) {
        return switch (op) {
            case Linear o -> o.factors();
            case LinearGrad o -> o.factors();
            case LinearWeightGrad o -> o.factors();
            case ExpertLinear o -> o.factors();
            case ExpertLinearGrad o -> o.factors();
            case ExpertWeightGrad o -> o.factors();
            default -> DType.F32;
        };
    }

    private static long keys(Attention o) {
        var root = o.k().root();
        return root.shape().rank() == 3 ? root.shape().dim(1) : o.y().rows() / o.B();
    }

    private static Cost functions(Op op, Value each, long several) {
        return new Cost(0, elements(each) * several, touched(op));
    }

    /** Of two matrices with the same number of rows. */
    private static Cost product(Op op, Value a, Value b) {
        return new Cost(elements(a) * b.columns(), 0, touched(op));
    }

    /** Few tokens reach few experts, and only their weights are read. */
    private static Cost experts(Op op, Value a, Value b, Value weight) {
        var idle = 1 - Math.min(1, (double) a.rows() / weight.shape().dim(0));
        return new Cost(elements(a) * b.columns(), 0, touched(op) - idle * weight.bytes());
    }

    private static double elements(Value value) {
        return value.shape().elements();
    }

    /** Of all slots those of the sessions. */
    private static double states(Value after, Value before, long B) {
        return (slot(after) + slot(before)) * B;
    }

    private static double slot(Value state) {
        return state == null ? 0 : (double) state.bytes() / state.shape().dim(0);
    }

    /** Everything but states, of which an op touches the slots of its sessions only. */
    private static double touched(Op op) {
        var uses = Uses.of(op);
        return bytes(uses.reads()) + bytes(uses.writes());
    }

    private static double bytes(Iterable<Value> values) {
        double bytes = 0;
        for (var value : values) {
            bytes += value.role() == Role.STATE ? 0 : value.bytes();
        }
        return bytes;
    }
}
