package dev.panamba.train;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;

/** Where a trainer's sequences come from: a function of their number, so that a training can go on anywhere. */
@FunctionalInterface
public interface Batches {
    /**
     * Writes one sequence.
     *
     * @param sequence its number, counted from the first step on
     * @param inputs I32
     * @param targets I32, what follows each input
     * @param at index of the sequence's first token in both
     */
    void fill(long sequence, MemorySegment inputs, MemorySegment targets, long at);

    /**
     * Noise, to measure speed with.
     *
     * @param V ids are below it
     * @param L tokens of a sequence
     * @return sequences of random tokens
     */
    static Batches random(int V, int L) {
        return (sequence, inputs, targets, at) -> {
            var random = new Random(sequence);
            for (long i = at; i < at + L; i++) {
                inputs.setAtIndex(ValueLayout.JAVA_INT, i, random.nextInt(V));
                targets.setAtIndex(ValueLayout.JAVA_INT, i, random.nextInt(V));
            }
        };
    }
}
