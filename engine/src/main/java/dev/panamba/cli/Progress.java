package dev.panamba.cli;

import dev.panamba.train.Metrics;
import dev.panamba.train.TrainingRun;
import java.util.Locale;
import java.util.OptionalDouble;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/** A training's progress on stderr: a live line on a terminal, now and then a line elsewhere. */
final class Progress implements TrainingRun.Listener, AutoCloseable {
    private static final double SECONDS_BETWEEN_LINES = 5;
    /** Share of the newest step in the loss that is shown, so that it can be read. */
    private static final double SMOOTHING = 0.05;

    private final int steps;
    private final int first;
    private final boolean bits;
    private final ProgressBar bar;
    private final long start = System.nanoTime();
    private long lastLine = start;
    private double loss = Double.NaN;
    private double valid = Double.NaN;
    private long tokens;

    /**
     * Begins.
     *
     * @param first step that comes next
     * @param steps of the whole training
     * @param bits whether held-out loss is shown as bits per byte instead of nats per token
     */
    Progress(int first, int steps, boolean bits) {
        this.first = first;
        this.steps = steps;
        this.bits = bits;
        var terminal = System.console() != null && System.console().isTerminal();
        bar = terminal
                ? new ProgressBarBuilder()
                        .setInitialMax(steps)
                        .startsFrom(first, java.time.Duration.ZERO)
                        .setStyle(ProgressBarStyle.ASCII)
                        .setUpdateIntervalMillis(250)
                        .build()
                : null;
    }

    @Override
    public void step(Metrics metrics, OptionalDouble measured) {
        if (metrics.skipped()) {
            System.err.println("step " + (metrics.step() + 1) + " is passed over: its loss is " + metrics.loss()
                    + " and the norm of its gradients " + metrics.gradNorm());
        } else {
            loss = Double.isNaN(loss) ? metrics.loss() : loss + SMOOTHING * (metrics.loss() - loss);
        }
        measured.ifPresent(nats -> valid = nats);
        tokens += metrics.tokens();
        var now = System.nanoTime();
        int done = metrics.step() + 1;
        if (bar != null) {
            // The bar writes on a thread of its own, where nobody hears that it cannot.
            System.err.flush();
            bar.stepTo(done);
            // What matters most first, since the terminal cuts the rest; the bar itself says how long it takes.
            bar.setExtraMessage(" " + losses() + "  " + speed(now));
        } else if ((now - lastLine) / 1e9 > SECONDS_BETWEEN_LINES || done == steps) {
            lastLine = now;
            var left = (now - start) / 1e9 / (done - first) * (steps - done);
            System.err.println("step " + done + "/" + steps + "  " + speed(now) + "  " + losses() + "  "
                    + Words.time(left) + " left");
        }
    }

    private String speed(long now) {
        return String.format(Locale.ROOT, "%,.0f tokens/s", tokens / ((now - start) / 1e9));
    }

    private String losses() {
        var words = String.format(Locale.ROOT, "loss %.3f", loss);
        if (Double.isNaN(valid)) {
            return words;
        }
        return words
                + (bits
                        ? String.format(Locale.ROOT, "  held-out %.3f bits/byte", valid / Math.log(2))
                        : String.format(Locale.ROOT, "  held-out %.3f", valid));
    }

    @Override
    public void close() {
        if (bar != null) {
            bar.close();
        }
    }
}
