package dev.panamba.infer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.graph.Graph;
import dev.panamba.graph.Team;
import dev.panamba.io.AtomicFiles;
import dev.panamba.model.ModelFiles;
import dev.panamba.model.Presets;
import dev.panamba.model.Weights;
import dev.panamba.tensor.DType;
import dev.panamba.text.Tokenizers;
import dev.panamba.train.Options;
import dev.panamba.train.Schedule;
import dev.panamba.train.Windows;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** What a program passes is checked before anything is done with it, and the sentence says which argument is wrong. */
class ArgumentsTest {
    private static final Schedule SCHEDULE = new Schedule(1e-3, 1, 10, Schedule.Shape.COSINE, 0.1);

    private static void refused(String word, Executable call) {
        var e = assertThrows(IllegalArgumentException.class, call);
        assertTrue(e.getMessage().contains(word), e.getMessage());
        assertTrue(e.getMessage().endsWith("."), e.getMessage());
    }

    @Test
    void samplersHaveRanges() {
        for (var number : List.of(-1.0, -1e-300, Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY)) {
            refused("temperature", () -> Sampler.of(number, 0, 1, 1));
            refused("top-p", () -> Sampler.of(1, 0, number, 1));
            refused("top-p", () -> Sampler.topP(number.floatValue(), 1));
        }
        refused("top-p", () -> Sampler.of(1, 0, 0, 1));
        refused("top-p", () -> Sampler.of(1, 0, Math.nextUp(1.0), 1));
        refused("top-k", () -> Sampler.of(1, -1, 1, 1));
        refused("top-k", () -> Sampler.of(1, Integer.MIN_VALUE, 1, 1));
    }

    @Test
    void teamsHaveSizes() {
        for (int size : new int[] {Integer.MIN_VALUE, -1, 0, Team.MOST + 1, Integer.MAX_VALUE}) {
            refused(String.valueOf(size), () -> new Team(size));
        }
    }

    @Test
    void graphsComputeInReals() {
        for (var type : DType.values()) {
            if (type != DType.F32 && type != DType.BF16) {
                refused("not " + type, () -> new Graph(DType.F32, type));
            }
        }
        refused("not null", () -> new Graph(DType.F32, null));
    }

    @Test
    void schedulesHaveRanges() {
        for (var number : List.of(-1.0, 0.0, Double.NaN, Double.POSITIVE_INFINITY, 1e39)) {
            refused("lr", () -> new Schedule(number, 1, 10, Schedule.Shape.COSINE, 0.1));
        }
        for (var number : List.of(-1.0, 1.1, Double.NaN)) {
            refused("min-lr-ratio", () -> new Schedule(1, 1, 10, Schedule.Shape.COSINE, number));
        }
        refused("warmup", () -> new Schedule(1, -1, 10, Schedule.Shape.COSINE, 0.1));
        refused("steps", () -> new Schedule(1, 1, 0, Schedule.Shape.COSINE, 0.1));
        refused("schedule", () -> new Schedule(1, 1, 10, null, 0.1));
        refused("step", () -> SCHEDULE.at(-1));
        assertEquals(1e-4, SCHEDULE.at(Integer.MAX_VALUE), 1e-12);
    }

    /** Options that are right, but for some. */
    private static Options options(int[] sizes, double[] numbers, Object[] kinds) {
        return new Options(
                sizes[0],
                sizes[1],
                sizes[2],
                sizes[3],
                1,
                (Schedule) kinds[0],
                numbers[0],
                (Options.Decay) kinds[1],
                numbers[1],
                numbers[2],
                numbers[3],
                numbers[4],
                (Windows.Order) kinds[2],
                false,
                (DType) kinds[3]);
    }

    @Test
    void optionsHaveRanges() {
        int[] sizes = {10, 2, 8, 1};
        double[] numbers = {0.1, 0.5, 0.9, 0.999, 1e-8};
        Object[] kinds = {SCHEDULE, Options.Decay.ALL, Windows.Order.SHUFFLED, DType.F32};
        var sizeNames = List.of("steps", "batch", "context", "micro-batch");
        for (int i = 0; i < sizes.length; i++) {
            for (int wrong : new int[] {0, -1, Integer.MIN_VALUE}) {
                var some = sizes.clone();
                some[i] = wrong;
                refused(sizeNames.get(i), () -> options(some, numbers, kinds));
            }
        }
        var numberNames = List.of("weight-decay", "clip", "beta1", "beta2", "eps");
        for (int i = 0; i < numbers.length; i++) {
            for (var wrong : List.of(-1.0, Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY)) {
                var some = numbers.clone();
                some[i] = wrong;
                refused(numberNames.get(i), () -> options(sizes, some, kinds));
            }
        }
        var kindNames = List.of("schedule", "decay", "order", "compute");
        for (int i = 0; i < kinds.length; i++) {
            var some = kinds.clone();
            some[i] = null;
            refused(kindNames.get(i), () -> options(sizes, numbers, some));
        }
        var narrow = kinds.clone();
        narrow[3] = DType.I64;
        refused("compute", () -> options(sizes, numbers, narrow));
        refused("micro-batch", () -> options(new int[] {10, 3, 8, 2}, numbers, kinds));
        var right = options(sizes, numbers, kinds);
        refused("part", () -> right.shortened(0, 1e-3));
        refused("lr", () -> right.shortened(2, Double.NaN));
    }

    @Test
    void modelsAndSessionsRefuseWhatTheyCannotDo(@TempDir Path folder) throws IOException {
        var config = Presets.named("tiny-mamba").config();
        var directory = folder.resolve("model");
        try (var weights = Weights.random(config, 1)) {
            AtomicFiles.directory(directory, ModelFiles.contents(weights, DType.F32, null));
        }
        var types = new ArrayList<DType>(List.of(DType.values()));
        types.removeAll(List.of(DType.F32, DType.BF16));
        types.add(null);
        for (var type : types) {
            refused("compute is " + type, () -> LanguageModel.load(directory, null, type, false, 1));
            refused(
                    "compute is " + type,
                    () -> LanguageModel.of(Weights.random(config, 1), Tokenizers.bytes(), type, 1));
        }
        for (var type : types) {
            if (type != null && type != DType.INT8 && type != DType.INT4) {
                refused("weights is " + type, () -> LanguageModel.load(directory, type, DType.F32, false, 1));
            }
        }
        for (int threads : new int[] {0, -1, Team.MOST + 1, Integer.MAX_VALUE, Integer.MIN_VALUE}) {
            refused("threads is " + threads, () -> LanguageModel.load(directory, null, DType.F32, false, threads));
            refused(
                    "threads is " + threads,
                    () -> LanguageModel.of(Weights.random(config, 1), Tokenizers.bytes(), DType.F32, threads));
        }
        try (var model = LanguageModel.load(directory, null, DType.F32, false, 1);
                var session = model.newSession()) {
            refused("at least one token", () -> session.feed());
            for (int token : new int[] {-1, config.V(), Integer.MAX_VALUE, Integer.MIN_VALUE}) {
                refused("Token " + token, () -> session.feed(1, token));
            }
            assertEquals(0, session.position());
            session.feed(1);
            refused("-1", () -> session.generate(Sampler.greedy(), -1));
            assertFalse(session.generate(Sampler.greedy(), 0).iterator().hasNext());
            for (int token : new int[] {-1, config.V()}) {
                refused("Token " + token, () -> session.next(_ -> token));
            }
            refused("one or more sessions", () -> model.batch(List.of()));
            refused("one or more sessions", () -> model.batch(List.of(session, session)));
            var batch = model.batch(List.of(session));
            for (int token : new int[] {-1, config.V()}) {
                refused("Token " + token, () -> batch.next(_ -> token));
            }
            // What was refused has changed nothing.
            assertEquals(1, session.position());
        }
    }
}
