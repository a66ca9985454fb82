package dev.panamba.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The trained models that come with the repository know English, and write it. */
class ReadyModelsTest {
    private static final String ENGLISH = "She looked out of the window, and for a long time she said nothing at all. "
            + "\"I do not know,\" he answered, \"why you should think so badly of him.\" The old man had come back to the "
            + "house in the evening, when the others were sitting round the fire.";

    @ParameterizedTest
    @ValueSource(strings = {"novels-moe-mamba", "novels-mamba"})
    void theyKnowEnglish(String name, @TempDir Path folder) throws IOException {
        var text = Files.writeString(folder.resolve("text.txt"), ENGLISH);
        var measured = Line.run("eval", "--model", model(name), "--data", text, "--json");
        assertEquals(0, measured.exit(), measured.err());
        var bits = measured.json().getFirst().path("bits_per_byte").asDouble();
        assertTrue(bits > 1 && bits < 2.5, "bits per byte: " + bits);
        var written = Line.run("generate", "--model", model(name), "--prompt", "It was", "--tokens", 200, "--seed", 1);
        assertEquals(0, written.exit(), written.err());
        assertTrue(written.out().matches("(?s)It was[\\p{Print}\\s]+"), written.out());
        assertTrue(written.out().split("\\s+").length > 20, written.out());
    }

    private static Path model(String name) {
        return Path.of("../models").resolve(name);
    }
}
