package dev.panamba.graph;

import dev.panamba.tensor.DType;

/** The ops of a model's forward pass; each has a derivative in {@link Backward}. A component that may be null says so. */
public sealed interface ForwardOp extends Op {

    /**
     * x[t] = table[token[t]] + position[past[b] + t mod L].
     *
     * @param x [T, D]
     * @param token [T] I32
     * @param table [V, D]
     * @param position [P, D] or null
     * @param past [B] I32, or null for zeros
     * @param L tokens of a sequence
     */
    record Embedding(Value x, Value token, Value table, Value position, Value past, long L) implements ForwardOp {}

    /**
     * y = (x - mean) rstd weight + bias.
     *
     * @param y [T, D]
     * @param mean [T], saved
     * @param rstd [T], saved
     * @param x [T, D]
     * @param weight [D]
     * @param bias [D]
     * @param eps added to the variance
     */
    record LayerNorm(Value y, Value mean, Value rstd, Value x, Value weight, Value bias, double eps)
            implements ForwardOp {}

    /**
     * y = x rstd weight.
     *
     * @param y [T, D]
     * @param rstd [T], saved
     * @param x [T, D]
     * @param weight [D]
     * @param eps added to the mean square
     */
    record RmsNorm(Value y, Value rstd, Value x, Value weight, double eps) implements ForwardOp {}

    /**
     * y = x weight^T + bias.
     *
     * @param y [T, O]
     * @param x [T, I], a window of columns is fine
     * @param weight [O, I]
     * @param bias [O] or null
     * @param factors the type of x, or BF16: what is multiplied is rounded to it first, here and in the derivatives
     */
    record Linear(Value y, Value x, Value weight, Value bias, DType factors) implements ForwardOp {}

    /**
     * Causal depthwise convolution, then SiLU.
     *
     * @param u [T, E]
     * @param after [slots, K-1, E] last inputs, or null
     * @param x [T, E], a window of columns is fine
     * @param weight [E, K]
     * @param bias [E] or null
     * @param before [slots, K-1, E] inputs before the first, or null for zeros
     * @param slot [B] I32 which state a sequence has, or null for its own number
     * @param B sequences
     */
    record Convolution(Value u, Value after, Value x, Value weight, Value bias, Value before, Value slot, long B)
            implements ForwardOp {}

    /**
     * The selective scan with softplus, skip and gate.
     *
     * @param g [T, E]
     * @param after [slots, N, E] last states, or null
     * @param chunks [B, ceil(L / chunk), N, E] states that backward starts from, or null
     * @param u [T, E]
     * @param r [T, E] delta before bias and softplus
     * @param z [T, E] the gate's input, a window of columns is fine
     * @param b [T, N], a window of columns is fine
     * @param c [T, N], with b's stride
     * @param aLog [E, N]
     * @param skip [E]
     * @param dtBias [E]
     * @param before [slots, N, E] states before the first token, or null for zeros
     * @param slot [B] I32 which state a sequence has, or null for its own number
     * @param B sequences
     */
    record Scan(
            Value g,
            Value after,
            Value chunks,
            Value u,
            Value r,
            Value z,
            Value b,
            Value c,
            Value aLog,
            Value skip,
            Value dtBias,
            Value before,
            Value slot,
            long B)
            implements ForwardOp {}

    /**
     * Rotary positions of the first two thirds of the columns.
     *
     * @param y [T, 3D]
     * @param x [T, 3D]
     * @param past [B] I32, or null for zeros
     * @param L tokens of a sequence
     * @param H heads
     * @param direction 1, or -1 for the derivative
     */
    record Rope(Value y, Value x, Value past, long L, long H, int direction) implements ForwardOp {}

    /**
     * Writes the new tokens' keys and values behind those a sequence has already.
     *
     * @param cache [slots, P, 2D]
     * @param qkv [T, 3D]
     * @param past [B] I32
     * @param slot [B] I32
     * @param L tokens of a sequence
     */
    record CacheAppend(Value cache, Value qkv, Value past, Value slot, long L) implements ForwardOp {}

    /**
     * Causal attention.
     *
     * @param y [T, D]
     * @param lse [B, H, L] saved, or null
     * @param q [T, D], a window of columns
     * @param k [rows, D], a window of columns: of the same matrix as q, or of a cache
     * @param v [rows, D], with k's stride
     * @param past [B] I32, or null for zeros
     * @param slot [B] I32, or null for the sequence's own number
     * @param B sequences
     * @param H heads
     */
    record Attention(Value y, Value lse, Value q, Value k, Value v, Value past, Value slot, long B, long H)
            implements ForwardOp {}

    /**
     * Top-1 routing: softmax, choice, grouping with truncation, balance loss.
     *
     * @param probability [T, X] saved
     * @param gate [T] probability of the chosen expert
     * @param expert [T] I32
     * @param load [X] I32 tokens that chose an expert, before dropping
     * @param offset [X + 1] I32 first grouped row of an expert; the last entry counts the kept tokens
     * @param row [T] I32 grouped row of a token, -1 where dropped
     * @param token [T] I32 token of a grouped row
     * @param balance [1] alpha X sum_e load_e/T mean_t probability_te
     * @param logits [T, X]
     * @param C tokens that an expert takes at most
     * @param alpha weight of the balance loss
     */
    record Route(
            Value probability,
            Value gate,
            Value expert,
            Value load,
            Value offset,
            Value row,
            Value token,
            Value balance,
            Value logits,
            long C,
            double alpha)
            implements ForwardOp {}

    /**
     * grouped[i] = x[token[i]] for the kept tokens.
     *
     * @param grouped [T, D]
     * @param x [T, D]
     * @param token [T] I32
     * @param offset [X + 1] I32
     * @param row [T] I32, what backward reads
     */
    record Gather(Value grouped, Value x, Value token, Value offset, Value row) implements ForwardOp {}

    /**
     * Every expert's matrix product on its own rows.
     *
     * @param y [T, O]
     * @param x [T, I]
     * @param weight [X, O, I]
     * @param offset [X + 1] I32
     * @param factors as in {@link Linear}
     */
    record ExpertLinear(Value y, Value x, Value weight, Value offset, DType factors) implements ForwardOp {}

    /**
     * y = max(x, 0).
     *
     * @param y [T, F]
     * @param x [T, F]
     * @param offset [X + 1] I32 where only kept rows count, or null for all
     */
    record Relu(Value y, Value x, Value offset) implements ForwardOp {}

    /**
     * y[t] = gate[t] grouped[row[t]], 0 where dropped.
     *
     * @param y [T, D]
     * @param grouped [T, D]
     * @param gate [T]
     * @param row [T] I32
     */
    record Scatter(Value y, Value grouped, Value gate, Value row) implements ForwardOp {}

    /**
     * y = a + b.
     *
     * @param y any dense shape; may be a
     * @param a the same shape
     * @param b the same shape
     */
    record Add(Value y, Value a, Value b) implements ForwardOp {}

    /**
     * loss[t] = log sum_v exp(logits[t, v]) - logits[t, target[t]], in nats; 0 where the target is -1.
     *
     * @param loss [T]
     * @param lse [T] saved
     * @param logits [T, V]
     * @param target [T] I32
     */
    record CrossEntropy(Value loss, Value lse, Value logits, Value target) implements ForwardOp {}

    /**
     * The mean of all elements.
     *
     * @param mean [1]
     * @param x dense
     */
    record Mean(Value mean, Value x) implements ForwardOp {}
}
