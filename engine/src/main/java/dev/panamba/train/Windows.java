package dev.panamba.train;

import dev.panamba.text.TokenFile;
import java.lang.foreign.MemorySegment;

/**
 * Windows of a token file. Window w holds the tokens w L .. w L + L: the first L are the inputs, the same shifted by one the
 * targets. Which window a sequence gets is a function of its number and the seed alone, so a training can go on anywhere.
 */
public final class Windows implements Batches {
    /** The order of windows. */
    public enum Order {
        /** Another permutation in every pass over the text. */
        SHUFFLED,
        /** As they stand. */
        SEQUENTIAL
    }

    private final TokenFile tokens;
    private final int L;
    private final long seed;
    private final Order order;
    private final long windows;

    /**
     * Windows of a text.
     *
     * @param tokens the text
     * @param L tokens of a window
     * @param seed of the permutations
     * @param order of windows
     * @throws IllegalArgumentException if the text is shorter than one window
     */
    public Windows(TokenFile tokens, int L, long seed, Order order) {
        this.tokens = tokens;
        this.L = L;
        this.seed = seed;
        this.order = order;
        this.windows = (tokens.length() - 1) / L;
        if (windows < 1) {
            throw new IllegalArgumentException("The text has " + tokens.length() + " tokens, and one sequence needs "
                    + (L + 1L) + ": use more text or a shorter --context.");
        }
    }

    /**
     * Number of windows, which is the number of sequences in one pass over the text.
     *
     * @return at least 1
     */
    public long windows() {
        return windows;
    }

    @Override
    public void fill(long sequence, MemorySegment inputs, MemorySegment targets, long at) {
        var window = sequence % windows;
        if (order == Order.SHUFFLED) {
            window = permute(window, mix(seed) + sequence / windows);
        }
        tokens.copy(window * L, L, inputs, at);
        tokens.copy(window * L + 1, L, targets, at);
    }

    /** A Feistel network on the next even number of bits, walked until it lands below the number of windows. */
    private long permute(long window, long key) {
        int half = (65 - Long.numberOfLeadingZeros(Math.max(1, windows - 1))) / 2;
        long mask = (1L << half) - 1;
        do {
            long left = window >>> half;
            long right = window & mask;
            for (int round = 0; round < 4; round++) {
                long mixed = left ^ (mix(right + mix(key * 4 + round)) & mask);
                left = right;
                right = mixed;
            }
            window = left << half | right;
        } while (window >= windows);
        return window;
    }

    /** The finaliser of SplitMix64 (Steele, Lea, Flood, 2014). */
    private static long mix(long z) {
        z += 0x9E3779B97F4A7C15L;
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }
}
