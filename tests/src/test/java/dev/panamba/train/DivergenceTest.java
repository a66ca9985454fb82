package dev.panamba.train;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.model.Config;
import dev.panamba.model.ModelFiles;
import dev.panamba.train.Tiny.Training;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.IntPredicate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Whatever becomes of the numbers, there is a checkpoint to go on from. */
class DivergenceTest {
    private static final Config CONFIG = Tiny.families().getFirst();
    private static final int STEPS = 40;

    @TempDir
    private Path folder;

    static List<Config> families() {
        return Tiny.families();
    }

    private static void clean(long sequence, MemorySegment inputs, MemorySegment targets, long at) {
        for (int i = 0; i < 16; i++) {
            inputs.setAtIndex(JAVA_INT, at + i, (int) (sequence * 7 + i) % 256);
            targets.setAtIndex(JAVA_INT, at + i, (int) (sequence * 7 + i + 1) % 256);
        }
    }

    /** While some steps go forward weights are so large that results overflow; behind them they are as they were. */
    private static final class Spoilt implements Batches {
        private final Training training;
        private final IntPredicate bad;
        private final MemorySegment head;
        private float[] kept;

        Spoilt(Training training, IntPredicate bad) {
            this.training = training;
            this.bad = bad;
            head = training.weights.store().at("lm_head.weight");
        }

        @Override
        public void fill(long sequence, MemorySegment inputs, MemorySegment targets, long at) {
            clean(sequence, inputs, targets, at);
            if (kept != null) {
                head.copyFrom(MemorySegment.ofArray(kept));
                kept = null;
            }
            if (bad.test(training.trainer.step())) {
                kept = head.toArray(JAVA_FLOAT);
                for (int i = 0; i < kept.length; i++) {
                    head.setAtIndex(JAVA_FLOAT, i, 3e38f);
                }
            }
        }
    }

    private static Options options() {
        return Tiny.options(STEPS, 2, 2, 0.01);
    }

    private TrainingRun run(Training training, Options options, Batches batches, int saveEvery) {
        return new TrainingRun(folder, training.trainer, options, batches, null, null, saveEvery, _ -> {});
    }

    @Test
    void aStepThatIsNotFiniteIsPassedOver() throws IOException {
        var saw = new int[2];
        try (var training = new Training(CONFIG, options())) {
            var batches = new Spoilt(training, step -> step >= 5 && step < 5 + TrainingRun.MOST_SKIPPED - 1);
            run(training, options(), batches, 7).run((metrics, _) -> {
                saw[metrics.skipped() ? 1 : 0]++;
                assertEquals(metrics.skipped(), metrics.step() >= 5 && metrics.step() < 14, "step " + metrics.step());
            });
            assertEquals(STEPS, training.trainer.step());
        }
        assertEquals(TrainingRun.MOST_SKIPPED - 1, saw[1]);
        assertEquals(STEPS, Checkpoint.lastGood(folder, _ -> {}).orElseThrow().step());
        var lines = Files.readAllLines(TrainingRun.metrics(folder));
        assertEquals(STEPS, lines.size());
        assertTrue(lines.get(5).contains("\"loss\":null") && lines.get(5).contains("\"skipped\":true"), lines.get(5));
        assertFalse(lines.get(4).contains("skipped"), lines.get(4));
        var history = History.read(folder, 32);
        assertTrue(Double.isNaN(history.loss()[5]));
        var smoothed = Curve.smoothed(history.loss(), 0.1);
        assertEquals(smoothed.values()[4], smoothed.values()[13]);
        assertTrue(Double.isFinite(smoothed.last()));
    }

    @Test
    void aStepThatIsPassedOverChangesNothingButItsNumber() {
        try (var one = new Training(CONFIG, options());
                var other = new Training(CONFIG, options())) {
            Batches batches = DivergenceTest::clean;
            one.trainer.update(one.trainer.gradients(batches));
            other.trainer.update(other.trainer.gradients(batches));
            one.trainer.skip(one.trainer.gradients(Batches.random(256, 16)));
            assertEquals(2, one.trainer.step());
            other.trainer.resumeAt(2);
            one.trainer.update(one.trainer.gradients(batches));
            other.trainer.update(other.trainer.gradients(batches));
            for (var tensor : one.weights.tensors()) {
                assertEquals(
                        -1,
                        tensor.data().mismatch(other.weights.store().at(tensor.name())),
                        tensor.name() + ": gradients of the step that was passed over are left");
            }
        }
    }

    @Test
    void tooManyInARowEndATraining() throws IOException {
        try (var training = new Training(CONFIG, options())) {
            var batches = new Spoilt(training, step -> step >= 5);
            var run = run(training, options(), batches, 3);
            var e = assertThrows(ArithmeticException.class, () -> run.run((_, _) -> {}));
            assertTrue(
                    e.getMessage().contains("diverged at step 14")
                            && e.getMessage().contains("last good checkpoint is that of step 3"),
                    e.getMessage());
        }
        goesOn(3);
    }

    /** Nothing is published that has not gone forward once; the last step's weights go too. */
    @ParameterizedTest
    @ValueSource(ints = {3, STEPS})
    void whatDoesNotGoForwardIsNotPublished(int end) throws IOException {
        try (var training = new Training(CONFIG, options())) {
            var batches = new Spoilt(training, step -> step >= end);
            var run = run(training, options(), batches, 1);
            assertThrows(ArithmeticException.class, () -> run.run((_, _) -> {}));
        }
        goesOn(end - 1);
    }

    /** A NaN in one moment comes to the weights with the next update, and to a loss only if the weight is used. */
    @Test
    void aNanInAMomentEndsATraining() throws IOException {
        for (var name : List.of("m.backbone.embeddings.weight", "v.backbone.layers.0.mixer.D")) {
            try (var training = new Training(CONFIG, options())) {
                Batches batches = DivergenceTest::clean;
                var run = run(training, options(), batches, 4);
                var e = assertThrows(
                        ArithmeticException.class,
                        () -> run.run((metrics, _) -> {
                            if (metrics.step() == 5) {
                                var moment = training.trainer.moments().at(name);
                                moment.setAtIndex(JAVA_FLOAT, moment.byteSize() / Float.BYTES - 1, Float.NaN);
                            }
                        }));
                assertTrue(
                        e.getMessage().contains("holds a NaN")
                                && e.getMessage().contains("last good checkpoint is that of step 4"),
                        e.getMessage());
            }
            goesOn(4);
            remove();
        }
    }

    @ParameterizedTest
    @MethodSource("families")
    void aRateThatIsFarTooHighLeavesACheckpoint(Config config) throws IOException {
        var o = Tiny.options(200, 2, 2, 1000);
        var wild = new Options(
                o.steps(),
                o.batch(),
                o.context(),
                o.microBatch(),
                o.seed(),
                new Schedule(1000, 0, 200, Schedule.Shape.CONSTANT, 0.1),
                o.weightDecay(),
                o.decay(),
                1e9,
                o.beta1(),
                o.beta2(),
                o.eps(),
                o.order(),
                o.lazyExperts(),
                o.compute());
        try (var training = new Training(config, wild)) {
            var run = run(training, wild, Batches.random(256, 16), 1);
            assertThrows(ArithmeticException.class, () -> run.run((_, _) -> {}));
        }
        var good = Checkpoint.lastGood(folder, said -> assertEquals("", said)).orElseThrow();
        goesOn(good.step());
    }

    private void goesOn(int from) throws IOException {
        var checkpoint =
                Checkpoint.lastGood(folder, said -> assertEquals("", said)).orElseThrow();
        assertEquals(from, checkpoint.step());
        var sane = Tiny.options(from + 3, 2, 2, 1e-4);
        try (var training = new Training(ModelFiles.weights(checkpoint.directory(), false), sane)) {
            checkpoint.restore(training.trainer);
            run(training, sane, Batches.random(256, 16), 1).run((_, _) -> {});
            assertEquals(from + 3, training.trainer.step());
        }
        assertEquals(
                from + 3,
                Checkpoint.lastGood(folder, said -> assertEquals("", said))
                        .orElseThrow()
                        .step());
    }

    private void remove() throws IOException {
        try (var all = Files.walk(folder)) {
            for (var file : all.sorted(java.util.Comparator.reverseOrder()).toList()) {
                if (!file.equals(folder)) {
                    Files.delete(file);
                }
            }
        }
    }

    @Test
    void aFolderThatIsFurtherIsNotTrainedInto() throws IOException {
        try (var training = new Training(CONFIG, options())) {
            run(training, options(), DivergenceTest::clean, 0).run((_, _) -> {});
        }
        try (var fresh = new Training(CONFIG, options())) {
            var run = run(fresh, options(), DivergenceTest::clean, 0);
            var e = assertThrows(IllegalStateException.class, () -> run.run((_, _) -> {}));
            assertTrue(e.getMessage().contains("holds a training of 40 steps"), e.getMessage());
        }
    }
}
