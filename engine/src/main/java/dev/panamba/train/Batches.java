package dev.panamba.train;

import java.lang.foreign.MemorySegment;

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
}
