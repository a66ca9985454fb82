package dev.panamba.graph;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.panamba.graph.ForwardOp.ExpertLinear;
import dev.panamba.graph.ForwardOp.Linear;
import dev.panamba.graph.GradientOp.Copy;
import dev.panamba.graph.GradientOp.ExpertLinearGrad;
import dev.panamba.graph.GradientOp.ExpertWeightGrad;
import dev.panamba.graph.GradientOp.LinearGrad;
import dev.panamba.graph.GradientOp.LinearWeightGrad;
import dev.panamba.memory.Placement;
import dev.panamba.tensor.DType;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Large products in their three forms against one loop for each index, with what is multiplied as it is and rounded to BF16: at
 * sizes around tiles, blocks and vectors, in windows, assigned and added to what is there, with experts that have many tokens, few
 * and none, and cut into any number of shares. Dense ones by OpenBLAS too.
 */
final class ProductChecks {
    private static final int[] TOKENS = {17, 28, 29, 31, 43, 113, 130, 225};
    private static final int[] WIDTHS = {1, 2, 7, 15, 16, 17, 31, 33, 48, 65};
    /** Around a block of columns, and around the numbers that a block is deep. */
    private static final int[] LONG = {255, 257, 511, 513, 530, 1030};

    private final SplittableRandom random;
    private final DType factors;
    private final int T;
    private final int O;
    private final int I;
    /** Whether the weight's gradient is added to. */
    private final boolean adds;

    private ProductChecks(int seed) {
        random = new SplittableRandom(seed);
        factors = random.nextBoolean() ? DType.F32 : DType.BF16;
        T = seed % 7 == 0 ? any(LONG) : any(TOKENS);
        O = seed % 7 == 1 ? any(LONG) : any(WIDTHS);
        I = seed % 7 == 2 ? any(LONG) : any(WIDTHS);
        adds = random.nextBoolean();
    }

    private ProductChecks(DType factors, int T, int O, int I) {
        random = new SplittableRandom(T);
        this.factors = factors;
        this.T = T;
        this.O = O;
        this.I = I;
        adds = false;
    }

    static void run() {
        try (var one = new Team(1, Gemm.PANAMBA);
                var two = new Team(2, Gemm.PANAMBA);
                var three = new Team(3, Gemm.PANAMBA);
                var oneCalls = new Team(1, Gemm.OPENBLAS);
                var twoCall = new Team(2, Gemm.OPENBLAS);
                var threeCall = new Team(3, Gemm.OPENBLAS)) {
            for (int seed = 0; seed < 42; seed++) {
                new ProductChecks(seed).linear(List.of(one, two, three));
                // In other shares OpenBLAS may add in another order.
                var openBlas = List.of(oneCalls, twoCall, threeCall).get(seed % 3);
                new ProductChecks(seed).linear(List.of(openBlas, openBlas));
                var some = new ProductChecks(seed);
                some.experts(List.of(one, two, three), 1 + some.random.nextInt(6));
            }
            // 8.4 MiB of gradients, which are written past the caches; the last columns are fewer than a tile's
            new ProductChecks(DType.F32, 61, 416, 528).experts(List.of(one, two), 10);
            // As many, in rows that are no whole lines
            new ProductChecks(DType.F32, 2, 1024, 2053).linear(List.of(one, two));
        }
    }

    private int any(int[] sizes) {
        return sizes[random.nextInt(sizes.length)];
    }

    private void linear(List<Team> teams) {
        var bench = new Bench(DType.F32, T + O + I);
        var graph = bench.graph();
        var wide = bench.input("x", T, I + 9);
        var x = graph.columns(wide, 5, I);
        var dy = bench.input("dy", T, O);
        var before = bench.input("before", T, I);
        var weight = bench.parameter("weight", O, I);
        var y = graph.activation("y", T, O + 3);
        var dx = graph.activation("dx", T, I);
        graph.add(new Linear(graph.columns(y, 2, O), x, weight, null, factors));
        graph.add(new Copy(dx, before));
        graph.add(new LinearGrad(dx, dy, weight, factors, true));
        var dweightBefore = bench.input("dweight before", O, I);
        graph.add(new Copy(graph.gradient(weight), dweightBefore));
        graph.add(new LinearWeightGrad(graph.gradient(weight), dy, x, factors, adds));
        var xs = rounded(window(bench.get(wide), I + 9, 5));
        var dys = rounded(bench.get(dy));
        var weights = rounded(bench.get(weight));
        var dxs = bench.get(before).clone();
        var dweights = adds ? bench.get(dweightBefore).clone() : new double[O * I];
        addGradients(dxs, dweights, dys, xs, weights, 0, T, 0);
        compare(
                bench,
                teams,
                List.of(
                        new Expected(graph.columns(y, 2, O), Reference.linear(xs, weights, new double[O], T, I, O), I),
                        new Expected(dx, dxs, O),
                        new Expected(graph.gradient(weight), dweights, T)));
    }

    private void experts(List<Team> teams, int X) {
        var bench = new Bench(DType.F32, T + O + I);
        var graph = bench.graph();
        var offsets = random.ints(X + 1, 0, T + 1).sorted().toArray();
        offsets[0] = 0;
        if (X > 2) {
            offsets[2] = offsets[1];
        }
        var offset = bench.integers("offset", offsets);
        var x = bench.input("x", T, I);
        var dy = bench.input("dy", T, O);
        var weight = bench.parameter("weight", X, O, I);
        var y = graph.activation("y", T, O);
        var dx = graph.activation("dx", T, I);
        graph.add(new ExpertLinear(y, x, weight, offset, factors));
        graph.add(new ExpertLinearGrad(dx, dy, weight, offset, factors));
        var dweightBefore = bench.input("dweight before", X, O, I);
        graph.add(new Copy(graph.gradient(weight), dweightBefore));
        graph.add(new ExpertWeightGrad(graph.gradient(weight), dy, x, offset, factors, adds));
        int kept = offsets[X];
        var xs = rounded(bench.get(x));
        var dys = rounded(bench.get(dy));
        var weights = rounded(bench.get(weight));
        var ys = new double[kept * O];
        var dxs = new double[kept * I];
        var dweights = adds ? bench.get(dweightBefore).clone() : new double[X * O * I];
        for (int e = 0; e < X; e++) {
            int rows = offsets[e + 1] - offsets[e];
            var matrix = Arrays.copyOfRange(weights, e * O * I, (e + 1) * O * I);
            var part = Arrays.copyOfRange(xs, offsets[e] * I, offsets[e + 1] * I);
            var product = Reference.linear(part, matrix, new double[O], rows, I, O);
            System.arraycopy(product, 0, ys, offsets[e] * O, product.length);
            addGradients(dxs, dweights, dys, xs, weights, offsets[e], offsets[e + 1], e);
        }
        compare(
                bench,
                teams,
                List.of(
                        new Expected(graph.rows(y, 0, kept), ys, I),
                        new Expected(graph.rows(dx, 0, kept), dxs, O),
                        new Expected(graph.gradient(weight), dweights, T)));
    }

    private void addGradients(
            double[] dx, double[] dweight, double[] dy, double[] x, double[] weight, int from, int to, int expert) {
        for (int t = from; t < to; t++) {
            for (int o = 0; o < O; o++) {
                for (int i = 0; i < I; i++) {
                    dx[t * I + i] += dy[t * O + o] * weight[(expert * O + o) * I + i];
                    dweight[(expert * O + o) * I + i] += dy[t * O + o] * x[t * I + i];
                }
            }
        }
    }

    /** What a product of k terms should be. */
    private record Expected(Value value, double[] elements, int k) {}

    private void compare(Bench bench, List<Team> teams, List<Expected> all) {
        var outputs = all.stream().map(Expected::value).map(Value::root).toList();
        outputs.stream().filter(v -> v.role() == Role.ACTIVATION).forEach(bench.graph()::output);
        double[][] first = null;
        for (var team : teams) {
            try (var bound = bench.bind(team, Placement.GUARDED)) {
                bound.run();
                var results = all.stream().map(e -> bound.read(e.value)).toArray(double[][]::new);
                for (int i = 0; i < results.length; i++) {
                    var expected = all.get(i);
                    var what = factors + " " + expected.value + " of " + T + ", " + O + ", " + I;
                    Numbers.assertClose(expected.elements, results[i], 1e-6 * Math.sqrt(expected.k), 1, what);
                    if (first != null) {
                        assertArrayEquals(first[i], results[i], what + " in " + team.size() + " shares");
                    }
                }
                first = results;
            }
        }
    }

    /** I columns of T rows. */
    private double[] window(double[] x, int stride, int column) {
        var part = new double[T * I];
        Arrays.setAll(part, i -> x[i / I * stride + column + i % I]);
        return part;
    }

    private double[] rounded(double[] x) {
        return factors == DType.F32
                ? x
                : Arrays.stream(x).map(ProductChecks::bf16).toArray();
    }

    /** The nearest number with 8 significant bits; of two, the one whose last bit is 0. */
    private static double bf16(double x) {
        double unit = Math.ulp((float) x) * (1 << 16);
        return Math.rint(x / unit) * unit;
    }
}
