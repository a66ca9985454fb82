package dev.panamba.infer;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.graph.Numbers;
import dev.panamba.graph.Team;
import dev.panamba.io.AtomicFiles;
import dev.panamba.memory.Placement;
import dev.panamba.model.Config;
import dev.panamba.model.ModelFiles;
import dev.panamba.model.Weights;
import dev.panamba.tensor.DType;
import dev.panamba.text.Tokenizers;
import dev.panamba.train.Logits;
import dev.panamba.train.Tiny;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Models whose large matrices are narrow: converted while loading or before, mapped or copied, read at once or token by token. */
class FormatsTest {
    private static final List<DType> FORMATS = List.of(DType.BF16, DType.INT8, DType.INT4);
    private static final int[] TOKENS = new Random(4).ints(40, 0, 256).toArray();

    @TempDir
    private Path folder;

    static Stream<Arguments> all() {
        return Tiny.families().stream().flatMap(c -> FORMATS.stream().map(f -> Arguments.of(f, c)));
    }

    @ParameterizedTest
    @MethodSource("all")
    void aTextIsReadAtOnceAsTokenByToken(DType format, Config config) {
        try (var random = Weights.random(config, 1);
                var team = new Team(2)) {
            var narrow = random.in(format, team);
            double[] whole;
            try (var logits = new Logits(narrow, TOKENS, team, Placement.CHECKED)) {
                whole = doubles(logits.tensor().data().toArray(JAVA_FLOAT));
            }
            try (var model = LanguageModel.of(narrow, Tokenizers.bytes(), DType.F32, 2);
                    var session = model.newSession()) {
                for (int t = 0; t < TOKENS.length; t++) {
                    session.feed(TOKENS[t]);
                    var expected = Arrays.copyOfRange(whole, t * 256, (t + 1) * 256);
                    Numbers.assertClose(expected, logits(session), 1e-4, format + " after token " + t);
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("families")
    void narrowFactorsRoundTheProductsOfManyTokensAndNoOthers(Config config) {
        var exact = logits(config, DType.F32);
        var narrow = logits(config, DType.BF16);
        Numbers.assertClose(exact[0], narrow[0], 0.05, "many tokens at once");
        assertFalse(Arrays.equals(exact[0], narrow[0]), "numbers are rounded");
        Numbers.assertClose(exact[1], narrow[1], 0, "a token alone");
    }

    static List<Config> families() {
        return Tiny.families();
    }

    /** After a whole chunk of tokens at once, and after one alone. */
    private static double[][] logits(Config config, DType compute) {
        try (var model = LanguageModel.of(Weights.random(config, 1), Tokenizers.bytes(), compute, 2);
                var many = model.newSession();
                var one = model.newSession()) {
            return new double[][] {
                logits(many.feed(new Random(5).ints(64, 0, 256).toArray())), logits(one.feed(1))
            };
        }
    }

    @ParameterizedTest
    @MethodSource("all")
    void whatIsConvertedBeforeIsWhatIsConvertedWhileLoading(DType format, Config config) throws IOException {
        var original = folder.resolve("original");
        var converted = folder.resolve("converted");
        try (var weights = Weights.random(config, 1)) {
            AtomicFiles.directory(original, ModelFiles.contents(weights, DType.F32, null));
        }
        try (var weights = ModelFiles.weights(original, false, format)) {
            AtomicFiles.directory(converted, ModelFiles.contents(weights, format, null));
        }
        var expected = logits(original, format, false);
        Numbers.assertClose(expected, logits(converted, null, false), 0, "as stored");
        Numbers.assertClose(expected, logits(converted, format, false), 0, "as asked for");
        Numbers.assertClose(expected, logits(converted, null, true), 0, "mapped");
        try (var weights = ModelFiles.weights(converted, false, null)) {
            assertEquals(config, weights.config());
            assertEquals(format, weights.format());
        }
    }

    private static double[] logits(Path directory, DType format, boolean map) throws IOException {
        try (var model = LanguageModel.load(directory, format, DType.F32, map, 2);
                var session = model.newSession()) {
            session.feed(TOKENS);
            return logits(session);
        }
    }

    private static double[] logits(Session session) {
        return doubles(session.logits().toArray(JAVA_FLOAT));
    }

    private static double[] doubles(float[] floats) {
        var doubles = new double[floats.length];
        for (int i = 0; i < floats.length; i++) {
            doubles[i] = floats[i];
        }
        return doubles;
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"INT8", "INT4"})
    void whatIsRoundedDoesNotComeBack(DType format) throws IOException {
        try (var weights = Weights.random(Tiny.families().get(1), 1);
                var team = new Team(1);
                var narrow = weights.in(format, team)) {
            AtomicFiles.directory(folder.resolve("narrow"), ModelFiles.contents(narrow, format, null));
        }
        for (var other : List.of(DType.F32, DType.BF16)) {
            var refused =
                    assertThrows(IOException.class, () -> ModelFiles.weights(folder.resolve("narrow"), false, other));
            assertTrue(refused.getMessage().contains("converted from"), refused.getMessage());
        }
    }
}
