package dev.panamba.text;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Small tokenizers of the kinds that published models have. */
public final class KnownTokenizers {
    private static final JsonMapper MAPPER = new JsonMapper();

    private KnownTokenizers() {}

    private static JsonNode json(String text) {
        return MAPPER.readTree(text.replace('\'', '"'));
    }

    private static ObjectNode object(String text) {
        return (ObjectNode) json(text);
    }

    /** The byte-level BPE of 400 ids, with another pre-tokeniser. */
    private static ObjectNode byteLevel(JsonNode pre) {
        try {
            var json = (ObjectNode) MAPPER.readTree(TokenizerTest.small());
            json.set("pre_tokenizer", pre);
            return json;
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    private static ObjectNode split(String regex) {
        var split = MAPPER.createObjectNode().put("type", "Split");
        split.putObject("pattern").put("Regex", regex);
        return split.put("behavior", "Isolated").put("invert", false);
    }

    private static ObjectNode sequence(JsonNode... parts) {
        var sequence = MAPPER.createObjectNode().put("type", "Sequence");
        sequence.putArray("pretokenizers").addAll(List.of(parts));
        return sequence;
    }

    /** As Llama 3, Granite, Nemotron and Qwen have it: a regular expression, then bytes. */
    static ObjectNode tiktoken(String regex) {
        return byteLevel(sequence(
                split(regex),
                json("{'type': 'ByteLevel', 'add_prefix_space': false, 'trim_offsets': true, 'use_regex': false}")));
    }

    /** As Llama 2, Mistral and Jamba have it, with a bos in front. */
    public static ObjectNode llama() {
        var json = object("""
                {'version': '1.0', 'truncation': null, 'padding': null, 'added_tokens': [
                  {'id': 0, 'content': '<unk>', 'single_word': false, 'lstrip': false, 'rstrip': false, 'normalized': false, 'special': true},
                  {'id': 1, 'content': '<s>', 'single_word': false, 'lstrip': false, 'rstrip': false, 'normalized': false, 'special': true},
                  {'id': 2, 'content': '</s>', 'single_word': false, 'lstrip': false, 'rstrip': false, 'normalized': false, 'special': true}],
                 'normalizer': {'type': 'Sequence', 'normalizers': [{'type': 'Prepend', 'prepend': '\u2581'},
                   {'type': 'Replace', 'pattern': {'String': ' '}, 'content': '\u2581'}]},
                 'pre_tokenizer': null,
                 'post_processor': {'type': 'TemplateProcessing',
                   'single': [{'SpecialToken': {'id': '<s>', 'type_id': 0}}, {'Sequence': {'id': 'A', 'type_id': 0}}],
                   'pair': [{'Sequence': {'id': 'A', 'type_id': 0}}, {'Sequence': {'id': 'B', 'type_id': 1}}],
                   'special_tokens': {'<s>': {'id': '<s>', 'ids': [1], 'tokens': ['<s>']}}},
                 'decoder': {'type': 'Sequence', 'decoders': [{'type': 'Replace', 'pattern': {'String': '\u2581'}, 'content': ' '},
                   {'type': 'ByteFallback'}, {'type': 'Fuse'}, {'type': 'Strip', 'content': ' ', 'start': 1, 'stop': 0}]}}
                """);
        var words = new ArrayList<String>(List.of("<unk>", "<s>", "</s>"));
        IntStream.range(0, 256).forEach(b -> words.add("<0x%02X>".formatted(b)));
        words.addAll(List.of("\u2581", "é", "日", "\u2581\u2581", "\u2581\u2581\u2581\u2581"));
        "abcdefghijklmnopqrstuvwxyzABCDEFGH0123456789.,'!\n".chars().forEach(c -> words.add(Character.toString(c)));
        var merges = List.of(
                "\u2581 t",
                "h e",
                "\u2581t he",
                "a n",
                "i n",
                "\u2581 a",
                "\u2581a n",
                "o n",
                "r e",
                "s t",
                "\u2581 s",
                "\u2581\u2581 \u2581\u2581",
                "\u2581 \u2581",
                "\u2581 1");
        merges.forEach(merge -> words.add(merge.replace(" ", "")));
        var model =
                json.putObject("model").put("type", "BPE").putNull("dropout").put("unk_token", "<unk>");
        model.putNull("continuing_subword_prefix").putNull("end_of_word_suffix");
        model.put("fuse_unk", true).put("byte_fallback", true).put("ignore_merges", false);
        var vocab = model.putObject("vocab");
        words.stream().distinct().forEach(word -> vocab.put(word, vocab.size()));
        var list = model.putArray("merges");
        merges.forEach(list::add);
        return json;
    }

    /** As Mistral's later files have it: Metaspace instead of Prepend and Replace. */
    static ObjectNode metaspace(String scheme, boolean split) {
        var json = llama().putNull("normalizer");
        var part = object("{'type': 'Metaspace', 'replacement': '\u2581'}")
                .put("prepend_scheme", scheme)
                .put("split", split);
        json.set("pre_tokenizer", part);
        var decoders = json.putObject("decoder").put("type", "Sequence").putArray("decoders");
        decoders.add(json("{'type': 'ByteFallback'}")).add(part);
        return json;
    }

    /** As T5 has it: a Unigram of pieces behind a table of replacements. */
    static ObjectNode t5() {
        var json = object("""
                {'version': '1.0', 'truncation': null, 'padding': null, 'added_tokens': [
                  {'id': 0, 'content': '<pad>', 'single_word': false, 'lstrip': false, 'rstrip': false, 'normalized': false, 'special': true},
                  {'id': 1, 'content': '</s>', 'single_word': false, 'lstrip': false, 'rstrip': false, 'normalized': false, 'special': true}],
                 'pre_tokenizer': {'type': 'Metaspace', 'replacement': '\u2581', 'prepend_scheme': 'always', 'split': true},
                 'post_processor': {'type': 'TemplateProcessing',
                   'single': [{'Sequence': {'id': 'A', 'type_id': 0}}, {'SpecialToken': {'id': '</s>', 'type_id': 0}}],
                   'pair': [], 'special_tokens': {'</s>': {'id': '</s>', 'ids': [1], 'tokens': ['</s>']}}},
                 'decoder': {'type': 'Metaspace', 'replacement': '\u2581', 'prepend_scheme': 'always', 'split': true}}
                """);
        var normalizers = json.putObject("normalizer").put("type", "Sequence").putArray("normalizers");
        var table = MadeTokenizers.charsmap(" \0".getBytes(StandardCharsets.UTF_8), '\n', 0, '\t', 0);
        normalizers
                .addObject()
                .put("type", "Precompiled")
                .put("precompiled_charsmap", Base64.getEncoder().encodeToString(table));
        normalizers.add(json("{'type': 'Strip', 'strip_left': false, 'strip_right': true}"));
        normalizers.add(json("{'type': 'Replace', 'pattern': {'Regex': ' {2,}'}, 'content': '\u2581'}"));
        var model = json.putObject("model").put("type", "Unigram").put("unk_id", 2);
        var vocab = model.putArray("vocab");
        List.of("<pad>", "</s>", "<unk>", "\u2581")
                .forEach(piece -> vocab.addArray().add(piece).add(-2.5));
        "abcdefghijklmnopqrstuvwxyz0123456789.,'!"
                .chars()
                .forEach(c -> vocab.addArray().add(Character.toString(c)).add(-5));
        List.of("\u2581the", "an", "in", "\u2581a", "on", "re", "st")
                .forEach(piece -> vocab.addArray().add(piece).add(-4.25));
        return json;
    }

    static ObjectNode bert() {
        var json = object("""
                {'version': '1.0', 'truncation': null, 'padding': null, 'added_tokens': [
                  {'id': 0, 'content': '[UNK]', 'single_word': false, 'lstrip': false, 'rstrip': false, 'normalized': false, 'special': true}],
                 'normalizer': {'type': 'BertNormalizer', 'clean_text': true, 'handle_chinese_chars': true, 'strip_accents': null,
                   'lowercase': true},
                 'pre_tokenizer': {'type': 'BertPreTokenizer'},
                 'post_processor': {'type': 'BertProcessing', 'sep': ['[SEP]', 2], 'cls': ['[CLS]', 1]},
                 'decoder': {'type': 'WordPiece', 'prefix': '##', 'cleanup': true}}
                """);
        var model = json.putObject("model").put("type", "WordPiece").put("unk_token", "[UNK]");
        model.put("continuing_subword_prefix", "##").put("max_input_chars_per_word", 100);
        var vocab = model.putObject("vocab");
        List.of("[UNK]", "[CLS]", "[SEP]", "the", "##re", "日", ".", ",", "'", "!")
                .forEach(w -> vocab.put(w, vocab.size()));
        "abcdefghijklmnopqrstuvwxyz0123456789".chars().forEach(c -> {
            vocab.put(Character.toString(c), vocab.size());
            vocab.put("##" + Character.toString(c), vocab.size());
        });
        return json;
    }

    /** As CLIP has it: words end in a suffix. */
    static ObjectNode suffixes() {
        var json = llama().putNull("post_processor");
        json.set("normalizer", json("{'type': 'Lowercase'}"));
        json.set("pre_tokenizer", json("{'type': 'WhitespaceSplit'}"));
        json.set("decoder", json("{'type': 'BPEDecoder', 'suffix': '</w>'}"));
        var model = (ObjectNode) json.path("model");
        model.put("end_of_word_suffix", "</w>").put("byte_fallback", false).putArray("merges");
        var vocab = (ObjectNode) model.path("vocab");
        "abcdefghijklmnopqrstuvwxyz0123456789.,'!"
                .chars()
                .forEach(c -> vocab.put(Character.toString(c) + "</w>", vocab.size()));
        return json;
    }

    /** By name; all of them can be cut. */
    static Map<String, ObjectNode> all() {
        var all = new TreeMap<String, ObjectNode>();
        all.put(
                "gpt2",
                byteLevel(json(
                        "{'type': 'ByteLevel', 'add_prefix_space': false, 'trim_offsets': true, 'use_regex': true}")));
        all.put(
                "prefixed",
                byteLevel(json(
                        "{'type': 'ByteLevel', 'add_prefix_space': true, 'trim_offsets': true, 'use_regex': true}")));
        var neox = byteLevel(
                json("{'type': 'ByteLevel', 'add_prefix_space': false, 'trim_offsets': true, 'use_regex': true}"));
        neox.set("normalizer", json("{'type': 'NFC'}"));
        for (var spaces : List.of("  ", "    ")) {
            ((tools.jackson.databind.node.ArrayNode) neox.path("added_tokens"))
                    .add(json("{'id': " + (400 + spaces.length() / 4) + ", 'content': '" + spaces
                            + "', 'single_word': false, 'lstrip': false,"
                            + " 'rstrip': false, 'normalized': true, 'special': false}"));
        }
        all.put("neox", neox);
        all.put(
                "falcon",
                byteLevel(sequence(
                        json("{'type': 'Punctuation', 'behavior': 'Contiguous'}"),
                        json(
                                "{'type': 'ByteLevel', 'add_prefix_space': false, 'trim_offsets': true, 'use_regex': true}"),
                        json("{'type': 'Digits', 'individual_digits': false}"),
                        split("[0-9][0-9][0-9]"))));
        all.put(
                "starcoder",
                byteLevel(
                        sequence(
                                json("{'type': 'Digits', 'individual_digits': true}"),
                                json(
                                        "{'type': 'ByteLevel', 'add_prefix_space': false, 'trim_offsets': true, 'use_regex': true}"))));
        all.put("llama3", tiktoken(MadeTokenizers.LLAMA3));
        all.put("qwen", tiktoken(MadeTokenizers.QWEN));
        all.put("cl100k", tiktoken(MadeTokenizers.CL100K));
        all.put("o200k", tiktoken(MadeTokenizers.O200K));
        all.put("tekken", tiktoken(MadeTokenizers.TEKKEN));
        all.put("deepseek", tiktoken(MadeTokenizers.DEEPSEEK));
        all.put("llama", llama());
        all.put("metaspace-first", metaspace("first", true));
        all.put("metaspace-always", metaspace("always", true));
        all.put("metaspace-never", metaspace("never", true));
        all.put("metaspace-whole", metaspace("first", false));
        all.put("t5", t5());
        all.put("bert", bert());
        all.put("suffixes", suffixes());
        return all;
    }

    /** Writes tokenizer.json into a folder. */
    public static Path write(Path folder, JsonNode json) throws IOException {
        return Files.writeString(folder.resolve("tokenizer.json"), json.toString());
    }

    /** The library's own ids of a whole text, around which nothing is put. */
    static int[] whole(Path file, String text) throws IOException {
        var ids = new NativeTokenizer(TokenizerFile.read(file).json().toString()).encode(text);
        return IntStream.range(0, ids.length).map(i -> (int) ids[i]).toArray();
    }

    /** The library's own text of ids. */
    public static String text(Path file, int... ids) throws IOException {
        var all = IntStream.of(ids).asLongStream().toArray();
        return new NativeTokenizer(TokenizerFile.read(file).json().toString()).decode(all);
    }
}
