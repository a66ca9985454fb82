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

/** {@code panamba logits}. */
final class LogitsCommand implements Command {
    private static final Opt<List<Integer>> TOKENS = Opt.integer("tokens", "ID", "Token ids.")
            // The vocabulary is the model's to know.
            .within(Integer.MIN_VALUE, Integer.MAX_VALUE)
            .required()
            .several(null);
    private static final Opt<Path> OUT =
            Opt.path("out", "FILE", "A safetensors file.").required();

    @Override
    public String description() {
        return "Writes the logits after each of some tokens, as a tensor \"logits\" [L, V]. Nothing is dropped.";
    }

    @Override
    public List<Opt<?>> options() {
        return List.of(Shared.MODEL, TOKENS, OUT, Shared.THREADS, Shared.WEIGHTS, Shared.CHECK_FINITE);
    }

    @Override
    public int run(Arguments given) throws IOException {
        var out = given.get(OUT);
        AtomicFiles.checkFile(out);
        var tokens = given.get(TOKENS).stream().mapToInt(token -> token).toArray();
        try (var weights = ModelFiles.weights(given.get(Shared.MODEL), false, given.get(Shared.WEIGHTS));
                var team = new Team(given.get(Shared.THREADS));
                var logits = new Logits(weights, tokens, team, Shared.placement(given))) {
            AtomicFiles.file(out, channel -> SafeTensors.write(channel, Map.of(), List.of(logits.tensor())));
        }
        System.err.println("wrote " + out);
        return 0;
    }
}
