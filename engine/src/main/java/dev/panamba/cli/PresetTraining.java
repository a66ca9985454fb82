package dev.panamba.cli;

import dev.panamba.graph.Team;
import dev.panamba.io.AtomicFiles;
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
import tools.jackson.databind.node.JsonNodeFactory;

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
     * @param tokenizer a file, or null for bytes
     * @param kinds of the tokens
     * @param team who works
     * @param placement of programs
     * @param saveEvery steps between checkpoints, or 0
     */
    record Shop(
            TokenFile tokens,
            TokenFile held,
            Path tokenizer,
            TokenKind[] kinds,
            Team team,
            Placement placement,
            int saveEvery) {}

    boolean isFinished() {
        return Files.exists(directory.resolve(ROUTING));
    }

    /** Refuses to go on with, or to compare, what was trained otherwise. */
    void check() throws IOException {
        var checkpoint = Checkpoint.latest(directory);
        if (checkpoint.isEmpty()) {
            return;
        }
        var wanted = JsonNodeFactory.instance.objectNode();
        TrainingOptions.remember(wanted, options);
        ComparePlan.same(directory.toString(), checkpoint.get().settings(), "this command", wanted);
        if (!ModelFiles.config(checkpoint.get().directory()).equals(preset.config())) {
            throw new IllegalArgumentException(
                    directory + " holds another model than " + preset.name() + ": choose another --out.");
        }
    }

    /**
     * Trains from where it stands to its end.
     *
     * @return false if somebody stopped it
     */
    boolean run(Shop shop) throws IOException {
        Files.createDirectories(directory);
        AtomicFiles.clean(directory);
        var checkpoint = Checkpoint.latest(directory);
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
                    settings -> TrainingOptions.remember(settings, options));
            try (var _ = new Interrupt(run, "the same command goes on");
                    var progress = new Progress(trainer.step(), options.steps(), shop.tokenizer == null)) {
                run.run(progress);
            }
            if (run.stopped()) {
                return false;
            }
            var text = shop.held == null ? shop.tokens : shop.held;
            write(evaluation.routing(text, ROUTED, shop.kinds));
        }
        Charts.draw(directory);
        return true;
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
