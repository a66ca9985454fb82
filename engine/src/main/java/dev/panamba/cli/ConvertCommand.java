package dev.panamba.cli;

import dev.panamba.cli.WeightsOption.Format;
import dev.panamba.io.AtomicFiles;
import dev.panamba.model.ModelFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code panamba convert}. */
@Command(
        name = "convert",
        description = "Writes a model with its weights in another type, which loads faster and can be mapped.")
final class ConvertCommand implements Callable<Integer> {
    @Option(names = "--model", paramLabel = "DIR", required = true, description = "A model directory.")
    private Path model;

    @Option(names = "--out", paramLabel = "DIR", required = true, description = "Where to; must not exist.")
    private Path out;

    @Option(
            names = "--weights",
            paramLabel = "f32|bf16|int8|int4",
            required = true,
            description = "Type of the large matrices; what is small stays F32 beside int8 and int4.")
    private Format format;

    @Override
    public Integer call() throws IOException {
        AtomicFiles.checkFree(out);
        var tokenizer = model.resolve(ModelFiles.TOKENIZER);
        try (var weights = ModelFiles.weights(model, false, format.type())) {
            AtomicFiles.directory(
                    out, ModelFiles.contents(weights, format.type(), Files.exists(tokenizer) ? tokenizer : null));
        }
        System.err.println("wrote " + out);
        return 0;
    }
}
