package dev.panamba.graph;

import dev.panamba.tensor.DType;

/**
 * The derivatives. Gradients of parameters are added to, gradients of activations are assigned; where there is
 * {@code accumulate}, it says which. Shapes are those of the forward op; d in front of a name is the loss's gradient with respect to it.
 */
sealed interface GradientOp extends Op {

    /** Of {@link ForwardOp.Embedding}; dposition may be null. */
    record EmbeddingGrad(Value dtable, Value dposition, Value dx, Value token, long L) implements GradientOp {}

    /** Of {@link ForwardOp.LayerNorm} with respect to x. */
    record LayerNormGrad(Value dx, Value mean, Value rstd, Value dy, Value x, Value weight, boolean accumulate)
            implements GradientOp {}

    /** Of {@link ForwardOp.LayerNorm} with respect to its parameters. */
    record LayerNormWeightGrad(Value dweight, Value dbias, Value mean, Value rstd, Value dy, Value x)
            implements GradientOp {}

    /** Of {@link ForwardOp.RmsNorm} with respect to x. */
    record RmsNormGrad(Value dx, Value rstd, Value dy, Value x, Value weight, boolean accumulate)
            implements GradientOp {}

    /** Of {@link ForwardOp.RmsNorm} with respect to its weight. */
    record RmsNormWeightGrad(Value dweight, Value rstd, Value dy, Value x) implements GradientOp {}

    /** dx = dy weight. */
    record LinearGrad(Value dx, Value dy, Value weight, DType factors, boolean accumulate) implements GradientOp {}

    /** dweight = dy^T x. */
    record LinearWeightGrad(Value dweight, Value dy, Value x, DType factors, boolean accumulate)
            implements GradientOp {}

    /** dbias += sum over rows of dy. */
    record BiasGrad(Value dbias, Value dy) implements GradientOp {}

    /** Of {@link ForwardOp.Convolution}; dbias and dbefore [B, K-1, E] may be null. */
    record ConvolutionGrad(
            Value dx,
            Value dweight,
            Value dbias,
            Value dbefore,
            Value du,
            Value x,
            Value weight,
            Value bias,
            Value before,
            long B)
            implements GradientOp {}

    /**
     * Of {@link ForwardOp.Scan}: what is summed over channels or over sequences leaves in parts, dbcParts [blocks, T, 2N],
     * dALogParts [B, N, E], dSkipParts [B, E], dDtBiasParts [B, E]; dbefore [B, N, E] may be null.
     */
    record ScanGrad(
            Value du,
            Value dr,
            Value dz,
            Value dbcParts,
            Value dALogParts,
            Value dSkipParts,
            Value dDtBiasParts,
            Value dbefore,
            Value dg,
            ForwardOp.Scan of)
            implements GradientOp {}

    /** Adds up the blocks of channels of {@link ScanGrad}. */
    record ScanTokenGrad(Value db, Value dc, Value dbcParts, long E) implements GradientOp {}

    /** Adds up the sequences of {@link ScanGrad}. */
    record ScanWeightGrad(
            Value dALog, Value dSkip, Value dDtBias, Value dALogParts, Value dSkipParts, Value dDtBiasParts)
            implements GradientOp {}

    /** Of {@link ForwardOp.Attention} over one matrix qkv [T, 3D]. */
    record AttentionGrad(Value dqkv, Value lse, Value dy, Value y, Value qkv, long B, long H) implements GradientOp {}

    /** Of {@link ForwardOp.Route}: through the gate and through the balance loss, whose gradient is the number dbalance. */
    record RouteGrad(
            Value dlogits, Value probability, Value expert, Value load, Value dgate, double alpha, double dbalance)
            implements GradientOp {}

    /** dx[t] = dgrouped[row[t]], 0 where dropped. */
    record GatherGrad(Value dx, Value dgrouped, Value row) implements GradientOp {}

    /** Every expert's dx = dy weight on its own rows. */
    record ExpertLinearGrad(Value dx, Value dy, Value weight, Value offset, DType factors) implements GradientOp {}

    /** Every expert's dweight = dy^T x on its own rows. */
    record ExpertWeightGrad(Value dweight, Value dy, Value x, Value offset, DType factors, boolean accumulate)
            implements GradientOp {}

    /** dx = dy where y is above 0; offset may be null. */
    record ReluGrad(Value dx, Value dy, Value y, Value offset) implements GradientOp {}

    /** dgrouped[row[t]] = gate[t] dy[t], dgate[t] = dy[t] . grouped[row[t]]. */
    record ScatterGrad(Value dgrouped, Value dgate, Value dy, Value grouped, Value gate, Value row)
            implements GradientOp {}

    /** dlogits = scale (softmax(logits) - onehot(target)). */
    record CrossEntropyGrad(Value dlogits, Value lse, Value logits, Value target, double scale) implements GradientOp {}

    /** dx = dy: where an addition cannot hand its gradient on by name. */
    record Copy(Value dx, Value dy) implements GradientOp {}
}
