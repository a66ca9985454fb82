package dev.panamba.cli;

import dev.panamba.graph.Gemm;
import dev.panamba.graph.Team;
import dev.panamba.model.ModelFiles;
import dev.panamba.text.Corpus;
import dev.panamba.text.TokenFile;
import dev.panamba.train.Evaluation;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;

/** {@code panamba eval}. */
final class EvalCommand implements Command {
    private static final Opt<Path> DATA =
            Opt.path("data", "FILE|DIR|ZIP", "Text to measure on.").required();
    private static final Opt<Integer> CONTEXT =
            Opt.integer("context", "N", "Tokens of a window, each read from an empty state", 256);

    @Override
    public String description() {
        return "Measures a model on a text: nats per token, perplexity, bits per byte. Nothing is dropped.";
    }

    @Override
    public List<Opt<?>> options() {
        return List.of(
                Shared.MODEL,
                DATA,
                CONTEXT,
                Shared.TOKENIZER,
                Shared.NO_SPECIAL_TOKENS,
                Shared.THREADS,
                Shared.WEIGHTS,
                Shared.COMPUTE,
                Shared.CHECK_FINITE,
                Shared.JSON);
    }

    @Override
    public int run(Arguments given) throws IOException {
        var model = given.get(Shared.MODEL);
        var config = ModelFiles.config(model);
        var asked = Shared.tokenizer(given);
        var tokenizer = Shared.forModel(asked != null ? asked : ModelFiles.tokenizer(model), config.V(), given);
        int context = Math.min(given.get(CONTEXT), config.longest());
        Gemm.loadAhead(given.get(Shared.COMPUTE), config.D());
        var file = Files.createTempFile("panamba", ".tokens");
        try {
            var summary = TokenFile.write(file, Corpus.of(given.get(DATA)), tokenizer);
            try (var tokens = TokenFile.open(file);
                    var weights = ModelFiles.weights(model, false, given.get(Shared.WEIGHTS));
                    var team = new Team(given.get(Shared.THREADS));
                    var evaluation = new Evaluation(
                            weights, given.get(Shared.COMPUTE), context, team, Shared.placement(given))) {
                var result = evaluation.measure(tokens, Long.MAX_VALUE);
                if (!Double.isFinite(result.nats())) {
                    throw new ArithmeticException(
                            "The loss is " + result.nats()
                                    + ": the model's weights are damaged, or its training diverged. --check-finite names the place.");
                }
                report(result, (double) summary.bytes() / tokens.length(), given.get(Shared.JSON));
            }
        } finally {
            Files.deleteIfExists(file);
        }
        return 0;
    }

    private static void report(Evaluation.Result result, double bytesPerToken, boolean json) {
        var bits = result.bitsPerByte(result.tokens() * bytesPerToken);
        if (json) {
            var fields = new LinkedHashMap<String, Object>();
            fields.put("nats_per_token", result.natsPerToken());
            fields.put("perplexity", result.perplexity());
            fields.put("bits_per_byte", bits);
            fields.put("tokens", result.tokens());
            Json.print(System.out, fields);
        } else {
            System.out.printf(
                    "%.4f nats per token, perplexity %.3f, %.4f bits per byte, over %,d tokens%n",
                    result.natsPerToken(), result.perplexity(), bits, result.tokens());
        }
    }
}
