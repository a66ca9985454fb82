package dev.panamba.graph;

import java.util.ArrayList;
import java.util.List;

/**
 * Random graphs of real ops over matrices [T, D]: values are used once, several times or never, added to themselves, and read as
 * outputs in the middle of the graph.
 */
final class RandomPrograms {
    private final GradientCheck check;
    private final Graph graph;
    private final Bench bench;
    private final int B;
    private final int T;
    private final int D;
    private final List<Value> open = new ArrayList<>();
    private int parameters;

    private RandomPrograms(GradientCheck check) {
        this.check = check;
        this.graph = check.graph();
        this.bench = check.bench();
        this.B = bench.size(3);
        this.T = B * bench.size(8);
        this.D = 6 * bench.random().nextInt(1, 4);
    }

    /** Emits one program of about this many ops. */
    static void emit(GradientCheck check, int ops) {
        new RandomPrograms(check).emit(ops);
    }

    private void emit(int ops) {
        open.add(check.input("x", T, D));
        open.add(graph.embedding(bench.randomIntegers("token", T, 0, 5), parameter(5, D), null, null, T / B));
        for (int i = 0; i < ops; i++) {
            open.add(op(bench.random().nextInt(9)));
            if (bench.random().nextInt(8) == 0) {
                check.seed(open.getLast());
            }
        }
        // What nobody has read joins the result.
        var sum = open.stream().reduce(graph::add).orElseThrow();
        check.seed(graph.layerNorm(sum, vector(), vector(), 1e-5));
    }

    private Value op(int kind) {
        return switch (kind) {
            case 0 -> graph.layerNorm(any(), vector(), vector(), 1e-5);
            case 1 -> graph.rmsNorm(any(), vector(), 1e-3);
            case 2 -> graph.linear(any(), parameter(D, D), bench.coin() ? vector() : null);
            case 3 -> graph.add(any(), any());
            case 4 -> {
                var x = any();
                yield graph.add(x, graph.linear(graph.rmsNorm(x, vector(), 1e-3), parameter(D, D), null));
            }
            case 5 -> graph.attention(graph.rope(graph.linear(any(), parameter(3 * D, D), null), null, T / B, 3), B, 3);
            case 6 -> graph.convolution(own(), parameter(D, 3), vector(), null, null, B);
            case 7 -> experts(own());
            default ->
                graph.linear(graph.relu(graph.linear(any(), parameter(4, D), null), null), parameter(D, 4), null);
        };
    }

    private Value experts(Value x) {
        int X = bench.random().nextInt(1, 4);
        var route = graph.route(graph.linear(x, parameter(X, D), null), T / X, 0.1);
        check.loss(route.balance(), 0.5);
        return graph.scatter(graph.expertLinear(graph.gather(x, route), parameter(X, D, D), route), route);
    }

    private Value any() {
        return open.get(bench.random().nextInt(open.size()));
    }

    /** A value that nobody else reads, for ops whose derivative can only be assigned. */
    private Value own() {
        return graph.layerNorm(any(), vector(), vector(), 1e-5);
    }

    private Value vector() {
        return parameter(D);
    }

    private Value parameter(long... dims) {
        return check.parameter("parameter " + parameters++, dims);
    }
}
