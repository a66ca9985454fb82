package dev.panamba.infer;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import java.lang.foreign.MemorySegment;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/**
 * Draws from logits, or takes the likeliest. Its tables stay between draws, so that a draw allocates nothing; the logits are copied
 * into one, since before the compiler comes to it an array is read many times as fast as memory.
 */
final class Drawing implements Sampler {
    private final double temperature;
    private final int topK;
    private final double topP;
    private final RandomGenerator random;
    private float[] logits = new float[0];
    // The bits of probability in the upper half; in the lower one the id with all bits turned, so that of equals
    // the first is the likeliest. From unranked on sorted ascending, below a heap.
    private long[] ranked = new long[0];
    private int unranked;

    Drawing(double temperature, int topK, double topP, long seed) {
        this.temperature = temperature;
        this.topK = topK;
        this.topP = topP;
        this.random = temperature == 0
                ? null
                : RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
    }

    @Override
    public int sample(MemorySegment logits) {
        int count = (int) (logits.byteSize() / Float.BYTES);
        if (this.logits.length != count) {
            this.logits = new float[count];
        }
        MemorySegment.copy(logits, JAVA_FLOAT, 0, this.logits, 0, count);
        return temperature == 0 ? likeliest() : draw();
    }

    /** Of equals the first. */
    private int likeliest() {
        int best = 0;
        for (int i = 1; i < logits.length; i++) {
            if (logits[i] > logits[best]) {
                best = i;
            }
        }
        if (Float.isNaN(logits[best])) {
            throw notFinite();
        }
        return best;
    }

    private static ArithmeticException notFinite() {
        return new ArithmeticException(
                "The model gives no numbers to choose a token by: its weights are damaged, or its training diverged."
                        + " panamba logits --check-finite names the place.");
    }

    private int draw() {
        int count = logits.length;
        if (ranked.length != count) {
            ranked = new long[count];
        }
        float highest = Float.NEGATIVE_INFINITY;
        for (int i = 0; i < count; i++) {
            highest = Math.max(highest, logits[i]);
        }
        if (!Float.isFinite(highest)) {
            throw notFinite();
        }
        for (int i = 0; i < count; i++) {
            var weight = (float) Math.exp((logits[i] - highest) / temperature);
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
