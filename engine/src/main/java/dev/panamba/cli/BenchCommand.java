package dev.panamba.cli;

import dev.panamba.graph.Team;
import dev.panamba.infer.LanguageModel;
import dev.panamba.infer.Sampler;
import dev.panamba.memory.Placement;
import dev.panamba.model.ModelFiles;
import dev.panamba.model.Presets;
import dev.panamba.model.Weights;
import dev.panamba.text.Tokenizers;
import dev.panamba.train.Batches;
import dev.panamba.train.Options;
import dev.panamba.train.Schedule;
import dev.panamba.train.Trainer;
import dev.panamba.train.Windows;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.function.IntToDoubleFunction;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code panamba bench}. */
@Command(
        name = "bench",
        description = "Measures tokens per second of whole training steps, of reading a prompt, and of generating.")
final class BenchCommand implements Callable<Integer> {
    /** What can be measured. */
    enum What {
        TRAIN,
        PREFILL,
        DECODE
    }

    private static final double WARM_UP_SECONDS = 2;

    @ArgGroup
    private Source source = new Source();

    private static final class Source {
        @Option(names = "--preset", paramLabel = "NAME", description = "Random weights of this shape.")
        private String preset = "small-moe-mamba";

        @Option(names = "--model", paramLabel = "DIR", description = "This model's weights.")
        private Path model;
    }

    @Option(
            names = "--what",
            split = ",",
            paramLabel = "WHAT",
            description = "Any of train,prefill,decode; default: all.")
    private List<What> what = List.of(What.values());

    @Option(names = "--batch", description = "Sequences of a training step; default: ${DEFAULT-VALUE}.")
    private int batch = 4;

    @Option(names = "--context", description = "Tokens of a training sequence; default: ${DEFAULT-VALUE}.")
    private int context = 256;

    @Option(names = "--tokens", description = "Tokens to read or generate; default: 512 to read, 128 to generate.")
    private Integer tokens;

    @Option(names = "--threads", description = "Default: all cores.")
    private int threads = Runtime.getRuntime().availableProcessors();

    @Option(names = "--reps", description = "Measured repetitions, after some for warm-up; default: ${DEFAULT-VALUE}.")
    private int reps = 5;

    @Option(names = "--json", description = "Print one JSON object a line.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        if (reps < 1 || tokens != null && tokens < 1) {
            throw new IllegalArgumentException("--reps and --tokens must be at least 1.");
        }
        for (var one : what) {
            switch (one) {
                case TRAIN -> train();
                case PREFILL -> prefill();
                case DECODE -> decode();
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
                Windows.Order.SEQUENTIAL);
        try (var weights = weights();
                var team = new Team(threads);
                var trainer = new Trainer(weights, options, team, Placement.PACKED)) {
            var noise = Batches.random(weights.config().V(), context);
            report("train", batch, context, _ -> trainer.step(noise).tokensPerSecond());
        }
    }

    private void prefill() throws IOException {
        try (var model = LanguageModel.of(weights(), Tokenizers.bytes(), threads)) {
            int count = tokens == null ? Math.min(512, model.config().longest()) : tokens;
            var prompt = new Random(1).ints(count, 0, model.config().V()).toArray();
            report("prefill", 1, count, _ -> {
                try (var session = model.newSession()) {
                    var start = System.nanoTime();
                    session.feed(prompt);
                    return count / ((System.nanoTime() - start) / 1e9);
                }
            });
        }
    }

    private void decode() throws IOException {
        try (var model = LanguageModel.of(weights(), Tokenizers.bytes(), threads)) {
            int count = tokens == null ? Math.min(128, model.config().longest() - 1) : tokens;
            report("decode", 1, count, _ -> {
                try (var session = model.newSession()) {
                    var greedy = Sampler.greedy();
                    session.feed(0);
                    var start = System.nanoTime();
                    for (int i = 0; i < count; i++) {
                        session.next(greedy);
                    }
                    return count / ((System.nanoTime() - start) / 1e9);
                }
            });
        }
    }

    private Weights weights() throws IOException {
        return source.model != null
                ? ModelFiles.weights(source.model, false)
                : Weights.random(Presets.named(source.preset).config(), 1);
    }

    private void report(String name, int batch, int context, IntToDoubleFunction tokensPerSecond) throws IOException {
        // Until the loop around the kernels is compiled, which short runs are too short for.
        var start = System.nanoTime();
        do {
            tokensPerSecond.applyAsDouble(0);
        } while ((System.nanoTime() - start) / 1e9 < WARM_UP_SECONDS);
        var values = new double[reps];
        for (int i = 0; i < reps; i++) {
            values[i] = tokensPerSecond.applyAsDouble(i);
        }
        Arrays.sort(values);
        var median = (values[(reps - 1) / 2] + values[reps / 2]) / 2;
        var model = source.model == null ? source.preset : source.model.toString();
        if (json) {
            var fields = new LinkedHashMap<String, Object>();
            fields.put("what", name);
            fields.put("preset", model);
            fields.put("weights", "f32");
            fields.put("compute", "f32");
            fields.put("threads", threads);
            fields.put("batch", batch);
            fields.put("context", context);
            fields.put("value", median);
            fields.put("min", values[0]);
            fields.put("max", values[reps - 1]);
            fields.put("reps", reps);
            fields.put("peak_rss_mib", peakMebibytes());
            Json.print(System.out, fields);
        } else {
            System.out.printf(
                    "%-8s %s, %d x %d, %d threads: %,.0f tokens/s [%,.0f - %,.0f], median of %d; peak memory %,d MiB%n",
                    name, model, batch, context, threads, median, values[0], values[reps - 1], reps, peakMebibytes());
        }
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
