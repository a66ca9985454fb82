package dev.panamba.train;

import dev.panamba.io.AtomicFiles;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.OptionalDouble;
import java.util.concurrent.CountDownLatch;
import java.util.function.Consumer;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * A training from where its trainer stands to its last step: metrics as lines of JSON, held-out loss now and then, checkpoints.
 * Whatever ends it, what it loses are the steps since the last checkpoint; {@link #stop} loses none.
 *
 * <p>Weights are saved between the gradients of the next step, which must be finite, and its update: so no checkpoint is published
 * from which the training could not go on, and the first one, of step 0, is there before anything can go wrong. A step whose loss or
 * gradients are not finite is passed over; too many of them in a row, or weights or moments that are not finite, end the training.
 */
public final class TrainingRun {
    /** Seconds between checkpoints where no number of steps is given. */
    private static final double SAVE_SECONDS = 60;
    /** Saving may take this share of the time at most. */
    private static final double SAVE_SHARE = 0.05;
    /** So many steps in a row that are not finite end a training. */
    static final int MOST_SKIPPED = 10;

    private static final JsonMapper JSON = new JsonMapper();

    private final Path directory;
    private final Trainer trainer;
    private final Options options;
    private final Batches batches;
    private final HeldOut heldOut;
    private final Path tokenizer;
    private final int saveEvery;
    private final Consumer<ObjectNode> settings;
    private final CountDownLatch finished = new CountDownLatch(1);
    private volatile boolean stopped;
    private volatile boolean saved;
    /** The step of the newest checkpoint, or -1. */
    private int savedStep = -1;

    private double lastSaveSeconds;
    private long lastSave = System.nanoTime();

    /** Who watches. */
    public interface Listener {
        /**
         * After each step.
         *
         * @param metrics what it did, or that it was passed over
         * @param valid held-out loss in nats per token, where it was measured after this step
         */
        void step(Metrics metrics, OptionalDouble valid);
    }

    /**
     * Prepares a training.
     *
     * @param directory for metrics and checkpoints; exists
     * @param trainer new, or restored from a checkpoint of this directory
     * @param options of the trainer
     * @param batches what to learn from
     * @param heldOut what to measure on, or null
     * @param tokenizer a {@code tokenizer.json} to keep with the model, or null
     * @param saveEvery steps between checkpoints, or 0 for about a minute
     * @param settings what a checkpoint remembers of how it is trained
     */
    public TrainingRun(
            Path directory,
            Trainer trainer,
            Options options,
            Batches batches,
            HeldOut heldOut,
            Path tokenizer,
            int saveEvery,
            Consumer<ObjectNode> settings) {
        this.directory = directory;
        this.trainer = trainer;
        this.options = options;
        this.batches = batches;
        this.heldOut = heldOut;
        this.tokenizer = tokenizer;
        this.saveEvery = saveEvery;
        this.settings = settings;
    }

    /**
     * The metrics' file.
     *
     * @param directory of a training
     * @return {@code metrics.jsonl}
     */
    public static Path metrics(Path directory) {
        return directory.resolve("metrics.jsonl");
    }

    /**
     * Trains to the last step, or until {@link #stop}; then saves.
     *
     * @param listener watches
     * @throws ArithmeticException if the training diverged; the newest checkpoint is good
     * @throws IllegalStateException if the directory holds a training that is further than the trainer
     * @throws IOException if metrics or checkpoints cannot be written
     */
    public void run(Listener listener) throws IOException {
        try {
            savedStep = Checkpoint.latest(directory).map(Checkpoint::step).orElse(-1);
            if (savedStep > trainer.step()) {
                throw new IllegalStateException(
                        directory + " holds a training of " + savedStep + " steps already: choose another folder.");
            }
            try (var lines = openMetrics()) {
                steps(lines, listener);
            }
            saved = savedStep == trainer.step();
        } finally {
            finished.countDown();
        }
    }

    private void steps(BufferedWriter lines, Listener listener) throws IOException {
        int skipped = 0;
        var going = trainer.step() < options.steps() || savedStep < trainer.step();
        while (going) {
            // Behind the last step too, since what is saved has gone forward and backward once.
            var gradients = trainer.gradients(batches);
            going = trainer.step() < options.steps() && !stopped;
            skipped = gradients.isFinite() ? 0 : skipped + 1;
            if (skipped > 0) {
                refuseDivergence(gradients, skipped);
            } else if (savedStep < trainer.step() && (!going || due())) {
                save(lines);
            }
            if (going) {
                var metrics = skipped > 0 ? trainer.skip(gradients) : trainer.update(gradients);
                var measured = measure(trainer.step() == options.steps());
                lines.write(line(metrics, measured));
                lines.newLine();
                listener.step(metrics, measured);
            }
        }
    }

    /** Ends a training whose steps will not be finite again. */
    private void refuseDivergence(Trainer.Gradients gradients, int skipped) {
        try {
            trainer.checkFinite();
            if (skipped >= MOST_SKIPPED || trainer.step() == options.steps()) {
                throw new ArithmeticException("Training diverged at step " + trainer.step() + ": the loss is "
                        + gradients.loss() + " and the norm of the gradients " + gradients.norm()
                        + (skipped > 1 ? ", and the " + (skipped - 1) + " steps before were no better." : "."));
            }
        } catch (ArithmeticException e) {
            throw diverged(e);
        }
    }

    private ArithmeticException diverged(ArithmeticException e) {
        var last = savedStep < 0
                ? " Nothing was saved"
                : " The last good checkpoint is that of step " + savedStep + ": go on from it";
        return new ArithmeticException(e.getMessage() + last + ", with a lower learning rate or clip.");
    }

    /**
     * Ends the training at its present step, saves it, and waits for that; for the handler of an interrupt. Gradients that are not
     * finished, or not applied, are computed again by whoever goes on.
     *
     * @return whether all steps are saved
     */
    public boolean stop() {
        stopped = true;
        try {
            finished.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return saved;
    }

    /**
     * Whether somebody has stopped it.
     *
     * @return true behind {@link #stop}
     */
    public boolean stopped() {
        return stopped;
    }

    private OptionalDouble measure(boolean last) {
        if (heldOut == null) {
            return OptionalDouble.empty();
        }
        if (last) {
            return OptionalDouble.of(heldOut.whole());
        }
        var every = Math.max(1, options.steps() / heldOut.measurements());
        return trainer.step() % every == 0 ? OptionalDouble.of(heldOut.sample()) : OptionalDouble.empty();
    }

    private boolean due() {
        if (savedStep < 0) {
            return true;
        }
        if (saveEvery > 0) {
            return trainer.step() % saveEvery == 0;
        }
        var since = (System.nanoTime() - lastSave) / 1e9;
        return since > Math.max(SAVE_SECONDS, lastSaveSeconds / SAVE_SHARE);
    }

    private void save(BufferedWriter lines) throws IOException {
        lines.flush();
        var start = System.nanoTime();
        try {
            Checkpoint.save(directory, trainer, tokenizer, settings);
        } catch (ArithmeticException e) {
            throw diverged(e);
        }
        savedStep = trainer.step();
        lastSave = System.nanoTime();
        lastSaveSeconds = (lastSave - start) / 1e9;
    }

    /** The lines of the steps that the trainer has behind it stay; those that were lost are taken again. */
    private BufferedWriter openMetrics() throws IOException {
        var file = metrics(directory);
        var kept = new ArrayList<String>();
        if (Files.exists(file) && trainer.step() > 0) {
            for (var line : Files.readAllLines(file)) {
                if (kept.size() < trainer.step()) {
                    kept.add(line + "\n");
                }
            }
        }
        AtomicFiles.file(file, AtomicFiles.Content.of(String.join("", kept)));
        return Files.newBufferedWriter(file, StandardOpenOption.APPEND);
    }

    /**
     * The line of a step in the metrics' file. A number that is not finite is null, and a step that was passed over says so.
     *
     * @param metrics what the step did
     * @param valid held-out loss, where it was measured
     * @return a JSON object
     */
    public static String line(Metrics metrics, OptionalDouble valid) {
        var json = JSON.createObjectNode();
        json.put("step", metrics.step());
        number(json, "loss", metrics.loss());
        number(json, "aux", metrics.aux());
        number(json, "grad_norm", metrics.gradNorm());
        json.put("lr", metrics.lr());
        json.put("dropped", metrics.dropped());
        var load = json.putArray("load");
        for (long n : metrics.load()) {
            load.add(n);
        }
        json.put("tokens_per_s", Math.round(metrics.tokensPerSecond()));
        valid.ifPresent(nats -> number(json, "valid_loss", nats));
        if (metrics.skipped()) {
            json.put("skipped", true);
        }
        var layers = json.putArray("layers");
        for (var layer : metrics.layers()) {
            var one = layers.addObject();
            var loads = one.putArray("load");
            for (long n : layer.load()) {
                loads.add(n);
            }
            one.put("kept", layer.kept());
            one.put("dropped", layer.dropped());
            number(one, "aux", layer.aux());
        }
        return json.toString();
    }

    /** JSON has no NaN and no infinity. */
    private static void number(ObjectNode json, String name, double value) {
        if (Double.isFinite(value)) {
            json.put(name, value);
        } else {
            json.putNull(name);
        }
    }
}
