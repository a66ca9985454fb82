package dev.panamba.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.Fork;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** No tokenizer.json and no text ends the process or hangs it; what could is refused with the file's name. */
class TokenizerSafetyTest {
    @TempDir
    private Path folder;

    private static Stream<String> published() {
        return MadeTokenizers.PUBLISHED.stream();
    }

    private static Stream<String> harmful() {
        return MadeTokenizers.HARMFUL.stream();
    }

    private String refused(ObjectNode json) throws IOException {
        var file = KnownTokenizers.write(folder, json);
        var refused = assertThrows(IOException.class, () -> Tokenizers.open(file), json::toString);
        assertTrue(refused.getMessage().startsWith(file + " is "), refused.getMessage());
        return refused.getMessage();
    }

    @Test
    @Timeout(300)
    void noneOfManyEndsTheProcess() throws Exception {
        var fork = Fork.run(Map.of(), MadeTokenizers.class, "7", "3000");
        assertEquals(0, fork.exit(), fork.output());
        assertTrue(fork.output().matches("(?s).*opened [4-9]\\d\\d, alive\\s*"), fork.output());
    }

    /** Runs of one character, over which expressions that are not linear would take hours, or give up. */
    @Test
    @Timeout(300)
    void longRunsAreNothing() throws Exception {
        var fork = Fork.run(Map.of(), LongRuns.class);
        assertEquals(0, fork.exit(), fork.output());
        assertTrue(fork.output().endsWith("alive\n"), fork.output());
    }

    static final class LongRuns {
        private LongRuns() {}

        public static void main(String[] arguments) throws IOException {
            var file = Files.createTempFile("runs", ".json");
            for (var regex : MadeTokenizers.PUBLISHED.subList(0, 8)) {
                Files.writeString(file, KnownTokenizers.tiktoken(regex).toString());
                var tokenizer = Tokenizers.open(file);
                for (var run : List.of(" ", "a", "A", "日", "\n", "\r\n", "!", "1", " \n", "\u0301", "Aa", "'")) {
                    tokenizer.encode(run.repeat(60_000));
                }
            }
            Files.delete(file);
            System.out.println("alive");
        }
    }

    @ParameterizedTest
    @MethodSource("published")
    void publishedExpressionsAreTaken(String regex) throws Exception {
        var tokenizer = Tokenizers.open(KnownTokenizers.write(folder, KnownTokenizers.tiktoken(regex)));
        assertTrue(tokenizer.encode("The end, isn't it? 123 \n").length > 0);
    }

    @ParameterizedTest
    @MethodSource("harmful")
    void otherExpressionsAreRefusedByName(String regex) throws Exception {
        assertTrue(refused(KnownTokenizers.tiktoken(regex)).contains("its Split has "));
        var replaced = KnownTokenizers.llama();
        var replace =
                (ObjectNode) replaced.path("normalizer").path("normalizers").path(1);
        replace.putObject("pattern").put("Regex", regex);
        assertTrue(refused(replaced).contains("its Replace has "));
    }

    private static Arguments change(String words, Consumer<ObjectNode> change) {
        return Arguments.of(words, change);
    }

    private static ObjectNode model(ObjectNode json) {
        return (ObjectNode) json.path("model");
    }

    private static void add(ObjectNode json, int id, String content, boolean normalized, boolean rstrip) {
        ((ArrayNode) json.path("added_tokens"))
                .addObject()
                .put("id", id)
                .put("content", content)
                .put("single_word", false)
                .put("lstrip", false)
                .put("rstrip", rstrip)
                .put("normalized", normalized)
                .put("special", true);
    }

    private static Consumer<ObjectNode> part(String name, String part) {
        return json -> json.set(name, new JsonMapper().readTree(part.replace('\'', '"')));
    }

    private static String nested(String type, String key, int depth) {
        return depth == 0
                ? "{'type': 'NFC'}"
                : "{'type': '" + type + "', '" + key + "': [" + nested(type, key, depth - 1) + "]}";
    }

    static Stream<Arguments> changes() {
        var tens = "{'type': 'Replace', 'pattern': {'String': 'a'}, 'content': 'aaaaaaaaaa'}";
        var bytes = "{'type': 'ByteLevel', 'add_prefix_space': true, 'trim_offsets': true, 'use_regex': false}";
        return Stream.of(
                change("dropout of 0.1", json -> model(json).put("dropout", 0.1)),
                change("continuing_subword_prefix", json -> model(json).put("continuing_subword_prefix", "##")),
                change("no merges", json -> model(json).remove("merges")),
                change("model is \"Diffusion\"", json -> model(json).put("type", "Diffusion")),
                change(
                        "the id 99999999",
                        json -> ((ObjectNode) json.path("model").path("vocab")).put("zz", 99_999_999)),
                change("the id \"5\"", json -> ((ObjectNode) json.path("model").path("vocab")).put("zz", "5")),
                change("normalizer is \"Shout\"", part("normalizer", "{'type': 'Shout'}")),
                change("normalizer is {", part("normalizer", "{'kind': 'NFC'}")),
                change(
                        "pre_tokenizer is \"FixedLength\"",
                        part("pre_tokenizer", "{'type': 'FixedLength', 'length': 0}")),
                change("decoder is \"CTC\"", part("decoder", "{'type': 'CTC'}")),
                change("Prepend", part("normalizer", "{'type': 'Prepend', 'prepend': ''}")),
                change(
                        "has no pattern",
                        part("normalizer", "{'type': 'Replace', 'pattern': {'String': ''}, 'content': 'a'}")),
                change(
                        "times as long",
                        part(
                                "normalizer",
                                "{'type': 'Sequence', 'normalizers': [" + tens + "," + tens + "," + tens + "]}")),
                change(
                        "times as long",
                        part("decoder", "{'type': 'Sequence', 'decoders': [" + tens + "," + tens + "," + tens + "]}")),
                change(
                        "more than 16 characters",
                        part("normalizer", "{'type': 'Prepend', 'prepend': '" + "a".repeat(17) + "'}")),
                change(
                        "times as long",
                        part(
                                "pre_tokenizer",
                                "{'type': 'Sequence', 'pretokenizers': [" + (bytes + ",").repeat(7) + bytes + "]}")),
                change("more than 32", part("normalizer", nested("Sequence", "normalizers", 40))),
                change("Strip decoder", part("decoder", "{'type': 'Strip', 'content': ' ', 'start': 0, 'stop': 1}")),
                change("damaged", part("normalizer", "{'type': 'Precompiled', 'precompiled_charsmap': 'AAAA////'}")),
                change("damaged", part("normalizer", "{'type': 'Precompiled', 'precompiled_charsmap': '!'}")),
                change("post_processor is a \"Echo\"", part("post_processor", "{'type': 'Echo'}")),
                change(
                        "the id 70000",
                        part("post_processor", "{'type': 'BertProcessing', 'sep': ['x', 70000], 'cls': ['y', 0]}")),
                change(
                        "the text once",
                        part(
                                "post_processor",
                                "{'type': 'TemplateProcessing', 'single': [{'Sequence': {'id': 'B', 'type_id': 0}}],"
                                        + " 'pair': [], 'special_tokens': {}}")),
                change("leave nothing of its added token", json -> {
                    part("normalizer", "{'type': 'Strip', 'strip_left': true, 'strip_right': true}")
                            .accept(json);
                    add(json, 450, "  ", true, false);
                }),
                change("rstrip", json -> {
                    add(json, 450, "<a>", false, true);
                    add(json, 451, "  ", false, false);
                }));
    }

    @ParameterizedTest
    @MethodSource("changes")
    void whatIsNotKnownToBeHarmlessIsRefusedByName(String words, Consumer<ObjectNode> change) throws Exception {
        var json = KnownTokenizers.all().get("llama");
        change.accept(json);
        var message = refused(json);
        assertTrue(message.contains(words), message);
    }

    @Test
    void unigramsAndWordPiecesHaveBounds() throws Exception {
        var unigram = KnownTokenizers.t5();
        model(unigram).put("unk_id", 999);
        assertTrue(refused(unigram).contains("unk_id 999"));
        var piece = KnownTokenizers.t5();
        ((ArrayNode) piece.path("model").path("vocab"))
                .addArray()
                .add("a".repeat(300))
                .add(-1);
        assertTrue(refused(piece).contains("longer than 256"));
        var words = KnownTokenizers.bert();
        model(words).put("max_input_chars_per_word", 1_000_000);
        assertTrue(refused(words).contains("max_input_chars_per_word"));
    }

    @Test
    void aTableOfReplacementsIsFollowedToItsEnd() throws Exception {
        var good = MadeTokenizers.charsmap("é\0".getBytes(StandardCharsets.UTF_8), 'A', 0);
        assertEquals(0, opened(good), "A is é, which is a token");
        var units = 4;
        for (var bad : List.<Consumer<byte[]>>of(
                bytes -> bytes[1] = 1,
                bytes -> bytes[3] = 127,
                // The root's offset, then that of the child, then the value.
                bytes -> bytes[units + 2] = 127,
                bytes -> bytes[units + 4 * (256 ^ 'A') + 2] = 127,
                bytes -> bytes[units + 4 * (512 ^ 'A')] = 1,
                bytes -> bytes[units + 4 * (512 ^ 'A') + 1] = 1,
                bytes -> bytes[bytes.length - 3] = 'x')) {
            var bytes = good.clone();
            bad.accept(bytes);
            assertThrows(IOException.class, () -> opened(bytes));
        }
        var longer = MadeTokenizers.charsmap("a".repeat(19).getBytes(StandardCharsets.UTF_8), 'A', 0);
        assertTrue(assertThrows(IOException.class, () -> opened(longer))
                .getMessage()
                .contains("18 characters"));
    }

    /** Opens a tokenizer with a table, and gives what one A has more tokens than one é. */
    private int opened(byte[] table) throws IOException {
        var json = KnownTokenizers.llama();
        json.putObject("normalizer")
                .put("type", "Precompiled")
                .put("precompiled_charsmap", Base64.getEncoder().encodeToString(table));
        var tokenizer = Tokenizers.open(KnownTokenizers.write(folder, json));
        assertEquals(
                "é",
                KnownTokenizers.text(
                        folder.resolve("tokenizer.json"), tokenizer.plain().encode("A")));
        return tokenizer.encode("A").length - tokenizer.encode("é").length;
    }

    @Test
    void filesAreReadWithCare() throws Exception {
        var directory = Files.createDirectory(folder.resolve("tokenizer"));
        assertTrue(assertThrows(IOException.class, () -> Tokenizers.open(directory))
                .getMessage()
                .contains("is a directory"));
        var deep = Files.writeString(folder.resolve("deep"), "[".repeat(100_000));
        assertThrows(IOException.class, () -> Tokenizers.open(deep));
        var twice = Files.writeString(folder.resolve("twice"), "{\"model\": {}, \"model\": {}}");
        assertThrows(IOException.class, () -> Tokenizers.open(twice));
        var latin = Files.write(folder.resolve("latin"), new byte[] {'{', '"', (byte) 0xE9, '"', ':', '0', '}'});
        assertTrue(assertThrows(IOException.class, () -> Tokenizers.open(latin))
                .getMessage()
                .contains("not UTF-8"));
        var large = folder.resolve("large");
        try (var file = new java.io.RandomAccessFile(large.toFile(), "rw")) {
            file.setLength(1L << 30);
        }
        assertTrue(assertThrows(IOException.class, () -> Tokenizers.open(large))
                .getMessage()
                .contains("1073741824 bytes"));
    }

    @Test
    void whatComesAroundATextIsThatOfThePostProcessor() throws Exception {
        var llama = Tokenizers.open(KnownTokenizers.write(folder, KnownTokenizers.llama()));
        var the = llama.plain().encode("the");
        assertEquals(1, llama.encode("the")[0]);
        assertEquals(the.length + 1, llama.encode("the").length);
        assertEquals(1, llama.encode("").length, "as in Python");
        var bert = Tokenizers.open(KnownTokenizers.write(folder, KnownTokenizers.bert()));
        assertEquals(
                List.of(1, 3, 2),
                java.util.Arrays.stream(bert.encode("The")).boxed().toList());
        assertFalse(bert.plain().encode("The").length == 3);
        var both = KnownTokenizers.llama();
        part(
                        "post_processor",
                        "{'type': 'Sequence', 'processors': [{'type': 'ByteLevel'}, {'type': 'RobertaProcessing',"
                                + " 'sep': ['</s>', 2], 'cls': ['<s>', 1]}]}")
                .accept(both);
        var sequence = Tokenizers.open(KnownTokenizers.write(folder, both)).encode("the");
        assertEquals(2, sequence[sequence.length - 1]);
        assertEquals(the.length + 2, sequence.length);
    }

    @Test
    void aTokenThatAModelDoesNotHaveIsRefusedWhereItOccurs() throws Exception {
        var json = KnownTokenizers.llama();
        add(json, 9999, "[PAD]", false, false);
        var tokenizer = Tokenizers.open(KnownTokenizers.write(folder, json));
        int pad = tokenizer.vocabulary() - 1;
        var narrow = Tokenizers.within(tokenizer, pad);
        assertEquals(pad, narrow.vocabulary());
        assertEquals(tokenizer.encode("the end").length, narrow.encode("the end").length);
        var refused = assertThrows(IllegalArgumentException.class, () -> narrow.encode("the[PAD]"));
        assertTrue(refused.getMessage().contains("the token " + pad + " (\"[PAD]\")"), refused.getMessage());
        assertThrows(IllegalArgumentException.class, () -> MadeTokenizers.inPieces(narrow, "the[PAD]", 3));
        assertEquals(tokenizer, Tokenizers.within(tokenizer, pad + 1));
    }

    @Test
    void withoutATokenizerTextIsRefused() {
        var none = Tokenizers.none(400, "There is no tokenizer.");
        assertEquals(
                "There is no tokenizer.",
                assertThrows(IllegalArgumentException.class, () -> none.encode("a"))
                        .getMessage());
        assertEquals("", none.decoder().append(5));
        assertEquals(400, none.vocabulary());
    }
}
