package dev.panamba.cli;

import dev.panamba.graph.Team;
import dev.panamba.io.AtomicFiles;
import dev.panamba.model.Config;
import dev.panamba.model.ModelFiles;
import dev.panamba.model.Presets;
import dev.panamba.model.Presets.Preset;
import dev.panamba.model.Weights;
import dev.panamba.text.Corpus;
import dev.panamba.text.TokenFile;
import dev.panamba.text.Tokenizer;
import dev.panamba.text.Tokenizers;
import dev.panamba.train.Checkpoint;
import dev.panamba.train.Evaluation;
import dev.panamba.train.Options;
import dev.panamba.train.Trainer;
import dev.panamba.train.TrainingRun;
import dev.panamba.train.Windows;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** {@code panamba train}. */
@Command(
        name = "train",
        description = "Trains a model on text. An interrupted training goes on with --resume.",
        sortOptions = false)
final class TrainCommand implements Callable<Integer> {
    private static final int UNPRESET_STEPS = 1_000;

    @ArgGroup
    private Source source = new Source();

    private static final class Source {
        @Option(
                names = "--preset",
                paramLabel = "NAME",
                description = "One of the presets; an unknown name lists them.")
        private String preset;

        @Option(names = "--config", paramLabel = "FILE", description = "A config.json.")
        private Path config;

        @Option(names = "--init", paramLabel = "DIR", description = "A model to train on.")
        private Path init;
    }

    @Option(names = "--data", paramLabel = "FILE|DIR|ZIP", description = "Text to learn from.")
    private Path data;

    @Option(
            names = "--valid",
            paramLabel = "FILE|DIR|ZIP",
            description = "Text to measure on, in between and at the end.")
    private Path valid;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            required = true,
            description = "Where metrics, checkpoints and the model go.")
    private Path out;

    @Option(
            names = "--resume",
            description = "Go on from the newest checkpoint of --out, with its settings where none are given.")
    private boolean resume;

    @Option(
            names = "--tokenizer",
            paramLabel = "bytes|FILE",
            description = "How text becomes tokens: bytes, or a tokenizer.json; default: the model's, or bytes.")
    private String tokenizerName;

    @Mixin
    private TrainingOptions given = new TrainingOptions();

    @Option(
            names = "--save-every",
            paramLabel = "STEPS",
            description = "Steps between checkpoints; default: about a minute.")
    private int saveEvery;

    @Option(names = "--threads", description = "Default: all cores.")
    private int threads = Runtime.getRuntime().availableProcessors();

    @Mixin
    private FiniteOption finite = new FiniteOption();

    @Option(names = "--json", description = "Print the metrics of each step as a line on stdout.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        var checkpoint = Checkpoint.latest(out);
        if (checkpoint.isPresent() && !resume) {
            throw new IllegalArgumentException(out + " holds a training of "
                    + checkpoint.get().step() + " steps already: go on with --resume, or choose another --out.");
        }
        if (checkpoint.isEmpty() && resume) {
            throw new IllegalArgumentException(out + " holds no checkpoint to resume from.");
        }
        JsonNode before = resume ? checkpoint.get().settings() : null;
        data = path(data, before, "data");
        valid = path(valid, before, "valid");
        if (data == null) {
            throw new IllegalArgumentException(
                    "There is nothing to learn from: give --data a text file, a folder or a zip.");
        }
        var from = resume ? checkpoint.get().directory() : source.init;
        if (resume && source.init != null) {
            throw new IllegalArgumentException(
                    "--init begins a training and --resume goes on with one: give one of them.");
        }
        var tokenizerFile = tokenizerFile(from);
        Tokenizer tokenizer = tokenizerFile == null ? Tokenizers.bytes() : Tokenizers.open(tokenizerFile);
        var preset = preset(from, tokenizer);
        var options = given.resolve(preset, before);
        if (threads < 1 || threads > 1024) {
            throw new IllegalArgumentException("--threads is " + threads + " and must be 1 to 1024.");
        }
        if (!resume && isModel(out)) {
            throw new IllegalArgumentException(out
                    + " holds a model that is no training of ours, which would be overwritten: choose another --out.");
        }
        Files.createDirectories(out);
        AtomicFiles.clean(out);
        try (var tokens = tokens("train.tokens", data, tokenizer);
                var held = valid == null ? null : tokens("valid.tokens", valid, tokenizer);
                var weights = from != null
                        ? ModelFiles.weights(from, false)
                        : Weights.random(preset.config(), options.seed());
                var team = new Team(threads);
                var trainer = new Trainer(weights, options, team, finite.placement());
                var evaluation =
                        held == null ? null : new Evaluation(weights, options.context(), team, finite.placement())) {
            if (resume) {
                checkpoint.get().restore(trainer);
            }
            if (tokens.vocabulary() != tokenizer.vocabulary()) {
                throw new IllegalArgumentException(out + " was begun with a tokenizer of " + tokens.vocabulary()
                        + " ids, and this one has " + tokenizer.vocabulary() + ": go on without --tokenizer.");
            }
            plan(trainer);
            var windows = new Windows(tokens, options.context(), options.seed(), options.order());
            var run = new TrainingRun(
                    out,
                    trainer,
                    options,
                    windows,
                    held,
                    evaluation,
                    tokenizerFile,
                    saveEvery,
                    settings -> remember(settings, options));
            run(run, trainer.step(), options, tokenizerFile == null);
            if (run.stopped()) {
                return 1;
            }
        }
        for (var picture : Charts.draw(out)) {
            System.err.println("wrote " + picture);
        }
        return 0;
    }

    private void run(TrainingRun run, int first, Options options, boolean bytes) throws IOException {
        var interrupt = new Thread(
                () -> System.err.println(
                        run.stop()
                                ? "stopped and saved; go on with --resume"
                                : "stopped, and what is new is not saved"),
                "panamba-stop");
        Runtime.getRuntime().addShutdownHook(interrupt);
        try (var progress = new Progress(first, options.steps(), bytes)) {
            run.run((metrics, measured) -> {
                progress.step(metrics, measured);
                if (json) {
                    System.out.println(TrainingRun.line(metrics, measured));
                }
            });
        } finally {
            try {
                Runtime.getRuntime().removeShutdownHook(interrupt);
            } catch (IllegalStateException e) {
                // The process is ending already.
            }
        }
        if (!run.stopped()) {
            System.err.println("the model is in " + out);
        }
    }

    /** A training's directory has links where a model's has files. */
    private static boolean isModel(Path directory) {
        return Files.isRegularFile(directory.resolve(ModelFiles.WEIGHTS), LinkOption.NOFOLLOW_LINKS)
                || Files.isRegularFile(directory.resolve(ModelFiles.CONFIG), LinkOption.NOFOLLOW_LINKS);
    }

    private static void plan(Trainer trainer) {
        System.err.println("activations take " + Words.bytes(trainer.activationBytes()[0]) + " ("
                + Words.bytes(trainer.activationBytes()[1]) + " if no two shared memory)");
    }

    private Path tokenizerFile(Path from) {
        if (tokenizerName != null) {
            return tokenizerName.equals("bytes") ? null : Path.of(tokenizerName);
        }
        var own = from == null ? null : from.resolve(ModelFiles.TOKENIZER);
        return own != null && Files.exists(own) ? own : null;
    }

    private Preset preset(Path from, Tokenizer tokenizer) throws IOException {
        if (from == null && source.config == null) {
            if (source.preset == null) {
                throw new IllegalArgumentException("What is to be trained? Give --preset, --config or --init.");
            }
            var preset = Presets.named(source.preset);
            return preset.config().V() >= tokenizer.vocabulary()
                    ? preset
                    : preset.withVocabulary(tokenizer.vocabulary());
        }
        Config config = from != null ? ModelFiles.config(from) : ModelFiles.readConfig(source.config);
        if (resume && !config.equals(wanted(config))) {
            throw new IllegalArgumentException(out + " holds a training of another model (" + config.family()
                    + ") than the one that is asked for: go on without --preset and --config.");
        }
        if (config.V() < tokenizer.vocabulary()) {
            throw new IllegalArgumentException(
                    "The model has a vocabulary of " + config.V() + " and the tokenizer one of "
                            + tokenizer.vocabulary() + ": give --tokenizer the one that the model was made for.");
        }
        int context = Math.min(256, config.longest());
        return new Preset("", config, context, 32, UNPRESET_STEPS, 1e-3);
    }

    /** The model that a resumed training is said to have, which need not be said. */
    private Config wanted(Config otherwise) throws IOException {
        if (source.config != null) {
            return ModelFiles.readConfig(source.config);
        }
        return source.preset == null
                ? otherwise
                : Presets.named(source.preset).config().withVocabulary(otherwise.V());
    }

    private TokenFile tokens(String name, Path text, Tokenizer tokenizer) throws IOException {
        var file = out.resolve(name);
        // A resumed training goes on with the tokens it had, even if the text has changed since.
        if (!resume || !Files.exists(file)) {
            var summary = TokenFile.write(file, Corpus.of(text), tokenizer);
            System.err.printf(
                    "%s: %,d bytes in %,d %s%s%n",
                    text,
                    summary.bytes(),
                    summary.documents(),
                    summary.documents() == 1 ? "document" : "documents",
                    summary.skipped() > 0 ? ", " + summary.skipped() + " skipped that are no text" : "");
        }
        return TokenFile.open(file);
    }

    private void remember(ObjectNode settings, Options options) {
        settings.put("data", data.toAbsolutePath().toString());
        if (valid != null) {
            settings.put("valid", valid.toAbsolutePath().toString());
        }
        TrainingOptions.remember(settings, options);
    }

    private static Path path(Path given, JsonNode before, String name) {
        return given != null || before == null || !before.has(name)
                ? given
                : Path.of(before.path(name).asString());
    }
}
