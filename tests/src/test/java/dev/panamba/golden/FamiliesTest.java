package dev.panamba.golden;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.graph.Gemm;
import dev.panamba.graph.Numbers;
import dev.panamba.graph.Team;
import dev.panamba.memory.Placement;
import dev.panamba.model.ModelFiles;
import dev.panamba.tensor.DType;
import dev.panamba.train.Logits;
import dev.panamba.train.Trainer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The six families compute what PyTorch computes in double precision: logits, losses, every gradient, twenty steps of training,
 * whoever multiplies.
 */
@ParameterizedClass
@EnumSource(
        value = Gemm.class,
        names = {"OPENBLAS", "PANAMBA"})
class FamiliesTest {
    @Parameter
    private Gemm gemm;

    @TempDir
    private Path folder;

    static Stream<Golden> cases() throws IOException {
        return Golden.list("families").map(Golden::read);
    }

    @ParameterizedTest
    @MethodSource("cases")
    void logitsAreThoseOfEvaluation(Golden golden) throws IOException {
        var options = golden.options();
        int V = golden.config().V();
        var expected = golden.get("dropless_logits");
        try (var weights = ModelFiles.weights(golden.write(folder.resolve("model")), false);
                var team = new Team(2, gemm)) {
            for (int b = 0; b < options.batch(); b++) {
                int first = b * options.context();
                var tokens = Arrays.copyOfRange(golden.integers("tokens"), first, first + options.context());
                try (var logits = new Logits(weights, tokens, team, Placement.CHECKED)) {
                    Numbers.assertClose(
                            Arrays.copyOfRange(expected, first * V, (first + options.context()) * V),
                            Golden.numbers(logits.tensor().data(), DType.F32),
                            1e-5,
                            "logits of sequence " + b);
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void doublePrecisionAgreesToTheNinthDigit(Golden golden) {
        try (var step = new GoldenStep(golden, DType.F64, gemm)) {
            Numbers.assertClose(golden.get("logits"), step.logits(), 1e-9, "logits");
            assertRelative(golden.get("loss")[0], step.loss(), 1e-9, "loss");
            assertRelative(golden.get("aux")[0], step.aux(), 1e-9, "aux");
            assertRelative(golden.get("grad_norm")[0], step.gradientNorm(), 1e-9, "norm of all gradients");
            for (var parameter : step.parameters()) {
                var expected = golden.get("gradients/" + parameter);
                Numbers.assertClose(expected, step.gradient(parameter), 1e-9, 1e-6, "gradient of " + parameter);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void gradientsPointWherePyTorchsDo(Golden golden) {
        try (var step = new GoldenStep(golden, DType.F32, gemm)) {
            Numbers.assertClose(golden.get("logits"), step.logits(), 1e-5, "logits");
            for (var parameter : step.parameters()) {
                var expected = golden.get("gradients/" + parameter);
                var actual = step.gradient(parameter);
                var cosine = dot(expected, actual) / Math.sqrt(dot(expected, expected) * dot(actual, actual));
                assertTrue(cosine >= 0.99999, () -> "cosine of the gradient of " + parameter + ": " + cosine);
                assertSmall(distance(expected, actual), 1e-4, "relative error of the gradient of " + parameter);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void twentyStepsGoTheSameWay(Golden golden) throws IOException {
        var options = golden.options();
        try (var weights = ModelFiles.weights(golden.write(folder.resolve("model")), false);
                var team = new Team(2, gemm);
                var trainer = new Trainer(weights, options, team, Placement.CHECKED)) {
            var batches = golden.batches();
            for (int s = 0; s < options.steps(); s++) {
                var metrics = trainer.step(batches);
                var tolerance = s == 0 ? 1e-5 : 1e-3;
                assertRelative(golden.get("loss")[s], metrics.loss(), tolerance, "loss of step " + s);
                assertRelative(golden.get("aux")[s], metrics.aux(), tolerance, "aux of step " + s);
                assertRelative(golden.get("grad_norm")[s], metrics.gradNorm(), tolerance, "norm of step " + s);
                assertRelative(golden.get("lr")[s], metrics.lr(), 1e-12, "learning rate of step " + s);
                assertEquals(golden.get("dropped")[s], metrics.dropped(), "dropped at step " + s);
            }
            for (var tensor : weights.tensors()) {
                var trained = Golden.numbers(tensor.data(), DType.F32);
                assertSmall(
                        distance(golden.get("trained/" + tensor.name()), trained), 1e-3, "trained " + tensor.name());
            }
        }
    }

    private static void assertRelative(double expected, double actual, double tolerance, String what) {
        // Written so that NaN fails.
        assertTrue(
                Math.abs(actual - expected) <= tolerance * Math.abs(expected),
                what + " is " + actual + ", not " + expected);
    }

    private static void assertSmall(double error, double most, String what) {
        assertTrue(error <= most, what + " is off by " + error);
    }

    /** The length of the difference as a share of the expected length. */
    private static double distance(double[] expected, double[] actual) {
        double squares = 0;
        for (int i = 0; i < expected.length; i++) {
            squares += Math.pow(actual[i] - expected[i], 2);
        }
        return Math.sqrt(squares / dot(expected, expected));
    }

    private static double dot(double[] a, double[] b) {
        assertEquals(a.length, b.length);
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }
}
