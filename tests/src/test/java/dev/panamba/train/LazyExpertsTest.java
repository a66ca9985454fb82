package dev.panamba.train;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.model.Config;
import dev.panamba.model.Config.Switch;
import dev.panamba.model.ModelFiles;
import dev.panamba.tensor.DType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Experts rest while they take no token, and only then. */
class LazyExpertsTest {
    private static final int X = 4;

    @TempDir
    private Path folder;

    static List<Config> experts() {
        return Tiny.families().stream().filter(c -> c.mlp() instanceof Switch).toList();
    }

    private static Options options(boolean lazy) {
        return Tiny.options(40, 4, 2, 0.01, lazy, DType.F32);
    }

    private static Batches random(int ids) {
        return (sequence, inputs, targets, at) -> {
            var random = new Random(sequence);
            for (int i = 0; i < 16; i++) {
                inputs.setAtIndex(JAVA_INT, at + i, random.nextInt(ids));
                targets.setAtIndex(JAVA_INT, at + i, random.nextInt(256));
            }
        };
    }

    @ParameterizedTest
    @MethodSource("experts")
    void busyExpertsAreTrainedByAdamW(Config config) {
        try (var lazy = new Tiny.Training(config, options(true));
                var eager = new Tiny.Training(config, options(false))) {
            for (int i = 0; i < 3; i++) {
                var metrics = lazy.trainer.step(random(256));
                eager.trainer.step(random(256));
                for (var layer : metrics.layers()) {
                    assertTrue(Arrays.stream(layer.load()).min().orElseThrow() > 0, "an expert without tokens");
                }
            }
            assertEquals(Map.of(), changed(bytes(eager), bytes(lazy)));
        }
    }

    @ParameterizedTest
    @MethodSource("experts")
    void tokensOfEveryMicroBatchCount(Config config) {
        // The second micro-batch, of one id, reaches few experts; the first reaches all.
        Batches mixed = (sequence, inputs, targets, at) ->
                random(sequence % 4 < 2 ? 256 : 1).fill(sequence, inputs, targets, at);
        try (var lazy = new Tiny.Training(config, options(true));
                var eager = new Tiny.Training(config, options(false))) {
            var metrics = lazy.trainer.step(mixed);
            eager.trainer.step(mixed);
            for (var layer : metrics.layers()) {
                assertTrue(Arrays.stream(layer.load()).min().orElseThrow() > 0, "an expert without tokens");
            }
            assertEquals(Map.of(), changed(bytes(eager), bytes(lazy)));
        }
    }

    @ParameterizedTest
    @MethodSource("experts")
    void anExpertWithoutTokensStaysAsItIs(Config config) {
        try (var training = new Tiny.Training(config, options(true))) {
            training.trainer.step(random(256));
            var before = bytes(training);
            // Of one id again and again not every expert gets one.
            var metrics = training.trainer.step(random(1));
            var changed = changed(before, bytes(training));
            int resting = 0;
            for (int layer = 0; layer < metrics.layers().size(); layer++) {
                var load = metrics.layers().get(layer).load();
                for (int e = 0; e < X; e++) {
                    resting += load[e] == 0 ? 1 : 0;
                    var name = experts(training, layer);
                    for (var prefix : List.of("", Trainer.M, Trainer.V)) {
                        for (var matrix : List.of(".up.weight", ".down.weight")) {
                            var what = prefix + name + matrix + " of expert " + e + " with " + load[e] + " tokens";
                            assertEquals(load[e] > 0, changed.get(prefix + name + matrix)[e], what);
                        }
                    }
                }
            }
            assertTrue(resting > 0, "no expert rests");
        }
    }

    @ParameterizedTest
    @MethodSource("experts")
    void resumedIsUninterrupted(Config config) throws IOException {
        try (var whole = new Tiny.Training(config, options(true))) {
            steps(whole, 0, 20);
            try (var first = new Tiny.Training(config, options(true))) {
                steps(first, 0, 10);
                Checkpoint.save(folder, first.trainer, null, _ -> {});
            }
            var checkpoint = Checkpoint.latest(folder).orElseThrow();
            try (var rest = new Tiny.Training(ModelFiles.weights(checkpoint.directory(), false), options(true))) {
                checkpoint.restore(rest.trainer);
                steps(rest, 10, 20);
                assertEquals(Map.of(), changed(bytes(whole), bytes(rest)));
            }
        }
    }

    private static void steps(Tiny.Training training, int from, int to) {
        for (int i = from; i < to; i++) {
            training.trainer.step(random(i % 3 == 0 ? 256 : 1));
        }
    }

    /** The name of a Switch layer's experts, by the layer's place among its like. */
    private static String experts(Tiny.Training training, int layer) {
        return training.weights.tensors().stream()
                .map(tensor -> tensor.name())
                .filter(name -> name.endsWith(".up.weight"))
                .map(name -> name.replace(".up.weight", ""))
                .toList()
                .get(layer);
    }

    /** Weights and moments. */
    private static Map<String, byte[]> bytes(Tiny.Training training) {
        var bytes = new HashMap<String, byte[]>();
        training.weights.tensors().forEach(t -> bytes.put(t.name(), t.data().toArray(JAVA_BYTE)));
        training.trainer.moments().segments().forEach((name, memory) -> bytes.put(name, memory.toArray(JAVA_BYTE)));
        return bytes;
    }

    /** Which quarters of a tensor have changed, experts' parts where it is theirs; without tensors that have not. */
    private static Map<String, boolean[]> changed(Map<String, byte[]> before, Map<String, byte[]> after) {
        var changed = new HashMap<String, boolean[]>();
        before.forEach((name, old) -> {
            var quarters = new boolean[X];
            for (int e = 0; e < X; e++) {
                int from = old.length / X * e;
                int to = e == X - 1 ? old.length : from + old.length / X;
                quarters[e] = !Arrays.equals(old, from, to, after.get(name), from, to);
            }
            if (!Arrays.equals(quarters, new boolean[X])) {
                changed.put(name, quarters);
            }
        });
        return changed;
    }
}
