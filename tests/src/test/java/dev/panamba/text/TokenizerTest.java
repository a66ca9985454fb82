package dev.panamba.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.json.JsonMapper;

/** Bytes, and a byte-level BPE of 400 ids that Python's tokenizers made, with the ids that it gives. */
class TokenizerTest {
    @TempDir
    private Path folder;

    static Path small() throws Exception {
        return Path.of(TokenizerTest.class.getResource("small-tokenizer.json").toURI());
    }

    static Stream<Tokenizer> both() throws Exception {
        return Stream.of(Tokenizers.bytes(), Tokenizers.open(small()));
    }

    @Test
    void bytesAreBytes() {
        var tokenizer = Tokenizers.bytes();
        assertEquals(256, tokenizer.vocabulary());
        assertEquals(OptionalInt.empty(), tokenizer.endOfText());
        assertArrayEquals(new int[] {0x61, 0xC3, 0xA9, 0xF0, 0x9F, 0x98, 0x80}, tokenizer.encode("aé😀"));
        assertArrayEquals(new int[] {0, 255}, tokenizer.encode(new byte[] {0, -1, 7}, 2));
        assertEquals("", tokenizer.decoder().append(300), "an id above bytes has no text");
    }

    @Test
    void idsAreThoseOfPython() throws Exception {
        var tokenizer = Tokenizers.open(small());
        assertEquals(400, tokenizer.vocabulary());
        assertEquals(OptionalInt.of(0), tokenizer.endOfText());
        var samples = new JsonMapper().readTree(TokenizerTest.class.getResourceAsStream("small-tokenizer-ids.json"));
        assertTrue(samples.size() > 15);
        for (var sample : samples) {
            var text = sample.path("text").asString();
            var ids = IntStream.range(0, sample.path("ids").size())
                    .map(i -> sample.path("ids").path(i).asInt())
                    .toArray();
            assertArrayEquals(ids, tokenizer.encode(text), text);
            var bytes = text.getBytes(StandardCharsets.UTF_8);
            assertArrayEquals(ids, tokenizer.encode(bytes, bytes.length), text);
        }
    }

    @ParameterizedTest
    @MethodSource("both")
    void streamedTextIsWholeAndComplete(Tokenizer tokenizer) {
        var random = new Random(1);
        for (int i = 0; i < 10_000; i++) {
            var text = text(random);
            var decoder = tokenizer.decoder();
            var read = new StringBuilder();
            for (int token : tokenizer.encode(text)) {
                var piece = decoder.append(token);
                assertFalse(piece.contains("\uFFFD"), () -> "broken in " + text);
                assertTrue(StandardCharsets.UTF_8.newEncoder().canEncode(piece), () -> "half a character of " + text);
                read.append(piece);
            }
            assertEquals(text, read.toString());
        }
    }

    /** Mostly characters of four bytes, among shorter ones. */
    private static String text(Random random) {
        var text = new StringBuilder();
        for (int i = 1 + random.nextInt(10); i > 0; i--) {
            text.appendCodePoint(
                    switch (random.nextInt(8)) {
                        case 0 -> 'a' + random.nextInt(26);
                        case 1 -> ' ';
                        case 2 -> 0xA1 + random.nextInt(0x400);
                        case 3 -> 0x4E00 + random.nextInt(0x5000);
                        case 4 -> 0x1F600 + random.nextInt(0x40);
                        default -> 0x1_0000 + random.nextInt(0x10_0000 - 0x1_0000);
                    });
        }
        return text.toString();
    }

    @ParameterizedTest
    @MethodSource("both")
    void bytesThatAreNoTextAreReplacedAndDoNotHideWhatFollows(Tokenizer tokenizer) {
        var random = new Random(2);
        for (int round = 0; round < 20; round++) {
            var decoder = tokenizer.decoder();
            var read = new StringBuilder();
            for (int i = 0; i < 600; i++) {
                read.append(decoder.append(random.nextInt(tokenizer.vocabulary())));
            }
            for (int token : tokenizer.encode("and a clear end.")) {
                read.append(decoder.append(token));
            }
            assertTrue(read.toString().endsWith("and a clear end."), read.toString());
            assertTrue(StandardCharsets.UTF_8.newEncoder().canEncode(read));
        }
    }

    @ParameterizedTest
    @MethodSource("both")
    void endlessGarbageIsGivenNowAndThen(Tokenizer tokenizer) {
        // One token that is the byte 0x80, which can begin no character.
        var half = tokenizer.encode("\u0100");
        var decoder = tokenizer.decoder();
        int given = 0;
        for (int i = 0; i < 2000; i++) {
            given += decoder.append(half[half.length - 1]).length();
        }
        assertTrue(given > 1900, given + " replacement characters");
    }

    @Test
    void aRealReplacementCharacterIsText() throws Exception {
        var tokenizer = Tokenizers.open(small());
        var decoder = tokenizer.decoder();
        var read = new StringBuilder();
        for (int token : tokenizer.encode("a\uFFFDb \uFFFD\uFFFD c")) {
            read.append(decoder.append(token));
        }
        assertEquals("a\uFFFDb \uFFFD\uFFFD c", read.toString());
    }

    @Test
    void tokensOutOfRangeHaveNoText() throws Exception {
        var decoder = Tokenizers.open(small()).decoder();
        assertEquals("", decoder.append(-1));
        assertEquals("", decoder.append(400));
        assertEquals("", decoder.append(Integer.MAX_VALUE));
    }

    @Test
    void halfASurrogatePairDoesNoHarm() throws Exception {
        both().forEach(tokenizer -> {
            for (int id : tokenizer.encode("a\uD83D b\uDE00")) {
                assertTrue(id >= 0 && id < tokenizer.vocabulary());
            }
        });
    }

    @Test
    void threadsShareATokenizer() throws Exception {
        var tokenizer = Tokenizers.open(small());
        var expected = tokenizer.encode("The quick brown fox 😀");
        IntStream.range(0, 2000)
                .parallel()
                .forEach(_ -> assertArrayEquals(expected, tokenizer.encode("The quick brown fox 😀")));
    }

    @Test
    void filesThatAreNoTokenizersAreRefused() throws Exception {
        assertThrows(NoSuchFileException.class, () -> Tokenizers.open(folder.resolve("missing.json")));
        var whole = Files.readString(small());
        var wrong = List.of(
                "",
                "no json",
                "{}",
                "[]",
                "null",
                "{\"model\":{}}",
                "{\"model\":{\"vocab\":{}}}",
                "{\"model\":{\"vocab\":{\"a\":-5}}}",
                "{\"model\":{\"vocab\":{\"a\":0}}}",
                "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a\"]}}",
                "{\"model\":{\"vocab\":{\"a\":2000000000}}}",
                whole.substring(0, whole.length() / 2),
                whole.replace("\"merges\"", "\"mergers\""),
                whole.replace("ByteLevel", "BitLevel"));
        for (var text : wrong) {
            var file = Files.writeString(folder.resolve("tokenizer.json"), text);
            var refused = assertThrows(IOException.class, () -> Tokenizers.open(file), text);
            assertTrue(refused.getMessage().startsWith(file + " is "), refused.getMessage());
        }
    }

    @Test
    void aPathMayHaveAnyName() throws Exception {
        var file = Files.copy(
                small(), Files.createDirectory(folder.resolve("ключ 鍵")).resolve("tokenizer.json"));
        assertEquals(400, Tokenizers.open(file).vocabulary());
    }
}
