package dev.panamba.graph;

/** Ops that prepare or change what others own: those of the optimiser, and what brings weights into a format. */
public sealed interface UpdateOp extends Op {

    /**
     * parts[i] = sum of squares of block i.
     *
     * @param parts F64 [ceil(count / block)]
     * @param x dense, count elements
     */
    record SquaredNorm(Value parts, Value x) implements UpdateOp {
        /**
         * Number of partial sums.
         *
         * @param count elements of x
         * @return blocks
         */
        public static long parts(long count) {
            return Math.ceilDiv(count, Shapes.NORM_BLOCK);
        }
    }

    /**
     * Rounds weights to a narrower format.
     *
     * @param weight BF16, INT8 or INT4
     * @param w the same shape, as computed with
     */
    record Quantise(Value weight, Value w) implements UpdateOp {}

    /**
     * One step of AdamW; sets the gradient to zero, for sums to come, unless what comes assigns it.
     *
     * @param parameter any shape
     * @param m first moment
     * @param v second moment
     * @param gradient loss's gradient
     * @param step F64 fields of {@code pb_adamw_step}
     * @param kept [X] I32 tokens that each expert of a parameter [X, ...] took; one without any stays as it is, and so do its
     *     moments. Or null: none rests
     * @param decay weight decay, 0 for none
     * @param assigned whether the next gradient is assigned
     */
    record AdamW(
            Value parameter, Value m, Value v, Value gradient, Value step, Value kept, double decay, boolean assigned)
            implements UpdateOp {
        /** Elements of step: lr, beta1, beta2, eps, 1 - beta1^t, 1 - beta2^t, scale of the gradients. */
        public static final long FIELDS = 7;
    }
}
