package dev.panamba.cli;

import dev.panamba.graph.Team;
import dev.panamba.io.AtomicFiles;
import dev.panamba.io.SafeTensors;
import dev.panamba.model.ModelFiles;
import dev.panamba.train.Logits;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code panamba logits}. */
@Command(
        name = "logits",
        description = "Writes the logits after each of some tokens, as a tensor \"logits\" [L, V]. Nothing is dropped.")
final class LogitsCommand implements Callable<Integer> {
    @Option(names = "--model", paramLabel = "DIR", required = true, description = "A model directory.")
    private Path model;

    @Option(names = "--tokens", paramLabel = "1,2,3", required = true, split = ",", description = "Token ids.")
    private int[] tokens;

    @Option(names = "--out", paramLabel = "FILE", required = true, description = "A safetensors file.")
    private Path out;

    @Option(names = "--threads", description = "Default: all cores.")
    private int threads = Runtime.getRuntime().availableProcessors();

    @Mixin
    private WeightsOption weightsOption = new WeightsOption();

    @Mixin
    private FiniteOption finite = new FiniteOption();

    @Override
    public Integer call() throws IOException {
        try (var weights = ModelFiles.weights(model, false, weightsOption.type());
                var team = new Team(threads);
                var logits = new Logits(weights, tokens, team, finite.placement())) {
            AtomicFiles.file(out, channel -> SafeTensors.write(channel, Map.of(), List.of(logits.tensor())));
        }
        System.err.println("wrote " + out);
        return 0;
    }
}
