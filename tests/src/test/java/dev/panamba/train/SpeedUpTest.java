package dev.panamba.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalDouble;
import java.util.function.IntToDoubleFunction;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Curves whose crossings are known. */
class SpeedUpTest {
    private static final double EXACT = 1e-12;
    private static final Curve NONE = new Curve(new double[0], new double[0]);

    @TempDir
    private Path folder;

    @Test
    void theMovingAverageBeginsWithTheFirstLoss() {
        var curve = Curve.smoothed(new double[] {8, 4, 2}, 0.5);
        assertArrayEquals(new double[] {1, 2, 3}, curve.steps());
        // The weights are those of the sum, 1; 1/3, 2/3; 1/7, 2/7, 4/7.
        assertArrayEquals(new double[] {8, (8 + 2 * 4) / 3.0, (8 + 2 * 4 + 4 * 2) / 7.0}, curve.values(), EXACT);
        assertArrayEquals(
                new double[] {8, 4, 2},
                Curve.smoothed(new double[] {8, 4, 2}, 1).values(),
                EXACT);
    }

    @Test
    void aConstantLossStaysWhatItIs() {
        var curve = Curve.smoothed(DoubleStream.generate(() -> 3.5).limit(5_000).toArray(), 0.001);
        assertTrue(DoubleStream.of(curve.values()).allMatch(value -> Math.abs(value - 3.5) < 1e-9));
    }

    @Test
    void aLevelIsReachedBetweenTwoSteps() {
        var curve = new Curve(new double[] {10, 20, 30, 40}, new double[] {5, 3, 4, 1});
        assertEquals(15, curve.reaches(4).orElseThrow(), EXACT);
        assertEquals(20, curve.reaches(3).orElseThrow(), EXACT);
        assertEquals(30 + 10 * 2 / 3.0, curve.reaches(2).orElseThrow(), EXACT);
        assertEquals(10, curve.reaches(6).orElseThrow(), EXACT);
        assertEquals(OptionalDouble.empty(), curve.reaches(0.5));
        assertEquals(OptionalDouble.empty(), NONE.reaches(1));
    }

    private static History history(int steps, double secondsEach, Curve heldOut, IntToDoubleFunction loss) {
        return new History(
                IntStream.rangeClosed(1, steps).mapToDouble(loss).toArray(),
                IntStream.rangeClosed(1, steps)
                        .mapToDouble(i -> i * secondsEach)
                        .toArray(),
                heldOut,
                OptionalDouble.empty());
    }

    @Test
    void whoFallsTwiceAsFastIsTwiceAsFast() {
        var baseline = history(100, 1, new Curve(new double[] {40, 80}, new double[] {60, 20}), step -> 100 - step);
        var other = history(100, 1.5, new Curve(new double[] {20, 40}, new double[] {60, 20}), step -> 100 - 2 * step);
        var speedUp = SpeedUp.of(baseline, other, 1, 0.8);
        assertEquals(0, speedUp.level(), EXACT);
        assertEquals(50, speedUp.reached().orElseThrow(), EXACT);
        assertEquals(2, speedUp.steps().orElseThrow(), EXACT);
        assertEquals(2 / 1.5, speedUp.seconds().orElseThrow(), EXACT);
        assertEquals(2 / 0.8, speedUp.flops().orElseThrow(), EXACT);
        assertEquals(2, speedUp.heldOut().orElseThrow(), EXACT);
        var over = SpeedUp.overTraining(baseline, other, 1);
        assertEquals(96, over.length());
        assertEquals(5, over.steps()[0]);
        assertTrue(DoubleStream.of(over.values()).allMatch(value -> Math.abs(value - 2) < EXACT));
    }

    @Test
    void whoIsTheSameIsAsFast() {
        var one = history(1_000, 1, NONE, step -> 2 + 3 / Math.sqrt(step));
        var speedUp = SpeedUp.of(one, one, 0.001, 1);
        assertEquals(1, speedUp.steps().orElseThrow(), EXACT);
        assertEquals(1, speedUp.seconds().orElseThrow(), EXACT);
        assertEquals(OptionalDouble.empty(), speedUp.heldOut());
    }

    @Test
    void whatIsNotReachedIsNoNumber() {
        var baseline = history(100, 1, NONE, step -> 100 - step);
        var other = history(100, 1, NONE, step -> 100 - step / 2.0);
        var speedUp = SpeedUp.of(baseline, other, 1, 1);
        assertEquals(OptionalDouble.empty(), speedUp.reached());
        assertEquals(OptionalDouble.empty(), speedUp.steps());
        assertEquals(OptionalDouble.empty(), speedUp.seconds());
        assertEquals(OptionalDouble.empty(), speedUp.flops());
        assertEquals(50, SpeedUp.overTraining(baseline, other, 1).steps()[45]);
        assertEquals(46, SpeedUp.overTraining(baseline, other, 1).length());
    }

    @Test
    void aHistoryIsReadFromMetrics() throws IOException {
        Files.write(
                TrainingRun.metrics(folder),
                List.of(
                        "{\"step\":0,\"loss\":4.0,\"tokens_per_s\":50}",
                        "{\"step\":1,\"loss\":3.0,\"tokens_per_s\":100,\"valid_loss\":3.5}",
                        "{\"step\":2,\"loss\":2.0,\"tokens_per_s\":25,\"valid_loss\":2.5}"));
        var history = History.read(folder, 100);
        assertArrayEquals(new double[] {4, 3, 2}, history.loss());
        assertArrayEquals(new double[] {2, 3, 7}, history.seconds(), EXACT);
        assertArrayEquals(new double[] {2}, history.heldOut().steps());
        assertArrayEquals(new double[] {3.5}, history.heldOut().values());
        assertEquals(OptionalDouble.of(2.5), history.whole());
        assertEquals(1, history.secondsTo(0.5), EXACT);
        assertEquals(5, history.secondsTo(2.5), EXACT);
        assertEquals(7, history.secondsTo(3), EXACT);
    }
}
