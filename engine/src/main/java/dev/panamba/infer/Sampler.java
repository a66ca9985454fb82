package dev.panamba.infer;

import java.lang.foreign.MemorySegment;

/** Chooses the next token from logits. One sampler serves one session; the same seed and logits give the same tokens. */
public interface Sampler {
    /**
     * Chooses a token.
     *
     * @param logits V floats
     * @return its id
     * @throws ArithmeticException if they are not finite, since then the model's weights are not either
     */
    int sample(MemorySegment logits);

    /**
     * The most likely token; of equals the first.
     *
     * @return a sampler without randomness
     */
    static Sampler greedy() {
        return new Drawing(0, 0, 1, 0);
    }

    /**
     * Draws from the likeliest tokens that make up a share of the probability.
     *
     * @param p the share, above 0 and at most 1
     * @param seed of the random sequence
     * @return a sampler at temperature 1
     */
    static Sampler topP(float p, long seed) {
        return of(1, 0, p, seed);
    }

    /**
     * Draws from the softmax of logits / temperature, among the k likeliest, of these among the likeliest that make up the
     * share p.
     *
     * @param temperature 0 for greedy
     * @param topK how many tokens stay in the draw, 0 for all
     * @param topP share of the probability that stays in the draw, above 0 and at most 1
     * @param seed of the random sequence
     * @return the sampler
     * @throws IllegalArgumentException if a number is out of its range or not a number
     */
    static Sampler of(double temperature, int topK, double topP, long seed) {
        if (!(temperature >= 0 && temperature < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException(
                    "--temperature is " + temperature + " and must be a number of at least 0.");
        }
        if (topK < 0) {
            throw new IllegalArgumentException("--top-k is " + topK + " and must be at least 0.");
        }
        if (!(topP > 0 && topP <= 1)) {
            throw new IllegalArgumentException("--top-p is " + topP + " and must be above 0 and at most 1.");
        }
        return new Drawing(temperature, topK, topP, seed);
    }
}
