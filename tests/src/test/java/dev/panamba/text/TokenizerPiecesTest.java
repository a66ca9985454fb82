package dev.panamba.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** The tokens of a text that comes in pieces are those of the whole, whatever tokenizer it is. */
class TokenizerPiecesTest {
    @TempDir
    private Path folder;

    static Set<String> names() {
        return KnownTokenizers.all().keySet();
    }

    /** Words, runs of spaces, lines, digits, added tokens, characters of all lengths. */
    private static String text(long seed, int length) {
        var random = new Random(seed);
        var parts = List.of(
                "the",
                "a",
                "stone",
                "in",
                "10",
                "12345",
                "é",
                "日本",
                "😀",
                "e\u0301",
                "don't",
                "U",
                "STATE",
                "<s>",
                "</s>",
                "<|endoftext|>",
                "x_1",
                "...",
                "!");
        var gaps = List.of(
                " ", " ", " ", " ", "  ", "     ", "\n", "\n\n", ".\n", ", ", "", "\r\n", "\t", " \n ", " <s> ");
        var text = new StringBuilder();
        while (text.length() < length) {
            text.append(parts.get(random.nextInt(parts.size()))).append(gaps.get(random.nextInt(gaps.size())));
        }
        return text.toString();
    }

    @ParameterizedTest
    @MethodSource("names")
    void piecesHaveTheTokensOfTheWhole(String name) throws Exception {
        var file = KnownTokenizers.write(folder, KnownTokenizers.all().get(name));
        var tokenizer = Tokenizers.open(file);
        var text = text(1, 150_000);
        assertArrayEquals(KnownTokenizers.whole(file, text), tokenizer.plain().encode(text));
        assertArrayEquals(tokenizer.encode(text), MadeTokenizers.inPieces(tokenizer, text, 4099));
    }

    @ParameterizedTest
    @MethodSource("names")
    void memoryIsBounded(String name) throws Exception {
        var tokenizer = Tokenizers.open(
                KnownTokenizers.write(folder, KnownTokenizers.all().get(name)));
        var bytes = text(9, 140_000).getBytes(StandardCharsets.UTF_8);
        var encoder = tokenizer.encoder();
        int early = encoder.append(bytes, bytes.length).length;
        int late = encoder.finish().length;
        assertTrue(early > late, early + " tokens at once and " + late + " at the end");
    }

    /** Each place where a cut is allowed, tried. */
    @ParameterizedTest
    @MethodSource("names")
    void noCutChangesATokenAnywhere(String name) throws Exception {
        var file = KnownTokenizers.write(folder, KnownTokenizers.all().get(name));
        var read = TokenizerFile.read(file);
        var library = new NativeTokenizer(read.json().toString());
        int cuts = 0;
        for (int seed = 0; seed < 30; seed++) {
            var text = text(100 + seed, 60);
            var whole = library.encode(text);
            for (int at = 1; at < text.length(); at++) {
                if (read.cuts().at(text, at)) {
                    cuts++;
                    var left = library.encode(text.substring(0, at));
                    var right = library.encode(text.substring(read.cuts().leavesOutSpace() ? at + 1 : at));
                    var both = new long[left.length + right.length];
                    System.arraycopy(left, 0, both, 0, left.length);
                    System.arraycopy(right, 0, both, left.length, right.length);
                    assertArrayEquals(whole, both, text.substring(0, at) + "|" + text.substring(at));
                }
            }
        }
        assertTrue(cuts > 30, cuts + " cuts");
    }

    /** The same for tokenizers that are made of anything. */
    @Test
    void noCutOfAnyTokenizerChangesAToken() throws Exception {
        var made = new MadeTokenizers(3);
        int cuts = 0;
        for (int i = 0; i < 1500; i++) {
            TokenizerFile read;
            NativeTokenizer library;
            var json = made.any();
            try {
                var file = KnownTokenizers.write(folder, json);
                read = TokenizerFile.read(file);
                library = new NativeTokenizer(read.json().toString());
            } catch (IOException e) {
                continue;
            }
            var text = made.text() + "a b ab ab 1 a\nb" + made.text();
            for (int at = 1; at < text.length(); at++) {
                if (read.cuts().at(text, at)) {
                    cuts++;
                    try {
                        var whole = library.encode(text);
                        var left = library.encode(text.substring(0, at));
                        var right = library.encode(text.substring(read.cuts().leavesOutSpace() ? at + 1 : at));
                        var both = new long[left.length + right.length];
                        System.arraycopy(left, 0, both, 0, left.length);
                        System.arraycopy(right, 0, both, left.length, right.length);
                        int place = at;
                        assertArrayEquals(
                                whole,
                                both,
                                () -> text.substring(0, place) + "|" + text.substring(place) + "\n" + json);
                    } catch (RuntimeException e) {
                        // A character without a token.
                    }
                }
            }
        }
        assertTrue(cuts > 150, cuts + " cuts");
    }

    @Test
    void whatMustBeSeenWholeIs() throws Exception {
        // A token goes over a space, so that no space can be cut at.
        var json = KnownTokenizers.llama();
        ((ObjectNode) json.path("model").path("vocab")).put("e\u2581t", 390);
        ((ArrayNode) json.path("model").path("merges")).insert(0, "e \u2581t");
        ((ArrayNode) json.path("model").path("merges")).insert(0, "\u2581 t");
        var file = KnownTokenizers.write(folder, json);
        var tokenizer = Tokenizers.open(file);
        var text = "the the there ".repeat(20_000);
        var whole = KnownTokenizers.whole(file, text);
        assertTrue(java.util.stream.IntStream.of(whole).anyMatch(id -> id == 390));
        assertArrayEquals(whole, MadeTokenizers.inPieces(tokenizer.plain(), text, 10_000));
        var refused = assertThrows(IllegalArgumentException.class, () -> tokenizer.encode("the ".repeat(600_000)));
        assertTrue(refused.getMessage().contains("no place where it could be cut"), refused.getMessage());
    }

    @Test
    void aCorpusHasTheTokensOfItsDocuments() throws Exception {
        var tokenizer = Tokenizers.open(KnownTokenizers.write(folder, KnownTokenizers.llama()));
        var texts = Files.createDirectory(folder.resolve("texts"));
        var one = text(1, 200_000);
        Files.writeString(texts.resolve("1"), one);
        Files.writeString(texts.resolve("2"), "the end");
        Files.writeString(texts.resolve("3"), "");
        TokenFile.write(folder.resolve("tokens"), Corpus.of(texts), tokenizer);
        var expected = new java.util.ArrayList<Integer>();
        for (var text : List.of(one, "the end")) {
            java.util.Arrays.stream(tokenizer.encode(text)).forEach(expected::add);
            expected.add(2);
        }
        expected.add(2);
        try (var tokens = TokenFile.open(folder.resolve("tokens"))) {
            assertEquals(1, tokens.at(0), "a document begins with the post-processor's token");
            assertEquals(expected.size(), tokens.length());
            for (int i = 0; i < expected.size(); i++) {
                assertEquals(expected.get(i), tokens.at(i));
            }
        }
    }

    @Test
    void bytesThatAreNotUtf8AreReplacedAsInOneGo() throws Exception {
        var tokenizer = Tokenizers.open(TokenizerTest.small());
        var bytes = new byte[1000];
        new Random(5).nextBytes(bytes);
        var encoder = tokenizer.encoder();
        var ids = new java.util.ArrayList<Integer>();
        for (byte b : bytes) {
            for (int id : encoder.append(new byte[] {b, 0}, 1)) {
                ids.add(id);
            }
        }
        for (int id : encoder.finish()) {
            ids.add(id);
        }
        assertArrayEquals(
                tokenizer.encode(bytes, bytes.length),
                ids.stream().mapToInt(Integer::intValue).toArray());
    }
}
