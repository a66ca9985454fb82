package dev.panamba.graph;

import dev.panamba.bindings.kernels.panamba_h;
import dev.panamba.graph.ForwardOp.*;
import dev.panamba.graph.GradientOp.*;
import dev.panamba.graph.UpdateOp.*;
import dev.panamba.tensor.DType;
import dev.panamba.tensor.Shape;
import java.util.Arrays;
import java.util.stream.Collectors;

/**
 * Which shapes fit together, op by op: checked once when a program is bound, since native code believes what it is told.
 */
final class Shapes {
    /** Tokens between two kept states of the scan. */
    static final long CHUNK = panamba_h.PB_CHUNK();
    /** Channels of one item of the scan's range. */
    static final long BLOCK = panamba_h.PB_BLOCK();
    /** Channels of one item of the convolution's range. */
    static final long LANES = panamba_h.PB_LANES();
    /** Elements of one partial sum of squares. */
    static final long NORM_BLOCK = panamba_h.PB_NORM_BLOCK();

    private final Op op;

    private Shapes(Op op) {
        this.op = op;
    }

    /**
     * Checks an op.
     *
     * @param op any op
     * @throws IllegalArgumentException with the op, the value and the shape it should have
     */
    static void check(Op op) {
        var shapes = new Shapes(op);
        switch (op) {
            case ForwardOp o -> shapes.forward(o);
            case GradientOp o -> shapes.gradient(o);
            case SquaredNorm o -> {
                shapes.dense(o.x());
                shapes.typed(
                        o.parts(), DType.F64, SquaredNorm.parts(o.x().shape().elements()));
            }
            case Quantise o -> {
                shapes.weight(o.weight(), o.weight().shape().dims());
                shapes.is(o.w(), o.weight().shape().dims());
            }
            case AdamW o -> {
                shapes.same(o.parameter(), o.m(), o.v(), o.gradient());
                shapes.typed(o.step(), DType.F64, AdamW.FIELDS);
                shapes.integers(o.kept(), o.parameter().shape().dim(0));
            }
        }
    }

    private void forward(ForwardOp op) {
        switch (op) {
            case Embedding o -> {
                long T = o.token().shape().elements();
                long D = o.table().columns();
                weight(o.table(), o.table().rows(), D);
                multiple(T, o.L(), "tokens", "sequence length");
                integers(o.token(), T);
                matrix(o.x(), T, D);
                is(o.position(), o.position() == null ? 0 : o.position().rows(), D);
                integers(o.past(), T / o.L());
            }
            case LayerNorm o -> {
                norm(o.y(), o.rstd(), o.x(), o.weight());
                is(o.mean(), o.x().rows());
                is(o.bias(), o.x().columns());
            }
            case RmsNorm o -> norm(o.y(), o.rstd(), o.x(), o.weight());
            case Linear o -> {
                linear(o.y(), o.x(), o.weight());
                is(o.bias(), o.y().columns());
            }
            case Convolution o -> {
                dense(o.u());
                matrix(o.x(), o.u().rows(), o.u().columns());
                convolution(o.u().rows(), o.u().columns(), o.weight(), o.bias(), o.before(), o.B());
                same(o.after(), o.before());
                integers(o.slot(), o.B());
            }
            case Scan o -> {
                long N = o.b().columns();
                long E = o.u().columns();
                matrix(o.g(), o.u().rows(), E);
                dense(o.g());
                scan(o);
                is(o.chunks(), o.B(), Math.ceilDiv(o.u().rows() / o.B(), CHUNK), N, E);
                states(o.before(), N, E);
                states(o.after(), N, E);
                integers(o.slot(), o.B());
            }
            case Rope o -> {
                dense(o.x());
                same(o.y(), o.x());
                multiple(o.x().rows(), o.L(), "tokens", "sequence length");
                multiple(o.x().columns(), 3 * o.H(), "q, k and v", "heads");
                integers(o.past(), o.x().rows() / o.L());
            }
            case CacheAppend o -> {
                long D = o.qkv().columns() / 3;
                dense(o.qkv());
                states(o.cache(), o.cache().shape().dim(1), 2 * D);
                integers(o.past(), o.qkv().rows() / o.L());
                integers(o.slot(), o.qkv().rows() / o.L());
            }
            case Attention o -> {
                long D = o.q().columns();
                multiple(o.q().rows(), o.B(), "tokens", "sequences");
                multiple(D, o.H(), "columns", "heads");
                matrix(o.y(), o.q().rows(), D);
                dense(o.y());
                is(o.lse(), o.B(), o.H(), o.q().rows() / o.B());
                matrix(o.k(), o.k().rows(), D);
                matrix(o.v(), o.k().rows(), D);
                require(o.k().stride() == o.v().stride(), "keys and values have different strides");
                require(o.slot() != null || o.k().rows() == o.q().rows(), "keys without a cache, not one for a query");
                integers(o.past(), o.B());
                integers(o.slot(), o.B());
            }
            case Route o -> {
                long T = o.logits().rows();
                long X = o.logits().columns();
                dense(o.logits());
                is(o.probability(), T, X);
                is(o.gate(), T);
                is(o.balance(), 1);
                integers(o.expert(), T);
                integers(o.load(), X);
                integers(o.offset(), X + 1);
                integers(o.row(), T);
                integers(o.token(), T);
                require(o.C() >= 0, "a negative capacity");
            }
            case Gather o -> {
                same(o.grouped(), o.x());
                integers(o.token(), o.x().rows());
                integers(o.row(), o.x().rows());
            }
            case ExpertLinear o -> experts(o.y(), o.x(), o.weight(), o.offset());
            case Relu o -> same(o.y(), o.x());
            case Scatter o -> {
                same(o.y(), o.grouped());
                is(o.gate(), o.y().rows());
                integers(o.row(), o.y().rows());
            }
            case Add o -> same(o.y(), o.a(), o.b());
            case CrossEntropy o -> loss(o.logits(), o.lse(), o.target(), o.loss());
            case Mean o -> {
                dense(o.x());
                is(o.mean(), 1);
            }
        }
    }

    private void gradient(GradientOp op) {
        switch (op) {
            case EmbeddingGrad o -> {
                dense(o.dx());
                multiple(o.dx().rows(), o.L(), "tokens", "sequence length");
                integers(o.token(), o.dx().rows());
                matrix(o.dtable(), o.dtable().rows(), o.dx().columns());
                is(o.dposition(), o.dposition() == null ? 0 : o.dposition().rows(), o.dx().columns());
            }
            case LayerNormGrad o -> {
                norm(o.dx(), o.rstd(), o.x(), o.weight());
                is(o.mean(), o.x().rows());
                same(o.dy(), o.x());
            }
            case LayerNormWeightGrad o -> {
                norm(o.dy(), o.rstd(), o.x(), o.dweight());
                is(o.mean(), o.x().rows());
                is(o.dbias(), o.x().columns());
            }
            case RmsNormGrad o -> {
                norm(o.dx(), o.rstd(), o.x(), o.weight());
                same(o.dy(), o.x());
            }
            case RmsNormWeightGrad o -> norm(o.dy(), o.rstd(), o.x(), o.dweight());
            case LinearGrad o -> linear(o.dy(), o.dx(), real(o.weight()));
            case LinearWeightGrad o -> linear(o.dy(), o.x(), real(o.dweight()));
            case BiasGrad o -> {
                dense(o.dy());
                is(o.dbias(), o.dy().columns());
            }
            case ConvolutionGrad o -> {
                dense(o.du());
                matrix(o.x(), o.du().rows(), o.du().columns());
                matrix(o.dx(), o.du().rows(), o.du().columns());
                convolution(o.du().rows(), o.du().columns(), o.weight(), o.bias(), o.before(), o.B());
                same(o.dweight(), o.weight());
                is(o.dbias(), o.du().columns());
                is(o.dbefore(), o.B(), o.weight().columns() - 1, o.du().columns());
            }
            case ScanGrad o -> {
                long T = o.of().u().rows();
                long E = o.of().u().columns();
                long N = o.of().b().columns();
                require(o.of().chunks() != null, "a scan that kept no states");
                same(o.of().u(), o.du(), o.dr(), o.dg());
                matrix(o.dz(), T, E);
                is(o.dbcParts(), Math.ceilDiv(E, BLOCK), T, 2 * N);
                is(o.dALogParts(), o.of().B(), N, E);
                is(o.dSkipParts(), o.of().B(), E);
                is(o.dDtBiasParts(), o.of().B(), E);
                is(o.dbefore(), o.of().B(), N, E);
            }
            case ScanTokenGrad o -> {
                matrix(o.dc(), o.db().rows(), o.db().columns());
                require(o.db().stride() == o.dc().stride(), "dB and dC have different strides");
                is(o.dbcParts(), Math.ceilDiv(o.E(), BLOCK), o.db().rows(), 2 * o.db().columns());
            }
            case ScanWeightGrad o -> {
                long E = o.dALog().rows();
                long B = o.dSkipParts().rows();
                is(o.dSkip(), E);
                is(o.dDtBias(), E);
                is(o.dALogParts(), B, o.dALog().columns(), E);
                is(o.dSkipParts(), B, E);
                is(o.dDtBiasParts(), B, E);
            }
            case AttentionGrad o -> {
                same(o.dqkv(), o.qkv());
                same(o.dy(), o.y());
                matrix(o.qkv(), o.y().rows(), 3 * o.y().columns());
                multiple(o.y().rows(), o.B(), "tokens", "sequences");
                multiple(o.y().columns(), o.H(), "columns", "heads");
                is(o.lse(), o.B(), o.H(), o.y().rows() / o.B());
            }
            case RouteGrad o -> {
                same(o.dlogits(), o.probability());
                integers(o.expert(), o.probability().rows());
                integers(o.load(), o.probability().columns());
                is(o.dgate(), o.probability().rows());
            }
            case GatherGrad o -> {
                same(o.dx(), o.dgrouped());
                integers(o.row(), o.dx().rows());
            }
            case ExpertLinearGrad o -> experts(o.dy(), o.dx(), real(o.weight()), o.offset());
            case ExpertWeightGrad o -> experts(o.dy(), o.x(), real(o.dweight()), o.offset());
            case ReluGrad o -> same(o.dx(), o.dy(), o.y());
            case ScatterGrad o -> {
                same(o.dgrouped(), o.dy(), o.grouped());
                is(o.dgate(), o.dy().rows());
                is(o.gate(), o.dy().rows());
                integers(o.row(), o.dy().rows());
            }
            case CrossEntropyGrad o -> {
                same(o.dlogits(), o.logits());
                loss(o.logits(), o.lse(), o.target(), o.lse());
            }
            case Copy o -> same(o.dx(), o.dy());
        }
    }

    private void norm(Value y, Value rstd, Value x, Value weight) {
        same(y, x);
        is(rstd, x.rows());
        is(weight, x.columns());
    }

    private void linear(Value y, Value x, Value weight) {
        weight(weight, y.columns(), x.columns());
        matrix(x, y.rows(), x.columns());
        matrix(y, x.rows(), y.columns());
    }

    private void experts(Value y, Value x, Value weight, Value offset) {
        require(weight.shape().rank() == 3, weight, " is not the weight of experts");
        long X = weight.shape().dim(0);
        long O = weight.shape().dim(1);
        weight(weight, X, O, x.columns());
        dense(x);
        dense(y);
        matrix(y, x.rows(), O);
        integers(offset, X + 1);
    }

    private void convolution(long T, long E, Value weight, Value bias, Value before, long B) {
        long K = weight.columns();
        multiple(T, B, "tokens", "sequences");
        require(K >= 1 && K <= panamba_h.PB_MAX_CONV(), "a convolution of width ", K);
        matrix(weight, E, K);
        is(bias, E);
        states(before, K - 1, E);
    }

    private void scan(Scan o) {
        long T = o.u().rows();
        long E = o.u().columns();
        long N = o.b().columns();
        multiple(T, o.B(), "tokens", "sequences");
        require(N >= 1 && N <= panamba_h.PB_MAX_STATE(), "a state of ", N);
        same(o.u(), o.r());
        matrix(o.z(), T, E);
        matrix(o.b(), T, N);
        matrix(o.c(), T, N);
        require(o.b().stride() == o.c().stride(), "B and C have different strides");
        is(o.aLog(), E, N);
        is(o.skip(), E);
        is(o.dtBias(), E);
    }

    private void loss(Value logits, Value lse, Value target, Value loss) {
        dense(logits);
        real(logits);
        typed(lse, logits.type(), logits.rows());
        typed(loss, logits.type(), logits.rows());
        integers(target, logits.rows());
    }

    private void states(Value state, long rows, long columns) {
        if (state != null) {
            is(state, state.shape().dim(0), rows, columns);
        }
    }

    private void matrix(Value value, long rows, long columns) {
        require(value.rows() == rows && value.columns() == columns, value, " is not [", rows, ", ", columns, "]");
        real(value);
    }

    private void is(Value value, long... dims) {
        if (value != null) {
            shaped(value, dims);
            real(value);
        }
    }

    /** In any format. */
    private void weight(Value value, long... dims) {
        shaped(value, dims);
        require(Lowering.FORMATS.contains(value.type()), value, " is ", value.type());
    }

    private void shaped(Value value, long... dims) {
        var shape = Shape.of(dims);
        require(value.shape().equals(shape), value, " is not ", shape);
        dense(value);
    }

    private void integers(Value value, long count) {
        typed(value, DType.I32, count);
    }

    private void typed(Value value, DType type, long count) {
        if (value != null) {
            var fits = value.type() == type && value.shape().elements() == count;
            require(fits, value, " is ", value.type(), ", not ", type, " with ", count, " elements");
            dense(value);
        }
    }

    private void same(Value... values) {
        Value first = null;
        for (var value : values) {
            if (value != null) {
                first = first == null ? value : first;
                var like = value.rows() == first.rows() && value.columns() == first.columns();
                require(like, value, " is not like ", first);
                dense(value);
                real(value);
            }
        }
    }

    private void dense(Value value) {
        require(value.dense(), value, " is a window of columns, and this op takes whole rows");
    }

    private Value real(Value value) {
        require(value.type() == DType.F32 || value.type() == DType.F64, value, " is ", value.type());
        return value;
    }

    private void multiple(long n, long of, String what, String ofWhat) {
        require(of > 0 && n % of == 0, n, " ", what, " do not divide into ", of, " (", ofWhat, ")");
    }

    /** The parts of the reason become a text when it is wanted: to write it for what fits took as long as all checks. */
    private void require(boolean fits, Object... why) {
        if (!fits) {
            var reason = Arrays.stream(why).map(Object::toString).collect(Collectors.joining());
            throw new IllegalArgumentException(op.getClass().getSimpleName() + ": " + reason + ".");
        }
    }
}
