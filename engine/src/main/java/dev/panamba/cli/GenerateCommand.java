package dev.panamba.cli;

import dev.panamba.infer.LanguageModel;
import dev.panamba.infer.Sampler;
import dev.panamba.infer.SessionFile;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code panamba generate}. */
@Command(name = "generate", description = "Writes text that goes on from a prompt.", sortOptions = false)
final class GenerateCommand implements Callable<Integer> {
    @Option(names = "--model", paramLabel = "DIR", required = true, description = "A model directory.")
    private Path model;

    @Option(names = "--prompt", paramLabel = "TEXT", description = "What the text begins with.")
    private String prompt = "";

    @Option(names = "--tokens", paramLabel = "N", description = "Tokens to write at most; default: ${DEFAULT-VALUE}.")
    private int tokens = 200;

    @Option(names = "--temperature", description = "0 for the likeliest token each time; default: ${DEFAULT-VALUE}.")
    private double temperature = 1;

    @Option(names = "--top-k", description = "Draw among so many likeliest tokens; 0 for all, the default.")
    private int topK;

    @Option(
            names = "--top-p",
            description = "Draw among the likeliest that make up this share; default: ${DEFAULT-VALUE}.")
    private double topP = 1;

    @Option(names = "--seed", description = "Of the draws; default: ${DEFAULT-VALUE}.")
    private long seed = 1;

    @Mixin
    private WeightsOption weightsOption = new WeightsOption();

    @Option(names = "--map", description = "Map the weights instead of loading them: starts at once.")
    private boolean map;

    @Option(
            names = "--save-state",
            paramLabel = "FILE",
            description = "Keep what was read and written, for --load-state.")
    private Path saveState;

    @Option(
            names = "--load-state",
            paramLabel = "FILE",
            description = "Go on from a kept state; --prompt may be empty.")
    private Path loadState;

    @Option(names = "--threads", description = "Default: all cores.")
    private int threads = Runtime.getRuntime().availableProcessors();

    @Option(names = "--timings", description = "Say when the model was ready and the first token was there.")
    private boolean timings;

    @Option(names = "--json", description = "Print one JSON object a token on stdout.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        if (tokens < 0) {
            throw new IllegalArgumentException("--tokens is " + tokens + " and must not be negative.");
        }
        if (prompt.isEmpty() && loadState == null) {
            throw new IllegalArgumentException(
                    "The prompt is empty: give --prompt at least one character, or --load-state.");
        }
        var sampler = Sampler.of(temperature, topK, topP, seed);
        // Text is UTF-8 whatever the terminal's charset is said to be.
        var out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        try (var language = LanguageModel.load(model, weightsOption.type(), map, threads);
                var session = language.newSession()) {
            var ready = secondsOfProcess();
            if (loadState != null) {
                session.restore(SessionFile.read(loadState, language.config()));
            }
            if (!prompt.isEmpty()) {
                session.feed(language.tokenizer().encode(prompt));
            }
            if (!json) {
                out.print(prompt);
                out.flush();
            }
            int written = 0;
            var start = System.nanoTime();
            for (var token : session.generate(sampler, tokens)) {
                written++;
                if (json) {
                    var fields = new LinkedHashMap<String, Object>();
                    fields.put("token", token.id());
                    fields.put("text", token.text());
                    Json.print(out, fields);
                } else {
                    out.print(token.text());
                }
                out.flush();
                if (timings && written == 1) {
                    System.err.printf(
                            "model ready after %.3f s, first token after %.3f s of the process%n",
                            ready, secondsOfProcess());
                }
            }
            var seconds = (System.nanoTime() - start) / 1e9;
            if (!json) {
                out.println();
                out.flush();
            }
            System.err.printf(
                    "%d tokens, %.0f tokens/s; %s%n",
                    written, written / Math.max(seconds, 1e-9), Words.state(language.config()));
            if (saveState != null) {
                SessionFile.write(saveState, session.snapshot());
            }
        }
        return 0;
    }

    /** Since the system started it, whose clock ticks a hundred times a second. */
    private static double secondsOfProcess() throws IOException {
        var uptime = Files.readString(Path.of("/proc/uptime")).split(" ")[0];
        // The name of the program, which stands in brackets, may have spaces; the 20th field behind it is the start in
        // ticks.
        var stat = Files.readString(Path.of("/proc/self/stat"));
        var start = stat.substring(stat.lastIndexOf(')') + 2).split(" ")[19];
        return Double.parseDouble(uptime) - Long.parseLong(start) / 100.0;
    }
}
