package dev.panamba.train;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.graph.Team;
import dev.panamba.memory.Placement;
import dev.panamba.model.Weights;
import dev.panamba.tensor.DType;
import dev.panamba.text.Corpus;
import dev.panamba.text.TokenFile;
import dev.panamba.text.Tokenizers;
import dev.panamba.train.Windows.Order;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What a step reads, at which rate it learns, and what a loss is compared with. */
class DataTest {
    @TempDir
    private Path folder;

    /** Token i is i mod 251, so a window can be told by what it holds. */
    private TokenFile counting(int length) throws IOException {
        var bytes = new byte[length];
        for (int i = 0; i < length; i++) {
            bytes[i] = (byte) (i % 251);
        }
        var text = Files.write(folder.resolve("counting"), bytes);
        TokenFile.write(folder.resolve("counting.tokens"), Corpus.of(text), Tokenizers.bytes());
        return TokenFile.open(folder.resolve("counting.tokens"));
    }

    @Test
    void sequentialWindowsStandAsTheContractSays() throws IOException {
        int L = 7;
        int B = 3;
        try (var tokens = counting(7 * 20 + 1);
                var arena = Arena.ofConfined()) {
            var windows = new Windows(tokens, L, 5, Order.SEQUENTIAL);
            assertEquals(20, windows.windows());
            for (int s = 0; s < 10; s++) {
                var inputs = arena.allocate(JAVA_INT, B * L);
                var targets = arena.allocate(JAVA_INT, B * L);
                for (int k = 0; k < B; k++) {
                    windows.fill((long) s * B + k, inputs, targets, (long) k * L);
                }
                for (int k = 0; k < B; k++) {
                    int w = (s * B + k) % 20;
                    for (int i = 0; i < L; i++) {
                        assertEquals((w * L + i) % 251, inputs.getAtIndex(JAVA_INT, k * L + i));
                        assertEquals((w * L + i + 1) % 251, targets.getAtIndex(JAVA_INT, k * L + i));
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5, 63, 64, 65, 250})
    void shuffledWindowsAreAnotherPermutationInEveryPass(int count) throws IOException {
        try (var tokens = counting(count + 1);
                var arena = Arena.ofConfined()) {
            var orders = new HashSet<String>();
            for (long seed = 0; seed < 3; seed++) {
                var windows = new Windows(tokens, 1, seed, Order.SHUFFLED);
                for (int pass = 0; pass < 3; pass++) {
                    var inputs = arena.allocate(JAVA_INT, count);
                    var targets = arena.allocate(JAVA_INT, count);
                    for (int i = 0; i < count; i++) {
                        windows.fill((long) pass * count + i, inputs, targets, i);
                    }
                    var order = inputs.toArray(JAVA_INT);
                    orders.add(java.util.Arrays.toString(order));
                    assertArrayEquals(
                            IntStream.range(0, count).toArray(),
                            IntStream.of(order).sorted().toArray());
                }
            }
            if (count > 60) {
                assertEquals(9, orders.size(), "seeds and passes differ");
            }
        }
    }

    @Test
    void aTextShorterThanAWindowIsRefused() throws IOException {
        try (var tokens = counting(16)) {
            new Windows(tokens, 15, 1, Order.SHUFFLED);
            var refused =
                    assertThrows(IllegalArgumentException.class, () -> new Windows(tokens, 16, 1, Order.SHUFFLED));
            assertTrue(refused.getMessage().contains("needs 17"), refused.getMessage());
            assertThrows(
                    IllegalArgumentException.class, () -> new Windows(tokens, Integer.MAX_VALUE, 1, Order.SEQUENTIAL));
        }
    }

    @ParameterizedTest
    @CsvSource({"0, 0.025", "1, 0.05", "3, 0.1", "4, 0.1", "54, 0.055", "29, 0.0868198", "104, 0.01", "200, 0.01"})
    void theCosineIsTheContracts(int step, double lr) {
        assertEquals(lr, new Schedule(0.1, 4, 104, Schedule.Shape.COSINE, 0.1).at(step), 1e-7);
    }

    @Test
    void otherSchedules() {
        var constant = new Schedule(0.1, 2, 10, Schedule.Shape.CONSTANT, 0);
        assertEquals(0.05, constant.at(0));
        assertEquals(0.1, constant.at(1));
        assertEquals(0.1, constant.at(1000));
        assertEquals(0.1, new Schedule(0.1, 0, 10, Schedule.Shape.COSINE, 0).at(0));
        // Warmup to the very end, and beyond it.
        assertEquals(0.1, new Schedule(0.1, 10, 10, Schedule.Shape.COSINE, 0).at(9), 1e-15);
        assertEquals(0, new Schedule(0.1, 10, 10, Schedule.Shape.COSINE, 0).at(10));
        assertEquals(0.05, new Schedule(0.1, 20, 10, Schedule.Shape.COSINE, 0).at(9), 1e-15);
    }

    @ParameterizedTest
    @ValueSource(doubles = {0, -1, Double.NaN, Double.POSITIVE_INFINITY, 1e39, 1001})
    void aLearningRateIsASmallPositiveNumber(double lr) {
        assertThrows(IllegalArgumentException.class, () -> new Schedule(lr, 0, 1, Schedule.Shape.CONSTANT, 0));
    }

    @Test
    void rangesAreChecked() {
        assertThrows(IllegalArgumentException.class, () -> new Schedule(1, -1, 1, Schedule.Shape.COSINE, 0));
        assertThrows(IllegalArgumentException.class, () -> new Schedule(1, 0, 1, Schedule.Shape.COSINE, 1.1));
        assertThrows(IllegalArgumentException.class, () -> new Schedule(1, 0, 1, Schedule.Shape.COSINE, Double.NaN));
        assertThrows(IllegalArgumentException.class, () -> Tiny.options(0, 2, 2, 1));
        assertThrows(IllegalArgumentException.class, () -> Tiny.options(1, 0, 1, 1));
        assertThrows(IllegalArgumentException.class, () -> Tiny.options(1, 2, 0, 1));
        var refused = assertThrows(IllegalArgumentException.class, () -> Tiny.options(1, 3, 2, 1));
        assertTrue(refused.getMessage().contains("--batch 3"), refused.getMessage());
    }

    @Test
    void theBigramCountsPairs() throws IOException {
        var text = Files.writeString(folder.resolve("text"), "abab");
        var held = Files.writeString(folder.resolve("held"), "abb");
        TokenFile.write(folder.resolve("1"), Corpus.of(text), Tokenizers.bytes());
        TokenFile.write(folder.resolve("2"), Corpus.of(held), Tokenizers.bytes());
        try (var train = TokenFile.open(folder.resolve("1"));
                var valid = TokenFile.open(folder.resolve("2"))) {
            // a was followed by b twice of two times, b by b never of one.
            var expected = -(Math.log(3.0 / 258) + Math.log(1.0 / 257)) / 2;
            assertEquals(expected, new Bigram(train).natsPerToken(valid), 1e-12);
        }
    }

    @Test
    void evaluationCountsEveryTokenButTheFirstOnce() throws IOException {
        var config = Tiny.families().get(1);
        try (var tokens = counting(333);
                var weights = Weights.random(config, 1);
                var team = new Team(2)) {
            double nats = 0;
            for (int w = 0; w * 50 < 332; w++) {
                int n = Math.min(50, 332 - w * 50);
                int first = w * 50;
                try (var logits = new Logits(
                        weights,
                        IntStream.range(first, first + n).map(i -> i % 251).toArray(),
                        team,
                        Placement.PACKED)) {
                    for (int i = 0; i < n; i++) {
                        nats += loss(logits, i, (first + i + 1) % 251);
                    }
                }
            }
            try (var evaluation = new Evaluation(weights, DType.F32, 50, team, Placement.PACKED)) {
                var all = evaluation.measure(tokens, Long.MAX_VALUE);
                assertEquals(332, all.tokens());
                assertEquals(nats, all.nats(), 1e-4 * nats);
                assertEquals(Math.exp(all.natsPerToken()), all.perplexity(), 1e-9);
                assertEquals(all.natsPerToken() / Math.log(2), all.bitsPerByte(332), 1e-9);
                assertEquals(100, evaluation.measure(tokens, 51).tokens(), "whole windows");
                assertThrows(IllegalArgumentException.class, () -> evaluation.measure(tokens, 0));
                assertEquals(
                        all.nats(), evaluation.measure(tokens, Long.MAX_VALUE).nats(), "and the same again");
            }
            assertThrows(
                    IllegalArgumentException.class,
                    () -> new Evaluation(weights, DType.F32, 0, team, Placement.PACKED));
        }
    }

    private static double loss(Logits logits, int row, int target) {
        double highest = Double.NEGATIVE_INFINITY;
        for (int v = 0; v < 256; v++) {
            highest = Math.max(highest, at(logits, row, v));
        }
        double sum = 0;
        for (int v = 0; v < 256; v++) {
            sum += Math.exp(at(logits, row, v) - highest);
        }
        return highest + Math.log(sum) - at(logits, row, target);
    }

    private static double at(Logits logits, int row, int v) {
        return logits.tensor().data().getAtIndex(java.lang.foreign.ValueLayout.JAVA_FLOAT, row * 256L + v);
    }

    @Test
    void evaluationOfOneTokenIsRefused() throws IOException {
        try (var tokens = counting(1);
                var weights = Weights.random(Tiny.families().getFirst(), 1);
                var team = new Team(1);
                var evaluation = new Evaluation(weights, DType.F32, 8, team, Placement.PACKED)) {
            assertThrows(IllegalArgumentException.class, () -> evaluation.measure(tokens, 10));
            assertNotEquals(0, team.size());
        }
    }
}
