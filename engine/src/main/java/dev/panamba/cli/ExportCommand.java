package dev.panamba.cli;

import dev.panamba.io.AtomicFiles;
import dev.panamba.model.ConfigFile;
import dev.panamba.model.ModelFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code panamba export}. */
@Command(
        name = "export",
        description =
                "Writes a model as a directory of its own, which transformers opens where it has the family (Mamba).")
final class ExportCommand implements Callable<Integer> {
    @Option(names = "--model", paramLabel = "DIR", required = true, description = "A model directory.")
    private Path model;

    @Option(names = "--out", paramLabel = "DIR", required = true, description = "Where to; must not exist.")
    private Path out;

    @Override
    public Integer call() throws IOException {
        AtomicFiles.checkFree(out);
        var tokenizer = model.resolve(ModelFiles.TOKENIZER);
        try (var weights = ModelFiles.weights(model, false)) {
            AtomicFiles.directory(
                    out, ModelFiles.contents(weights, weights.stored(), Files.exists(tokenizer) ? tokenizer : null));
            System.err.println("wrote " + out
                    + (ConfigFile.isHuggingFaceMamba(weights.config())
                            ? ", which transformers opens as MambaForCausalLM"
                            : ", in Panamba's own form: transformers has no "
                                    + weights.config().family() + " of this kind"));
        }
        return 0;
    }
}
