package dev.panamba.cli;

import dev.panamba.graph.Team;
import dev.panamba.model.ModelFiles;
import dev.panamba.text.Corpus;
import dev.panamba.text.TokenFile;
import dev.panamba.train.Evaluation;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code panamba eval}. */
@Command(
        name = "eval",
        description = "Measures a model on a text: nats per token, perplexity, bits per byte. Nothing is dropped.")
final class EvalCommand implements Callable<Integer> {
    @Option(names = "--model", paramLabel = "DIR", required = true, description = "A model directory.")
    private Path model;

    @Option(names = "--data", paramLabel = "FILE|DIR|ZIP", required = true, description = "Text to measure on.")
    private Path data;

    @Option(
            names = "--context",
            description = "Tokens of a window, each read from an empty state; default: ${DEFAULT-VALUE}.")
    private int context = 256;

    @Option(names = "--threads", description = "Default: all cores.")
    private int threads = Runtime.getRuntime().availableProcessors();

    @Mixin
    private WeightsOption weightsOption = new WeightsOption();

    @Mixin
    private FiniteOption finite = new FiniteOption();

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        var tokenizer = ModelFiles.tokenizer(model);
        var config = ModelFiles.config(model);
        if (config.V() < tokenizer.vocabulary()) {
            throw new IllegalArgumentException("The model has a vocabulary of " + config.V()
                    + " and its tokenizer one of " + tokenizer.vocabulary() + ".");
        }
        var file = Files.createTempFile("panamba", ".tokens");
        try {
            var summary = TokenFile.write(file, Corpus.of(data), tokenizer);
            try (var tokens = TokenFile.open(file);
                    var weights = ModelFiles.weights(model, false, weightsOption.type());
                    var team = new Team(threads);
                    var evaluation =
                            new Evaluation(weights, Math.min(context, config.longest()), team, finite.placement())) {
                report(evaluation.measure(tokens, Long.MAX_VALUE), (double) summary.bytes() / tokens.length());
            }
        } finally {
            Files.deleteIfExists(file);
        }
        return 0;
    }

    private void report(Evaluation.Result result, double bytesPerToken) {
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
