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
import dev.panamba.train.HeldOut;
import dev.panamba.train.Options;
import dev.panamba.train.Trainer;
import dev.panamba.train.TrainingRun;
import dev.panamba.train.Windows;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** {@code panamba train}. */
final class TrainCommand implements Command {
    private static final int UNPRESET_STEPS = 1_000;
    /** Of the held-out text. */
    private static final int MEASUREMENTS = 10;

    private static final Opt<String> PRESET = Opt.text(
                    "preset", "NAME", "One of the presets; an unknown name lists them.")
            .alternative();
    private static final Opt<Path> CONFIG =
            Opt.path("config", "FILE", "A config.json.").alternative();
    private static final Opt<Path> INIT =
            Opt.path("init", "DIR", "A model to train on.").alternative();
    private static final Opt<Path> DATA = Opt.path("data", "FILE|DIR|ZIP", "Text to learn from.");
    private static final Opt<Path> VALID =
            Opt.path("valid", "FILE|DIR|ZIP", "Text to measure on, in between and at the end.");
    private static final Opt<Path> OUT = Opt.path("out", "DIR", "Where metrics, checkpoints and the model go.")
            .required();
    private static final Opt<Boolean> RESUME =
            Opt.flag("resume", "Go on from the newest checkpoint of --out, with its settings where none are given.");
    private static final Opt<String> TOKENIZER = Opt.text(
            "tokenizer",
            "bytes|FILE",
            "How text becomes tokens: bytes, or a tokenizer.json; default: the model's, or bytes.");
    private static final Opt<Integer> SAVE_EVERY =
            Opt.integer("save-every", "STEPS", "Steps between checkpoints; default: about a minute.", 0);
    private static final Opt<Boolean> JSON = Opt.flag("json", "Print the metrics of each step as a line on stdout.");

    private Arguments given;
    private Path out;
    private Path data;
    private Path valid;
    private boolean resume;

    @Override
    public String description() {
        return "Trains a model on text. An interrupted training goes on with --resume.";
    }

    @Override
    public List<Opt<?>> options() {
        var options = new ArrayList<Opt<?>>(
                List.of(PRESET, CONFIG, INIT, DATA, VALID, OUT, RESUME, TOKENIZER, Shared.NO_SPECIAL_TOKENS));
        options.addAll(TrainingOptions.ALL);
        options.addAll(List.of(SAVE_EVERY, Shared.THREADS, Shared.CHECK_FINITE, JSON));
        return options;
    }

    @Override
    public int run(Arguments given) throws IOException {
        this.given = given;
        out = given.get(OUT);
        resume = given.get(RESUME);
        int threads = Shared.threads(given);
        var placement = Shared.placement(given);
        var checkpoint = Checkpoint.latest(out);
        if (checkpoint.isPresent() && !resume) {
            throw new IllegalArgumentException(out + " holds a training of "
                    + checkpoint.get().step() + " steps already: go on with --resume, or choose another --out.");
        }
        if (checkpoint.isEmpty() && resume) {
            throw new IllegalArgumentException(out + " holds no checkpoint to resume from.");
        }
        JsonNode before = resume ? checkpoint.get().settings() : null;
        data = path(DATA, before);
        valid = path(VALID, before);
        if (data == null) {
            throw new IllegalArgumentException(
                    "There is nothing to learn from: give --data a text file, a folder or a zip.");
        }
        var from = resume ? checkpoint.get().directory() : given.get(INIT);
        if (resume && given.has(INIT)) {
            throw new IllegalArgumentException(
                    "--init begins a training and --resume goes on with one: give one of them.");
        }
        var tokenizerFile = tokenizerFile(from);
        var whole = tokenizerFile == null ? Tokenizers.bytes() : Tokenizers.open(tokenizerFile);
        var preset = preset(from, whole);
        var tokenizer = Shared.forModel(whole, preset.config().V(), given);
        var options = new TrainingOptions(given, before).resolve(preset);
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
                var trainer = new Trainer(weights, options, team, placement);
                var evaluation = held == null
                        ? null
                        : new Evaluation(weights, options.compute(), options.context(), team, placement)) {
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
                    held == null ? null : new HeldOut(held, evaluation, MEASUREMENTS),
                    tokenizerFile,
                    given.get(SAVE_EVERY),
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
        try (var _ = new Interrupt(run, "go on with --resume");
                var progress = new Progress(first, options.steps(), bytes)) {
            run.run((metrics, measured) -> {
                progress.step(metrics, measured);
                if (given.get(JSON)) {
                    System.out.println(TrainingRun.line(metrics, measured));
                }
            });
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

    private Path tokenizerFile(Path from) throws IOException {
        if (given.has(TOKENIZER)) {
            var name = given.get(TOKENIZER);
            return name.equals("bytes") ? null : Path.of(name);
        }
        if (from == null || Files.exists(from.resolve(ModelFiles.TOKENIZER))) {
            return from == null ? null : from.resolve(ModelFiles.TOKENIZER);
        }
        // What was begun with bytes goes on with them.
        if (!resume) {
            ModelFiles.tokenizer(from).encode("");
        }
        return null;
    }

    private Preset preset(Path from, Tokenizer tokenizer) throws IOException {
        if (from == null && !given.has(CONFIG)) {
            if (!given.has(PRESET)) {
                throw new IllegalArgumentException("What is to be trained? Give --preset, --config or --init.");
            }
            var preset = Presets.named(given.get(PRESET));
            return preset.config().V() >= tokenizer.vocabulary()
                    ? preset
                    : preset.withVocabulary(tokenizer.vocabulary());
        }
        Config config = from != null ? ModelFiles.config(from) : ModelFiles.readConfig(given.get(CONFIG));
        if (resume && !config.equals(wanted(config))) {
            throw new IllegalArgumentException(out + " holds a training of another model (" + config.family()
                    + ") than the one that is asked for: go on without --preset and --config.");
        }
        int context = Math.min(256, config.longest());
        return new Preset("", config, context, 32, UNPRESET_STEPS, 1e-3, true);
    }

    /** The model that a resumed training is said to have, which need not be said. */
    private Config wanted(Config otherwise) throws IOException {
        if (given.has(CONFIG)) {
            return ModelFiles.readConfig(given.get(CONFIG));
        }
        return given.has(PRESET) ? Presets.named(given.get(PRESET)).config().withVocabulary(otherwise.V()) : otherwise;
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

    private Path path(Opt<Path> option, JsonNode before) {
        return given.has(option) || before == null || !before.has(option.name())
                ? given.get(option)
                : Path.of(before.path(option.name()).asString());
    }
}
