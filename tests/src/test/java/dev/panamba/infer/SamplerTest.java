package dev.panamba.infer;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Draws stay in their ranges, come as often as they should, and are the same for the same seed. */
class SamplerTest {
    private static final float[] LOGITS = {0, 3, 1, 3, 2, -50};

    private static MemorySegment segment(float... values) {
        return Arena.ofAuto().allocateFrom(JAVA_FLOAT, values);
    }

    private static TreeSet<Integer> drawn(Sampler sampler, int draws) {
        var ids = new TreeSet<Integer>();
        for (int i = 0; i < draws; i++) {
            ids.add(sampler.sample(segment(LOGITS)));
        }
        return ids;
    }

    @Test
    void greedyTakesTheFirstOfTheLikeliest() {
        assertEquals(1, Sampler.greedy().sample(segment(LOGITS)));
        assertEquals(new TreeSet<>(Arrays.asList(1)), drawn(Sampler.of(0, 0, 1, 7), 20));
        assertEquals(new TreeSet<>(Arrays.asList(1)), drawn(Sampler.of(1, 1, 1, 7), 20), "so does top-k 1");
        assertEquals(new TreeSet<>(Arrays.asList(1)), drawn(Sampler.of(1, 0, 1e-9, 7), 20), "and a tiny top-p");
        assertEquals(0, Sampler.greedy().sample(segment(5)));
    }

    @Test
    void cutsLeaveTheLikeliest() {
        assertEquals(new TreeSet<>(Arrays.asList(1, 3)), drawn(Sampler.of(1, 2, 1, 7), 200));
        assertEquals(new TreeSet<>(Arrays.asList(1, 3, 4)), drawn(Sampler.of(1, 3, 1, 7), 500));
        assertEquals(new TreeSet<>(Arrays.asList(0, 1, 2, 3, 4)), drawn(Sampler.of(1, 100, 1, 7), 2000));
        // The two likeliest have 0.78 of the probability, the three likeliest 0.92.
        assertEquals(new TreeSet<>(Arrays.asList(1, 3)), drawn(Sampler.of(1, 0, 0.7, 7), 500));
        assertEquals(new TreeSet<>(Arrays.asList(1, 3, 4)), drawn(Sampler.of(1, 0, 0.9, 7), 500));
        assertEquals(new TreeSet<>(Arrays.asList(1, 3)), drawn(Sampler.topP(0.7f, 7), 500));
        assertEquals(new TreeSet<>(Arrays.asList(1, 3)), drawn(Sampler.of(1, 3, 0.5, 7), 500), "both cuts");
    }

    @Test
    void frequenciesAreTheSoftmaxs() {
        for (var sampler : new Sampler[] {Sampler.of(0.7, 0, 1, 3), Sampler.of(0.7, 6, 1, 4)}) {
            double[] expected = new double[LOGITS.length];
            double sum = 0;
            for (int i = 0; i < expected.length; i++) {
                expected[i] = Math.exp(LOGITS[i] / 0.7);
                sum += expected[i];
            }
            int draws = 40_000;
            int[] counts = new int[expected.length];
            var logits = segment(LOGITS);
            for (int i = 0; i < draws; i++) {
                counts[sampler.sample(logits)]++;
            }
            for (int i = 0; i < expected.length; i++) {
                assertEquals(expected[i] / sum, (double) counts[i] / draws, 0.01, "token " + i);
            }
        }
    }

    @Test
    void theSameSeedGivesTheSameTokens() {
        assertEquals(sequence(5), sequence(5));
        assertNotEquals(sequence(5), sequence(6));
    }

    private static String sequence(long seed) {
        var sampler = Sampler.of(1, 0, 1, seed);
        return IntStream.range(0, 100)
                .map(_ -> sampler.sample(segment(LOGITS)))
                .boxed()
                .toList()
                .toString();
    }

    private static Sampler[] several() {
        return new Sampler[] {
            Sampler.of(1, 0, 1, 1), Sampler.of(1e-300, 2, 0.5, 1), Sampler.of(1e300, 0, 0.1, 1), Sampler.greedy()
        };
    }

    @Test
    void extremeLogitsGiveAnIdAllTheSame() {
        float[][] extreme = {
            {Float.NEGATIVE_INFINITY, 0, Float.NEGATIVE_INFINITY},
            {Float.MAX_VALUE, -Float.MAX_VALUE, 0},
            {-1e30f, -1e30f, -1e30f}
        };
        for (var logits : extreme) {
            for (var sampler : several()) {
                int id = sampler.sample(segment(logits));
                assertTrue(id >= 0 && id < 3, "id " + id);
            }
        }
    }

    @Test
    void logitsThatAreNoNumbersAreRefused() {
        for (var sampler : several()) {
            assertThrows(ArithmeticException.class, () -> sampler.sample(segment(Float.NaN, Float.NaN, Float.NaN)));
        }
        var drawing = Sampler.of(1, 0, 0.5, 1);
        assertThrows(ArithmeticException.class, () -> drawing.sample(segment(0, Float.NaN, 1)));
        assertThrows(ArithmeticException.class, () -> drawing.sample(segment(0, Float.POSITIVE_INFINITY, 1)));
        assertThrows(ArithmeticException.class, () -> drawing.sample(segment(Float.NEGATIVE_INFINITY)));
    }

    @Test
    void rangesAreChecked() {
        for (double wrong : new double[] {-0.1, Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY}) {
            assertThrows(IllegalArgumentException.class, () -> Sampler.of(wrong, 0, 1, 1));
        }
        for (double wrong : new double[] {-0.1, 0, 1.1, Double.NaN, Double.POSITIVE_INFINITY}) {
            assertThrows(IllegalArgumentException.class, () -> Sampler.of(1, 0, wrong, 1));
        }
        assertThrows(IllegalArgumentException.class, () -> Sampler.of(1, -1, 1, 1));
        assertThrows(IllegalArgumentException.class, () -> Sampler.topP(Float.NaN, 1));
    }
}
