package dev.panamba.graph;

import dev.panamba.graph.ForwardOp.*;
import dev.panamba.tensor.DType;
import java.util.ArrayList;
import java.util.List;

/**
 * A program under construction: layers declare their parameters and emit ops here. Every method that emits an op returns its
 * first output; {@link #program} ends the construction.
 */
public final class Graph extends Values {
    private final List<Op> ops = new ArrayList<>();
    private final DType factors;

    /**
     * An empty program.
     *
     * @param real the type of weights and activations: F32, or F64 for gradient checks
     */
    public Graph(DType real) {
        this(real, real);
    }

    /**
     * An empty program whose large products may be of narrower numbers.
     *
     * @param real the type of weights and activations: F32, or F64 for gradient checks
     * @param factors real, or BF16: what large products round their factors to; sums stay real
     */
    public Graph(DType real, DType factors) {
        super(real);
        if (factors != real && factors != DType.BF16) {
            throw new IllegalArgumentException(
                    "What large products round their factors to is " + real + " or BF16, not " + factors + ".");
        }
        this.factors = factors;
    }

    /**
     * The program so far.
     *
     * @return an immutable copy
     */
    public Program program() {
        return new Program(ops, inputs(), outputs());
    }

    List<Op> ops() {
        return ops;
    }

    /**
     * Appends an op.
     *
     * @param op whose values come from this graph
     */
    public void add(Op op) {
        ops.add(op);
    }

    /**
     * Emits {@link Embedding}.
     *
     * @param token [T] I32
     * @param table [V, D]
     * @param position [P, D] or null
     * @param past [B] I32 or null
     * @param L tokens of a sequence
     * @return x [T, D]
     */
    public Value embedding(Value token, Value table, Value position, Value past, long L) {
        var x = activation("x", token.rows() * token.columns(), table.columns());
        add(new Embedding(x, token, table, position, past, L));
        return x;
    }

    /**
     * Emits {@link LayerNorm}.
     *
     * @param x [T, D]
     * @param weight [D]
     * @param bias [D]
     * @param eps added to the variance
     * @return y [T, D]
     */
    public Value layerNorm(Value x, Value weight, Value bias, double eps) {
        var y = activation("norm", x.rows(), x.columns());
        add(new LayerNorm(y, activation("mean", x.rows()), activation("rstd", x.rows()), x, weight, bias, eps));
        return y;
    }

    /**
     * Emits {@link RmsNorm}.
     *
     * @param x [T, D]
     * @param weight [D]
     * @param eps added to the mean square
     * @return y [T, D]
     */
    public Value rmsNorm(Value x, Value weight, double eps) {
        var y = activation("norm", x.rows(), x.columns());
        add(new RmsNorm(y, activation("rstd", x.rows()), x, weight, eps));
        return y;
    }

    /**
     * Emits {@link Linear}.
     *
     * @param x [T, I]
     * @param weight [O, I]
     * @param bias [O] or null
     * @return y [T, O]
     */
    public Value linear(Value x, Value weight, Value bias) {
        return linear(x, weight, bias, factors);
    }

    /**
     * Emits {@link Linear} without rounding, whatever the type of the graph's factors: for a router, where little decides
     * which way a token goes.
     *
     * @param x [T, I]
     * @param weight [O, I]
     * @return y [T, O]
     */
    public Value exactLinear(Value x, Value weight) {
        return linear(x, weight, null, real());
    }

    private Value linear(Value x, Value weight, Value bias, DType factors) {
        var y = activation("linear", x.rows(), weight.shape().dim(0));
        add(new Linear(y, x, weight, bias, factors));
        return y;
    }

    /**
     * Emits {@link Convolution}.
     *
     * @param x [T, E]
     * @param weight [E, K]
     * @param bias [E] or null
     * @param state [slots, K-1, E] read and written, or null
     * @param slot [B] I32 or null
     * @param B sequences
     * @return u [T, E]
     */
    public Value convolution(Value x, Value weight, Value bias, Value state, Value slot, long B) {
        var u = activation("u", x.rows(), x.columns());
        add(new Convolution(u, state, x, weight, bias, state, slot, B));
        return u;
    }

    /**
     * Emits {@link Scan}. Without a state it keeps what its derivative needs.
     *
     * @param u [T, E]
     * @param r [T, E]
     * @param z [T, E]
     * @param b [T, N]
     * @param c [T, N]
     * @param aLog [E, N]
     * @param skip [E]
     * @param dtBias [E]
     * @param state [slots, N, E] read and written, or null
     * @param slot [B] I32 or null
     * @param B sequences
     * @return g [T, E]
     */
    public Value scan(
            Value u,
            Value r,
            Value z,
            Value b,
            Value c,
            Value aLog,
            Value skip,
            Value dtBias,
            Value state,
            Value slot,
            long B) {
        var g = activation("g", u.rows(), u.columns());
        var chunks = state == null ? chunks(B, u.rows() / B, u.columns(), b.columns()) : null;
        add(new Scan(g, state, chunks, u, r, z, b, c, aLog, skip, dtBias, state, slot, B));
        return g;
    }

    /**
     * The states that {@link GradientOp.ScanGrad} starts from.
     *
     * @param B sequences
     * @param L tokens of a sequence
     * @param E channels
     * @param N state size
     * @return [B, ceil(L / chunk), N, E]
     */
    public Value chunks(long B, long L, long E, long N) {
        return activation("chunks", B, Math.ceilDiv(L, Shapes.CHUNK), N, E);
    }

    /**
     * Emits {@link Rope}.
     *
     * @param qkv [T, 3D]
     * @param past [B] I32 or null
     * @param L tokens of a sequence
     * @param H heads
     * @return y [T, 3D]
     */
    public Value rope(Value qkv, Value past, long L, long H) {
        var y = like("rope", qkv);
        add(new Rope(y, qkv, past, L, H, 1));
        return y;
    }

    /**
     * Emits {@link Attention} of sequences among themselves.
     *
     * @param qkv [T, 3D]
     * @param B sequences
     * @param H heads
     * @return y [T, D]
     */
    public Value attention(Value qkv, long B, long H) {
        var D = qkv.columns() / 3;
        var y = activation("attention", qkv.rows(), D);
        add(new Attention(
                y,
                activation("lse", B, H, qkv.rows() / B),
                columns(qkv, 0, D),
                columns(qkv, D, D),
                columns(qkv, 2 * D, D),
                null,
                null,
                B,
                H));
        return y;
    }

    /**
     * Emits {@link CacheAppend} and {@link Attention} over a cache.
     *
     * @param qkv [T, 3D]
     * @param cache [slots, P, 2D]
     * @param past [B] I32
     * @param slot [B] I32
     * @param B sequences
     * @param H heads
     * @return y [T, D]
     */
    public Value cachedAttention(Value qkv, Value cache, Value past, Value slot, long B, long H) {
        var D = qkv.columns() / 3;
        add(new CacheAppend(cache, qkv, past, slot, qkv.rows() / B));
        var y = activation("attention", qkv.rows(), D);
        add(new Attention(y, null, columns(qkv, 0, D), columns(cache, 0, D), columns(cache, D, D), past, slot, B, H));
        return y;
    }

    /**
     * Emits {@link Route}.
     *
     * @param logits [T, X]
     * @param C tokens that an expert takes at most
     * @param alpha weight of the balance loss
     * @return the op: its values are what the expert layers need
     */
    public Route route(Value logits, long C, double alpha) {
        long T = logits.rows();
        long X = logits.columns();
        var route = new Route(
                activation("probability", T, X),
                activation("gate", T),
                integers("expert", T),
                integers("load", X),
                integers("offset", X + 1),
                integers("row", T),
                integers("token", T),
                activation("balance", 1),
                logits,
                C,
                alpha);
        add(route);
        return route;
    }

    /**
     * Emits {@link Gather}.
     *
     * @param x [T, D]
     * @param route who goes where
     * @return grouped [T, D]
     */
    public Value gather(Value x, Route route) {
        var grouped = activation("grouped", x.rows(), x.columns());
        add(new Gather(grouped, x, route.token(), route.offset(), route.row()));
        return grouped;
    }

    /**
     * Emits {@link ExpertLinear}.
     *
     * @param x [T, I] grouped
     * @param weight [X, O, I]
     * @param route who goes where
     * @return y [T, O] grouped
     */
    public Value expertLinear(Value x, Value weight, Route route) {
        var y = activation("experts", x.rows(), weight.shape().dim(1));
        add(new ExpertLinear(y, x, weight, route.offset(), factors));
        return y;
    }

    /**
     * Emits {@link Relu}.
     *
     * @param x [T, F]
     * @param route where only grouped rows count, or null
     * @return y [T, F]
     */
    public Value relu(Value x, Route route) {
        var y = like("relu", x);
        add(new Relu(y, x, route == null ? null : route.offset()));
        return y;
    }

    /**
     * Emits {@link Scatter}.
     *
     * @param grouped [T, D]
     * @param route who goes where
     * @return y [T, D]
     */
    public Value scatter(Value grouped, Route route) {
        var y = like("scatter", grouped);
        add(new Scatter(y, grouped, route.gate(), route.row()));
        return y;
    }

    /**
     * Emits {@link Add}.
     *
     * @param a any dense shape
     * @param b the same shape
     * @return y
     */
    public Value add(Value a, Value b) {
        var y = like("sum", a);
        add(new Add(y, a, b));
        return y;
    }

    /**
     * Emits {@link CrossEntropy}.
     *
     * @param logits [T, V]
     * @param target [T] I32
     * @return loss [T]
     */
    public Value crossEntropy(Value logits, Value target) {
        var loss = activation("loss", logits.rows());
        add(new CrossEntropy(loss, activation("lse", logits.rows()), logits, target));
        return loss;
    }

    /**
     * Emits {@link Mean}.
     *
     * @param x dense
     * @return mean [1]
     */
    public Value mean(Value x) {
        var mean = activation("mean", 1);
        add(new Mean(mean, x));
        return mean;
    }
}
