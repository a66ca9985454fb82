package dev.panamba.train;

import java.util.List;

/**
 * What one step did.
 *
 * @param step counted from 0
 * @param loss cross entropy in nats per token, mean over the batch, without the balance loss
 * @param aux balance loss, mean over layers and micro-batches; 0 without experts
 * @param gradNorm L2 norm of all gradients before clipping
 * @param lr learning rate
 * @param layers of each Switch layer
 * @param seconds wall-clock time
 * @param tokens processed
 */
public record Metrics(
        int step,
        double loss,
        double aux,
        double gradNorm,
        double lr,
        List<Experts> layers,
        double seconds,
        long tokens) {

    /**
     * What one Switch layer did with the tokens of a step.
     *
     * @param load tokens that chose each expert, before dropping
     * @param kept tokens that an expert took
     * @param dropped tokens that found their expert full
     * @param aux balance loss
     */
    public record Experts(long[] load, long kept, long dropped, double aux) {}

    /**
     * Whether the step was passed over, since its loss or its gradients were not finite: weights and moments are as before it.
     *
     * @return false for a step that was taken
     */
    public boolean skipped() {
        return !Double.isFinite(loss) || !Double.isFinite(gradNorm);
    }

    /**
     * Tokens that found their expert full.
     *
     * @return a count over all layers
     */
    public long dropped() {
        return layers.stream().mapToLong(Experts::dropped).sum();
    }

    /**
     * Tokens that chose each expert.
     *
     * @return counts over all layers
     */
    public long[] load() {
        var sum = new long[layers.isEmpty() ? 0 : layers.getFirst().load().length];
        for (var layer : layers) {
            for (int e = 0; e < sum.length; e++) {
                sum[e] += layer.load()[e];
            }
        }
        return sum;
    }

    /**
     * Speed.
     *
     * @return tokens per second
     */
    public double tokensPerSecond() {
        return tokens / seconds;
    }
}
