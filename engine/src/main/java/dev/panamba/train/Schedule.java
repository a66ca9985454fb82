package dev.panamba.train;

/**
 * The learning rate by step: linear warmup, then constant or a cosine down to a share of the highest.
 *
 * @param lr highest learning rate
 * @param warmup steps until it is reached
 * @param steps of the whole training, where the cosine ends
 * @param shape what follows warmup
 * @param minRatio share of lr that the cosine ends at
 */
public record Schedule(double lr, int warmup, int steps, Shape shape, double minRatio) {
    /** What follows warmup. */
    public enum Shape {
        /** The highest learning rate to the end. */
        CONSTANT,
        /** Half a cosine. */
        COSINE
    }

    /** Checks ranges. */
    public Schedule {
        Options.positive(lr, "--lr");
        if (lr > 1000) {
            throw new IllegalArgumentException("--lr is " + lr + " and must be at most 1000.");
        }
        Options.within(0, minRatio, 1, "--min-lr-ratio");
        if (warmup < 0) {
            throw new IllegalArgumentException("--warmup-steps is " + warmup + " and must not be negative.");
        }
        Options.atLeast(1, steps, "--steps");
        Options.given(shape, "--schedule");
    }

    /**
     * The learning rate of a step.
     *
     * @param step counted from 0
     * @return lr (step+1) / warmup during warmup; then lr, or the cosine from lr at warmup to minRatio lr at steps
     */
    public double at(int step) {
        Options.atLeast(0, step, "A step");
        if (step < warmup) {
            return lr * (step + 1) / warmup;
        }
        if (shape == Shape.CONSTANT) {
            return lr;
        }
        var done = steps <= warmup ? 1 : Math.min(1, (double) (step - warmup) / (steps - warmup));
        return minRatio * lr + (1 - minRatio) * lr * 0.5 * (1 + Math.cos(Math.PI * done));
    }
}
