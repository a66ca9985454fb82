package dev.panamba.cli;

import dev.panamba.graph.Gemm;
import dev.panamba.graph.Team;
import dev.panamba.io.AtomicFiles;
import dev.panamba.io.Digests;
import dev.panamba.io.FolderLock;
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
import tools.jackson.databind.node.JsonNodeFactory;
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
    private static final Opt<Boolean> RESUME = Opt.flag(
            "resume",
            "Go on from the newest good checkpoint of --out, with its text and settings where none are given.");
    private static final Opt<String> TOKENIZER = Opt.word(
            "tokenizer",
            "bytes|FILE",
            "How text becomes tokens: bytes, or a tokenizer.json; default: the model's, or bytes.");
    private static final Opt<Integer> SAVE_EVERY = Opt.integer(
                    "save-every", "STEPS", "Steps between checkpoints; 0 for about a minute, the default.", 0)
            .within(0, Integer.MAX_VALUE);
    private static final Opt<Boolean> JSON = Opt.flag("json", "Print the metrics of each step as a line on stdout.");

    private Arguments given;
    private Path out;
    private boolean resume;

    /**
     * What is to be done, checked as far as nothing is written for it.
     *
     * @param checkpoint to go on from, or null
     * @param before settings of the checkpoint, or null
     * @param data text to learn from
     * @param valid text to measure on, or null
     * @param from directory of the model to begin with, or null
     * @param tokenizerFile or null for bytes
     * @param tokenizer of the texts
     * @param preset the model
     * @param options how
     */
    private record Job(
            Checkpoint checkpoint,
            JsonNode before,
            Path data,
            Path valid,
            Path from,
            Path tokenizerFile,
            Tokenizer tokenizer,
            Preset preset,
            Options options) {}

    @Override
    public String description() {
        return "Trains a model on text. An interrupted training goes on with --resume: what is given beside it counts from there on and"
                + " is said, a checkpoint that is damaged is left for the one before. Two do not train into one --out.";
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
        if (resume) {
            if (Checkpoint.latest(out).isEmpty()) {
                throw new IllegalArgumentException(out + " holds no checkpoint to resume from.");
            }
            try (var _ = FolderLock.of(out)) {
                return train(job(Checkpoint.lastGood(out, System.err::println).orElseThrow()));
            }
        }
        refuseTaken();
        var job = job(null);
        Files.createDirectories(out);
        try (var _ = FolderLock.of(out)) {
            // Somebody else may have been faster.
            refuseTaken();
            return train(job);
        }
    }

    private void refuseTaken() throws IOException {
        var checkpoint = Checkpoint.latest(out);
        if (checkpoint.isPresent()) {
            throw new IllegalArgumentException(out + " holds a training of "
                    + checkpoint.get().step() + " steps already: go on with --resume, or choose another --out.");
        }
        if (isModel(out)) {
            throw new IllegalArgumentException(out
                    + " holds a model that is no training of ours, which would be overwritten: choose another --out.");
        }
    }

    private Job job(Checkpoint checkpoint) throws IOException {
        var before = checkpoint == null ? null : checkpoint.settings();
        var data = path(DATA, before);
        if (data == null) {
            throw new IllegalArgumentException(
                    "There is nothing to learn from: give --data a text file, a folder or a zip.");
        }
        if (resume && given.has(INIT)) {
            throw new IllegalArgumentException(
                    "--init begins a training and --resume goes on with one: give one of them.");
        }
        var from = resume ? checkpoint.directory() : given.get(INIT);
        var tokenizerFile = tokenizerFile(from);
        var whole = tokenizerFile == null ? Tokenizers.bytes() : Tokenizers.open(tokenizerFile);
        var preset = preset(from, whole);
        var tokenizer = Shared.forModel(whole, preset.config().V(), given);
        var options = new TrainingOptions(given, before).resolve(preset);
        Gemm.loadAhead(
                options.compute(),
                Math.min(
                        (long) options.microBatch() * options.context(),
                        preset.config().D()));
        if (resume && options.steps() < checkpoint.step()) {
            throw new IllegalArgumentException("--steps is " + options.steps() + ", and the training in " + out
                    + " has taken " + checkpoint.step() + " already.");
        }
        return new Job(checkpoint, before, data, path(VALID, before), from, tokenizerFile, tokenizer, preset, options);
    }

    private int train(Job job) throws IOException {
        var options = job.options;
        if (resume && job.checkpoint.step() == options.steps()) {
            System.err.println(out + " has taken all of its " + options.steps()
                    + " steps, so nothing is done: give more --steps to go on.");
        } else if (!trainToTheEnd(job)) {
            return 1;
        }
        for (var picture : Charts.draw(out)) {
            System.err.println("wrote " + picture);
        }
        return 0;
    }

    /** False if somebody stopped it. */
    private boolean trainToTheEnd(Job job) throws IOException {
        var options = job.options;
        if (resume) {
            for (var change : TrainingOptions.changes(job.before, options)) {
                System.err.println("from step " + job.checkpoint.step() + " on: " + change);
            }
        }
        AtomicFiles.clean(out);
        var placement = Shared.placement(given);
        var texts = JsonNodeFactory.instance.objectNode();
        try (var tokens = tokens("train.tokens", DATA, job.data, job, texts);
                var held = job.valid == null ? null : tokens("valid.tokens", VALID, job.valid, job, texts);
                var weights = job.from != null
                        ? ModelFiles.weights(job.from, false)
                        : Weights.random(job.preset.config(), options.seed());
                var team = new Team(given.get(Shared.THREADS));
                var trainer = new Trainer(weights, options, team, placement);
                var evaluation = held == null
                        ? null
                        : new Evaluation(weights, options.compute(), options.context(), team, placement)) {
            if (resume) {
                job.checkpoint.restore(trainer);
            }
            plan(trainer);
            var windows = new Windows(tokens, options.context(), options.seed(), options.order());
            var run = new TrainingRun(
                    out,
                    trainer,
                    options,
                    windows,
                    held == null ? null : new HeldOut(held, evaluation, MEASUREMENTS),
                    job.tokenizerFile,
                    given.get(SAVE_EVERY),
                    settings -> {
                        settings.put("data", job.data.toAbsolutePath().toString());
                        if (job.valid != null) {
                            settings.put("valid", job.valid.toAbsolutePath().toString());
                        }
                        settings.setAll(texts);
                        TrainingOptions.remember(settings, options);
                    });
            run(run, trainer.step(), options, job.tokenizerFile == null);
            return !run.stopped();
        }
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
        // The checkpoint that is resumed goes when newer ones come; the link beside it always leads to one.
        var kept = from == null ? null : (resume ? out : from).resolve(ModelFiles.TOKENIZER);
        var own = kept != null && Files.exists(kept) ? kept : null;
        if (!given.has(TOKENIZER)) {
            if (own == null && from != null && !resume) {
                // Refuses text where nothing says how it becomes tokens; what was begun with bytes goes on with them.
                ModelFiles.tokenizer(from).encode("");
            }
            return own;
        }
        var name = given.get(TOKENIZER);
        var file = name.equals("bytes") ? null : Path.of(name);
        var same = file == null || own == null ? file == own : Files.mismatch(file, own) < 0;
        if (resume && !same) {
            throw new IllegalArgumentException(out + " was begun with another tokenizer than --tokenizer " + name
                    + ": go on without --tokenizer.");
        }
        return file;
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

    /**
     * The tokens of a text. A resumed training goes on with those it had, even if the text has changed since, unless the text is
     * given again.
     *
     * @param texts gets the digest, which a checkpoint remembers
     */
    private TokenFile tokens(String name, Opt<Path> option, Path text, Job job, ObjectNode texts) throws IOException {
        var file = out.resolve(name);
        if (!resume || given.has(option) || !Files.exists(file)) {
            var summary = TokenFile.write(file, Corpus.of(text), job.tokenizer);
            System.err.printf(
                    "%s: %,d bytes in %,d %s%s%n",
                    text,
                    summary.bytes(),
                    summary.documents(),
                    summary.documents() == 1 ? "document" : "documents",
                    summary.skipped() > 0 ? ", " + summary.skipped() + " skipped that are no text" : "");
        }
        var tokens = TokenFile.open(file);
        try {
            if (tokens.vocabulary() != job.tokenizer.vocabulary()) {
                throw new IllegalArgumentException(file + " is of a tokenizer of " + tokens.vocabulary()
                        + " ids, and this one has " + job.tokenizer.vocabulary() + ": delete it, it is made again.");
            }
            var key = name.replace('.', '_');
            texts.put(key, Digests.of(file));
            var before = resume ? job.before.path(key).asString("") : "";
            if (resume && !before.equals(texts.path(key).asString())) {
                var step = job.checkpoint.step();
                if (given.has(option)) {
                    System.err.println("from step " + step + " on: --" + option.name() + " " + text
                            + (before.isEmpty() ? "" : ", which is another text than before"));
                } else if (!before.isEmpty()) {
                    throw new IOException(file + " is not the text of the training up to step " + step
                            + ": it is damaged, or was read again from a text that has changed. Give --" + option.name()
                            + " the text to go on with.");
                }
            }
            return tokens;
        } catch (IOException | RuntimeException e) {
            tokens.close();
            throw e;
        }
    }

    private Path path(Opt<Path> option, JsonNode before) {
        return given.has(option) ? given.get(option) : option.recall(before, null);
    }
}
