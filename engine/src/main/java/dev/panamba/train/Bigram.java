package dev.panamba.train;

import dev.panamba.text.TokenFile;

/**
 * The baseline that a model of bytes must beat: the next token by how often it followed the last one in the training text, with
 * add-one smoothing.
 */
public final class Bigram {
    private final int V;
    private final long[] pairs;
    private final long[] firsts;

    /**
     * Counts a text.
     *
     * @param tokens of a vocabulary of at most 4096
     */
    public Bigram(TokenFile tokens) {
        V = tokens.vocabulary();
        if (V > 4096) {
            throw new IllegalArgumentException("A table of pairs for " + V + " tokens is too large.");
        }
        pairs = new long[V * V];
        firsts = new long[V];
        int second = tokens.length() > 0 ? tokens.at(0) : 0;
        for (long i = 0; i + 1 < tokens.length(); i++) {
            int first = second;
            second = tokens.at(i + 1);
            firsts[first]++;
            pairs[first * V + second]++;
        }
    }

    /**
     * Its loss on another text.
     *
     * @param tokens of the same vocabulary
     * @return nats per token
     */
    public double natsPerToken(TokenFile tokens) {
        double nats = 0;
        int second = tokens.at(0);
        for (long i = 0; i + 1 < tokens.length(); i++) {
            int first = second;
            second = tokens.at(i + 1);
            nats -= Math.log((pairs[first * V + second] + 1.0) / (firsts[first] + V));
        }
        return nats / (tokens.length() - 1);
    }
}
