package dev.panamba.cli;

import dev.panamba.graph.Gemm;
import dev.panamba.graph.Team;
import dev.panamba.io.AtomicFiles;
import dev.panamba.io.Digests;
import dev.panamba.io.FolderLock;
import dev.panamba.model.Presets;
import dev.panamba.model.Presets.Preset;
import dev.panamba.text.Corpus;
import dev.panamba.text.TokenFile;
import dev.panamba.text.TokenKind;
import dev.panamba.text.Tokenizer;
import dev.panamba.text.Tokenizers;
import dev.panamba.train.Windows;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** {@code panamba compare}. */
final class CompareCommand implements Command {
    private static final List<String> QUICK_PRESETS = List.of("claim-mamba", "claim-moe-mamba");
    private static final int QUICK_STEPS = 2_400;
    private static final String TRAIN = "train.tokens";
    private static final String HELD_OUT = "valid.tokens";
    /** The paper's 0.001 averages a hundredth of its steps, and so does this by the number of steps, at most. */
    private static final double SMOOTHED = 100;

    private static final Opt<List<String>> PRESETS = Opt.text(
                    "presets", "NAME", "The baseline, then what is compared with it; default: those that --out has.")
            .several(List.of());
    private static final Opt<Path> DATA =
            Opt.path("data", "FILE|DIR|ZIP", "Text to learn from; default: that of --out.");
    private static final Opt<Path> VALID = Opt.path("valid", "FILE|DIR|ZIP", "Text to measure on.");
    private static final Opt<Path> OUT = Opt.path(
                    "out", "DIR", "Where trainings and report go; what it has of them already is gone on with.")
            .required();
    private static final Opt<String> TOKENIZER =
            Opt.word("tokenizer", "bytes|FILE", "How text becomes tokens: bytes, or a tokenizer.json; default: bytes.");
    private static final Opt<List<Long>> SEEDS = Opt.seed(
                    "seeds", "Of weights and order; each preset is trained once with each; default: 1.", null)
            .several(List.of());
    private static final Opt<String> SWEEP = Opt.text(
            "sweep",
            "lr=X,...",
            "Train with a third of the steps at each of these learning rates instead, and remember the best of each preset for"
                    + " the comparison in the same --out.");
    private static final Opt<Double> SMOOTHING = Opt.number(
                    "smoothing",
                    "Share of the newest step in the moving average of the loss; default: 100 / steps, which is the paper's 0.001 for its"
                            + " 100,000.")
            .within(Double.MIN_VALUE, 1);
    private static final Opt<Boolean> QUICK = Opt.flag(
            "quick",
            "A few minutes' training that shows which way it goes, of claim-mamba and claim-moe-mamba where no --presets are"
                    + " given, on the JDK's sources where no --data is.");
    private static final Opt<Integer> SAVE_EVERY = Opt.integer(
                    "save-every", "STEPS", "Steps between checkpoints; 0 for about a minute, the default.", 0)
            .within(0, Integer.MAX_VALUE);
    private static final Opt<Boolean> JSON = Opt.flag("json", "Print the report as one JSON object.");

    private Arguments given;
    private Path out;
    private ComparePlan before;

    @Override
    public String description() {
        return "Trains presets on the same batches and says how much sooner each comes to the loss at which the first one"
                + " ends. The same command goes on with what an interruption left; a text that has changed since is refused.";
    }

    @Override
    public List<Opt<?>> options() {
        var options =
                new ArrayList<Opt<?>>(List.of(PRESETS, DATA, VALID, OUT, TOKENIZER, SEEDS, SWEEP, SMOOTHING, QUICK));
        options.addAll(TrainingOptions.WITHOUT_SEED);
        options.addAll(List.of(SAVE_EVERY, Shared.THREADS, Shared.CHECK_FINITE, JSON));
        return options;
    }

    @Override
    public int run(Arguments given) throws IOException {
        this.given = given;
        out = given.get(OUT);
        int threads = given.get(Shared.THREADS);
        before = ComparePlan.of(out).orElse(null);
        var rates = given.has(SWEEP) ? Sweep.rates(given.get(SWEEP)) : List.<Double>of();
        if (given.has(SWEEP) && given.has(TrainingOptions.LR)) {
            throw new IllegalArgumentException("--sweep tries learning rates and --lr is one: give one of them.");
        }
        var tokenizerFile = tokenizerFile();
        var tokenizer = tokenizerFile == null ? Tokenizers.bytes() : Tokenizers.open(tokenizerFile);
        var sweep = Sweep.of(out);
        var presets = presets(tokenizer).stream().map(sweep::best).toList();
        var seeds = given.has(SEEDS)
                ? given.get(SEEDS).stream().distinct().toList()
                : before == null ? List.of(1L) : before.seeds();
        var options = new TrainingOptions(given, before == null ? null : before.settings());
        var plan = plan(presets, seeds, options);
        Gemm.loadAhead(
                options.resolve(presets.getFirst(), seeds.getFirst()).compute(),
                presets.stream().mapToInt(preset -> preset.config().D()).max().orElseThrow());
        Files.createDirectories(out);
        try (var _ = FolderLock.of(out)) {
            if (before == null && ComparePlan.of(out).isPresent()) {
                throw new IllegalStateException("Another compare has begun in " + out + " meanwhile: start again.");
            }
            AtomicFiles.clean(out);
            try (var tokens = tokens(TRAIN, tokenizer);
                    var held = tokens(HELD_OUT, tokenizer);
                    var team = new Team(threads)) {
                // A text that is too short is to be refused before anything is remembered.
                var first = options.resolve(presets.getFirst(), seeds.getFirst());
                new Windows(tokens, first.context(), first.seed(), first.order());
                var whole = before == null ? plan : plan.with(before);
                whole.write(out);
                int vocabulary =
                        presets.stream().mapToInt(p -> p.config().V()).max().orElseThrow();
                var shop = new PresetTraining.Shop(
                        tokens,
                        held,
                        texts(),
                        tokenizerFile,
                        TokenKind.of(tokenizer, vocabulary),
                        team,
                        Shared.placement(given),
                        given.get(SAVE_EVERY));
                return rates.isEmpty()
                        ? compare(plan, whole, presets, options, shop)
                        : sweep(sweep, rates, presets, options, shop);
            }
        }
    }

    private int compare(
            ComparePlan plan,
            ComparePlan whole,
            List<Preset> presets,
            TrainingOptions options,
            PresetTraining.Shop shop)
            throws IOException {
        var trainings = new ArrayList<PresetTraining>();
        for (long seed : plan.seeds()) {
            for (var preset : presets) {
                var directory = ComparisonReport.directory(out, preset.name(), seed);
                var training = new PresetTraining(preset, options.resolve(preset, seed), directory);
                training.check(shop);
                trainings.add(training);
            }
        }
        for (int i = 0; i < trainings.size(); i++) {
            var training = trainings.get(i);
            if (training.isFinished()) {
                continue;
            }
            System.err.printf(
                    "%s, seed %d (%d of %d)%n",
                    training.preset().name(), training.options().seed(), i + 1, trainings.size());
            if (!training.run(shop)) {
                return 1;
            }
        }
        var report = ComparisonReport.of(out, whole);
        report.write(ComparisonCharts.draw(out, report));
        System.err.println("the report is in " + out.resolve(ComparisonReport.MARKDOWN));
        System.out.println(given.get(JSON) ? report.json().toString() : report.table());
        return 0;
    }

    private int sweep(
            Sweep sweep, List<Double> rates, List<Preset> presets, TrainingOptions options, PresetTraining.Shop shop)
            throws IOException {
        for (var preset : presets) {
            var whole = options.resolve(preset, 1);
            for (double lr : rates) {
                if (!sweep.run(preset, whole, lr, shop)) {
                    return 1;
                }
            }
        }
        for (var preset : presets) {
            System.out.println(sweep.words(preset));
        }
        return 0;
    }

    private List<Preset> presets(Tokenizer tokenizer) {
        var names = given.has(PRESETS)
                ? given.get(PRESETS)
                : before != null ? before.presets() : given.get(QUICK) ? QUICK_PRESETS : List.<String>of();
        if (names.isEmpty()) {
            throw new IllegalArgumentException(
                    "What is to be compared? Give --presets, the baseline first, or --quick.");
        }
        var presets = names.stream().distinct().map(Presets::named).toList();
        if (presets.size() < 2) {
            throw new IllegalArgumentException("--presets names " + names.getFirst()
                    + " alone, and a comparison needs two: name the baseline and then the others.");
        }
        return presets.stream()
                .map(p -> p.config().V() < tokenizer.vocabulary() ? p.withVocabulary(tokenizer.vocabulary()) : p)
                .map(p -> given.get(QUICK) ? p.withSteps(QUICK_STEPS) : p)
                .toList();
    }

    private ComparePlan plan(List<Preset> presets, List<Long> seeds, TrainingOptions options) {
        ObjectNode shared = null;
        for (var preset : presets) {
            var settings = JsonNodeFactory.instance.objectNode();
            TrainingOptions.remember(settings, options.resolve(preset, seeds.getFirst()));
            settings.remove(List.of("seed", "lr"));
            if (shared != null) {
                ComparePlan.same(presets.getFirst().name(), shared, preset.name(), settings);
            } else {
                shared = settings;
            }
        }
        remember(shared, DATA);
        remember(shared, VALID);
        var file = tokenizerFile();
        shared.put("tokenizer", file == null ? "bytes" : file.toAbsolutePath().toString());
        if (before == null && !given.has(DATA) && !given.get(QUICK)) {
            throw new IllegalArgumentException(
                    "There is nothing to learn from: give --data a text file, a folder or a zip, or --quick.");
        }
        if (before != null) {
            ComparePlan.same(out.toString(), before.settings(), "this command", shared);
        }
        double smoothing = given.has(SMOOTHING)
                ? given.get(SMOOTHING)
                : before != null
                        ? before.smoothing()
                        : Math.min(1, SMOOTHED / shared.path("steps").asInt());
        return new ComparePlan(presets.stream().map(Preset::name).toList(), seeds, smoothing, shared);
    }

    private void remember(ObjectNode settings, Opt<Path> option) {
        if (given.has(option)) {
            settings.put(option.name(), given.get(option).toAbsolutePath().toString());
        } else if (before != null && before.settings().has(option.name())) {
            settings.set(option.name(), before.settings().path(option.name()));
        }
    }

    private Path tokenizerFile() {
        var name = given.has(TOKENIZER)
                ? given.get(TOKENIZER)
                : before == null ? "bytes" : before.settings().path("tokenizer").asString();
        return name.equals("bytes") ? null : Path.of(name);
    }

    /** The tokens of one of the texts, which are made once; null where there is no text to hold out. */
    private TokenFile tokens(String name, Tokenizer tokenizer) throws IOException {
        var file = out.resolve(name);
        var learnt = name.equals(TRAIN);
        var path = given.get(learnt ? DATA : VALID);
        if (before == null) {
            Corpus corpus;
            if (path != null) {
                corpus = Corpus.of(path);
            } else if (given.has(DATA)) {
                Files.deleteIfExists(file);
                return null;
            } else {
                corpus = learnt ? SourceText.toLearn(SourceText.find()) : SourceText.heldOut(SourceText.find());
            }
            var summary = TokenFile.write(file, corpus, tokenizer);
            System.err.printf(
                    "%s: %,d bytes in %,d documents %s%n",
                    corpus.path(), summary.bytes(), summary.documents(), learnt ? "to learn from" : "held out");
        } else if (path != null) {
            // A text that is given again is read again, or what has changed in it would be dropped without a word.
            var again = file.resolveSibling(".tmp-again-" + name);
            TokenFile.write(again, Corpus.of(path), tokenizer);
            var same = Files.exists(file) && Digests.of(again).equals(Digests.of(file));
            Files.delete(again);
            if (!same) {
                throw new IOException(path + " is not the text that " + file
                        + " was made of: it has changed, or that is damaged. Choose another --out.");
            }
        }
        return learnt || Files.exists(file) ? TokenFile.open(file) : null;
    }

    /** What a checkpoint remembers of the texts. */
    private ObjectNode texts() throws IOException {
        var texts = JsonNodeFactory.instance.objectNode();
        for (var name : List.of(TRAIN, HELD_OUT)) {
            if (Files.exists(out.resolve(name))) {
                texts.put(name.replace('.', '_'), Digests.of(out.resolve(name)));
            }
        }
        return texts;
    }
}
