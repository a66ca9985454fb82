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
 */
public final class TrainingRun {
    /** Seconds between checkpoints where no number of steps is given. */
    private static final double SAVE_SECONDS = 60;
    /** Saving may take this share of the time at most. */
    private static final double SAVE_SHARE = 0.05;

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
    /** The step of the newest checkpoint. */
    private int savedStep;

    private double lastSaveSeconds;
    private long lastSave = System.nanoTime();

    /** Who watches. */
    public interface Listener {
        /**
         * After each step.
         *
         * @param metrics what it did
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
        // A trainer that has steps behind it got them from a checkpoint.
        this.savedStep = trainer.step() > 0 ? trainer.step() : -1;
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
     * @throws IOException if metrics or checkpoints cannot be written
     */
    public void run(Listener listener) throws IOException {
        try (var lines = openMetrics()) {
            while (trainer.step() < options.steps() && !stopped) {
                var metrics = trainer.step(batches);
                var last = trainer.step() == options.steps();
                var measured = measure(last);
                lines.write(line(metrics, measured));
                lines.newLine();
                listener.step(metrics, measured);
                if (last || due()) {
                    save(lines);
                }
            }
            if (stopped && trainer.step() != savedStep) {
                save(lines);
            }
            saved = true;
        } finally {
            finished.countDown();
        }
    }

    /**
     * Ends the training behind its present step, saves it, and waits for that; for the handler of an interrupt.
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
        if (saveEvery > 0) {
            return trainer.step() % saveEvery == 0;
        }
        var since = (System.nanoTime() - lastSave) / 1e9;
        return since > Math.max(SAVE_SECONDS, lastSaveSeconds / SAVE_SHARE);
    }

    private void save(BufferedWriter lines) throws IOException {
        lines.flush();
        var start = System.nanoTime();
        Checkpoint.save(directory, trainer, tokenizer, settings);
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
     * The line of a step in the metrics' file.
     *
     * @param metrics what the step did
     * @param valid held-out loss, where it was measured
     * @return a JSON object
     */
    public static String line(Metrics metrics, OptionalDouble valid) {
        var json = JSON.createObjectNode();
        json.put("step", metrics.step());
        json.put("loss", metrics.loss());
        json.put("aux", metrics.aux());
        json.put("grad_norm", metrics.gradNorm());
        json.put("lr", metrics.lr());
        json.put("dropped", metrics.dropped());
        var load = json.putArray("load");
        for (long n : metrics.load()) {
            load.add(n);
        }
        json.put("tokens_per_s", Math.round(metrics.tokensPerSecond()));
        valid.ifPresent(nats -> json.put("valid_loss", nats));
        var layers = json.putArray("layers");
        for (var layer : metrics.layers()) {
            var one = layers.addObject();
            var loads = one.putArray("load");
            for (long n : layer.load()) {
                loads.add(n);
            }
            one.put("kept", layer.kept());
            one.put("dropped", layer.dropped());
            one.put("aux", layer.aux());
        }
        return json.toString();
    }
}
