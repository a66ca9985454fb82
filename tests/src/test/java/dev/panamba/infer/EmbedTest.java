package dev.panamba.infer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.io.AtomicFiles;
import dev.panamba.model.ModelFiles;
import dev.panamba.model.Weights;
import dev.panamba.tensor.DType;
import dev.panamba.train.Tiny;
import example.Embed;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The example of tools/examples/embed, which is built against the engine alone, does what it says. */
class EmbedTest {
    @Test
    void threeContinuationsOfOnePrompt(@TempDir Path folder) throws IOException {
        var directory = folder.resolve("model");
        try (var weights = Weights.random(Tiny.families().get(1), 1)) {
            AtomicFiles.directory(directory, ModelFiles.contents(weights, DType.F32, null));
        }
        var out = new ByteArrayOutputStream();
        var stdout = System.out;
        try {
            System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
            Embed.main(new String[] {directory.toString(), "a text"});
        } finally {
            System.setOut(stdout);
        }
        try (var model = LanguageModel.load(directory)) {
            var texts = Embed.continuations(model, "a text", 3);
            assertEquals(3, texts.size());
            assertNotEquals(texts.get(0), texts.get(1));
            assertTrue(texts.stream().noneMatch(String::isEmpty));
            assertEquals(
                    texts.stream().map(text -> text + System.lineSeparator()).collect(Collectors.joining()),
                    out.toString(StandardCharsets.UTF_8));
        }
    }
}
