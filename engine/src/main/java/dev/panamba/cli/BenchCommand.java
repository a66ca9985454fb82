package dev.panamba.cli;

import dev.panamba.graph.Gemm;
import dev.panamba.graph.Profile;
import dev.panamba.graph.Team;
import dev.panamba.infer.LanguageModel;
import dev.panamba.infer.Sampler;
import dev.panamba.infer.Session;
import dev.panamba.infer.Snapshot;
import dev.panamba.memory.Placement;
import dev.panamba.model.ModelFiles;
import dev.panamba.model.Presets;
import dev.panamba.model.Weights;
import dev.panamba.tensor.DType;
import dev.panamba.text.Tokenizers;
import dev.panamba.train.Batches;
import dev.panamba.train.Options;
import dev.panamba.train.Schedule;
import dev.panamba.train.Trainer;
import dev.panamba.train.Windows;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import java.util.function.DoubleSupplier;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.HdrHistogram.Histogram;

/** {@code panamba bench}. */
final class BenchCommand implements Command {
    /** What can be measured. */
    enum What {
        TRAIN,
        PREFILL,
        DECODE,
        LATENCY
    }

    private static final double WARM_UP_SECONDS = 2;

    private static final Opt<String> PRESET = Opt.text(
                    "preset", "NAME", "Random weights of this shape", "small-moe-mamba")
            .alternative();
    private static final Opt<Path> MODEL =
            Opt.path("model", "DIR", "This model's weights.").alternative();
    private static final Opt<List<What>> WHAT = Opt.oneOf(
                    "what", "Any of these, separated by commas; default: all but latency.", null, What.values())
            .several(List.of(What.TRAIN, What.PREFILL, What.DECODE));
    private static final Opt<Integer> BATCH = Opt.integer("batch", "N", "Sequences of a training step", 4);
    private static final Opt<Integer> CONTEXT = Opt.integer("context", "N", "Tokens of a training sequence", 256);
    private static final Opt<Integer> TOKENS =
            Opt.integer("tokens", "N", "Tokens to read or generate; default: 512 to read, 128 to generate.");
    private static final Opt<Integer> SESSIONS = Opt.integer("sessions", "N", "Sessions that generate together", 1);
    private static final Opt<List<Integer>> PAST = Opt.integer(
                    "past", "N", "Tokens read before those that are generated, one measurement for each; default: 1.")
            .several(List.of(1));
    private static final Opt<List<Gemm>> GEMM = Opt.oneOf(
                    "gemm",
                    "Who multiplies dense matrices of F32 when training or reading: each product who is fast at it, OpenBLAS all that it can, or"
                            + " Panamba's kernels. Several are measured in turns; default: fastest.",
                    null,
                    Gemm.values())
            .several(List.of(Gemm.FASTEST));
    private static final Opt<Boolean> PROFILE =
            Opt.flag("profile", "Say where the time of each measurement went, op by op.");
    private static final Opt<Integer> REPS =
            Opt.integer("reps", "N", "Measured repetitions, after some for warm-up", 5);
    private static final Opt<Boolean> JSON = Opt.flag("json", "Print one JSON object a line.");

    private Arguments given;
    private int batch;
    private int context;
    private Integer tokens;
    private int sessions;
    private int threads;
    private int reps;
    private boolean json;

    @Override
    public String description() {
        return "Measures tokens per second of whole training steps, of reading a prompt, and of generating, and how long"
                + " single tokens take.";
    }

    @Override
    public List<Opt<?>> options() {
        return List.of(
                PRESET,
                MODEL,
                WHAT,
                Shared.WEIGHTS,
                Shared.COMPUTE,
                BATCH,
                CONTEXT,
                TOKENS,
                SESSIONS,
                PAST,
                GEMM,
                Shared.THREADS,
                REPS,
                PROFILE,
                JSON);
    }

    @Override
    public int run(Arguments given) throws IOException {
        this.given = given;
        batch = given.get(BATCH);
        context = given.get(CONTEXT);
        tokens = given.get(TOKENS);
        sessions = given.get(SESSIONS);
        threads = given.get(Shared.THREADS);
        reps = given.get(REPS);
        json = given.get(JSON);
        if (reps < 1 || sessions < 1 || tokens != null && tokens < 1 || Collections.min(given.get(PAST)) < 1) {
            throw new IllegalArgumentException("--reps, --sessions, --tokens and --past must be at least 1.");
        }
        for (var one : given.get(WHAT)) {
            switch (one) {
                case TRAIN -> train();
                case PREFILL -> prefill();
                case DECODE -> decode();
                case LATENCY -> latency();
            }
        }
        return 0;
    }

    private void train() throws IOException {
        var schedule = new Schedule(1e-4, 0, 1, Schedule.Shape.CONSTANT, 1);
        var options = new Options(
                1,
                batch,
                context,
                batch,
                1,
                schedule,
                0.1,
                Options.Decay.ALL,
                0.5,
                0.9,
                0.999,
                1e-8,
                Windows.Order.SEQUENTIAL,
                false,
                given.get(Shared.COMPUTE));
        var opened = new ArrayDeque<Runnable>();
        var weights = weights(DType.F32);
        opened.push(weights::close);
        try {
            var noise = Batches.random(weights.config().V(), context);
            var steps = new ArrayList<Measured>();
            for (var gemm : given.get(GEMM)) {
                var team = new Team(threads, gemm);
                opened.push(team::close);
                var trainer = new Trainer(weights, options, team, Placement.PACKED);
                opened.push(trainer::close);
                var fields = fields("train", DType.F32, batch, context);
                fields.put("gemm", Words.lower(gemm));
                steps.add(new Measured(
                        fields, team::measure, () -> trainer.step(noise).tokensPerSecond()));
            }
            report(steps);
        } finally {
            opened.forEach(Runnable::run);
        }
    }

    private void prefill() throws IOException {
        var opened = new ArrayDeque<Runnable>();
        try {
            var prompts = new ArrayList<Measured>();
            for (var gemm : given.get(GEMM)) {
                var weights = weights(given.get(Shared.WEIGHTS));
                var model = LanguageModel.of(weights, Tokenizers.bytes(), given.get(Shared.COMPUTE), threads, gemm);
                opened.push(model::close);
                int count = tokens == null ? Math.min(512, model.config().longest()) : tokens;
                var prompt = text(model, count);
                var fields = fields("prefill", weights.format(), 1, count);
                fields.put("gemm", Words.lower(gemm));
                prompts.add(new Measured(fields, model::measure, () -> {
                    try (var session = model.newSession()) {
                        var start = System.nanoTime();
                        session.feed(prompt);
                        return count / ((System.nanoTime() - start) / 1e9);
                    }
                }));
            }
            report(prompts);
        } finally {
            opened.forEach(Runnable::run);
        }
    }

    private void decode() throws IOException {
        var weights = weights(given.get(Shared.WEIGHTS));
        try (var model = LanguageModel.of(weights, Tokenizers.bytes(), given.get(Shared.COMPUTE), threads)) {
            var texts = new ArrayList<Measured>();
            for (int past : given.get(PAST)) {
                int count = tokens == null ? Math.clamp(model.config().longest() - past, 1, 128) : tokens;
                var begin = begin(model, past);
                var fields = fields("decode", weights.format(), sessions, count);
                fields.put("past", past);
                fields.put("state_bytes", begin.byteSize());
                texts.add(new Measured(fields, model::measure, () -> decode(model, begin, count)));
            }
            report(texts);
        }
    }

    private double decode(LanguageModel model, Snapshot begin, int count) {
        var open = IntStream.range(0, sessions)
                .mapToObj(_ -> model.newSession().restore(begin))
                .toList();
        var batch = model.batch(open);
        var greedy = Sampler.greedy();
        var start = System.nanoTime();
        for (int i = 0; i < count; i++) {
            batch.next(greedy);
        }
        var seconds = (System.nanoTime() - start) / 1e9;
        open.forEach(Session::close);
        return (double) sessions * count / seconds;
    }

    private static int[] text(LanguageModel model, int count) {
        return new Random(1).ints(count, 0, model.config().V()).toArray();
    }

    private static Snapshot begin(LanguageModel model, int past) {
        try (var session = model.newSession()) {
            return session.feed(text(model, past)).snapshot();
        }
    }

    private void latency() throws IOException {
        var weights = weights(given.get(Shared.WEIGHTS));
        try (var model = LanguageModel.of(weights, Tokenizers.bytes(), given.get(Shared.COMPUTE), threads)) {
            var latency = Latency.of(model, WARM_UP_SECONDS, tokens == null ? 100_000 : tokens);
            report(weights.format(), latency.nanoseconds(), latency.collections());
        }
    }

    private void report(DType weights, Histogram histogram, long collections) throws IOException {
        var times = new LinkedHashMap<String, Double>();
        times.put("p50_us", histogram.getValueAtPercentile(50) / 1e3);
        times.put("p99_us", histogram.getValueAtPercentile(99) / 1e3);
        times.put("p999_us", histogram.getValueAtPercentile(99.9) / 1e3);
        times.put("max_us", histogram.getMaxValue() / 1e3);
        if (json) {
            var fields = fields("latency", weights, 1, 1);
            fields.put("tokens", histogram.getTotalCount());
            fields.putAll(times);
            fields.put("collections", collections);
            fields.put("peak_rss_mib", peakMebibytes());
            Json.print(System.out, fields);
        } else {
            System.out.printf(
                    "latency  %s, %s, %d threads: %s over %,d tokens; %d collections; peak memory %,d MiB%n",
                    model(), weights, threads, times, histogram.getTotalCount(), collections, peakMebibytes());
        }
    }

    /** As F32 for training, as asked for else. */
    private Weights weights(DType type) throws IOException {
        if (given.has(MODEL)) {
            return ModelFiles.weights(given.get(MODEL), false, type);
        }
        var random = Weights.random(Presets.named(given.get(PRESET)).config(), 1);
        if (type == null || type == DType.F32) {
            return random;
        }
        try (random;
                var team = new Team(threads)) {
            return random.in(type, team);
        }
    }

    /**
     * What is repeated.
     *
     * @param fields that describe it
     * @param profile says where a profile of it goes to
     * @param tokensPerSecond does it once
     */
    private record Measured(Map<String, Object> fields, Consumer<Profile> profile, DoubleSupplier tokensPerSecond) {}

    /** In turns, so that a machine that drifts does it to all alike. */
    private void report(List<Measured> all) throws IOException {
        for (var each : all) {
            // Until the loop around the kernels is compiled, which short runs are too short for.
            var start = System.nanoTime();
            do {
                each.tokensPerSecond.getAsDouble();
            } while ((System.nanoTime() - start) / 1e9 < WARM_UP_SECONDS);
        }
        var values = new double[all.size()][reps];
        var walls = new double[all.size()];
        var profiles = Stream.generate(Profile::new).limit(all.size()).toList();
        for (int rep = 0; rep < reps; rep++) {
            for (int i = 0; i < all.size(); i++) {
                all.get(i).profile.accept(given.get(PROFILE) ? profiles.get(i) : null);
                var begin = System.nanoTime();
                values[i][rep] = all.get(i).tokensPerSecond.getAsDouble();
                walls[i] += (System.nanoTime() - begin) / 1e9;
                all.get(i).profile.accept(null);
            }
        }
        for (int i = 0; i < all.size(); i++) {
            report(all.get(i).fields, values[i]);
            if (given.get(PROFILE)) {
                new ProfileTable(profiles.get(i), walls[i], threads)
                        .print(System.out, (String) all.get(i).fields.get("what"), json);
            }
        }
    }

    private void report(Map<String, Object> fields, double[] values) throws IOException {
        Arrays.sort(values);
        var median = (values[(reps - 1) / 2] + values[reps / 2]) / 2;
        if (json) {
            fields.put("value", median);
            fields.put("min", values[0]);
            fields.put("max", values[reps - 1]);
            fields.put("reps", reps);
            fields.put("peak_rss_mib", peakMebibytes());
            Json.print(System.out, fields);
        } else {
            System.out.printf(
                    "%-8s %s, weights %s, compute %s%s, %d x %d%s, %d threads: %,.0f tokens/s [%,.0f - %,.0f], median of %d; peak memory %,d MiB%n",
                    fields.get("what"),
                    model(),
                    fields.get("weights"),
                    fields.get("compute"),
                    fields.containsKey("gemm") ? ", gemm " + fields.get("gemm") : "",
                    fields.get("batch"),
                    fields.get("context"),
                    fields.containsKey("past") ? " after " + fields.get("past") : "",
                    threads,
                    median,
                    values[0],
                    values[reps - 1],
                    reps,
                    peakMebibytes());
        }
    }

    private String model() {
        return given.has(MODEL) ? given.get(MODEL).toString() : given.get(PRESET);
    }

    private Map<String, Object> fields(String name, DType weights, int batch, int context) {
        var fields = new LinkedHashMap<String, Object>();
        fields.put("what", name);
        fields.put("preset", model());
        fields.put("weights", Words.lower(weights));
        fields.put("compute", Words.lower(given.get(Shared.COMPUTE)));
        fields.put("threads", threads);
        fields.put("batch", batch);
        fields.put("context", context);
        return fields;
    }

    /** The kernel's count for this process: weights and activations live outside the heap. */
    private static long peakMebibytes() throws IOException {
        try (var lines = Files.lines(Path.of("/proc/self/status"))) {
            return lines.filter(line -> line.startsWith("VmHWM:"))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) / 1024)
                    .findFirst()
                    .orElse(0);
        }
    }
}
