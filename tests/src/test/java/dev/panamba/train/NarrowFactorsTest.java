package dev.panamba.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.model.Config;
import dev.panamba.tensor.DType;
import dev.panamba.text.TokenFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A training whose products round their factors to BF16 learns what one in F32 learns. */
class NarrowFactorsTest {
    private static final int STEPS = 100;
    /** Steps whose losses are averaged: a rounding moves a single batch's loss of so small a model about, not the curve. */
    private static final int WINDOW = 10;

    @TempDir
    private Path folder;

    static List<Config> families() {
        return Tiny.families();
    }

    @ParameterizedTest
    @MethodSource("families")
    void theLossIsNearlyThatOfSinglePrecision(Config config) throws IOException {
        var exact = losses(config, DType.F32);
        var narrow = losses(config, DType.BF16);
        assertTrue(exact[STEPS - 1] < exact[0] / 2, "it learns: " + exact[0] + " to " + exact[STEPS - 1]);
        assertNotEquals(exact[STEPS - 1], narrow[STEPS - 1], "numbers are rounded");
        for (int i = 0; i < STEPS; i += WINDOW) {
            double expected = mean(exact, i);
            assertEquals(expected, mean(narrow, i), expected * 0.01, "from step " + i);
        }
    }

    private static double mean(double[] losses, int from) {
        return Arrays.stream(losses, from, from + WINDOW).average().orElseThrow();
    }

    private double[] losses(Config config, DType compute) throws IOException {
        var options = Tiny.options(STEPS, 4, 4, 0.003, false, compute);
        var losses = new double[STEPS];
        try (var file = TokenFile.open(Tiny.tokens(folder, 20_000));
                var training = new Tiny.Training(config, options)) {
            var batches = new Windows(file, options.context(), options.seed(), options.order());
            for (int i = 0; i < STEPS; i++) {
                losses[i] = training.trainer.step(batches).loss();
            }
        }
        return losses;
    }
}
