package dev.panamba.jmh;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;

/** Made-up numbers, and the proof that two ways to the same result do come to the same result. */
final class Numbers {
    private static final long CACHE_LINE = 64;

    private Numbers() {}

    /** Floats from a range, always the same for a seed. */
    static float[] random(long seed, int count, double from, double to) {
        var random = new SplittableRandom(seed);
        var numbers = new float[count];
        for (int i = 0; i < count; i++) {
            numbers[i] = (float) random.nextDouble(from, to);
        }
        return numbers;
    }

    /** A copy off heap, aligned as the engine's values are. */
    static MemorySegment offHeap(Arena arena, float[] numbers) {
        var copy = zeros(arena, numbers.length);
        MemorySegment.copy(numbers, 0, copy, ValueLayout.JAVA_FLOAT, 0, numbers.length);
        return copy;
    }

    /** A copy off heap, aligned as the engine's values are. */
    static MemorySegment offHeap(Arena arena, int[] numbers) {
        var copy = zeros(arena, numbers.length);
        MemorySegment.copy(numbers, 0, copy, ValueLayout.JAVA_INT, 0, numbers.length);
        return copy;
    }

    /** Zeros off heap, four bytes each, aligned as the engine's values are. */
    static MemorySegment zeros(Arena arena, long count) {
        return arena.allocate(count * Float.BYTES, CACHE_LINE);
    }

    /** Refuses to measure two things that are not the same. */
    static void requireEqual(String name, MemorySegment expected, MemorySegment actual, double tolerance) {
        for (long i = 0; i < expected.byteSize() / Float.BYTES; i++) {
            float want = expected.getAtIndex(ValueLayout.JAVA_FLOAT_UNALIGNED, i);
            float is = actual.getAtIndex(ValueLayout.JAVA_FLOAT_UNALIGNED, i);
            // Written so that a NaN fails.
            if (!(Math.abs(want - is) <= tolerance * Math.max(1, Math.abs(want)))) {
                throw new IllegalStateException(name + " has " + is + " at " + i + " where " + want
                        + " is expected: measuring it is pointless.");
            }
        }
    }
}
