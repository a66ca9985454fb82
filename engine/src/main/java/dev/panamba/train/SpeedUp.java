package dev.panamba.train;

import java.util.ArrayList;
import java.util.OptionalDouble;

/**
 * How much sooner a training came to the loss at which another, the baseline, ended. Empty is what it never came to.
 *
 * @param level the baseline's smoothed loss behind its last step
 * @param reached steps until the smoothed loss first came down to it
 * @param steps the baseline's steps by those
 * @param seconds the baseline's time by that of those steps
 * @param flops the baseline's floating-point operations by those of those steps
 * @param heldOut the same as steps, by the last loss on the held-out sample instead of the smoothed one
 */
public record SpeedUp(
        double level,
        OptionalDouble reached,
        OptionalDouble steps,
        OptionalDouble seconds,
        OptionalDouble flops,
        OptionalDouble heldOut) {
    /** Points of {@link #overTraining}. */
    private static final int POINTS = 100;
    /** The first is so far in, since before that losses fall too fast to tell steps apart. */
    private static final int FIRST = 5;

    /**
     * Compares two trainings.
     *
     * @param baseline the one
     * @param other the other
     * @param smoothing factor of the moving average
     * @param work floating-point operations of a step of the other, by those of the baseline's
     * @return the speed-up of the other
     */
    public static SpeedUp of(History baseline, History other, double smoothing, double work) {
        var level = Curve.smoothed(baseline.loss(), smoothing).last();
        var reached = Curve.smoothed(other.loss(), smoothing).reaches(level);
        var steps = ratio(baseline.steps(), reached);
        var seconds = reached.isEmpty()
                ? reached
                : OptionalDouble.of(baseline.secondsTo(baseline.steps()) / other.secondsTo(reached.getAsDouble()));
        var flops = steps.isEmpty() ? steps : OptionalDouble.of(steps.getAsDouble() / work);
        return new SpeedUp(level, reached, steps, seconds, flops, heldOut(baseline.heldOut(), other.heldOut()));
    }

    private static OptionalDouble heldOut(Curve baseline, Curve other) {
        return baseline.length() == 0
                ? OptionalDouble.empty()
                : ratio(baseline.steps()[baseline.length() - 1], other.reaches(baseline.last()));
    }

    private static OptionalDouble ratio(double steps, OptionalDouble reached) {
        return reached.isEmpty() ? reached : OptionalDouble.of(steps / reached.getAsDouble());
    }

    /**
     * The speed-up over steps against each loss that the baseline had on its way.
     *
     * @param baseline the one
     * @param other the other
     * @param smoothing factor of the moving average
     * @return by the baseline's steps, as far as the other came to its losses
     */
    public static Curve overTraining(History baseline, History other, double smoothing) {
        var level = Curve.smoothed(baseline.loss(), smoothing);
        var smoothed = Curve.smoothed(other.loss(), smoothing);
        var steps = new ArrayList<Double>();
        var values = new ArrayList<Double>();
        for (int point = FIRST; point <= POINTS; point++) {
            int i = Math.max(0, baseline.steps() * point / POINTS - 1);
            var ratio = ratio(level.steps()[i], smoothed.reaches(level.values()[i]));
            if (ratio.isPresent()) {
                steps.add(level.steps()[i]);
                values.add(ratio.getAsDouble());
            }
        }
        return new Curve(
                steps.stream().mapToDouble(Double::doubleValue).toArray(),
                values.stream().mapToDouble(Double::doubleValue).toArray());
    }
}
