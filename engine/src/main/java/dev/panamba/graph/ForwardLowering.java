package dev.panamba.graph;

import dev.panamba.bindings.kernels.*;
import dev.panamba.graph.ForwardOp.*;
import dev.panamba.graph.GemmLowering.Form;
import dev.panamba.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** {@link Lowering} of the forward ops. */
final class ForwardLowering {
    /** Up to this many tokens a product is bound by reading the weight, which {@code pb_matvec} does once, at the memory's rate. */
    private static final long FEW_TOKENS = 16;

    private final Lowering to;
    private final Arena arena;

    ForwardLowering(Lowering to) {
        this.to = to;
        this.arena = to.arena();
    }

    List<Step> lower(ForwardOp op) {
        return switch (op) {
            case Embedding o -> {
                var a = pb_embedding_forward_args.allocate(arena);
                pb_embedding_forward_args.x(a, write(o.x()));
                pb_embedding_forward_args.token(a, read(o.token()));
                pb_embedding_forward_args.table(a, read(o.table()));
                pb_embedding_forward_args.position(a, read(o.position()));
                pb_embedding_forward_args.past(a, read(o.past()));
                pb_embedding_forward_args.L(a, o.L());
                pb_embedding_forward_args.D(a, o.x().columns());
                pb_embedding_forward_args.V(a, o.table().rows());
                pb_embedding_forward_args.format(a, Lowering.format(o.table()));
                pb_embedding_forward_args.P(
                        a, o.position() == null ? 0 : o.position().rows());
                yield to.kernel("pb_embedding_forward", a, o.x().rows());
            }
            case LayerNorm o -> {
                var a = pb_layer_norm_forward_args.allocate(arena);
                pb_layer_norm_forward_args.y(a, write(o.y()));
                pb_layer_norm_forward_args.mean(a, write(o.mean()));
                pb_layer_norm_forward_args.rstd(a, write(o.rstd()));
                pb_layer_norm_forward_args.x(a, read(o.x()));
                pb_layer_norm_forward_args.weight(a, read(o.weight()));
                pb_layer_norm_forward_args.bias(a, read(o.bias()));
                pb_layer_norm_forward_args.D(a, o.x().columns());
                pb_layer_norm_forward_args.eps(a, o.eps());
                yield to.kernel("pb_layer_norm_forward", a, o.x().rows());
            }
            case RmsNorm o -> {
                var a = pb_rms_norm_forward_args.allocate(arena);
                pb_rms_norm_forward_args.y(a, write(o.y()));
                pb_rms_norm_forward_args.rstd(a, write(o.rstd()));
                pb_rms_norm_forward_args.x(a, read(o.x()));
                pb_rms_norm_forward_args.weight(a, read(o.weight()));
                pb_rms_norm_forward_args.D(a, o.x().columns());
                pb_rms_norm_forward_args.eps(a, o.eps());
                yield to.kernel("pb_rms_norm_forward", a, o.x().rows());
            }
            case Linear o -> linear(o);
            case Convolution o -> {
                var a = pb_conv_forward_args.allocate(arena);
                pb_conv_forward_args.u(a, write(o.u()));
                pb_conv_forward_args.after(a, write(o.after()));
                pb_conv_forward_args.x(a, read(o.x()));
                pb_conv_forward_args.weight(a, read(o.weight()));
                pb_conv_forward_args.bias(a, read(o.bias()));
                pb_conv_forward_args.before(a, read(o.before()));
                pb_conv_forward_args.slot(a, read(o.slot()));
                pb_conv_forward_args.x_stride(a, o.x().stride());
                pb_conv_forward_args.B(a, o.B());
                pb_conv_forward_args.L(a, o.u().rows() / o.B());
                pb_conv_forward_args.E(a, o.u().columns());
                pb_conv_forward_args.K(a, o.weight().columns());
                yield to.kernel("pb_conv_forward", a, Math.ceilDiv(o.u().columns(), Shapes.LANES));
            }
            case Scan o -> scan(o);
            case Rope o -> {
                var a = pb_rope_args.allocate(arena);
                pb_rope_args.y(a, write(o.y()));
                pb_rope_args.x(a, read(o.x()));
                pb_rope_args.past(a, read(o.past()));
                pb_rope_args.L(a, o.L());
                pb_rope_args.D(a, o.x().columns() / 3);
                pb_rope_args.H(a, o.H());
                pb_rope_args.direction(a, o.direction());
                yield to.kernel("pb_rope", a, o.x().rows());
            }
            case CacheAppend o -> {
                var a = pb_cache_append_args.allocate(arena);
                pb_cache_append_args.cache(a, write(o.cache()));
                pb_cache_append_args.qkv(a, read(o.qkv()));
                pb_cache_append_args.past(a, read(o.past()));
                pb_cache_append_args.slot(a, read(o.slot()));
                pb_cache_append_args.L(a, o.L());
                pb_cache_append_args.D(a, o.qkv().columns() / 3);
                pb_cache_append_args.P(a, o.cache().shape().dim(1));
                yield to.kernel("pb_cache_append", a, o.qkv().rows());
            }
            case Attention o -> {
                var cached = o.k().root().shape().rank() == 3;
                var L = o.q().rows() / o.B();
                var a = pb_attention_forward_args.allocate(arena);
                pb_attention_forward_args.y(a, write(o.y()));
                pb_attention_forward_args.lse(a, write(o.lse()));
                pb_attention_forward_args.q(a, read(o.q()));
                pb_attention_forward_args.k(a, read(o.k()));
                pb_attention_forward_args.v(a, read(o.v()));
                pb_attention_forward_args.past(a, read(o.past()));
                pb_attention_forward_args.slot(a, read(o.slot()));
                pb_attention_forward_args.q_stride(a, o.q().stride());
                pb_attention_forward_args.kv_stride(a, o.k().stride());
                pb_attention_forward_args.kv_rows(
                        a, cached ? o.k().root().shape().dim(1) : L);
                pb_attention_forward_args.B(a, o.B());
                pb_attention_forward_args.L(a, L);
                pb_attention_forward_args.D(a, o.y().columns());
                pb_attention_forward_args.H(a, o.H());
                yield to.kernel("pb_attention_forward", a, o.B() * o.H());
            }
            case Route o -> route(o);
            case Gather o -> {
                var a = pb_gather_forward_args.allocate(arena);
                pb_gather_forward_args.grouped(a, write(o.grouped()));
                pb_gather_forward_args.x(a, read(o.x()));
                pb_gather_forward_args.token(a, read(o.token()));
                pb_gather_forward_args.kept(a, to.kept(o.offset()));
                pb_gather_forward_args.D(a, o.x().columns());
                yield to.kernel("pb_gather_forward", a, o.x().rows());
            }
            case ExpertLinear o -> {
                if (o.weight().type().isGrouped()) {
                    yield product(o.y(), o.x(), o.weight(), null, o.offset());
                }
                if (isMatvec(o.x())) {
                    yield matvec(o.y(), o.x(), o.weight(), null, o.offset());
                }
                yield to.gemms().lower(Form.FORWARD, o.y(), o.x(), o.weight(), o.offset(), o.factors(), false);
            }
            case Relu o -> {
                var a = pb_relu_forward_args.allocate(arena);
                pb_relu_forward_args.y(a, write(o.y()));
                pb_relu_forward_args.x(a, read(o.x()));
                pb_relu_forward_args.rows(a, to.kept(o.offset()));
                pb_relu_forward_args.F(a, o.x().columns());
                yield to.kernel("pb_relu_forward", a, o.x().rows());
            }
            case Scatter o -> {
                var a = pb_scatter_forward_args.allocate(arena);
                pb_scatter_forward_args.y(a, write(o.y()));
                pb_scatter_forward_args.grouped(a, read(o.grouped()));
                pb_scatter_forward_args.gate(a, read(o.gate()));
                pb_scatter_forward_args.row(a, read(o.row()));
                pb_scatter_forward_args.D(a, o.y().columns());
                yield to.kernel("pb_scatter_forward", a, o.y().rows());
            }
            case Add o -> {
                var a = pb_add_args.allocate(arena);
                pb_add_args.y(a, write(o.y()));
                pb_add_args.a(a, read(o.a()));
                pb_add_args.b(a, read(o.b()));
                yield to.kernel("pb_add", a, o.y().shape().elements());
            }
            case CrossEntropy o -> {
                var a = pb_cross_entropy_forward_args.allocate(arena);
                pb_cross_entropy_forward_args.loss(a, write(o.loss()));
                pb_cross_entropy_forward_args.lse(a, write(o.lse()));
                pb_cross_entropy_forward_args.logits(a, read(o.logits()));
                pb_cross_entropy_forward_args.target(a, read(o.target()));
                pb_cross_entropy_forward_args.V(a, o.logits().columns());
                yield to.kernel("pb_cross_entropy_forward", a, o.logits().rows());
            }
            case Mean o -> {
                var a = pb_mean_args.allocate(arena);
                pb_mean_args.mean(a, write(o.mean()));
                pb_mean_args.x(a, read(o.x()));
                pb_mean_args.count(a, o.x().shape().elements());
                yield to.kernel("pb_mean", a, 1);
            }
        };
    }

    private static boolean isMatvec(Value x) {
        return x.rows() <= FEW_TOKENS;
    }

    private List<Step> linear(Linear o) {
        if (o.weight().type().isGrouped()) {
            return product(o.y(), o.x(), o.weight(), o.bias(), null);
        }
        if (isMatvec(o.x())) {
            return matvec(o.y(), o.x(), o.weight(), o.bias(), null);
        }
        var steps = new ArrayList<Step>();
        if (o.bias() != null) {
            var a = pb_broadcast_args.allocate(arena);
            pb_broadcast_args.y(a, write(o.y()));
            pb_broadcast_args.bias(a, read(o.bias()));
            pb_broadcast_args.F(a, o.y().columns());
            steps.addAll(to.kernel("pb_broadcast", a, o.y().rows()));
        }
        steps.addAll(to.gemms().lower(Form.FORWARD, o.y(), o.x(), o.weight(), null, o.factors(), o.bias() != null));
        return steps;
    }

    private List<Step> product(Value y, Value x, Value weight, Value bias, Value offset) {
        var groups = to.groups(x.rows() * Math.ceilDiv(x.columns(), panamba_h.PB_GROUP()) * pb_token_group.sizeof());
        var q = pb_quantise_tokens_args.allocate(arena);
        pb_quantise_tokens_args.groups(q, groups);
        pb_quantise_tokens_args.x(q, read(x));
        pb_quantise_tokens_args.x_stride(q, x.stride());
        pb_quantise_tokens_args.I(q, x.columns());
        pb_quantise_tokens_args.zero(
                q, weight.type() == DType.INT8 ? panamba_h.PB_INT8_ZERO() : panamba_h.PB_INT4_ZERO());
        var a = pb_product_args.allocate(arena);
        pb_product_args.y(a, write(y));
        pb_product_args.x(a, groups);
        pb_product_args.weight(a, read(weight));
        pb_product_args.bias(a, read(bias));
        pb_product_args.offset(a, read(offset));
        pb_product_args.y_stride(a, y.stride());
        pb_product_args.T(a, x.rows());
        pb_product_args.O(a, y.columns());
        pb_product_args.I(a, x.columns());
        pb_product_args.X(a, weight.shape().dim(0));
        pb_product_args.format(a, Lowering.format(weight));
        var steps = new ArrayList<>(to.kernel("pb_quantise_tokens", q, x.rows()));
        steps.addAll(to.kernel("pb_product", a, Math.ceilDiv(y.columns(), panamba_h.PB_TILE())));
        return steps;
    }

    private List<Step> matvec(Value y, Value x, Value weight, Value bias, Value offset) {
        var a = pb_matvec_args.allocate(arena);
        pb_matvec_args.y(a, write(y));
        pb_matvec_args.x(a, read(x));
        pb_matvec_args.weight(a, read(weight));
        pb_matvec_args.bias(a, read(bias));
        pb_matvec_args.offset(a, read(offset));
        pb_matvec_args.y_stride(a, y.stride());
        pb_matvec_args.x_stride(a, x.stride());
        pb_matvec_args.T(a, x.rows());
        pb_matvec_args.O(a, y.columns());
        pb_matvec_args.I(a, x.columns());
        pb_matvec_args.X(a, weight.shape().dim(0));
        pb_matvec_args.format(a, Lowering.format(weight));
        return to.kernel("pb_matvec", a, y.columns());
    }

    private List<Step> scan(Scan o) {
        var a = pb_scan_forward_args.allocate(arena);
        pb_scan_forward_args.g(a, write(o.g()));
        pb_scan_forward_args.after(a, write(o.after()));
        pb_scan_forward_args.chunks(a, write(o.chunks()));
        pb_scan_forward_args.u(a, read(o.u()));
        pb_scan_forward_args.r(a, read(o.r()));
        pb_scan_forward_args.z(a, read(o.z()));
        pb_scan_forward_args.b(a, read(o.b()));
        pb_scan_forward_args.c(a, read(o.c()));
        pb_scan_forward_args.a_log(a, read(o.aLog()));
        pb_scan_forward_args.a(a, prepared(o));
        pb_scan_forward_args.skip(a, read(o.skip()));
        pb_scan_forward_args.dt_bias(a, read(o.dtBias()));
        pb_scan_forward_args.before(a, read(o.before()));
        pb_scan_forward_args.slot(a, read(o.slot()));
        pb_scan_forward_args.z_stride(a, o.z().stride());
        pb_scan_forward_args.bc_stride(a, o.b().stride());
        pb_scan_forward_args.B(a, o.B());
        pb_scan_forward_args.L(a, o.u().rows() / o.B());
        pb_scan_forward_args.E(a, o.u().columns());
        pb_scan_forward_args.N(a, o.b().columns());
        return to.kernel("pb_scan_forward", a, o.B() * Math.ceilDiv(o.u().columns(), Shapes.BLOCK));
    }

    /** Weights that stay as they are: what the scan needs of them is computed once, now. */
    private MemorySegment prepared(Scan o) {
        if (!to.segment(o.aLog().root()).isReadOnly()) {
            return MemorySegment.NULL;
        }
        long E = o.u().columns();
        long N = o.b().columns();
        long blocks = Math.ceilDiv(E, Shapes.BLOCK);
        var rows = to.reals(blocks * Math.ceilDiv(N, Shapes.LANES) * Shapes.LANES * Shapes.BLOCK);
        var a = pb_scan_a_args.allocate(arena);
        pb_scan_a_args.a(a, rows);
        pb_scan_a_args.a_log(a, read(o.aLog()));
        pb_scan_a_args.E(a, E);
        pb_scan_a_args.N(a, N);
        to.kernel("pb_scan_a", a, blocks).forEach(step -> step.run(0, 1));
        return rows;
    }

    private List<Step> route(Route o) {
        var T = o.logits().rows();
        var X = o.logits().columns();
        var a = pb_route_forward_args.allocate(arena);
        pb_route_forward_args.probability(a, write(o.probability()));
        pb_route_forward_args.gate(a, write(o.gate()));
        pb_route_forward_args.expert(a, write(o.expert()));
        pb_route_forward_args.logits(a, read(o.logits()));
        pb_route_forward_args.X(a, X);
        var g = pb_route_group_args.allocate(arena);
        pb_route_group_args.load(g, write(o.load()));
        pb_route_group_args.offset(g, write(o.offset()));
        pb_route_group_args.row(g, write(o.row()));
        pb_route_group_args.token(g, write(o.token()));
        pb_route_group_args.balance(g, write(o.balance()));
        pb_route_group_args.expert(g, read(o.expert()));
        pb_route_group_args.probability(g, read(o.probability()));
        pb_route_group_args.T(g, T);
        pb_route_group_args.X(g, X);
        pb_route_group_args.C(g, o.C());
        pb_route_group_args.alpha(g, o.alpha());
        var steps = new ArrayList<>(to.kernel("pb_route_forward", a, T));
        steps.addAll(to.kernel("pb_route_group", g, 1));
        return steps;
    }

    private MemorySegment read(Value value) {
        return to.read(value);
    }

    private MemorySegment write(Value value) {
        return to.write(value);
    }
}
