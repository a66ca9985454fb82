package dev.panamba.cli;

import dev.panamba.bindings.Natives;
import dev.panamba.graph.Gemm;
import dev.panamba.infer.LanguageModel;
import dev.panamba.infer.Sampler;
import dev.panamba.infer.SessionFile;
import dev.panamba.io.AtomicFiles;
import dev.panamba.io.InputFiles;
import dev.panamba.model.ModelFiles;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;

/** {@code panamba generate}. */
final class GenerateCommand implements Command {
    private static final int LONGEST_PROMPT = 1 << 28;
    private static final Opt<String> PROMPT = Opt.text("prompt", "TEXT", "What the text begins with.", "");
    private static final Opt<String> PROMPT_FILE = Opt.text(
            "prompt-file",
            "FILE|-",
            "A file that holds the prompt, all of it, or - for standard input; for what is longer than a command line.");
    private static final Opt<Integer> TOKENS =
            Opt.integer("tokens", "N", "Tokens to write at most", 200).within(0, Integer.MAX_VALUE);
    private static final Opt<Double> TEMPERATURE = Opt.number("temperature", "0 for the likeliest token each time", 1.0)
            .within(0, Double.MAX_VALUE);
    private static final Opt<Integer> TOP_K = Opt.integer(
                    "top-k", "N", "Draw among so many likeliest tokens; 0 for all, the default.", 0)
            .within(0, Integer.MAX_VALUE);
    private static final Opt<Double> TOP_P = Opt.number(
                    "top-p", "Draw among the likeliest that make up this share", 1.0)
            .within(Double.MIN_VALUE, 1);
    private static final Opt<Long> SEED = Opt.seed("Of the draws");
    /** Of a token in most vocabularies; for bytes it is one. */
    private static final int CHARACTERS = 4;

    private static final Opt<Boolean> MAP = Opt.flag("map", "Map the weights instead of loading them: starts at once.");
    private static final Opt<Path> SAVE_STATE =
            Opt.path("save-state", "FILE", "Keep what was read and written, for --load-state.");
    private static final Opt<Path> LOAD_STATE =
            Opt.path("load-state", "FILE", "Go on from a kept state; --prompt may be empty.");
    private static final Opt<Boolean> TIMINGS =
            Opt.flag("timings", "Say when the model was ready and the first token was there.");
    private static final Opt<Boolean> JSON = Opt.flag("json", "Print one JSON object a token on stdout.");

    @Override
    public String description() {
        return "Writes text that goes on from a prompt.";
    }

    @Override
    public List<Opt<?>> options() {
        return List.of(
                Shared.MODEL,
                PROMPT,
                PROMPT_FILE,
                TOKENS,
                TEMPERATURE,
                TOP_K,
                TOP_P,
                SEED,
                Shared.TOKENIZER,
                Shared.NO_SPECIAL_TOKENS,
                Shared.WEIGHTS,
                Shared.COMPUTE,
                MAP,
                SAVE_STATE,
                LOAD_STATE,
                Shared.THREADS,
                TIMINGS,
                JSON);
    }

    @Override
    public int run(Arguments given) throws IOException {
        int tokens = given.get(TOKENS);
        var prompt = prompt(given);
        var loadState = given.get(LOAD_STATE);
        boolean json = given.get(JSON);
        if (prompt.isEmpty() && loadState == null) {
            throw new IllegalArgumentException(
                    "The prompt is empty: give --prompt or --prompt-file at least one character, or --load-state.");
        }
        if (given.has(SAVE_STATE)) {
            AtomicFiles.checkFile(given.get(SAVE_STATE));
        }
        var sampler = Sampler.of(given.get(TEMPERATURE), given.get(TOP_K), given.get(TOP_P), given.get(SEED));
        Gemm.loadAhead(given.get(Shared.COMPUTE), prompt.length() / CHARACTERS);
        // Text is UTF-8 whatever the terminal's charset is said to be.
        var out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        try (var language = model(given);
                var session = language.newSession()) {
            var ready = given.get(TIMINGS) ? secondsOfProcess() : 0;
            if (loadState != null) {
                session.restore(SessionFile.read(loadState, language));
            }
            if (!prompt.isEmpty()) {
                var tokenizer =
                        Shared.forModel(language.tokenizer(), language.config().V(), given);
                // What goes on does not begin again.
                session.feed((loadState == null ? tokenizer : tokenizer.plain()).encode(prompt));
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
                if (given.get(TIMINGS) && written == 1) {
                    // To format a number takes several milliseconds when it is the first.
                    System.err.println("model ready after " + ready + " s, first token after " + secondsOfProcess()
                            + " s of the process");
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
            if (given.has(SAVE_STATE)) {
                SessionFile.write(given.get(SAVE_STATE), session.snapshot());
            }
        }
        return 0;
    }

    private static LanguageModel model(Arguments given) throws IOException {
        var model = given.get(Shared.MODEL);
        var weights = given.get(Shared.WEIGHTS);
        var compute = given.get(Shared.COMPUTE);
        boolean map = given.get(MAP);
        int threads = given.get(Shared.THREADS);
        if (!given.has(Shared.TOKENIZER)) {
            return LanguageModel.load(model, weights, compute, map, threads);
        }
        Natives.loadAhead();
        var tokenizer = Shared.tokenizer(given);
        return LanguageModel.of(ModelFiles.weights(model, map, weights), tokenizer, compute, threads);
    }

    private static String prompt(Arguments given) throws IOException {
        if (!given.has(PROMPT_FILE)) {
            return given.get(PROMPT);
        }
        if (given.has(PROMPT)) {
            throw new IllegalArgumentException("--prompt and --prompt-file are both the prompt: give one of them.");
        }
        var name = given.get(PROMPT_FILE);
        byte[] bytes;
        if (name.equals("-")) {
            bytes = System.in.readNBytes(LONGEST_PROMPT + 1);
        } else {
            try (var in = InputFiles.stream(Path.of(name))) {
                bytes = in.readNBytes(LONGEST_PROMPT + 1);
            }
        }
        var from = name.equals("-") ? "Standard input" : name;
        if (bytes.length > LONGEST_PROMPT) {
            throw new IOException(
                    from + " has more than " + LONGEST_PROMPT + " bytes, which is too long for a prompt.");
        }
        var text = ByteBuffer.wrap(bytes);
        var characters = CharBuffer.allocate(bytes.length);
        var decoder = StandardCharsets.UTF_8.newDecoder();
        if (decoder.decode(text, characters, true).isError()) {
            throw new IOException(from + " is not UTF-8: byte " + (text.position() + 1)
                    + " is part of no character. Write it as UTF-8, for instance with iconv.");
        }
        return characters.flip().toString();
    }

    /** Since the system started it, whose clock ticks a hundred times a second. */
    private static double secondsOfProcess() throws IOException {
        var uptime = Files.readString(Path.of("/proc/uptime"));
        // The name of the program, which stands in brackets, may have spaces; the 20th field behind it is the start in
        // ticks.
        var stat = Files.readString(Path.of("/proc/self/stat"));
        var start = stat.substring(stat.lastIndexOf(')') + 2).split(" ")[19];
        var hundredths = Long.parseLong(uptime.substring(0, uptime.indexOf(' ')).replace(".", ""));
        return (hundredths - Long.parseLong(start)) / 100.0;
    }
}
