package dev.panamba.graph;

import static java.util.Map.entry;

import dev.panamba.graph.ForwardOp.*;
import java.util.Map;
import java.util.function.Consumer;

/** Small random programs around one kind of op each: every input and parameter of the op is a variable. */
final class OpCases {
    static final Map<Class<? extends ForwardOp>, Consumer<GradientCheck>> ALL = Map.ofEntries(
            entry(Embedding.class, OpCases::embedding),
            entry(LayerNorm.class, OpCases::layerNorm),
            entry(RmsNorm.class, OpCases::rmsNorm),
            entry(Linear.class, OpCases::linear),
            entry(Convolution.class, OpCases::convolution),
            entry(Scan.class, OpCases::scan),
            entry(Rope.class, OpCases::rope),
            entry(Attention.class, OpCases::attention),
            entry(Route.class, OpCases::route),
            entry(Gather.class, OpCases::gather),
            entry(ExpertLinear.class, OpCases::expertLinear),
            entry(Relu.class, OpCases::relu),
            entry(Scatter.class, OpCases::scatter),
            entry(Add.class, OpCases::add),
            entry(CrossEntropy.class, OpCases::crossEntropy),
            entry(Mean.class, OpCases::mean));

    private OpCases() {}

    private static void embedding(GradientCheck c) {
        var bench = c.bench();
        int L = bench.size();
        int B = bench.size(3);
        int V = bench.size();
        int D = bench.size();
        var position = bench.coin() ? c.parameter("position", L + bench.random().nextInt(3), D) : null;
        var token = bench.randomIntegers("token", B * L, 0, V);
        c.seed(c.graph().embedding(token, c.parameter("table", V, D), position, null, L));
    }

    private static void layerNorm(GradientCheck c) {
        int D = c.bench().size();
        var x = c.input("x", c.bench().size(), D);
        c.seed(c.graph().layerNorm(x, c.parameter("weight", D), c.parameter("bias", D), 1e-5));
    }

    private static void rmsNorm(GradientCheck c) {
        int D = c.bench().size();
        var x = c.input("x", c.bench().size(), D);
        c.seed(c.graph().rmsNorm(x, c.parameter("weight", D), 1e-3));
    }

    private static void linear(GradientCheck c) {
        int I = c.bench().size();
        int O = c.bench().size();
        var x = c.window("x", c.bench().size(), I);
        c.seed(c.graph().linear(x, c.parameter("weight", O, I), c.bench().coin() ? c.parameter("bias", O) : null));
    }

    private static void convolution(GradientCheck c) {
        var bench = c.bench();
        int B = bench.size(3);
        int L = bench.size();
        int E = bench.size();
        int K = bench.random().nextInt(1, 6);
        var before = bench.coin() ? c.input("before", B, K - 1, E) : null;
        var bias = bench.coin() ? c.parameter("bias", E) : null;
        var u = c.graph().activation("u", B * L, E);
        c.graph()
                .add(new Convolution(
                        u, null, c.window("x", B * L, E), c.parameter("weight", E, 1, K), bias, before, null, B));
        c.seed(u);
    }

    private static void scan(GradientCheck c) {
        var bench = c.bench();
        int[] states = {1, 3, 16, 17};
        int N = states[bench.random().nextInt(states.length)];
        int B = bench.size(3);
        int L = bench.size();
        // Beyond one block of channels where sequences are short enough to keep the differences quick.
        int E = L <= 5 && bench.coin() ? 65 + bench.size() : bench.size();
        int T = B * L;
        var graph = c.graph();
        var xz = bench.input("xz", T, 2 * E);
        var rbc = bench.input("rbc", T, 2 + 2 * N);
        var before = bench.coin() ? c.input("before", B, N, E) : null;
        var g = graph.activation("g", T, E);
        graph.add(new Scan(
                g,
                null,
                graph.chunks(B, L, E, N),
                c.input("u", T, E),
                c.input("r", T, E),
                c.variable(graph.columns(xz, E, E)),
                c.variable(graph.columns(rbc, 2, N)),
                c.variable(graph.columns(rbc, 2 + N, N)),
                c.parameter("a_log", E, N),
                c.parameter("skip", E),
                c.parameter("dt_bias", E),
                before,
                null,
                B));
        c.seed(g);
    }

    private static void rope(GradientCheck c) {
        var bench = c.bench();
        int H = bench.random().nextInt(1, 5);
        int B = bench.size(3);
        int L = bench.size();
        var past = bench.coin() ? bench.randomIntegers("past", B, 0, 100) : null;
        c.seed(c.graph().rope(c.input("x", B * L, 3 * H * 2 * bench.size(5)), past, L, H));
    }

    private static void attention(GradientCheck c) {
        var bench = c.bench();
        int H = bench.random().nextInt(1, 5);
        int B = bench.size(3);
        c.seed(c.graph().attention(c.input("qkv", B * bench.size(), 3 * H * bench.size(17)), B, H));
    }

    private static void route(GradientCheck c) {
        var route = route(c, c.bench().size());
        c.seed(route.gate());
        c.loss(route.balance(), 0.7);
    }

    private static void gather(GradientCheck c) {
        var x = c.input("x", c.bench().size(), c.bench().size());
        var route = route(c, (int) x.rows());
        c.seed(c.graph().scatter(c.graph().gather(x, route), route));
    }

    private static void expertLinear(GradientCheck c) {
        int I = c.bench().size();
        var x = c.input("x", c.bench().size(), I);
        var route = route(c, (int) x.rows());
        var weight = c.parameter("weight", route.logits().columns(), c.bench().size(), I);
        c.seed(c.graph().scatter(c.graph().expertLinear(c.graph().gather(x, route), weight, route), route));
    }

    private static void relu(GradientCheck c) {
        var graph = c.graph();
        var x = c.input("x", c.bench().size(), c.bench().size());
        var elements = c.bench().get(x);
        for (int i = 0; i < elements.length; i++) {
            elements[i] += Math.copySign(1e-3, elements[i]);
        }
        c.bench().set(x, elements);
        if (c.bench().coin()) {
            c.seed(graph.relu(x, null));
        } else {
            var route = route(c, (int) x.rows());
            c.seed(graph.scatter(graph.relu(graph.gather(x, route), route), route));
        }
    }

    private static void scatter(GradientCheck c) {
        var graph = c.graph();
        var x = c.input("x", c.bench().size(), c.bench().size());
        var route = route(c, (int) x.rows());
        c.loss(route.balance(), 2);
        c.seed(graph.scatter(graph.gather(x, route), route));
    }

    private static void add(GradientCheck c) {
        long[] dims = {c.bench().size(), c.bench().size()};
        c.seed(c.graph().add(c.input("a", dims), c.input("b", dims)));
    }

    private static void crossEntropy(GradientCheck c) {
        int V = c.bench().size();
        var logits = c.input("logits", c.bench().size(), V);
        var target = c.bench().randomIntegers("target", (int) logits.rows(), -1, V);
        c.loss(c.graph().mean(c.graph().crossEntropy(logits, target)), 3);
    }

    private static void mean(GradientCheck c) {
        crossEntropy(c);
        var logits = c.input("others", c.bench().size(), 3);
        var target = c.bench().randomIntegers("target", (int) logits.rows(), 0, 3);
        c.loss(c.graph().mean(c.graph().crossEntropy(logits, target)), -0.5);
    }

    /** Routing by logits that are far from a tie; experts may be one, empty, or too full, even for any token at all. */
    static Route route(GradientCheck c, int T) {
        int X = c.bench().size(8);
        var logits = c.input("logits", T, X);
        var elements = c.bench().get(logits);
        for (int t = 0; t < T; t++) {
            elements[t * X + c.bench().random().nextInt(X)] += 6;
        }
        c.bench().set(logits, elements);
        return c.graph().route(logits, c.bench().coin() ? T : c.bench().random().nextInt(T + 1), 0.3);
    }
}
