package dev.panamba.cli;

import dev.panamba.io.AtomicFiles;
import dev.panamba.model.ModelFiles;
import dev.panamba.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.util.List;

/** {@code panamba convert}. */
final class ConvertCommand implements Command {
    private static final Opt<DType> WEIGHTS = Opt.oneOf(
                    "weights",
                    "Type of the large matrices; what is small stays F32 beside int8 and int4.",
                    null,
                    Shared.FORMATS)
            .required();

    @Override
    public String description() {
        return "Writes a model with its weights in another type, which loads faster and can be mapped.";
    }

    @Override
    public List<Opt<?>> options() {
        return List.of(Shared.MODEL, Shared.NEW, WEIGHTS);
    }

    @Override
    public int run(Arguments given) throws IOException {
        var model = given.get(Shared.MODEL);
        var out = given.get(Shared.NEW);
        var type = given.get(WEIGHTS);
        AtomicFiles.checkFree(out);
        var tokenizer = model.resolve(ModelFiles.TOKENIZER);
        try (var weights = ModelFiles.weights(model, false, type)) {
            AtomicFiles.directory(out, ModelFiles.contents(weights, type, Files.exists(tokenizer) ? tokenizer : null));
        }
        System.err.println("wrote " + out);
        return 0;
    }
}
