package dev.panamba.graph;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.Fork;
import dev.panamba.bindings.Natives;
import dev.panamba.graph.ForwardOp.ExpertLinear;
import dev.panamba.graph.ForwardOp.Linear;
import dev.panamba.graph.GradientOp.LinearGrad;
import dev.panamba.graph.GradientOp.LinearWeightGrad;
import dev.panamba.infer.LanguageModel;
import dev.panamba.memory.Placement;
import dev.panamba.model.Config;
import dev.panamba.model.Config.Mamba;
import dev.panamba.model.Config.None;
import dev.panamba.model.Config.Norm;
import dev.panamba.model.Config.Position;
import dev.panamba.model.Weights;
import dev.panamba.tensor.DType;
import dev.panamba.text.Tokenizers;
import dev.panamba.train.Batches;
import dev.panamba.train.Tiny;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Which products are OpenBLAS's, who may call it, and what becomes of a program without it. */
class GemmTest {
    private static final int LARGE = Math.toIntExact(GemmLowering.LARGE_WEIGHT);
    private static final int SIDE = Math.toIntExact(GemmLowering.SMALLEST_SIDE);

    @ParameterizedTest
    @EnumSource(Gemm.class)
    void largeDenseProductsOfRealNumbersAreOpenBlas(Gemm gemm) {
        assertEquals(gemm != Gemm.PANAMBA, isOpenBlas(gemm, DType.F32, DType.F32, SIDE, LARGE, SIDE));
        assertEquals(gemm != Gemm.PANAMBA, isOpenBlas(gemm, DType.F32, DType.F32, SIDE, SIDE, LARGE));
        for (var sizes : new int[][] {{SIDE - 1, LARGE, SIDE}, {SIDE, SIDE - 1, LARGE}, {SIDE, LARGE, SIDE - 1}}) {
            assertEquals(
                    gemm == Gemm.OPENBLAS,
                    isOpenBlas(gemm, DType.F32, DType.F32, sizes[0], sizes[1], sizes[2]),
                    Arrays.toString(sizes));
        }
        assertEquals(gemm != Gemm.PANAMBA, isOpenBlas(gemm, DType.F64, DType.F64, 17, 5, 3));
        assertEquals(false, isOpenBlas(gemm, DType.F32, DType.BF16, SIDE, LARGE, SIDE));
        assertEquals(false, isOpenBlas(gemm, DType.F32, DType.F32, 16, LARGE, SIDE), "few tokens");
    }

    @Test
    void gradientsOfSmallerWeightsAreOurs() {
        var bench = new Bench(DType.F32, 1);
        var weight = bench.parameter("weight", LARGE - 1, SIDE);
        bench.graph()
                .add(new LinearWeightGrad(
                        bench.graph().gradient(weight),
                        bench.input("dy", SIDE, LARGE - 1),
                        bench.input("x", SIDE, SIDE),
                        DType.F32,
                        false));
        assertEquals(List.of(false), by(bench, Gemm.FASTEST));
        assertEquals(List.of(true), by(bench, Gemm.OPENBLAS));
    }

    /** Whether a product and both its derivatives go there; all three or none. */
    private static boolean isOpenBlas(Gemm gemm, DType real, DType factors, int T, int O, int I) {
        var bench = new Bench(real, 1);
        var graph = bench.graph();
        var x = bench.input("x", T, I);
        var dy = bench.input("dy", T, O);
        var weight = bench.parameter("weight", O, I);
        var y = graph.activation("y", T, O);
        var dx = graph.activation("dx", T, I);
        graph.output(y);
        graph.output(dx);
        graph.add(new Linear(y, x, weight, null, factors));
        if (T > 16) {
            graph.add(new LinearGrad(dx, dy, weight, factors, false));
            graph.add(new LinearWeightGrad(graph.gradient(weight), dy, x, factors, false));
        }
        var who = by(bench, gemm);
        assertEquals(1, who.stream().distinct().count(), "forward and derivatives " + who);
        return who.getFirst();
    }

    private static List<Boolean> by(Bench bench, Gemm gemm) {
        var profile = new Profile();
        try (var team = new Team(2, gemm);
                var bound = bench.bind(team, Placement.PACKED)) {
            team.measure(profile);
            bound.run();
        }
        return profile.rows().stream().map(Profile.Row::openBlas).toList();
    }

    @ParameterizedTest
    @EnumSource(Gemm.class)
    void productsOfExpertsAreOurs(Gemm gemm) {
        var bench = new Bench(DType.F32, 1);
        var y = bench.graph().activation("y", SIDE, SIDE);
        bench.graph().output(y);
        bench.graph()
                .add(new ExpertLinear(
                        y,
                        bench.input("x", SIDE, SIDE),
                        bench.parameter("weight", 1, SIDE, SIDE),
                        bench.integers("offset", 0, SIDE),
                        DType.F32));
        assertEquals(List.of(false), by(bench, gemm));
    }

    @ParameterizedTest
    @EnumSource(
            value = Gemm.class,
            names = {"OPENBLAS", "PANAMBA"})
    void twoTrainingsAreTheSameByteForByte(Gemm gemm) {
        for (var config : Tiny.families()) {
            assertArrayEquals(trained(config, gemm), trained(config, gemm), config.family());
        }
    }

    private static float[] trained(Config config, Gemm gemm) {
        var options = Tiny.options(5, 4, 2, 0.01);
        var noise = Batches.random(config.V(), options.context());
        try (var training = new Tiny.Training(Weights.random(config, 1), options, gemm)) {
            for (int i = 0; i < 5; i++) {
                training.trainer.step(noise);
            }
            return training.weights.store().at(Store.ALL).toArray(JAVA_FLOAT);
        }
    }

    /** OpenBLAS runs on the caller's stack, too. */
    @Test
    void callersMayHaveSmallStacksOrBeVirtual() throws Exception {
        var bench = new Bench(DType.F32, 1);
        var y = bench.graph()
                .output(bench.graph()
                        .linear(bench.input("x", SIDE + 3, SIDE + 5), bench.parameter("w", SIDE + 1, SIDE + 5), null));
        try (var team = new Team(2, Gemm.OPENBLAS);
                var bound = bench.bind(team, Placement.PACKED)) {
            var expected = bound.run().read(y);
            var small = new CompletableFuture<double[]>();
            var virtual = new CompletableFuture<double[]>();
            new Thread(null, () -> small.complete(bound.run().read(y)), "small stack", 256 << 10).start();
            assertArrayEquals(expected, small.get());
            Thread.ofVirtual().start(() -> virtual.complete(bound.run().read(y)));
            assertArrayEquals(expected, virtual.get());
        }
    }

    /** Prints whether OpenBLAS is there, and what a product is whose sides are large enough for it. */
    static final class Product {
        public static void main(String[] arguments) {
            System.out.println(Natives.hasOpenBlas());
            var bench = new Bench(DType.F32, 1);
            var y = bench.graph()
                    .output(bench.graph().linear(bench.input("x", SIDE, SIDE), bench.parameter("w", SIDE, SIDE), null));
            try (var team = new Team(2);
                    var bound = bench.bind(team, Placement.PACKED)) {
                System.out.println(bound.run().read(y)[SIDE + 1]);
            }
            try (var team = new Team(1, Gemm.OPENBLAS);
                    var bound = bench.bind(team, Placement.PACKED)) {
                bound.run();
                System.out.println("bound");
            } catch (IllegalStateException e) {
                System.out.println(e.getMessage());
            }
        }
    }

    @Test
    void withoutItsJarOurKernelsMultiply() throws IOException, InterruptedException {
        var with = Fork.run(Map.of(), Product.class).output().lines().toList();
        var without = Fork.withoutOpenBlas(Product.class).output().lines().toList();
        assertEquals("true", with.get(0));
        assertEquals("bound", with.get(2));
        assertEquals("false", without.get(0));
        assertEquals(Double.parseDouble(with.get(1)), Double.parseDouble(without.get(1)), 1e-4);
        assertTrue(
                without.get(2).startsWith("The library org/bytedeco/openblas/")
                        && without.get(2).contains("is not on the class path"),
                without.get(2));
    }

    /** Says after each of two prompts whether OpenBLAS is in the process. */
    static final class Prompts {
        public static void main(String[] arguments) throws IOException {
            var mixer = new Mamba(2 * SIDE, 16, 4, 16, false, true);
            var config = new Config(
                    256, SIDE, 1, mixer, new None(), false, Norm.LAYER, 1e-5, false, false, Position.NONE, 0);
            try (var model = LanguageModel.of(Weights.random(config, 1), Tokenizers.bytes(), DType.F32, 2);
                    var session = model.newSession()) {
                for (int tokens : new int[] {SIDE - 1, SIDE}) {
                    session.feed(new int[tokens]);
                    System.out.println(isLoaded());
                }
            }
        }

        private static boolean isLoaded() throws IOException {
            try (var maps = Files.lines(Path.of("/proc/self/maps"))) {
                return maps.anyMatch(line -> line.endsWith("libopenblas.so.0"));
            }
        }
    }

    @Test
    void shortPromptsDoNotLoadIt() throws IOException, InterruptedException {
        assertEquals("false\ntrue\n", Fork.run(Map.of(), Prompts.class).output());
    }
}
