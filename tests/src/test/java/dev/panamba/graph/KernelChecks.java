package dev.panamba.graph;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.panamba.bindings.Kernels;
import dev.panamba.graph.ForwardOp.Route;
import dev.panamba.graph.UpdateOp.AdamW;
import dev.panamba.graph.UpdateOp.SquaredNorm;
import dev.panamba.memory.Placement;
import dev.panamba.tensor.DType;
import dev.panamba.tensor.Shape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SequencedMap;
import java.util.TreeMap;
import java.util.function.Consumer;

/**
 * What single-precision kernels are measured by; {@link #main} does it in a process of its own, for another CPU level. A check
 * that fails throws.
 */
final class KernelChecks {
    /** Largest error as a share of the largest result. */
    private static final double CLOSE = 1e-5;

    private static final int SHAPES = 24;

    static final SequencedMap<String, Runnable> ALL = new TreeMap<>();

    static {
        ALL.put("norms", () -> shapes(KernelChecks::norms));
        ALL.put("linear", () -> shapes(KernelChecks::linear));
        ALL.put("convolution", () -> shapes(KernelChecks::convolution));
        ALL.put("scan", () -> shapes(KernelChecks::scan));
        ALL.put("attention", () -> shapes(KernelChecks::attention));
        ALL.put("experts", () -> shapes(KernelChecks::experts));
        ALL.put("cross entropy", () -> shapes(KernelChecks::crossEntropy));
        ALL.put("adamw", () -> shapes(KernelChecks::adamW));
        ALL.put("squared norm", () -> shapes(KernelChecks::squaredNorm));
        ALL.put("single against double", KernelChecks::singleAgainstDouble);
        ALL.put("extremes", KernelChecks::extremes);
        ALL.put("chunks", PartsCheck::run);
        ALL.put("formats", FormatChecks::run);
        ALL.put("large products", ProductChecks::run);
        KernelAccuracy.ALL.forEach((name, check) -> ALL.put("accuracy of " + name, check));
    }

    private KernelChecks() {}

    public static void main(String[] arguments) {
        System.out.println(Kernels.level());
        ALL.values().forEach(Runnable::run);
        System.out.println("done");
    }

    @FunctionalInterface
    private interface Check {
        void run(Bench bench);
    }

    private static void shapes(Check check) {
        for (int seed = 0; seed < SHAPES; seed++) {
            check.run(new Bench(DType.F32, seed));
        }
    }

    /** Runs the program and compares one value after the other. */
    private static void compare(Bench bench, Expected... all) {
        for (var expected : all) {
            bench.graph().output(expected.value);
        }
        try (var team = new Team(2);
                var bound = bench.bind(team, Placement.POISON)) {
            bound.run();
            for (var expected : all) {
                Numbers.assertClose(
                        expected.elements, bound.read(expected.value), expected.tolerance, expected.value.toString());
            }
        }
    }

    private record Expected(Value value, double[] elements, double tolerance) {}

    private static Expected close(Value value, double... elements) {
        return new Expected(value, elements, CLOSE);
    }

    private static Expected exact(Value value, double... elements) {
        return new Expected(value, elements, 0);
    }

    private static void norms(Bench bench) {
        int D = bench.size();
        var x = bench.input("x", bench.size(), D);
        var weight = bench.parameter("weight", D);
        var bias = bench.parameter("bias", D);
        compare(
                bench,
                close(
                        bench.graph().layerNorm(x, weight, bias, 1e-5),
                        Reference.layerNorm(bench.get(x), bench.get(weight), bench.get(bias), D, 1e-5)),
                close(
                        bench.graph().rmsNorm(x, weight, 1e-5),
                        Reference.rmsNorm(bench.get(x), bench.get(weight), D, 1e-5)));
    }

    private static void linear(Bench bench) {
        int T = bench.size();
        int I = bench.size();
        int O = bench.size();
        var x = bench.input("x", T, I);
        var weight = bench.parameter("weight", O, I);
        var bias = bench.parameter("bias", O);
        compare(
                bench,
                close(
                        bench.graph().linear(x, weight, bias),
                        Reference.linear(bench.get(x), bench.get(weight), bench.get(bias), T, I, O)),
                close(
                        bench.graph().linear(x, weight, null),
                        Reference.linear(bench.get(x), bench.get(weight), new double[O], T, I, O)));
    }

    private static void convolution(Bench bench) {
        int B = bench.size(3);
        int L = bench.size();
        int E = bench.size();
        int K = bench.random().nextInt(1, 6);
        var x = bench.input("x", B * L, E);
        var weight = bench.parameter("weight", E, K);
        var bias = bench.parameter("bias", E);
        compare(
                bench,
                close(
                        bench.graph().convolution(x, weight, bias, null, null, B),
                        Reference.convolution(bench.get(x), bench.get(weight), bench.get(bias), B, L, E, K)));
    }

    private static void scan(Bench bench) {
        int B = bench.size(3);
        int L = bench.size();
        int E = bench.coin() ? bench.size() : 64 + bench.size();
        int N = bench.size(17);
        var s = new ScanInputs(bench, B * L, E, N);
        compare(
                bench,
                close(
                        bench.graph().scan(s.u, s.r, s.z, s.b, s.c, s.aLog, s.skip, s.dtBias, null, null, B),
                        Reference.scan(
                                bench.get(s.u),
                                bench.get(s.r),
                                bench.get(s.z),
                                bench.get(s.b),
                                bench.get(s.c),
                                bench.get(s.aLog),
                                bench.get(s.skip),
                                bench.get(s.dtBias),
                                B,
                                L,
                                E,
                                N)));
    }

    static final class ScanInputs {
        final Value u;
        final Value r;
        final Value z;
        final Value b;
        final Value c;
        final Value aLog;
        final Value skip;
        final Value dtBias;

        ScanInputs(Bench bench, int T, int E, int N) {
            u = bench.input("u", T, E);
            r = bench.input("r", T, E);
            z = bench.input("z", T, E);
            b = bench.input("b", T, N);
            c = bench.input("c", T, N);
            aLog = bench.parameter("a_log", E, N);
            skip = bench.parameter("skip", E);
            dtBias = bench.parameter("dt_bias", E);
        }
    }

    private static void attention(Bench bench) {
        int B = bench.size(3);
        int L = bench.size();
        int H = bench.random().nextInt(1, 5);
        int D = H * 2 * bench.size(17);
        var qkv = bench.input("qkv", B * L, 3 * D);
        var past = bench.randomIntegers("past", B, 0, 300);
        compare(
                bench,
                close(
                        bench.graph().rope(qkv, past, L, H),
                        Reference.rope(
                                bench.get(qkv),
                                Arrays.stream(bench.get(past))
                                        .mapToInt(p -> (int) p)
                                        .toArray(),
                                L,
                                D,
                                H)),
                close(bench.graph().attention(qkv, B, H), Reference.attention(bench.get(qkv), B, L, D, H)));
    }

    private static void experts(Bench bench) {
        int T = bench.size();
        int X = bench.size(8);
        int I = bench.size();
        int O = bench.size();
        long C = bench.random().nextInt(T + 1);
        var graph = bench.graph();
        var x = bench.input("x", T, I);
        var logits = bench.input("logits", T, X);
        var weight = bench.parameter("weight", X, O, I);
        Route route = graph.route(logits, C, 0.3);
        var y = graph.scatter(graph.expertLinear(graph.gather(x, route), weight, route), route);
        var expected = new Reference.Routing(bench.get(logits), T, X, C, 0.3);
        compare(
                bench,
                close(route.probability(), expected.probability),
                close(route.gate(), expected.gate),
                exact(route.expert(), expected.expert),
                exact(route.load(), expected.load),
                exact(route.offset(), expected.offset),
                exact(route.row(), expected.row),
                close(route.balance(), expected.balance),
                close(y, Reference.experts(bench.get(x), bench.get(weight), expected, T, I, O)));
    }

    private static void crossEntropy(Bench bench) {
        int V = bench.size();
        var logits = bench.randomize(bench.input("logits", bench.size(), V), 5);
        var target = bench.randomIntegers("target", (int) logits.rows(), -1, V);
        var loss = bench.graph().crossEntropy(logits, target);
        var losses = Reference.crossEntropy(bench.get(logits), bench.get(target), V);
        compare(
                bench,
                // The loss of a sure token is a difference of equals.
                new Expected(loss, losses, 1e-4),
                new Expected(
                        bench.graph().mean(loss),
                        new double[] {Arrays.stream(losses).average().orElseThrow()},
                        1e-4));
    }

    private static void adamW(Bench bench) {
        int X = bench.size();
        int each = bench.size();
        int count = X * each;
        var graph = bench.graph();
        var kept = bench.coin() ? bench.randomIntegers("kept", X, 0, 2) : null;
        var dims = kept == null ? new long[] {count} : new long[] {X, each};
        var parameter = bench.parameter("parameter", dims);
        var m = bench.state("m", dims);
        var v = bench.state("v", dims);
        var gradient = bench.input("gradient", dims);
        bench.set(v, Arrays.stream(bench.get(v)).map(Math::abs).toArray());
        // lr, beta1, beta2, eps, corrections of the third step, scale
        var step = bench.set(
                graph.input("step", DType.F64, AdamW.FIELDS),
                1e-2,
                0.9,
                0.999,
                1e-8,
                1 - Math.pow(0.9, 3),
                1 - Math.pow(0.999, 3),
                0.5);
        var assigned = bench.coin();
        graph.add(new AdamW(parameter, m, v, gradient, step, kept, 0.1, assigned));
        var s = bench.get(step);
        var expected = new double[4][count];
        for (int i = 0; i < count; i++) {
            if (kept != null && bench.get(kept)[i / each] == 0) {
                expected[0][i] = bench.get(m)[i];
                expected[1][i] = bench.get(v)[i];
                expected[2][i] = bench.get(parameter)[i];
                expected[3][i] = bench.get(gradient)[i];
                continue;
            }
            double g = s[6] * bench.get(gradient)[i];
            expected[3][i] = assigned ? bench.get(gradient)[i] : 0;
            expected[0][i] = s[1] * bench.get(m)[i] + (1 - s[1]) * g;
            expected[1][i] = s[2] * bench.get(v)[i] + (1 - s[2]) * g * g;
            double change = expected[0][i] / s[4] / (Math.sqrt(expected[1][i] / s[5]) + s[3]);
            expected[2][i] = bench.get(parameter)[i] - s[0] * (0.1 * bench.get(parameter)[i] + change);
        }
        try (var team = new Team(2);
                var bound = bench.bind(team, Placement.PACKED)) {
            bound.run();
            Numbers.assertClose(expected[0], bound.read(m), 1e-6, "m");
            Numbers.assertClose(expected[1], bound.read(v), 1e-6, "v");
            Numbers.assertClose(expected[2], bound.read(parameter), 1e-6, "parameter");
            assertArrayEquals(expected[3], bound.read(gradient), "the gradient");
        }
    }

    private static void squaredNorm(Bench bench) {
        int count = bench.coin()
                ? bench.size()
                : (int) Shapes.NORM_BLOCK * bench.random().nextInt(1, 3) + bench.size();
        var x = bench.input("x", count);
        var parts = bench.graph().value("parts", DType.F64, Role.ACTIVATION, Shape.of(SquaredNorm.parts(count)));
        bench.graph().add(new SquaredNorm(parts, x));
        var expected = new double[(int) SquaredNorm.parts(count)];
        for (int i = 0; i < count; i++) {
            expected[i / (int) Shapes.NORM_BLOCK] += bench.get(x)[i] * bench.get(x)[i];
        }
        compare(bench, new Expected(parts, expected, 1e-6));
    }

    /**
     * Every op and its derivative in both libraries. The tolerance is that of the worst op: the norm of a single element or of two
     * equal ones multiplies rounding by 1 / sqrt(eps).
     */
    private static void singleAgainstDouble() {
        try (var own = new Team(2, Gemm.PANAMBA);
                var openBlas = new Team(2, Gemm.OPENBLAS)) {
            for (int seed = 0; seed < SHAPES; seed++) {
                for (var op : OpCases.ALL.entrySet()) {
                    var single = results(DType.F32, seed % 2 == 0 ? own : openBlas, op.getValue(), seed);
                    var exact = results(DType.F64, seed % 4 < 2 ? own : openBlas, op.getValue(), seed);
                    for (int i = 0; i < exact.size(); i++) {
                        Numbers.assertClose(
                                exact.get(i),
                                single.get(i),
                                1e-4,
                                1,
                                op.getKey().getSimpleName() + " " + seed + ", value " + i);
                    }
                }
            }
        }
    }

    private static List<double[]> results(DType real, Team team, Consumer<GradientCheck> program, long seed) {
        var check = new GradientCheck(real, seed);
        program.accept(check);
        var values = new ArrayList<>(check.outputs());
        values.addAll(check.differentiate());
        try (var bound = check.bench().bind(team, Placement.CHECKED)) {
            bound.run();
            return values.stream().map(bound::read).toList();
        }
    }

    private static void extremes() {
        double[] steps = {-1e4, -88, 0, 20, 88, 1e4};
        double[] logs = {-20, 0, 20};
        double[] inputs = {1e4, -1e4, 1e-30, 0};
        for (double step : steps) {
            for (double log : logs) {
                for (double input : inputs) {
                    extreme(step, log, input);
                }
            }
        }
    }

    private static void extreme(double step, double log, double input) {
        var check = new GradientCheck(DType.F32, 1);
        var bench = check.bench();
        var graph = check.graph();
        int T = 20;
        int E = 17;
        int N = 3;
        var s = new ScanInputs(bench, T, E, N);
        fill(bench, s.u, input);
        fill(bench, s.r, step);
        fill(bench, s.aLog, log);
        fill(bench, s.z, input);
        check.variable(s.u);
        check.seed(graph.scan(s.u, s.r, s.z, s.b, s.c, s.aLog, s.skip, s.dtBias, null, null, 1));
        var x = fill(bench, bench.input("x", T, E), input);
        check.seed(graph.layerNorm(x, s.skip, s.dtBias, 1e-5));
        check.seed(graph.rmsNorm(x, s.skip, 1e-5));
        check.seed(graph.convolution(x, bench.parameter("taps", E, 4), s.skip, null, null, 1));
        var qkv = bench.randomize(bench.input("qkv", T, 12), Math.min(100, Math.abs(input)));
        check.seed(graph.attention(qkv, 1, 2));
        check.loss(
                graph.mean(graph.crossEntropy(
                        bench.randomize(bench.input("logits", T, E), input), bench.randomIntegers("target", T, 0, E))),
                1);
        var route = graph.route(bench.randomize(bench.input("router", T, 3), input), T, 1);
        check.seed(route.gate());
        check.loss(route.balance(), 1);
        graph.parameters().values().forEach(check::variable);
        var values = new ArrayList<>(check.outputs());
        values.addAll(check.differentiate());
        try (var team = new Team(1);
                var bound = bench.bind(team, Placement.SPREAD)) {
            bound.run();
            for (var value : values) {
                Numbers.assertFinite(
                        bound.read(value), value + " at step " + step + ", A_log " + log + ", input " + input);
            }
        }
    }

    private static Value fill(Bench bench, Value value, double element) {
        var elements = new double[(int) value.shape().elements()];
        Arrays.fill(elements, element);
        return bench.set(value, elements);
    }
}
