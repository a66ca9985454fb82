package dev.panamba.train;

import java.util.OptionalDouble;
import java.util.stream.IntStream;

/**
 * A loss over a training.
 *
 * @param steps that were taken when each value was measured, ascending
 * @param values of the loss
 */
public record Curve(double[] steps, double[] values) {
    /**
     * The exponential moving average of a loss of every step, with Adam's correction for its start at 0: the first value is the
     * first loss, and none leans on a loss that was not measured. A step whose loss is NaN changes nothing.
     *
     * @param losses of all steps
     * @param factor share of the newest
     * @return a value behind each step
     */
    public static Curve smoothed(double[] losses, double factor) {
        var values = new double[losses.length];
        double sum = 0;
        double weight = 0;
        for (int i = 0; i < losses.length; i++) {
            if (!Double.isNaN(losses[i])) {
                sum += factor * (losses[i] - sum);
                weight += factor * (1 - weight);
            }
            values[i] = sum / weight;
        }
        return new Curve(
                IntStream.rangeClosed(1, losses.length).asDoubleStream().toArray(), values);
    }

    /**
     * When the loss first came down to a level.
     *
     * @param level of the loss
     * @return steps, with a fraction by a straight line between two values; empty if it never came down to it
     */
    public OptionalDouble reaches(double level) {
        for (int i = 0; i < values.length; i++) {
            if (values[i] <= level) {
                if (i == 0) {
                    return OptionalDouble.of(steps[0]);
                }
                double part = (values[i - 1] - level) / (values[i - 1] - values[i]);
                return OptionalDouble.of(steps[i - 1] + part * (steps[i] - steps[i - 1]));
            }
        }
        return OptionalDouble.empty();
    }

    /**
     * The number of values.
     *
     * @return a count
     */
    public int length() {
        return values.length;
    }

    /**
     * The last value.
     *
     * @return a loss
     */
    public double last() {
        return values[values.length - 1];
    }
}
