package dev.panamba.cli;

import dev.panamba.graph.Team;
import dev.panamba.io.AtomicFiles;
import dev.panamba.io.FolderLock;
import dev.panamba.memory.Placement;
import dev.panamba.model.ModelFiles;
import dev.panamba.model.Presets.Preset;
import dev.panamba.model.Weights;
import dev.panamba.text.TokenFile;
import dev.panamba.text.TokenKind;
import dev.panamba.train.Checkpoint;
import dev.panamba.train.Evaluation;
import dev.panamba.train.HeldOut;
import dev.panamba.train.Options;
import dev.panamba.train.Trainer;
import dev.panamba.train.TrainingRun;
import dev.panamba.train.Windows;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * One training of a comparison. Its directory is that of any training; when it has come to its end there is also
 * {@code routing.json}, which says for each Switch layer how many tokens of each kind went to each expert.
 *
 * @param preset what is trained
 * @param options how
 * @param directory where
 */
record PresetTraining(Preset preset, Options options, Path directory) {
    static final String ROUTING = "routing.json";

    /** Of the held-out text; often, since where curves meet lies between two of them. */
    private static final int MEASUREMENTS = 50;
    /** Tokens whose way through the experts is counted, at most. */
    private static final long ROUTED = 262_144;

    /**
     * What all trainings of a comparison share.
     *
     * @param tokens to learn from
     * @param held out, or null
     * @param texts digests of the two, which a checkpoint remembers
     * @param tokenizer a file, or null for bytes
     * @param kinds of the tokens
     * @param team who works
     * @param placement of programs
     * @param saveEvery steps between checkpoints, or 0
     */
    record Shop(
            TokenFile tokens,
            TokenFile held,
            ObjectNode texts,
            Path tokenizer,
            TokenKind[] kinds,
            Team team,
            Placement placement,
            int saveEvery) {}

    boolean isFinished() {
        return Files.exists(directory.resolve(ROUTING));
    }

    /** Refuses to go on with, or to compare, what was trained otherwise. */
    void check(Shop shop) throws IOException {
        var checkpoint = isFinished() ? Checkpoint.latest(directory) : lastGood();
        if (checkpoint.isEmpty()) {
            return;
        }
        var wanted = JsonNodeFactory.instance.objectNode();
        TrainingOptions.remember(wanted, options);
        var had = checkpoint.get().settings();
        ComparePlan.same(directory.toString(), had, "this command", wanted);
        for (var text : shop.texts.properties()) {
            if (had.has(text.getKey()) && !had.path(text.getKey()).equals(text.getValue())) {
                throw new IOException(
                        directory + " was trained on another " + text.getKey().replace('_', '.')
                                + " than there is now: it was changed or damaged. Put the first one back, or choose another --out.");
            }
        }
        var kept = checkpoint.get().directory().resolve(ModelFiles.TOKENIZER);
        if (shop.tokenizer != null && (Files.notExists(kept) || Files.mismatch(kept, shop.tokenizer) >= 0)) {
            throw new IOException(directory + " was trained with another tokenizer than " + shop.tokenizer
                    + " is now: choose another --out.");
        }
        if (!ModelFiles.config(checkpoint.get().directory()).equals(preset.config())) {
            throw new IllegalArgumentException(
                    directory + " holds another model than " + preset.name() + ": choose another --out.");
        }
    }

    private Optional<Checkpoint> lastGood() throws IOException {
        if (!Files.isDirectory(directory)) {
            return Optional.empty();
        }
        try (var _ = FolderLock.of(directory)) {
            return Checkpoint.lastGood(directory, System.err::println);
        }
    }

    /**
     * Trains from where it stands to its end.
     *
     * @return false if somebody stopped it
     */
    boolean run(Shop shop) throws IOException {
        Files.createDirectories(directory);
        try (var _ = FolderLock.of(directory)) {
            AtomicFiles.clean(directory);
            var finished = train(shop, Checkpoint.lastGood(directory, System.err::println));
            if (finished) {
                Charts.draw(directory);
            }
            return finished;
        }
    }

    private boolean train(Shop shop, Optional<Checkpoint> checkpoint) throws IOException {
        try (var weights = checkpoint.isPresent()
                        ? ModelFiles.weights(checkpoint.get().directory(), false)
                        : Weights.random(preset.config(), options.seed());
                var trainer = new Trainer(weights, options, shop.team, shop.placement);
                var evaluation =
                        new Evaluation(weights, options.compute(), options.context(), shop.team, shop.placement)) {
            if (checkpoint.isPresent()) {
                checkpoint.get().restore(trainer);
            }
            var run = new TrainingRun(
                    directory,
                    trainer,
                    options,
                    new Windows(shop.tokens, options.context(), options.seed(), options.order()),
                    shop.held == null ? null : new HeldOut(shop.held, evaluation, MEASUREMENTS),
                    shop.tokenizer,
                    shop.saveEvery,
                    settings -> {
                        settings.setAll(shop.texts);
                        TrainingOptions.remember(settings, options);
                    });
            try (var _ = new Interrupt(run, "the same command goes on");
                    var progress = new Progress(trainer.step(), options.steps(), shop.tokenizer == null)) {
                run.run(progress);
            }
            if (run.stopped()) {
                return false;
            }
            var text = shop.held == null ? shop.tokens : shop.held;
            write(evaluation.routing(text, ROUTED, shop.kinds));
            return true;
        }
    }

    private void write(List<long[][]> routing) throws IOException {
        var json = JsonNodeFactory.instance.objectNode();
        var kinds = json.putArray("kinds");
        for (var kind : TokenKind.values()) {
            kinds.add(Words.lower(kind));
        }
        var layers = json.putArray("layers");
        for (var layer : routing) {
            var experts = layers.addArray();
            for (var expert : layer) {
                var counts = experts.addArray();
                for (long n : expert) {
                    counts.add(n);
                }
            }
        }
        AtomicFiles.file(directory.resolve(ROUTING), AtomicFiles.Content.of(json + "\n"));
    }
}
