package dev.panamba.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.text.KnownTokenizers;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.node.ArrayNode;

/** Prompts as people have them, and tokenizers that do not quite fit a model. */
class PromptsTest {
    @TempDir
    private static Path folder;

    private static Path text;
    private static Path model;
    private static Path padded;

    @BeforeAll
    static void train() throws IOException {
        text = Files.writeString(folder.resolve("text.txt"), "the stone in the sand\n".repeat(60));
        var tokenizer = KnownTokenizers.write(folder, KnownTokenizers.llama());
        model = folder.resolve("model");
        var line = Line.run(
                "train",
                "--preset",
                "tiny-mamba",
                "--data",
                text,
                "--out",
                model,
                "--tokenizer",
                tokenizer,
                "--steps",
                1,
                "--batch",
                1,
                "--context",
                16);
        assertEquals(0, line.exit(), line.err());
        // The same model with a token more than its embedding has rows.
        padded = Files.createDirectory(folder.resolve("padded"));
        for (var name : new String[] {"config.json", "model.safetensors"}) {
            Files.copy(model.resolve(name), padded.resolve(name));
        }
        var json = KnownTokenizers.llama();
        var pad = ((ArrayNode) json.path("added_tokens"))
                .addObject()
                .put("id", 99_999)
                .put("content", "[PAD]");
        pad.put("single_word", false)
                .put("lstrip", false)
                .put("rstrip", false)
                .put("normalized", false)
                .put("special", true);
        KnownTokenizers.write(padded, json);
    }

    private static Line generate(Object... more) {
        return Line.run(
                "generate",
                "--model",
                model,
                "--tokens",
                4,
                "--temperature",
                0,
                more.length == 0 ? new String[0] : words(more));
    }

    private static String[] words(Object... words) {
        return java.util.Arrays.stream(words).map(Object::toString).toArray(String[]::new);
    }

    private static Line generateFrom(byte[] input) {
        var before = System.in;
        try {
            System.setIn(new ByteArrayInputStream(input));
            return generate("--prompt-file", "-");
        } finally {
            System.setIn(before);
        }
    }

    @Test
    void aPromptMayBeAFileOrStandardInput() throws IOException {
        var expected = generate("--prompt", "the é stone");
        assertEquals(0, expected.exit(), expected.err());
        var file = Files.writeString(folder.resolve("prompt"), "the é stone");
        assertEquals(expected.out(), generate("--prompt-file", file).out());
        assertEquals(
                expected.out(),
                generateFrom("the é stone".getBytes(StandardCharsets.UTF_8)).out());
        // Longer than a command line can be.
        var long200 = Files.writeString(folder.resolve("long"), "the stone in the sand ".repeat(10_000));
        var line = generate("--prompt-file", long200);
        assertEquals(0, line.exit(), line.err());
        assertTrue(line.out().startsWith(Files.readString(long200)));
    }

    @Test
    void promptsThatAreNoneAreSaid() throws IOException {
        var latin = Files.write(folder.resolve("latin"), "caf\u00E9 x".getBytes(StandardCharsets.ISO_8859_1));
        for (var line : new Line[] {
            generate("--prompt-file", latin),
            generateFrom("caf\u00E9 x".getBytes(StandardCharsets.ISO_8859_1)),
            generateFrom(new byte[] {'a', 'b', 'c', (byte) 0xC3})
        }) {
            assertEquals(1, line.exit());
            assertTrue(line.err().contains("is not UTF-8: byte 4 "), line.err());
        }
        assertTrue(generate("--prompt-file", folder.resolve("none")).err().contains("does not exist"));
        assertTrue(generate("--prompt-file", folder).err().contains("is a directory"));
        assertTrue(generate("--prompt-file", "/dev/zero").err().contains("is a character device"));
        assertTrue(generate("--prompt-file", latin, "--prompt", "a").err().contains("give one of them"));
        assertTrue(generateFrom(new byte[0]).err().contains("The prompt is empty"));
    }

    @Test
    void whatThePostProcessorAddsCanBeLeftOut() {
        // The model has seen one text only: what it writes tells whether the first token was there.
        var with = Line.run("eval", "--model", model, "--data", text, "--json")
                .json()
                .getFirst();
        var without = Line.run("eval", "--model", model, "--data", text, "--json", "--no-special-tokens")
                .json()
                .getFirst();
        assertEquals(without.path("tokens").asInt() + 1, with.path("tokens").asInt());
        var line = generate("--prompt", "the", "--no-special-tokens");
        assertEquals(0, line.exit(), line.err());
    }

    @Test
    void aTokenBeyondTheEmbeddingIsRefusedOnlyWhereItOccurs() throws IOException {
        var expected = generate("--prompt", "the stone");
        var same = Line.run("generate", "--model", padded, "--tokens", 4, "--temperature", 0, "--prompt", "the stone");
        assertEquals(expected.out(), same.out());
        assertTrue(same.err().contains("a text that has the others is refused"), same.err());
        var refused = Line.run("generate", "--model", padded, "--prompt", "the [PAD]");
        assertEquals(1, refused.exit());
        assertTrue(refused.err().contains("(\"[PAD]\")"), refused.err());
        assertEquals(0, Line.run("eval", "--model", padded, "--data", text).exit());
        var bad = Files.writeString(folder.resolve("bad"), "the [PAD] stone");
        assertTrue(Line.run("eval", "--model", padded, "--data", bad).err().contains("(\"[PAD]\")"));
        var trained = Line.run(
                "train",
                "--init",
                padded,
                "--data",
                text,
                "--out",
                folder.resolve("more"),
                "--steps",
                1,
                "--batch",
                1,
                "--context",
                16);
        assertEquals(0, trained.exit(), trained.err());
    }

    @Test
    void textIsNotTakenForBytesByGuess() throws IOException {
        var bare = Files.createDirectory(folder.resolve("bare"));
        for (var name : new String[] {"config.json", "model.safetensors"}) {
            Files.copy(model.resolve(name), bare.resolve(name));
        }
        for (var line : new Line[] {
            Line.run("generate", "--model", bare, "--prompt", "a"),
            Line.run("eval", "--model", bare, "--data", text),
            Line.run("train", "--init", bare, "--data", text, "--out", folder.resolve("x"))
        }) {
            assertEquals(1, line.exit());
            assertTrue(
                    line.err().contains("has no tokenizer.json") && line.err().contains("--tokenizer"), line.err());
        }
        var tokenizer = model.resolve("tokenizer.json");
        assertEquals(
                generate("--prompt", "the").out(),
                Line.run(
                                "generate",
                                "--model",
                                bare,
                                "--tokens",
                                4,
                                "--temperature",
                                0,
                                "--prompt",
                                "the",
                                "--tokenizer",
                                tokenizer)
                        .out());
        var bytes = Line.run("eval", "--model", bare, "--data", text, "--tokenizer", "bytes", "--json");
        assertEquals(0, bytes.exit(), bytes.err());
        assertNotEquals(0, bytes.json().getFirst().path("tokens").asInt());
    }
}
