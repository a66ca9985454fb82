package dev.panamba.graph;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.graph.UpdateOp.AdamW;
import dev.panamba.graph.UpdateOp.SquaredNorm;
import dev.panamba.memory.Placement;
import dev.panamba.tensor.DType;
import dev.panamba.tensor.Shape;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;
import java.util.function.BiFunction;
import java.util.function.IntToDoubleFunction;
import java.util.function.IntUnaryOperator;
import java.util.stream.DoubleStream;

/**
 * Single precision against double precision from the same numbers, one dimension after the other at awkward sizes. What takes no
 * sum is within 4 ulp or 1e-6 of each element; a sum of n terms is within 1e-6 sqrt(n) of the largest element.
 */
final class KernelAccuracy {
    static final int[] SIZES = {
        1, 2, 3, 5, 7, 8, 13, 15, 16, 17, 31, 33, 63, 64, 65, 127, 207, 256, 702, 1000, 1024, 4098
    };

    static final SequencedMap<String, Runnable> ALL = new TreeMap<>();

    private static final String GRADIENT = "gradient ";

    /** No sum, or no derivative. */
    private static final IntUnaryOperator NONE = _ -> 0;

    /** Builds a program whose dimension in question is n. */
    @FunctionalInterface
    private interface Build {
        void build(GradientCheck c, int n);
    }

    static {
        pointwise("add", (c, n) -> c.seed(c.graph().add(c.input("a", 3, n), c.input("b", 3, n))));
        pointwise("relu", (c, n) -> c.seed(c.graph().relu(c.input("x", 3, n), null)));
        pointwise("gather and scatter", (c, n) -> {
            var x = c.bench().input("x", 5, n);
            var route = c.graph().route(c.bench().input("logits", 5, 3), 2, 0.1);
            c.seed(c.graph().scatter(c.graph().gather(x, route), route));
        });
        pointwise("silu", (c, n) -> {
            var x = c.bench().randomize(c.bench().input("x", 4, n), 20);
            var one = c.bench().parameter("taps", n, 1);
            c.bench().set(one, DoubleStream.generate(() -> 1).limit(n).toArray());
            c.seed(c.graph().convolution(x, one, null, null, null, 2));
        });
        pointwise("softplus and gate", (c, n) -> {
            var s = new KernelChecks.ScanInputs(c.bench(), 4, n, 1);
            c.bench().randomize(s.r, 20);
            c.bench().randomize(s.z, 20);
            c.bench().set(s.skip, new double[n]);
            c.bench().set(s.dtBias, new double[n]);
            c.seed(c.graph().scan(s.u, s.r, s.z, s.b, s.c, s.aLog, s.skip, s.dtBias, null, null, 4));
        });
        sum("embedding, D", _ -> 1, _ -> 6, (c, n) -> embedding(c, 6, n));
        sum("embedding, L", _ -> 1, n -> n, (c, n) -> embedding(c, n, 3));
        norms(
                "layer norm",
                (c, x) -> c.graph()
                        .layerNorm(x, c.parameter("weight", x.columns()), c.parameter("bias", x.columns()), 1e-5));
        norms("rms norm", (c, x) -> c.graph().rmsNorm(x, c.parameter("weight", x.columns()), 1e-5));
        sum("linear, I", n -> n, _ -> 5, (c, n) -> linear(c, 3, n, 5));
        sum("linear, O", _ -> 5, n -> n, (c, n) -> linear(c, 3, 5, n));
        sum("linear, T", _ -> 5, n -> n, (c, n) -> linear(c, n, 5, 3));
        sum("one token, I", n -> n, _ -> 5, (c, n) -> linear(c, 1, n, 5));
        sum("one token, O", _ -> 5, n -> n, (c, n) -> linear(c, 1, 5, n));
        sum("convolution, L", _ -> 4, n -> n, (c, n) -> convolution(c, n, 3));
        sum("convolution, E", _ -> 4, _ -> 9, (c, n) -> convolution(c, 9, n));
        cancelling("scan, L", Integer.MAX_VALUE, n -> n, n -> 2 * n, (c, n) -> scan(c, n, 5, 3));
        cancelling("scan, E", Integer.MAX_VALUE, _ -> 9, n -> 18 + n, (c, n) -> scan(c, 9, n, 3));
        cancelling("scan, N", 256, n -> n, n -> 18 + n, (c, n) -> scan(c, 9, 5, n));
        sum("attention, L", n -> n, n -> n, (c, n) -> attention(c, n, 1, 6));
        cancelling("attention, width", 256, n -> n, n -> n, (c, n) -> attention(c, 7, 2, n));
        sum("attention, H", _ -> 7, _ -> 7, (c, n) -> attention(c, 7, n, 2));
        sum("rope, L", _ -> 2, _ -> 2, (c, n) -> c.seed(c.graph().rope(c.input("x", n, 3 * 8), null, n, 1)));
        sum("rope, H", _ -> 2, _ -> 2, (c, n) -> c.seed(c.graph().rope(c.input("x", 5, 3L * n * 4), null, 5, n)));
        sum("route, X", n -> n, n -> n, (c, n) -> experts(c, 7, n, 3, 3));
        sum("experts, T", n -> n, n -> n, (c, n) -> experts(c, n, 5, 3, 3));
        sum("experts, I", n -> n, _ -> 9, (c, n) -> experts(c, 9, 3, n, 3));
        sum("experts, O", _ -> 9, n -> n, (c, n) -> experts(c, 9, 3, 3, n));
        sum("cross entropy, V", n -> n, n -> n, (c, n) -> crossEntropy(c, 7, n));
        sum("cross entropy, T", n -> n, _ -> 5, (c, n) -> crossEntropy(c, n, 5));
        sum("squared norm", n -> n, NONE, (c, n) -> {
            var parts = c.graph().value("parts", DType.F64, Role.ACTIVATION, Shape.of(SquaredNorm.parts(n)));
            c.graph().add(new SquaredNorm(c.graph().output(parts), c.bench().input("x", n)));
        });
        // The first moment is a sum of two terms, which may cancel.
        sum("adamw", _ -> 2, NONE, KernelAccuracy::adamW);
    }

    private KernelAccuracy() {}

    private static void pointwise(String name, Build build) {
        ALL.put(name, new Case(name, Integer.MAX_VALUE, NONE, NONE, _ -> 0, build));
    }

    private static void sum(String name, IntUnaryOperator forward, IntUnaryOperator backward, Build build) {
        ALL.put(name, new Case(name, Integer.MAX_VALUE, forward, backward, _ -> 0, build));
    }

    /** Sums of numbers of size 1 that may cancel. */
    private static void cancelling(
            String name, int most, IntUnaryOperator forward, IntUnaryOperator backward, Build build) {
        ALL.put(name, new Case(name, most, forward, backward, _ -> 1, build));
    }

    /** The derivative of a norm is what is left of numbers of size 1 that cancel, and of 1 / sqrt(eps) where a row is one number. */
    private static double ofNorms(int n) {
        return n == 1 ? 317 : 1;
    }

    private static void norms(String name, BiFunction<GradientCheck, Value, Value> norm) {
        ALL.put(
                name + ", D",
                new Case(
                        name + ", D",
                        Integer.MAX_VALUE,
                        n -> n,
                        n -> n,
                        KernelAccuracy::ofNorms,
                        (c, n) -> c.seed(norm.apply(c, c.input("x", 5, n)))));
        ALL.put(
                name + ", T",
                new Case(
                        name + ", T",
                        Integer.MAX_VALUE,
                        _ -> 5,
                        n -> n,
                        KernelAccuracy::ofNorms,
                        (c, n) -> c.seed(norm.apply(c, c.input("x", n, 5)))));
    }

    /**
     * One dimension of one kernel.
     *
     * @param most largest size that the kernel takes
     * @param forward terms of the longest sum in an output, by n; 0 for none
     * @param backward the same of a gradient
     * @param least what the largest element counts as at least
     */
    private record Case(
            String name,
            int most,
            IntUnaryOperator forward,
            IntUnaryOperator backward,
            IntToDoubleFunction least,
            Build build)
            implements Runnable {
        @Override
        public void run() {
            try (var team = new Team(2)) {
                for (int n : SIZES) {
                    if (n <= most) {
                        check(n, team);
                    }
                }
            }
        }

        private void check(int n, Team team) {
            var single = results(n, DType.F32, team);
            var exact = results(n, DType.F64, team);
            exact.forEach((value, expected) -> {
                int terms = (value.startsWith(GRADIENT) ? backward : forward).applyAsInt(n);
                var what = name + " " + n + ", " + value;
                if (terms > 0) {
                    Numbers.assertClose(
                            expected, single.get(value), 1e-6 * Math.sqrt(terms), least.applyAsDouble(n), what);
                } else {
                    assertPointwise(expected, single.get(value), what);
                }
            });
        }

        /** Outputs, and gradients of the variables, by name. */
        private Map<String, double[]> results(int n, DType real, Team team) {
            var check = new GradientCheck(real, n);
            build.build(check, n);
            var outputs = List.copyOf(check.bench().graph().program().outputs());
            var gradients = check.isDifferentiable() ? check.differentiate() : List.<Value>of();
            try (var bound = check.bench().bind(team, Placement.POISON)) {
                bound.run();
                var results = new LinkedHashMap<String, double[]>();
                outputs.forEach(value -> results.put(value.toString(), bound.read(value)));
                gradients.forEach(value -> results.put(GRADIENT + value, bound.read(value)));
                check.graph().parameters().values().stream()
                        .filter(_ -> gradients.isEmpty())
                        .forEach(value -> results.put(value.toString(), bound.read(value)));
                check.graph().states().forEach(value -> results.put(value.toString(), bound.read(value)));
                return results;
            }
        }
    }

    private static void assertPointwise(double[] expected, double[] actual, String what) {
        assertEquals(expected.length, actual.length, what);
        for (int i = 0; i < expected.length; i++) {
            var tolerance = Math.max(4 * Math.ulp((float) expected[i]), 1e-6 * Math.abs(expected[i]));
            // Written so that NaN fails.
            assertTrue(
                    Math.abs(actual[i] - expected[i]) <= tolerance,
                    what + ": element " + i + " is " + actual[i] + ", not " + expected[i]);
        }
    }

    private static void embedding(GradientCheck c, int L, int D) {
        var token = c.bench().randomIntegers("token", 2 * L, 0, 5);
        c.seed(c.graph().embedding(token, c.parameter("table", 5, D), c.parameter("position", L, D), null, L));
    }

    private static void linear(GradientCheck c, int T, int I, int O) {
        c.seed(c.graph().linear(c.input("x", T, I), c.parameter("weight", O, I), c.parameter("bias", O)));
    }

    private static void convolution(GradientCheck c, int L, int E) {
        var x = c.input("x", 2 * L, E);
        c.seed(c.graph().convolution(x, c.parameter("taps", E, 4), c.parameter("bias", E), null, null, 2));
    }

    private static void scan(GradientCheck c, int L, int E, int N) {
        var s = new KernelChecks.ScanInputs(c.bench(), 2 * L, E, N);
        List.of(s.u, s.r, s.z, s.b, s.c, s.aLog, s.skip, s.dtBias).forEach(c::variable);
        c.seed(c.graph().scan(s.u, s.r, s.z, s.b, s.c, s.aLog, s.skip, s.dtBias, null, null, 2));
    }

    private static void attention(GradientCheck c, int L, int H, int width) {
        c.seed(c.graph().attention(c.input("qkv", L, 3L * H * width), 1, H));
    }

    private static void experts(GradientCheck c, int T, int X, int I, int O) {
        var graph = c.graph();
        var route = graph.route(c.input("logits", T, X), Math.max(1, T / 2), 0.3);
        var grouped = graph.gather(c.input("x", T, I), route);
        c.loss(route.balance(), 1);
        c.seed(graph.scatter(graph.expertLinear(grouped, c.parameter("weight", X, O, I), route), route));
    }

    private static void crossEntropy(GradientCheck c, int T, int V) {
        var logits = c.bench().randomize(c.input("logits", T, V), 3);
        c.loss(c.graph().mean(c.graph().crossEntropy(logits, c.bench().randomIntegers("target", T, -1, V))), 1);
    }

    private static void adamW(GradientCheck c, int n) {
        var bench = c.bench();
        var v = bench.state("v", n);
        bench.set(v, Arrays.stream(bench.get(v)).map(Math::abs).toArray());
        var step = c.graph().input("step", DType.F64, AdamW.FIELDS);
        bench.set(step, 1e-2, 0.9, 0.999, 1e-8, 0.271, 0.003, 0.5);
        c.graph()
                .add(new AdamW(
                        bench.parameter("parameter", n),
                        bench.state("m", n),
                        v,
                        bench.input("g", n),
                        step,
                        null,
                        0.1,
                        false));
    }
}
