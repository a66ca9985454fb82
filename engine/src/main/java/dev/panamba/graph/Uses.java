package dev.panamba.graph;

import static dev.panamba.graph.ForwardOp.*;
import static dev.panamba.graph.GradientOp.*;
import static dev.panamba.graph.UpdateOp.*;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * What an op touches.
 *
 * @param writes values it writes
 * @param reads values it reads, including those that it adds to
 * @param inPlace inputs whose memory the first written value may take over, if their life ends here
 */
public record Uses(List<Value> writes, List<Value> reads, List<Value> inPlace) {

    /**
     * What an op touches.
     *
     * @param op any op
     * @return its uses, without nulls
     */
    public static Uses of(Op op) {
        return switch (op) {
            case ForwardOp forward -> of(forward);
            case GradientOp gradient -> of(gradient);
            case SquaredNorm o -> writes(o.parts()).reads(o.x());
            case Quantise o -> writes(o.weight()).reads(o.w());
            case AdamW o ->
                writes(o.parameter(), o.m(), o.v(), o.assigned() ? null : o.gradient())
                        .reads(o.parameter(), o.m(), o.v(), o.gradient(), o.step(), o.kept());
        };
    }

    private static Uses of(ForwardOp op) {
        return switch (op) {
            case Embedding o -> writes(o.x()).reads(o.token(), o.table(), o.position(), o.past());
            case LayerNorm o -> writes(o.y(), o.mean(), o.rstd()).reads(o.x(), o.weight(), o.bias());
            case RmsNorm o -> writes(o.y(), o.rstd()).reads(o.x(), o.weight());
            case Linear o -> writes(o.y()).reads(o.x(), o.weight(), o.bias());
            case Convolution o -> writes(o.u(), o.after()).reads(o.x(), o.weight(), o.bias(), o.before(), o.slot());
            case Scan o ->
                writes(o.g(), o.after(), o.chunks())
                        .reads(o.u(), o.r(), o.z(), o.b(), o.c(), o.aLog(), o.skip(), o.dtBias(), o.before(), o.slot());
            case Rope o -> writes(o.y()).reads(o.x(), o.past()).over(o.x());
            case CacheAppend o -> writes(o.cache()).reads(o.qkv(), o.past(), o.slot());
            case Attention o -> writes(o.y(), o.lse()).reads(o.q(), o.k(), o.v(), o.past(), o.slot());
            case Route o ->
                writes(o.probability(), o.gate(), o.expert(), o.load(), o.offset(), o.row(), o.token(), o.balance())
                        .reads(o.logits());
            case Gather o -> writes(o.grouped()).reads(o.x(), o.token(), o.offset());
            case ExpertLinear o -> writes(o.y()).reads(o.x(), o.weight(), o.offset());
            case Relu o -> writes(o.y()).reads(o.x(), o.offset()).over(o.x());
            case Scatter o -> writes(o.y()).reads(o.grouped(), o.gate(), o.row());
            case Add o -> writes(o.y()).reads(o.a(), o.b()).over(o.a(), o.b());
            case CrossEntropy o -> writes(o.loss(), o.lse()).reads(o.logits(), o.target());
            case Mean o -> writes(o.mean()).reads(o.x());
        };
    }

    private static Uses of(GradientOp op) {
        return switch (op) {
            case EmbeddingGrad o ->
                writes(o.dtable(), o.dposition()).reads(o.dtable(), o.dposition(), o.dx(), o.token());
            case LayerNormGrad o ->
                writes(o.dx())
                        .reads(o.mean(), o.rstd(), o.dy(), o.x(), o.weight())
                        .adds(o.accumulate());
            case LayerNormWeightGrad o ->
                writes(o.dweight(), o.dbias())
                        .reads(o.mean(), o.rstd(), o.dy(), o.x())
                        .adds(true);
            case RmsNormGrad o ->
                writes(o.dx()).reads(o.rstd(), o.dy(), o.x(), o.weight()).adds(o.accumulate());
            case RmsNormWeightGrad o ->
                writes(o.dweight()).reads(o.rstd(), o.dy(), o.x()).adds(true);
            case LinearGrad o -> writes(o.dx()).reads(o.dy(), o.weight()).adds(o.accumulate());
            case LinearWeightGrad o -> writes(o.dweight()).reads(o.dy(), o.x()).adds(o.accumulate());
            case BiasGrad o -> writes(o.dbias()).reads(o.dy()).adds(true);
            case ConvolutionGrad o ->
                writes(o.dx(), o.dweight(), o.dbias(), o.dbefore())
                        .reads(o.dweight(), o.dbias(), o.du(), o.x(), o.weight(), o.bias(), o.before());
            case ScanGrad o ->
                writes(
                                o.du(),
                                o.dr(),
                                o.dz(),
                                o.dbcParts(),
                                o.dALogParts(),
                                o.dSkipParts(),
                                o.dDtBiasParts(),
                                o.dbefore())
                        .reads(
                                o.dg(),
                                o.of().chunks(),
                                o.of().u(),
                                o.of().r(),
                                o.of().z(),
                                o.of().b(),
                                o.of().c(),
                                o.of().aLog(),
                                o.of().skip(),
                                o.of().dtBias());
            case ScanTokenGrad o -> writes(o.db(), o.dc()).reads(o.dbcParts());
            case ScanWeightGrad o ->
                writes(o.dALog(), o.dSkip(), o.dDtBias())
                        .reads(o.dALogParts(), o.dSkipParts(), o.dDtBiasParts())
                        .adds(true);
            case AttentionGrad o -> writes(o.dqkv()).reads(o.lse(), o.dy(), o.y(), o.qkv());
            case RouteGrad o -> writes(o.dlogits()).reads(o.probability(), o.expert(), o.load(), o.dgate());
            case GatherGrad o -> writes(o.dx()).reads(o.dgrouped(), o.row());
            case ExpertLinearGrad o -> writes(o.dx()).reads(o.dy(), o.weight(), o.offset());
            case ExpertWeightGrad o ->
                writes(o.dweight()).reads(o.dy(), o.x(), o.offset()).adds(o.accumulate());
            case ReluGrad o -> writes(o.dx()).reads(o.dy(), o.y(), o.offset()).over(o.dy());
            case ScatterGrad o -> writes(o.dgrouped(), o.dgate()).reads(o.dy(), o.grouped(), o.gate(), o.row());
            case Copy o -> writes(o.dx()).reads(o.dy());
            case CrossEntropyGrad o ->
                writes(o.dlogits()).reads(o.lse(), o.logits(), o.target()).over(o.logits());
        };
    }

    private static Uses writes(Value... values) {
        return new Uses(present(values), List.of(), List.of());
    }

    private Uses reads(Value... values) {
        return new Uses(writes, present(values), inPlace);
    }

    private Uses over(Value... values) {
        return new Uses(writes, reads, List.of(values));
    }

    private Uses adds(boolean accumulate) {
        return accumulate
                ? new Uses(
                        writes, Stream.concat(reads.stream(), writes.stream()).toList(), inPlace)
                : this;
    }

    private static List<Value> present(Value... values) {
        var present = new ArrayList<Value>(values.length);
        for (var value : values) {
            if (value != null) {
                present.add(value);
            }
        }
        return present;
    }
}
