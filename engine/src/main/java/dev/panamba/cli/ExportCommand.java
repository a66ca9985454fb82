package dev.panamba.cli;

import dev.panamba.io.AtomicFiles;
import dev.panamba.model.ConfigFile;
import dev.panamba.model.ModelFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.util.List;

/** {@code panamba export}. */
final class ExportCommand implements Command {
    @Override
    public String description() {
        return "Writes a model as a directory of its own, which transformers opens where it has the family (Mamba).";
    }

    @Override
    public List<Opt<?>> options() {
        return List.of(Shared.MODEL, Shared.NEW);
    }

    @Override
    public int run(Arguments given) throws IOException {
        var model = given.get(Shared.MODEL);
        var out = given.get(Shared.NEW);
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
