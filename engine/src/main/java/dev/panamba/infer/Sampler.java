package dev.panamba.infer;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import java.lang.foreign.MemorySegment;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

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
        return logits -> {
            int best = 0;
            long count = logits.byteSize() / Float.BYTES;
            for (int i = 1; i < count; i++) {
                if (logits.getAtIndex(JAVA_FLOAT, i) > logits.getAtIndex(JAVA_FLOAT, best)) {
                    best = i;
                }
            }
            if (Float.isNaN(logits.getAtIndex(JAVA_FLOAT, best))) {
                throw notFinite();
            }
            return best;
        };
    }

    private static ArithmeticException notFinite() {
        return new ArithmeticException(
                "The model gives no numbers to choose a token by: its weights are damaged, or its training diverged."
                        + " panamba logits --check-finite names the place.");
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
        return temperature == 0 ? greedy() : new Drawing(temperature, topK, topP, seed);
    }

    /** Keeps its tables between draws, so that a draw allocates nothing. */
    final class Drawing implements Sampler {
        private final double temperature;
        private final int topK;
        private final double topP;
        private final RandomGenerator random;
        // The bits of probability in the upper half; in the lower one the id with all bits turned, so that of equals
        // the first is the likeliest. From unranked on sorted ascending, below a heap.
        private long[] ranked = new long[0];
        private int unranked;

        private Drawing(double temperature, int topK, double topP, long seed) {
            this.temperature = temperature;
            this.topK = topK;
            this.topP = topP;
            this.random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
        }

        @Override
        public int sample(MemorySegment logits) {
            int count = (int) (logits.byteSize() / Float.BYTES);
            if (ranked.length != count) {
                ranked = new long[count];
            }
            float highest = Float.NEGATIVE_INFINITY;
            for (int i = 0; i < count; i++) {
                highest = Math.max(highest, logits.getAtIndex(JAVA_FLOAT, i));
            }
            if (!Float.isFinite(highest)) {
                throw notFinite();
            }
            for (int i = 0; i < count; i++) {
                var weight = (float) Math.exp((logits.getAtIndex(JAVA_FLOAT, i) - highest) / temperature);
                ranked[i] = (long) Float.floatToIntBits(weight) << 32 | ~i & 0xFFFF_FFFFL;
            }
            int first = topK > 0 ? Math.max(0, count - topK) : 0;
            // Without a cut the order does not matter.
            if (topK > 0 || topP < 1) {
                heapify();
                rank(topK > 0 ? first : count);
                first = cut(first, count);
            }
            return draw(first, count);
        }

        private int cut(int first, int count) {
            if (topP == 1) {
                return first;
            }
            double rest = topP * sum(first, count);
            int i = count;
            while (i > first && rest > 0) {
                rank(--i);
                rest -= weight(i);
            }
            return i;
        }

        // A heap sort that goes no further than the draw reaches: sorting 50,000 tokens would cost more than a small
        // model's step. Unlike Arrays.sort it allocates nothing.

        private void heapify() {
            unranked = ranked.length;
            for (int i = unranked / 2 - 1; i >= 0; i--) {
                sift(i);
            }
        }

        /** Puts the likeliest tokens in their places, down to this one. */
        private void rank(int to) {
            while (unranked > to) {
                unranked--;
                var likeliest = ranked[0];
                ranked[0] = ranked[unranked];
                ranked[unranked] = likeliest;
                sift(0);
            }
        }

        private void sift(int parent) {
            var value = ranked[parent];
            for (int child = 2 * parent + 1; child < unranked; child = 2 * parent + 1) {
                if (child + 1 < unranked && ranked[child + 1] > ranked[child]) {
                    child++;
                }
                if (ranked[child] <= value) {
                    break;
                }
                ranked[parent] = ranked[child];
                parent = child;
            }
            ranked[parent] = value;
        }

        private int draw(int first, int count) {
            double rest = random.nextDouble() * sum(first, count);
            for (int i = count - 1; i > first; i--) {
                rest -= weight(i);
                if (rest < 0) {
                    return ~(int) ranked[i];
                }
            }
            return ~(int) ranked[first];
        }

        private double sum(int first, int count) {
            double sum = 0;
            for (int i = count - 1; i >= first; i--) {
                sum += weight(i);
            }
            return sum;
        }

        private float weight(int i) {
            return Float.intBitsToFloat((int) (ranked[i] >>> 32));
        }
    }
}
