package dev.panamba.graph;

import dev.panamba.bindings.kernels.*;
import dev.panamba.graph.GemmLowering.Form;
import dev.panamba.graph.GradientOp.*;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** {@link Lowering} of the derivatives. */
final class GradientLowering {
    private final Lowering to;
    private final Arena arena;

    GradientLowering(Lowering to) {
        this.to = to;
        this.arena = to.arena();
    }

    List<Step> lower(GradientOp op) {
        return switch (op) {
            case EmbeddingGrad o -> {
                var a = pb_embedding_backward_args.allocate(arena);
                pb_embedding_backward_args.dtable(a, write(o.dtable()));
                pb_embedding_backward_args.dposition(a, write(o.dposition()));
                pb_embedding_backward_args.dx(a, read(o.dx()));
                pb_embedding_backward_args.token(a, read(o.token()));
                pb_embedding_backward_args.T(a, o.dx().rows());
                pb_embedding_backward_args.L(a, o.L());
                pb_embedding_backward_args.D(a, o.dx().columns());
                yield to.kernel("pb_embedding_backward", a, o.dx().columns());
            }
            case LayerNormGrad o -> {
                var a = pb_layer_norm_backward_args.allocate(arena);
                pb_layer_norm_backward_args.dx(a, write(o.dx()));
                pb_layer_norm_backward_args.mean(a, read(o.mean()));
                pb_layer_norm_backward_args.rstd(a, read(o.rstd()));
                pb_layer_norm_backward_args.dy(a, read(o.dy()));
                pb_layer_norm_backward_args.x(a, read(o.x()));
                pb_layer_norm_backward_args.weight(a, read(o.weight()));
                pb_layer_norm_backward_args.D(a, o.x().columns());
                pb_layer_norm_backward_args.accumulate(a, o.accumulate() ? 1 : 0);
                yield to.kernel("pb_layer_norm_backward", a, o.x().rows());
            }
            case LayerNormWeightGrad o -> {
                var a = pb_layer_norm_backward_weights_args.allocate(arena);
                pb_layer_norm_backward_weights_args.dweight(a, write(o.dweight()));
                pb_layer_norm_backward_weights_args.dbias(a, write(o.dbias()));
                pb_layer_norm_backward_weights_args.mean(a, read(o.mean()));
                pb_layer_norm_backward_weights_args.rstd(a, read(o.rstd()));
                pb_layer_norm_backward_weights_args.dy(a, read(o.dy()));
                pb_layer_norm_backward_weights_args.x(a, read(o.x()));
                pb_layer_norm_backward_weights_args.T(a, o.x().rows());
                pb_layer_norm_backward_weights_args.D(a, o.x().columns());
                yield to.kernel("pb_layer_norm_backward_weights", a, o.x().columns());
            }
            case RmsNormGrad o -> {
                var a = pb_rms_norm_backward_args.allocate(arena);
                pb_rms_norm_backward_args.dx(a, write(o.dx()));
                pb_rms_norm_backward_args.rstd(a, read(o.rstd()));
                pb_rms_norm_backward_args.dy(a, read(o.dy()));
                pb_rms_norm_backward_args.x(a, read(o.x()));
                pb_rms_norm_backward_args.weight(a, read(o.weight()));
                pb_rms_norm_backward_args.D(a, o.x().columns());
                pb_rms_norm_backward_args.accumulate(a, o.accumulate() ? 1 : 0);
                yield to.kernel("pb_rms_norm_backward", a, o.x().rows());
            }
            case RmsNormWeightGrad o -> {
                var a = pb_rms_norm_backward_weights_args.allocate(arena);
                pb_rms_norm_backward_weights_args.dweight(a, write(o.dweight()));
                pb_rms_norm_backward_weights_args.rstd(a, read(o.rstd()));
                pb_rms_norm_backward_weights_args.dy(a, read(o.dy()));
                pb_rms_norm_backward_weights_args.x(a, read(o.x()));
                pb_rms_norm_backward_weights_args.T(a, o.x().rows());
                pb_rms_norm_backward_weights_args.D(a, o.x().columns());
                yield to.kernel("pb_rms_norm_backward_weights", a, o.x().columns());
            }
            case LinearGrad o ->
                to.gemms().lower(Form.BACKWARD, o.dx(), o.dy(), o.weight(), null, o.factors(), o.accumulate());
            case LinearWeightGrad o ->
                to.gemms().lower(Form.WEIGHTS, o.dweight(), o.dy(), o.x(), null, o.factors(), o.accumulate());
            case BiasGrad o -> {
                var a = pb_column_sum_args.allocate(arena);
                pb_column_sum_args.dbias(a, write(o.dbias()));
                pb_column_sum_args.dy(a, read(o.dy()));
                pb_column_sum_args.T(a, o.dy().rows());
                pb_column_sum_args.F(a, o.dy().columns());
                yield to.kernel("pb_column_sum", a, o.dy().columns());
            }
            case ConvolutionGrad o -> {
                var a = pb_conv_backward_args.allocate(arena);
                pb_conv_backward_args.dx(a, write(o.dx()));
                pb_conv_backward_args.dweight(a, write(o.dweight()));
                pb_conv_backward_args.dbias(a, write(o.dbias()));
                pb_conv_backward_args.dbefore(a, write(o.dbefore()));
                pb_conv_backward_args.du(a, read(o.du()));
                pb_conv_backward_args.x(a, read(o.x()));
                pb_conv_backward_args.weight(a, read(o.weight()));
                pb_conv_backward_args.bias(a, read(o.bias()));
                pb_conv_backward_args.before(a, read(o.before()));
                pb_conv_backward_args.dx_stride(a, o.dx().stride());
                pb_conv_backward_args.x_stride(a, o.x().stride());
                pb_conv_backward_args.B(a, o.B());
                pb_conv_backward_args.L(a, o.du().rows() / o.B());
                pb_conv_backward_args.E(a, o.du().columns());
                pb_conv_backward_args.K(a, o.weight().columns());
                yield to.kernel("pb_conv_backward", a, Math.ceilDiv(o.du().columns(), Shapes.LANES));
            }
            case ScanGrad o -> scan(o);
            case ScanTokenGrad o -> {
                var a = pb_scan_backward_tokens_args.allocate(arena);
                pb_scan_backward_tokens_args.db(a, write(o.db()));
                pb_scan_backward_tokens_args.dc(a, write(o.dc()));
                pb_scan_backward_tokens_args.dbc_parts(a, read(o.dbcParts()));
                pb_scan_backward_tokens_args.dbc_stride(a, o.db().stride());
                pb_scan_backward_tokens_args.T(a, o.db().rows());
                pb_scan_backward_tokens_args.E(a, o.E());
                pb_scan_backward_tokens_args.N(a, o.db().columns());
                yield to.kernel("pb_scan_backward_tokens", a, o.db().rows());
            }
            case ScanWeightGrad o -> {
                var a = pb_scan_backward_weights_args.allocate(arena);
                pb_scan_backward_weights_args.da_log(a, write(o.dALog()));
                pb_scan_backward_weights_args.dskip(a, write(o.dSkip()));
                pb_scan_backward_weights_args.ddt_bias(a, write(o.dDtBias()));
                pb_scan_backward_weights_args.da_log_parts(a, read(o.dALogParts()));
                pb_scan_backward_weights_args.dskip_parts(a, read(o.dSkipParts()));
                pb_scan_backward_weights_args.ddt_bias_parts(a, read(o.dDtBiasParts()));
                pb_scan_backward_weights_args.B(a, o.dSkipParts().rows());
                pb_scan_backward_weights_args.E(a, o.dALog().rows());
                pb_scan_backward_weights_args.N(a, o.dALog().columns());
                yield to.kernel("pb_scan_backward_weights", a, o.dALog().rows());
            }
            case AttentionGrad o -> {
                var a = pb_attention_backward_args.allocate(arena);
                pb_attention_backward_args.dqkv(a, write(o.dqkv()));
                pb_attention_backward_args.lse(a, read(o.lse()));
                pb_attention_backward_args.dy(a, read(o.dy()));
                pb_attention_backward_args.y(a, read(o.y()));
                pb_attention_backward_args.qkv(a, read(o.qkv()));
                pb_attention_backward_args.B(a, o.B());
                pb_attention_backward_args.L(a, o.y().rows() / o.B());
                pb_attention_backward_args.D(a, o.y().columns());
                pb_attention_backward_args.H(a, o.H());
                yield to.kernel("pb_attention_backward", a, o.B() * o.H());
            }
            case RouteGrad o -> {
                var a = pb_route_backward_args.allocate(arena);
                pb_route_backward_args.dlogits(a, write(o.dlogits()));
                pb_route_backward_args.probability(a, read(o.probability()));
                pb_route_backward_args.expert(a, read(o.expert()));
                pb_route_backward_args.load(a, read(o.load()));
                pb_route_backward_args.dgate(a, read(o.dgate()));
                pb_route_backward_args.T(a, o.dlogits().rows());
                pb_route_backward_args.X(a, o.dlogits().columns());
                pb_route_backward_args.alpha(a, o.alpha());
                pb_route_backward_args.dbalance(a, o.dbalance());
                yield to.kernel("pb_route_backward", a, o.dlogits().rows());
            }
            case GatherGrad o -> {
                var a = pb_gather_backward_args.allocate(arena);
                pb_gather_backward_args.dx(a, write(o.dx()));
                pb_gather_backward_args.dgrouped(a, read(o.dgrouped()));
                pb_gather_backward_args.row(a, read(o.row()));
                pb_gather_backward_args.D(a, o.dx().columns());
                yield to.kernel("pb_gather_backward", a, o.dx().rows());
            }
            case ExpertLinearGrad o ->
                to.gemms().lower(Form.BACKWARD, o.dx(), o.dy(), o.weight(), o.offset(), o.factors(), false);
            case ExpertWeightGrad o ->
                to.gemms().lower(Form.WEIGHTS, o.dweight(), o.dy(), o.x(), o.offset(), o.factors(), o.accumulate());
            case ReluGrad o -> {
                var a = pb_relu_backward_args.allocate(arena);
                pb_relu_backward_args.dx(a, write(o.dx()));
                pb_relu_backward_args.dy(a, read(o.dy()));
                pb_relu_backward_args.y(a, read(o.y()));
                pb_relu_backward_args.rows(a, to.kept(o.offset()));
                pb_relu_backward_args.F(a, o.dx().columns());
                yield to.kernel("pb_relu_backward", a, o.dx().rows());
            }
            case ScatterGrad o -> {
                var a = pb_scatter_backward_args.allocate(arena);
                pb_scatter_backward_args.dgrouped(a, write(o.dgrouped()));
                pb_scatter_backward_args.dgate(a, write(o.dgate()));
                pb_scatter_backward_args.dy(a, read(o.dy()));
                pb_scatter_backward_args.grouped(a, read(o.grouped()));
                pb_scatter_backward_args.gate(a, read(o.gate()));
                pb_scatter_backward_args.row(a, read(o.row()));
                pb_scatter_backward_args.D(a, o.dy().columns());
                yield to.kernel("pb_scatter_backward", a, o.dy().rows());
            }
            case CrossEntropyGrad o -> {
                var a = pb_cross_entropy_backward_args.allocate(arena);
                pb_cross_entropy_backward_args.dlogits(a, write(o.dlogits()));
                pb_cross_entropy_backward_args.lse(a, read(o.lse()));
                pb_cross_entropy_backward_args.logits(a, read(o.logits()));
                pb_cross_entropy_backward_args.target(a, read(o.target()));
                pb_cross_entropy_backward_args.V(a, o.logits().columns());
                pb_cross_entropy_backward_args.scale(a, o.scale());
                yield to.kernel("pb_cross_entropy_backward", a, o.dlogits().rows());
            }
            case Copy o -> List.of(new Step.Copy(to.segment(o.dy()), to.segment(o.dx())));
        };
    }

    private List<Step> scan(ScanGrad o) {
        var s = o.of();
        var a = pb_scan_backward_args.allocate(arena);
        pb_scan_backward_args.du(a, write(o.du()));
        pb_scan_backward_args.dr(a, write(o.dr()));
        pb_scan_backward_args.dz(a, write(o.dz()));
        pb_scan_backward_args.dbc_parts(a, write(o.dbcParts()));
        pb_scan_backward_args.da_log_parts(a, write(o.dALogParts()));
        pb_scan_backward_args.dskip_parts(a, write(o.dSkipParts()));
        pb_scan_backward_args.ddt_bias_parts(a, write(o.dDtBiasParts()));
        pb_scan_backward_args.dbefore(a, write(o.dbefore()));
        pb_scan_backward_args.chunks(a, read(s.chunks()));
        pb_scan_backward_args.dg(a, read(o.dg()));
        pb_scan_backward_args.u(a, read(s.u()));
        pb_scan_backward_args.r(a, read(s.r()));
        pb_scan_backward_args.z(a, read(s.z()));
        pb_scan_backward_args.b(a, read(s.b()));
        pb_scan_backward_args.c(a, read(s.c()));
        pb_scan_backward_args.a_log(a, read(s.aLog()));
        pb_scan_backward_args.skip(a, read(s.skip()));
        pb_scan_backward_args.dt_bias(a, read(s.dtBias()));
        pb_scan_backward_args.dz_stride(a, o.dz().stride());
        pb_scan_backward_args.z_stride(a, s.z().stride());
        pb_scan_backward_args.bc_stride(a, s.b().stride());
        pb_scan_backward_args.B(a, s.B());
        pb_scan_backward_args.L(a, s.u().rows() / s.B());
        pb_scan_backward_args.E(a, s.u().columns());
        pb_scan_backward_args.N(a, s.b().columns());
        return to.kernel("pb_scan_backward", a, s.B() * Math.ceilDiv(s.u().columns(), Shapes.BLOCK));
    }

    private MemorySegment read(Value value) {
        return to.read(value);
    }

    private MemorySegment write(Value value) {
        return to.write(value);
    }
}
