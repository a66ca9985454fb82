package dev.panamba.train;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.graph.Team;
import dev.panamba.io.AtomicFiles;
import dev.panamba.memory.Placement;
import dev.panamba.model.Config;
import dev.panamba.model.Config.Switch;
import dev.panamba.model.ModelFiles;
import dev.panamba.model.Weights;
import dev.panamba.tensor.DType;
import dev.panamba.text.TokenFile;
import dev.panamba.train.Windows.Order;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Steps learn, are the same each time, and can go on anywhere. */
class TrainerTest {
    @TempDir
    private Path folder;

    static List<Config> families() {
        return Tiny.families();
    }

    static List<Config> dense() {
        return Tiny.dense();
    }

    /** The same random tokens at every step. */
    private static void oneBatch(long sequence, MemorySegment inputs, MemorySegment targets, long at) {
        var random = new Random(sequence % 2 * 0x9E3779B97F4A7C15L);
        for (int i = 0; i < 16; i++) {
            inputs.setAtIndex(JAVA_INT, at + i, random.nextInt(256));
            targets.setAtIndex(JAVA_INT, at + i, random.nextInt(256));
        }
    }

    @ParameterizedTest
    @MethodSource("families")
    void overfitsOneBatch(Config config) {
        try (var training = new Tiny.Training(config, Tiny.options(400, 2, 2, 0.02))) {
            var first = training.trainer.step(TrainerTest::oneBatch);
            assertEquals(Math.log(256), first.loss(), 1, "fresh weights know nothing");
            var loss = first.loss();
            while (training.trainer.step() < 400 && loss >= 0.02) {
                loss = training.trainer.step(TrainerTest::oneBatch).loss();
            }
            assertTrue(loss < 0.02, "loss " + loss);
        }
    }

    @ParameterizedTest
    @MethodSource("families")
    void resumedInTheMiddleIsUninterruptedByteForByte(Config config) throws IOException {
        var options = Tiny.options(100, 4, 2, 0.01);
        try (var tokens = TokenFile.open(Tiny.tokens(folder, 3000))) {
            var windows = new Windows(tokens, options.context(), options.seed(), options.order());
            try (var whole = new Tiny.Training(config, options)) {
                steps(whole, windows, 100);
                save("whole", whole);
            }
            try (var again = new Tiny.Training(config, options)) {
                steps(again, windows, 50);
                save("resumed", again);
            }
            var middle = Checkpoint.latest(folder.resolve("resumed")).orElseThrow();
            assertEquals(50, middle.step());
            assertEquals("kept", middle.settings().path("word").asString());
            try (var rest = new Tiny.Training(ModelFiles.weights(middle.directory(), false), options)) {
                middle.restore(rest.trainer);
                assertEquals(50, rest.trainer.step());
                steps(rest, windows, 50);
                save("resumed", rest);
            }
        }
        var a = Checkpoint.latest(folder.resolve("whole")).orElseThrow().directory();
        var b = Checkpoint.latest(folder.resolve("resumed")).orElseThrow().directory();
        assertEquals(List.of(), Tiny.differences(a, b, file -> file));
        assertEquals(List.of(), Tiny.differences(b, a, file -> file));
        try (var all = Files.list(folder.resolve("resumed"))) {
            assertEquals(
                    List.of("config.json", "model.safetensors", "step-100", "step-50"),
                    all.map(file -> file.getFileName().toString()).sorted().toList(),
                    "of those before, the newest stays");
        }
    }

    private static void steps(Tiny.Training training, Batches batches, int count) {
        for (int i = 0; i < count; i++) {
            training.trainer.step(batches);
        }
    }

    private void save(String name, Tiny.Training training) throws IOException {
        Checkpoint.save(folder.resolve(name), training.trainer, null, settings -> settings.put("word", "kept"));
    }

    @ParameterizedTest
    @MethodSource("dense")
    void microBatchesGiveTheGradientsOfTheWholeBatch(Config config) {
        try (var whole = new Tiny.Training(config, Tiny.options(10, 4, 4, 0.01));
                var parts = new Tiny.Training(config, Tiny.options(10, 4, 1, 0.01))) {
            var a = whole.trainer.step(TrainerTest::oneBatch);
            var b = parts.trainer.step(TrainerTest::oneBatch);
            assertEquals(a.loss(), b.loss(), 1e-5);
            assertEquals(a.gradNorm(), b.gradNorm(), 1e-5 * a.gradNorm());
            // After one step the first moments are the gradients times a constant.
            for (var name : whole.trainer.moments().segments().keySet()) {
                if (name.startsWith(Trainer.M)) {
                    assertClose(
                            whole.trainer.moments().at(name),
                            parts.trainer.moments().at(name),
                            1e-4 * a.gradNorm() * 0.1,
                            name);
                }
            }
        }
    }

    private static void assertClose(MemorySegment a, MemorySegment b, double tolerance, String name) {
        for (long i = 0; i < a.byteSize() / Float.BYTES; i++) {
            assertEquals(a.getAtIndex(JAVA_FLOAT, i), b.getAtIndex(JAVA_FLOAT, i), tolerance, name + " " + i);
        }
    }

    @ParameterizedTest
    @MethodSource("families")
    void metricsCountEveryTokenOfEveryLayer(Config config) {
        try (var training = new Tiny.Training(config, Tiny.options(3, 6, 2, 0.01))) {
            for (int i = 0; i < 3; i++) {
                var metrics = training.trainer.step(TrainerTest::oneBatch);
                assertEquals(i, metrics.step());
                assertEquals(6 * 16, metrics.tokens());
                assertEquals(
                        config.mlp() instanceof Switch ? 2 : 0, metrics.layers().size());
                for (var layer : metrics.layers()) {
                    long load = 0;
                    long kept = 0;
                    // Of each of three micro-batches of 32 tokens an expert takes at most 8.
                    for (long n : layer.load()) {
                        load += n;
                        kept += Math.min(n, 3 * 8);
                    }
                    assertEquals(metrics.tokens(), load);
                    assertEquals(metrics.tokens(), layer.kept() + layer.dropped());
                    assertTrue(layer.kept() <= kept, "more kept than there is room");
                    assertTrue(layer.aux() > 0);
                }
                assertEquals(
                        metrics.layers().stream()
                                .mapToLong(Metrics.Experts::dropped)
                                .sum(),
                        metrics.dropped());
                assertTrue(metrics.tokensPerSecond() > 0 && metrics.gradNorm() > 0);
            }
        }
    }

    @Test
    void oneMicroBatchKeepsWhatThereIsRoomFor() {
        var config = Tiny.families().get(1);
        try (var training = new Tiny.Training(config, Tiny.options(1, 2, 2, 0.01))) {
            for (var layer : training.trainer.step(TrainerTest::oneBatch).layers()) {
                long kept = 0;
                for (long n : layer.load()) {
                    kept += Math.min(n, 8);
                }
                assertEquals(kept, layer.kept());
            }
        }
    }

    @ParameterizedTest
    @MethodSource("families")
    void divergenceIsRefusedAndWeightsStayFinite(Config config) {
        var options = Tiny.options(1000, 2, 2, 1000);
        try (var training = new Tiny.Training(config, options)) {
            var refused = assertThrows(ArithmeticException.class, () -> steps(training, TrainerTest::oneBatch, 1000));
            assertTrue(refused.getMessage().contains("diverged at step"), refused.getMessage());
            for (var tensor : training.weights.tensors()) {
                for (long i = 0; i < tensor.shape().elements(); i++) {
                    assertTrue(Float.isFinite(tensor.data().getAtIndex(JAVA_FLOAT, i)), tensor.name());
                }
            }
            var step = training.trainer.step();
            assertThrows(ArithmeticException.class, () -> training.trainer.step(TrainerTest::oneBatch));
            assertEquals(step, training.trainer.step(), "a step that is refused is not counted");
        }
    }

    @Test
    void aStepThatFailsLeavesNoGradients() {
        var config = Tiny.families().getFirst();
        Batches wrong = (sequence, inputs, targets, at) -> {
            oneBatch(sequence, inputs, targets, at);
            // The second micro-batch has a token that is none.
            inputs.setAtIndex(JAVA_INT, at, sequence < 2 ? 1 : 256);
        };
        try (var clean = new Tiny.Training(config, Tiny.options(10, 4, 2, 0.01));
                var failed = new Tiny.Training(config, Tiny.options(10, 4, 2, 0.01))) {
            assertThrows(RuntimeException.class, () -> failed.trainer.step(wrong));
            assertEquals(
                    clean.trainer.step(TrainerTest::oneBatch).gradNorm(),
                    failed.trainer.step(TrainerTest::oneBatch).gradNorm());
        }
    }

    @Test
    void aMappedModelIsNotTrained() throws IOException {
        var directory = folder.resolve("model");
        try (var weights = Weights.random(Tiny.families().getFirst(), 1)) {
            AtomicFiles.directory(directory, ModelFiles.contents(weights, DType.F32, null));
        }
        var options = Tiny.options(10, 2, 2, 0.01);
        try (var mapped = ModelFiles.weights(directory, true);
                var team = new Team(1)) {
            var refused = assertThrows(
                    IllegalArgumentException.class, () -> new Trainer(mapped, options, team, Placement.PACKED));
            assertTrue(refused.getMessage().contains("read-only"), refused.getMessage());
        }
    }

    @Test
    void aContextBeyondThePositionsIsRefused() {
        var config = Tiny.families().get(3);
        assertThrows(
                IllegalArgumentException.class,
                () -> TrainingProgram.of(config, DType.F32, DType.F32, 1, Tiny.POSITIONS + 1, 1, false));
    }

    @Test
    void checkpointsOfAnotherModelOrStepAreRefused() throws IOException {
        var options = Tiny.options(10, 2, 2, 0.01);
        try (var training = new Tiny.Training(Tiny.families().getFirst(), options)) {
            training.trainer.step(TrainerTest::oneBatch);
            save("a", training);
        }
        var checkpoint = Checkpoint.latest(folder.resolve("a")).orElseThrow();
        try (var other = new Tiny.Training(Tiny.families().get(1), options)) {
            assertThrows(IOException.class, () -> checkpoint.restore(other.trainer));
        }
        var wide = new Config.Mamba(60, 4, 4, 3, false, true);
        var c = Tiny.families().getFirst();
        var wider = new Config(c.V(), c.D(), 2, wide, c.mlp(), false, c.norm(), 1e-5, false, false, c.position(), 0);
        try (var other = new Tiny.Training(wider, options)) {
            var refused = assertThrows(IOException.class, () -> checkpoint.restore(other.trainer));
            assertTrue(refused.getMessage().contains("trainer.safetensors has no m."), refused.getMessage());
        }
        Files.move(checkpoint.directory(), folder.resolve("a/step-2"));
        var moved = Checkpoint.latest(folder.resolve("a")).orElseThrow();
        try (var same = new Tiny.Training(Tiny.families().getFirst(), options)) {
            assertThrows(IOException.class, () -> moved.restore(same.trainer));
        }
    }

    @Test
    void aRunThatWasStoppedGoesOnAndEndsAsOneThatWasNot() throws Exception {
        var config = Tiny.families().get(1);
        var options = Tiny.options(30, 2, 2, 0.01);
        try (var tokens = TokenFile.open(Tiny.tokens(folder, 2000))) {
            var windows = new Windows(tokens, options.context(), options.seed(), Order.SHUFFLED);
            try (var whole = new Tiny.Training(config, options)) {
                run("whole", whole, windows, options, 7, 30);
            }
            try (var first = new Tiny.Training(config, options)) {
                // Step 14 was saved already when the run is stopped behind it.
                run("stopped", first, windows, options, 7, 14);
            }
            for (int end : new int[] {14, 20, 30}) {
                var checkpoint = Checkpoint.latest(folder.resolve("stopped")).orElseThrow();
                try (var next = new Tiny.Training(ModelFiles.weights(checkpoint.directory(), false), options)) {
                    checkpoint.restore(next.trainer);
                    run("stopped", next, windows, options, 7, end);
                }
            }
        }
        assertEquals(
                List.of(),
                Tiny.differences(folder.resolve("whole/step-30"), folder.resolve("stopped/step-30"), file -> file));
        var lines = Files.readAllLines(TrainingRun.metrics(folder.resolve("stopped")));
        assertEquals(30, lines.size());
        for (int i = 0; i < 30; i++) {
            assertTrue(lines.get(i).startsWith("{\"step\":" + i + ","), lines.get(i));
        }
    }

    private void run(String name, Tiny.Training training, Windows windows, Options options, int saveEvery, int end)
            throws Exception {
        var directory = Files.createDirectories(folder.resolve(name));
        var run = new TrainingRun(directory, training.trainer, options, windows, null, null, saveEvery, _ -> {});
        var stopper = new Thread[1];
        if (training.trainer.step() == end && end < options.steps()) {
            stopper[0] = stop(run);
        }
        run.run((metrics, _) -> {
            if (metrics.step() + 1 == end && end < options.steps()) {
                stopper[0] = stop(run);
            }
        });
        if (stopper[0] != null) {
            stopper[0].join();
        }
        assertEquals(end, training.trainer.step());
        assertEquals(end, Checkpoint.latest(directory).orElseThrow().step());
    }

    private static Thread stop(TrainingRun run) {
        var thread = Thread.ofPlatform().start(() -> assertTrue(run.stop(), "all is saved"));
        while (!run.stopped()) {
            Thread.onSpinWait();
        }
        return thread;
    }
}
