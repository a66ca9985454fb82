package dev.panamba.cli;

import dev.panamba.graph.Team;
import dev.panamba.infer.LanguageModel;
import dev.panamba.infer.Sampler;
import dev.panamba.io.FolderLock;
import dev.panamba.memory.Placement;
import dev.panamba.model.Config;
import dev.panamba.model.Network;
import dev.panamba.model.Presets;
import dev.panamba.model.Presets.Preset;
import dev.panamba.model.Weights;
import dev.panamba.tensor.DType;
import dev.panamba.text.Corpus;
import dev.panamba.text.TokenFile;
import dev.panamba.text.Tokenizers;
import dev.panamba.train.Bigram;
import dev.panamba.train.Checkpoint;
import dev.panamba.train.Evaluation;
import dev.panamba.train.HeldOut;
import dev.panamba.train.Metrics;
import dev.panamba.train.Options;
import dev.panamba.train.Schedule;
import dev.panamba.train.Trainer;
import dev.panamba.train.TrainingRun;
import dev.panamba.train.Windows;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalDouble;

/** {@code panamba demo}. */
final class DemoCommand implements Command {
    private static final String PRESET = "tiny-moe-mamba";
    private static final double SECONDS = 65;
    /** Steps that are tried for their speed; the fastest counts, since the first ones compile. */
    private static final int TRIED = 20;
    /** Fewer would not learn enough to be shown, however slow the machine. */
    private static final int FEWEST = 200;

    private static final int WRITTEN = 500;
    private static final long SEED = 1;

    private static final Opt<Path> DATA =
            Opt.path("data", "DIR|ZIP", "Other text files to learn from, at least a few dozen.");
    private static final Opt<Path> OUT = Opt.path(
            "out",
            "DIR",
            "Where pictures and the model go; default: panamba-demo, or the next such name that is free.");

    private Path out;
    private int threads;
    private Metrics last;

    @Override
    public String description() {
        return "Trains a small MoE-Mamba on the JDK's own sources for about a minute, shows what it learnt, and lets it"
                + " write.";
    }

    @Override
    public List<Opt<?>> options() {
        return List.of(DATA, OUT, Shared.THREADS);
    }

    @Override
    public int run(Arguments given) throws IOException {
        threads = given.get(Shared.THREADS);
        var text = given.has(DATA) ? Corpus.of(given.get(DATA)) : SourceText.find();
        out = directory(given.get(OUT));
        try (var _ = FolderLock.of(out)) {
            if (Checkpoint.latest(out).isPresent()) {
                throw new IllegalArgumentException(out + " holds a training already: choose another --out.");
            }
            demonstrate(text);
        }
        return 0;
    }

    private void demonstrate(Corpus text) throws IOException {
        var trainFile = out.resolve("train.tokens");
        var validFile = out.resolve("valid.tokens");
        var bytes = Tokenizers.bytes();
        var train = TokenFile.write(trainFile, SourceText.toLearn(text), bytes);
        var valid = TokenFile.write(validFile, SourceText.heldOut(text), bytes);
        System.out.printf(
                "Text: %s, %,d files with %,d bytes to learn from, %,d files with %,d bytes held out%n",
                text.path(), train.documents(), train.bytes(), valid.documents(), valid.bytes());
        var preset = Presets.named(PRESET);
        describe(preset.config());
        try (var tokens = TokenFile.open(trainFile);
                var held = TokenFile.open(validFile)) {
            var options = options(preset, steps(preset, tokens));
            train(Weights.random(preset.config(), SEED), options, tokens, held);
        }
        Files.delete(trainFile);
        Files.delete(validFile);
    }

    private static Path directory(Path out) throws IOException {
        if (out != null) {
            return Files.createDirectories(out);
        }
        for (int i = 1; ; i++) {
            try {
                return Files.createDirectory(Path.of(i == 1 ? "panamba-demo" : "panamba-demo-" + i));
            } catch (FileAlreadyExistsException e) {
                // Another demo's; its pictures stay.
            }
        }
    }

    /** As many steps as take about a minute here: some are tried, and the schedule is made for the number that fits. */
    private int steps(Preset preset, TokenFile tokens) {
        var options = options(preset, 1);
        try (var weights = Weights.random(preset.config(), SEED);
                var team = new Team(threads);
                var trainer = new Trainer(weights, options, team, Placement.PACKED)) {
            var windows = new Windows(tokens, options.context(), SEED, options.order());
            var seconds = Double.MAX_VALUE;
            for (int i = 0; i < TRIED; i++) {
                seconds = Math.min(seconds, trainer.step(windows).seconds());
            }
            return (int) Math.max(FEWEST, SECONDS / seconds);
        }
    }

    private static Options options(Preset preset, int steps) {
        return new Options(
                steps,
                preset.batch(),
                preset.context(),
                preset.batch(),
                SEED,
                new Schedule(preset.lr(), steps / 20, steps, Schedule.Shape.COSINE, 0.1),
                0.1,
                Options.Decay.MATRICES,
                0.5,
                0.9,
                0.999,
                1e-8,
                Windows.Order.SHUFFLED,
                false,
                DType.F32);
    }

    private static void describe(Config config) {
        var parameters = Network.parameters(config, DType.F32);
        long total = parameters.stream().mapToLong(p -> p.shape().elements()).sum();
        var experts = (Config.Switch) config.mlp();
        System.out.printf(
                "Model: %s, %,d parameters: %d pairs of a Mamba layer and a Switch layer of %d experts, width %d, bytes%n%n",
                config.family(), total, config.blocks(), experts.X(), config.D());
    }

    private void train(Weights weights, Options options, TokenFile tokens, TokenFile held) throws IOException {
        double before;
        double after;
        try (var team = new Team(threads);
                var evaluation =
                        new Evaluation(weights, options.compute(), options.context(), team, Placement.PACKED)) {
            before = evaluation.measure(held, Long.MAX_VALUE).natsPerToken();
            try (var trainer = new Trainer(weights, options, team, Placement.PACKED);
                    var progress = new Progress(0, options.steps(), true)) {
                var windows = new Windows(tokens, options.context(), options.seed(), options.order());
                var run = new TrainingRun(
                        out, trainer, options, windows, new HeldOut(held, evaluation, 10), null, 0, _ -> {});
                run.run((Metrics metrics, OptionalDouble measured) -> {
                    last = metrics;
                    progress.step(metrics, measured);
                });
            }
            after = evaluation.measure(held, Long.MAX_VALUE).natsPerToken();
        }
        report(before, after, new Bigram(tokens).natsPerToken(held));
        for (var picture : Charts.draw(out)) {
            System.out.println("Picture: " + picture);
        }
        System.out.println("Model:   " + out + "\n");
        write(weights);
    }

    private void report(double before, double after, double bigram) {
        System.out.printf("%nHeld-out files, bits per byte (lower is better)%n");
        System.out.printf("  before training   %6.3f%n", before / Math.log(2));
        System.out.printf("  bigram baseline   %6.3f%n", bigram / Math.log(2));
        System.out.printf("  after training    %6.3f%n%n", after / Math.log(2));
        System.out.printf("Tokens of the last step by expert (an even share would be %,d)%n", even(last));
        for (int i = 0; i < last.layers().size(); i++) {
            var layer = last.layers().get(i);
            System.out.printf(
                    "  layer %d  %s  kept %,d, dropped %,d%n",
                    i + 1, Arrays.toString(layer.load()), layer.kept(), layer.dropped());
        }
        System.out.println();
    }

    private static long even(Metrics metrics) {
        return metrics.tokens() / metrics.layers().getFirst().load().length;
    }

    private void write(Weights weights) throws IOException {
        var stream = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        try (var model = LanguageModel.of(weights, Tokenizers.bytes(), DType.F32, threads);
                var session = model.newSession()) {
            var prompt = "    /**\n     * Returns ";
            System.out.println("What it writes:");
            stream.print(prompt);
            session.feed(model.tokenizer().encode(prompt));
            for (var token : session.generate(Sampler.of(0.8, 0, 0.95, SEED), WRITTEN)) {
                stream.print(token.text());
                stream.flush();
            }
            stream.println();
            stream.flush();
        }
    }
}
