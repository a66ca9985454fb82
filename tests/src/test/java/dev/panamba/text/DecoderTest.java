package dev.panamba.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.text.Normalizer;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Tokens read one by one have the text that they have together, wherever the reading is broken off and goes on. */
class DecoderTest {
    @TempDir
    private Path folder;

    static Set<String> names() {
        return KnownTokenizers.all().keySet();
    }

    private static int[] last(int[] ids, int end) {
        return Arrays.copyOfRange(ids, Math.max(0, end - 16), end);
    }

    @ParameterizedTest
    @MethodSource("names")
    void textGoesOnWhereItWasBrokenOff(String name) throws Exception {
        var file = KnownTokenizers.write(folder, KnownTokenizers.all().get(name));
        var tokenizer = Tokenizers.open(file);
        var library = new NativeTokenizer(TokenizerFile.read(file).json().toString());
        for (var text : List.of("the stone in a stone", "an  end. don't", "a\nb the 10", "é日本 the")) {
            var ids = tokenizer.plain().encode(text);
            var whole = library.decode(Arrays.stream(ids).asLongStream().toArray());
            var read = new StringBuilder();
            var decoder = tokenizer.decoder();
            for (int i = 0; i < ids.length; i++) {
                if (i > 0) {
                    // Each token is the first of a new reading.
                    decoder = tokenizer.decoderBehind(last(ids, i));
                }
                read.append(decoder.append(ids[i]));
            }
            assertEquals(whole, read.toString(), name);
        }
    }

    @Test
    void theFirstWordKeepsItsSpace() throws Exception {
        for (var json : List.of(
                KnownTokenizers.llama(),
                KnownTokenizers.metaspace("first", true),
                KnownTokenizers.metaspace("always", true),
                KnownTokenizers.t5())) {
            var tokenizer = Tokenizers.open(KnownTokenizers.write(folder, json));
            int word = tokenizer.plain().encode("the")[0];
            assertEquals("the", tokenizer.decoder().append(word), "at the start of a text there is none");
            assertEquals(
                    " the", tokenizer.decoderBehind(tokenizer.encode("a stone")).append(word));
            assertEquals(" the", tokenizer.decoderBehind(word).append(word));
            assertEquals(" the", tokenizer.decoderBehind().append(word), "behind tokens that are not known");
        }
    }

    /** Characters of four bytes, byte by byte, with a new reading at any token. */
    @ParameterizedTest
    @MethodSource("names")
    void noCharacterIsBroken(String name) throws Exception {
        if (Set.of("bert", "suffixes", "t5").contains(name)) {
            return; // They have no tokens for any text.
        }
        var tokenizer = Tokenizers.open(
                KnownTokenizers.write(folder, KnownTokenizers.all().get(name)));
        var random = new Random(name.hashCode());
        int texts = Set.of("gpt2", "llama", "metaspace-first").contains(name) ? 10_000 : 300;
        for (int i = 0; i < texts; i++) {
            var characters = new StringBuilder("a ");
            for (int n = 1 + random.nextInt(9); n > 0; n--) {
                characters.appendCodePoint(0x1_0000 + random.nextInt(0x10_0000 - 0x1_0000));
            }
            var end = random.nextBoolean() ? " the" : "";
            // One of the tokenizers puts characters together.
            var text = Normalizer.normalize(characters.append(end), Normalizer.Form.NFC);
            var ids = tokenizer.plain().encode(text);
            var decoder = tokenizer.decoder();
            var read = new StringBuilder();
            for (int j = 0; j < ids.length; j++) {
                if (j > 0 && random.nextInt(4) == 0) {
                    decoder = tokenizer.decoderBehind(last(ids, j));
                }
                var piece = decoder.append(ids[j]);
                assertFalse(piece.contains("\uFFFD"), () -> "broken in " + text);
                assertTrue(StandardCharsets.UTF_8.newEncoder().canEncode(piece), () -> "half a character of " + text);
                read.append(piece);
            }
            assertEquals(text, name.equals("prefixed") ? read.substring(1) : read.toString());
        }
    }
}
