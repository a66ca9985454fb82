package dev.panamba.graph;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

/** Comparisons of whole arrays. */
public final class Numbers {
    private Numbers() {}

    /** The largest difference is at most a share of the largest expected number. */
    public static void assertClose(double[] expected, double[] actual, double tolerance, String what) {
        assertClose(expected, actual, tolerance, 0, what);
    }

    /** The same where the largest number counts as no smaller than this: what a small result is the difference of. */
    public static void assertClose(double[] expected, double[] actual, double tolerance, double least, String what) {
        assertEquals(expected.length, actual.length, what);
        double largest = least;
        for (double x : expected) {
            largest = Math.max(largest, Math.abs(x));
        }
        for (int i = 0; i < expected.length; i++) {
            // Written so that NaN fails.
            assertTrue(
                    Math.abs(actual[i] - expected[i]) <= tolerance * largest,
                    what + ": element " + i + " is " + actual[i] + ", not " + expected[i] + "; the largest is "
                            + largest);
        }
    }

    public static void assertFinite(double[] elements, String what) {
        for (int i = 0; i < elements.length; i++) {
            assertTrue(Double.isFinite(elements[i]), what + ": element " + i + " is " + elements[i]);
        }
    }
}
