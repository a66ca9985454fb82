package dev.panamba.text;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.Random;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * {@code tokenizer.json} files that are made of anything: parts that published ones have and parts that nobody should have, put
 * together at random. As a program: opens many and has texts go through those that open, in a process that may die of it.
 */
final class MadeTokenizers {
    static final String LLAMA3 = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"
            + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    static final String QWEN = LLAMA3.replace("{1,3}", "");
    static final String CL100K = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}{1,3}"
            + "| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+";
    static final String O200K =
            "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"
                    + "(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+"
                    + "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*"
                    + "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    static final String TEKKEN =
            O200K.replace("(?i:'s|'t|'re|'ve|'m|'ll|'d)?", "").replace("{1,3}", "");
    static final String GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
    static final String DEEPSEEK = "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+"
            + "|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    static final String BLOOM = " ?[^(\\s|[.,!?…。，、।۔،])]+";

    /** What published tokenizers have. */
    static final List<String> PUBLISHED = List.of(
            GPT2,
            LLAMA3,
            QWEN,
            CL100K,
            O200K,
            TEKKEN,
            DEEPSEEK,
            BLOOM,
            "[0-9][0-9][0-9]",
            " {2,}",
            "\\s+",
            "\\p{N}{1,3}",
            "[\\r\\n]",
            "\\s?\\p{L}+",
            "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+",
            "[一-龥ࠀ-一가-퟿]+");

    /** What takes for ever, ends the process, or is not known not to. */
    static final List<String> HARMFUL = List.of(
            "(a+)+$",
            "(?:(?:a|aa)+)+(?=c)$",
            "(a|b)+",
            "(a|a)*c",
            "\\s+$",
            "a+b",
            "a*a*b",
            "\\w*\\w*x",
            "\\s*[\\r\\n]+|\\s|\\s+",
            "\\s*[\\r\\n]+|a|\\s+",
            "[^b]*b|a+",
            "(?<=a)b",
            "(?<!a)b",
            "(a)\\1",
            "(?>a+)b",
            "a+?b",
            "a*",
            "a?",
            "a|",
            "",
            "^a",
            "\\ba",
            "\\Ga",
            "\\X",
            "(?i)a",
            "(?=(\\d{3})+(?!\\d))",
            "a(?!b)c",
            "(?:a{1,60}b{1,60}){1,60}",
            "a{1,60}b{1,60}c{1,60}d",
            "a{9999999}",
            "a{60}{60}",
            "[a&&b]",
            "[[:alpha:]]",
            "[",
            "(",
            ")",
            "\\",
            "(((((((a)))))))",
            "a".repeat(5000));

    private final Random random;
    private final JsonMapper mapper = new JsonMapper();

    MadeTokenizers(long seed) {
        random = new Random(seed);
    }

    private <T> T any(List<T> list) {
        return list.get(random.nextInt(list.size()));
    }

    private String word() {
        return any(List.of("", "a", " ", "\u2581", "##", "</w>", "ab", "\n", "é", "😀", "\u0301", "a".repeat(20), "'"));
    }

    /** Any tokenizer. */
    ObjectNode any() {
        var json = mapper.createObjectNode();
        json.put("version", "1.0").putNull("truncation").putNull("padding");
        var added = json.putArray("added_tokens");
        for (int i = random.nextInt(4); i > 0; i--) {
            added.addObject()
                    .put("id", random.nextInt(60))
                    .put("content", any(List.of("<s>", "</s>", "  ", "a b", "", "ing", "\u2581", "<0x41>")))
                    .put("single_word", random.nextBoolean())
                    .put("lstrip", random.nextBoolean())
                    .put("rstrip", random.nextBoolean())
                    .put("normalized", random.nextBoolean())
                    .put("special", random.nextBoolean());
        }
        json.set("normalizer", random.nextInt(3) == 0 ? null : normalizer(0));
        json.set("pre_tokenizer", random.nextInt(3) == 0 ? null : preTokenizer(0));
        json.set("decoder", random.nextInt(3) == 0 ? null : decoder(0));
        json.set("post_processor", random.nextInt(3) == 0 ? null : postProcessor(0));
        json.set("model", model());
        return json;
    }

    private void sequence(ArrayNode parts, java.util.function.Supplier<ObjectNode> part) {
        for (int i = random.nextInt(4); i > 0; i--) {
            parts.add(part.get());
        }
    }

    private ObjectNode pattern(ObjectNode part) {
        var pattern = part.putObject("pattern");
        if (random.nextBoolean()) {
            pattern.put("String", word());
        } else {
            pattern.put("Regex", any(random.nextInt(4) == 0 ? HARMFUL : PUBLISHED));
        }
        return part;
    }

    private ObjectNode normalizer(int depth) {
        var types = List.of(
                "NFC",
                "NFD",
                "NFKC",
                "NFKD",
                "Lowercase",
                "StripAccents",
                "Nmt",
                "BertNormalizer",
                "Strip",
                "ByteLevel",
                "Prepend",
                "Replace",
                "Precompiled",
                "Sequence");
        var type = any(types.subList(0, depth > 2 ? 13 : 14));
        var part = mapper.createObjectNode().put("type", type);
        switch (type) {
            case "BertNormalizer" ->
                part.put("clean_text", random.nextBoolean())
                        .put("handle_chinese_chars", random.nextBoolean())
                        .put("strip_accents", random.nextBoolean())
                        .put("lowercase", random.nextBoolean());
            case "Strip" -> part.put("strip_left", random.nextBoolean()).put("strip_right", random.nextBoolean());
            case "Prepend" -> part.put("prepend", word());
            case "Replace" -> pattern(part).put("content", word());
            case "Precompiled" -> part.put("precompiled_charsmap", charsmap());
            case "Sequence" -> sequence(part.putArray("normalizers"), () -> normalizer(depth + 1));
            default -> {}
        }
        return part;
    }

    private ObjectNode preTokenizer(int depth) {
        var types = List.of(
                "ByteLevel",
                "BertPreTokenizer",
                "Whitespace",
                "WhitespaceSplit",
                "Digits",
                "UnicodeScripts",
                "CharDelimiterSplit",
                "Metaspace",
                "Punctuation",
                "Split",
                "Sequence");
        var type = any(types.subList(0, depth > 2 ? 10 : 11));
        var part = mapper.createObjectNode().put("type", type);
        var behaviour =
                any(List.of("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous", "Nonsense"));
        switch (type) {
            case "ByteLevel" ->
                part.put("add_prefix_space", random.nextBoolean())
                        .put("trim_offsets", true)
                        .put("use_regex", random.nextBoolean());
            case "Digits" -> part.put("individual_digits", random.nextBoolean());
            case "CharDelimiterSplit" -> part.put("delimiter", any(List.of(" ", "a", "\u2581", "", "ab")));
            case "Metaspace" ->
                part.put("replacement", any(List.of("\u2581", "\u2581", "_", "", "ab")))
                        .put("prepend_scheme", any(List.of("first", "always", "never", "nonsense")))
                        .put("split", random.nextBoolean());
            case "Punctuation" -> part.put("behavior", behaviour);
            case "Split" -> pattern(part).put("behavior", behaviour).put("invert", random.nextBoolean());
            case "Sequence" -> sequence(part.putArray("pretokenizers"), () -> preTokenizer(depth + 1));
            default -> {}
        }
        return part;
    }

    private ObjectNode decoder(int depth) {
        var types = List.of(
                "ByteLevel",
                "ByteFallback",
                "Fuse",
                "Metaspace",
                "WordPiece",
                "BPEDecoder",
                "CTC",
                "Replace",
                "Strip",
                "Sequence");
        var type = any(types.subList(0, depth > 2 ? 9 : 10));
        var part = mapper.createObjectNode().put("type", type);
        switch (type) {
            case "ByteLevel" ->
                part.put("add_prefix_space", true).put("trim_offsets", true).put("use_regex", true);
            case "Metaspace" ->
                part.put("replacement", "\u2581")
                        .put("prepend_scheme", any(List.of("first", "always", "never")))
                        .put("split", random.nextBoolean());
            case "WordPiece" -> part.put("prefix", word()).put("cleanup", random.nextBoolean());
            case "BPEDecoder" -> part.put("suffix", word());
            case "CTC" ->
                part.put("pad_token", word())
                        .put("word_delimiter_token", word())
                        .put("cleanup", random.nextBoolean());
            case "Replace" -> pattern(part).put("content", word());
            case "Strip" ->
                part.put("content", any(List.of(" ", "a", "\u2581")))
                        .put("start", random.nextInt(4))
                        .put("stop", random.nextInt(4) / 2);
            case "Sequence" -> sequence(part.putArray("decoders"), () -> decoder(depth + 1));
            default -> {}
        }
        return part;
    }

    private ObjectNode postProcessor(int depth) {
        var type = any(List.of("ByteLevel", "BertProcessing", "RobertaProcessing", "TemplateProcessing", "Sequence"));
        var part = mapper.createObjectNode().put("type", type);
        switch (type) {
            case "BertProcessing", "RobertaProcessing" -> {
                part.putArray("sep").add("</s>").add(random.nextInt(70));
                part.putArray("cls").add("<s>").add(random.nextInt(70));
                part.put("trim_offsets", true).put("add_prefix_space", true);
            }
            case "ByteLevel" ->
                part.put("add_prefix_space", true).put("trim_offsets", true).put("use_regex", true);
            case "TemplateProcessing" -> {
                var single = part.putArray("single");
                for (int i = random.nextInt(4); i > 0; i--) {
                    if (random.nextBoolean()) {
                        single.addObject()
                                .putObject("SpecialToken")
                                .put("id", "<s>")
                                .put("type_id", 0);
                    } else {
                        single.addObject()
                                .putObject("Sequence")
                                .put("id", random.nextInt(4) == 0 ? "B" : "A")
                                .put("type_id", 0);
                    }
                }
                part.putArray("pair");
                var special = part.putObject("special_tokens").putObject("<s>").put("id", "<s>");
                special.putArray("ids").add(random.nextInt(70));
                special.putArray("tokens").add("<s>");
            }
            default -> {
                if (depth < 2) {
                    sequence(part.putArray("processors"), () -> postProcessor(depth + 1));
                }
            }
        }
        return part;
    }

    private ObjectNode model() {
        var type = any(List.of("BPE", "BPE", "Unigram", "WordPiece", "WordLevel"));
        var model = mapper.createObjectNode().put("type", type);
        var words = List.of(
                "<unk>", "a", "b", " ", "\u2581", "ab", "aa", "\u2581a", "a\u2581", "##a", "##b", "a</w>", "b</w>", "Ġ",
                "Ġa", "<s>", "é", "<0xF0>", "<0x9F>", "<0x98>", "<0x80>", "<0x41>", "1", ".", "", "\n", "ĊĊ", "😀",
                "aaaa", "_");
        if (type.equals("Unigram")) {
            var vocab = model.putArray("vocab");
            words.forEach(word -> vocab.addArray().add(word).add(-random.nextInt(9)));
            model.put("unk_id", random.nextInt(8) == 0 ? 99 : 0).put("byte_fallback", random.nextBoolean());
            return model;
        }
        var vocab = model.putObject("vocab");
        int id = 0;
        for (var word : words) {
            vocab.put(word, id);
            id += random.nextInt(20) == 0 ? 2 : 1;
        }
        model.put("unk_token", random.nextInt(6) == 0 ? "missing" : "<unk>");
        if (type.equals("WordPiece")) {
            model.put("continuing_subword_prefix", any(List.of("##", "", "é")))
                    .put("max_input_chars_per_word", any(List.of(0, 3, 100, 1_000_000)));
        } else if (type.equals("BPE")) {
            var merges = model.putArray("merges");
            merges.addArray().add("a").add("b");
            merges.addArray().add("a").add("a");
            merges.addArray().add("\u2581").add("a");
            merges.addArray().add("Ġ").add("a");
            merges.addArray().add("a").add("\u2581");
            merges.addArray().add("aa").add("aa");
            model.put("dropout", random.nextInt(10) == 0 ? 0.5 : 0)
                    .put("continuing_subword_prefix", any(List.of("", "", "", "##", "ab")))
                    .put("end_of_word_suffix", any(List.of("", "</w>")))
                    .put("fuse_unk", random.nextBoolean())
                    .put("byte_fallback", random.nextBoolean())
                    .put("ignore_merges", random.nextBoolean());
        }
        return model;
    }

    /** A table that turns A into é and a into nothing, whole or with some bytes that are others. */
    private String charsmap() {
        var bytes = charsmap("é\0\0".getBytes(StandardCharsets.UTF_8), 'A', 0, 'a', 3);
        for (int i = random.nextInt(3); i > 0; i--) {
            bytes[random.nextInt(bytes.length)] = (byte) random.nextInt(256);
        }
        return Base64.getEncoder().encodeToString(bytes);
    }

    /** A double array for single bytes: pairs of a byte and where its replacement begins. */
    static byte[] charsmap(byte[] replacements, int... entries) {
        // The root's children are in the second block, and the values of the child c in the third one.
        int blocks = 3;
        var units = new int[256 * blocks];
        units[0] = 256 << 10;
        for (int i = 0; i < entries.length; i += 2) {
            int child = 256 ^ entries[i];
            int leaf = 512 ^ entries[i];
            units[child] = (child ^ leaf) << 10 | 1 << 8 | entries[i];
            units[leaf] = 1 << 31 | entries[i + 1];
        }
        var out =
                ByteBuffer.allocate(4 + 4 * units.length + replacements.length).order(ByteOrder.LITTLE_ENDIAN);
        out.putInt(4 * units.length);
        for (int unit : units) {
            out.putInt(unit);
        }
        return out.put(replacements).array();
    }

    /** Any text, of characters that parts of tokenizers know. */
    String text() {
        var parts = List.of(
                "a", "b", "A", " ", "  ", "\n", "\r\n", "\t", "1", "23", ".", "'s", "é", "e\u0301", "日本", "😀",
                "\u2581", "<s>", "</s>", "\0", "\uD800", "\uFFFD", "\u00A0", "\u3000", "ﷺ", "aaaa", "ab", "``", "한",
                "\u200D", "ß", "İ", "\u0301");
        var text = new StringBuilder();
        for (int i = random.nextInt(random.nextInt(5) == 0 ? 200 : 12); i > 0; i--) {
            text.append(any(parts).repeat(random.nextInt(10) == 0 ? 50 : 1));
        }
        return text.toString();
    }

    /** Arguments: a seed, how many. Prints how many could be opened, and that it lives. */
    public static void main(String[] arguments) throws IOException {
        var made = new MadeTokenizers(Long.parseLong(arguments[0]));
        int opened = 0;
        var file = Files.createTempFile("made", ".json");
        for (int i = 0; i < Integer.parseInt(arguments[1]); i++) {
            var json = made.any();
            if (arguments.length > 2) {
                Files.writeString(Path.of(arguments[2]), json.toString());
            }
            Files.writeString(file, json.toString());
            Tokenizer tokenizer;
            try {
                tokenizer = Tokenizers.open(file);
                opened++;
            } catch (IOException e) {
                check(e.getMessage().startsWith(file + " is "), e.toString());
                continue;
            }
            for (int j = 0; j < 8; j++) {
                through(tokenizer, made.text(), made.random);
            }
        }
        Files.delete(file);
        System.out.println("opened " + opened + ", alive");
    }

    private static void through(Tokenizer tokenizer, String text, Random random) {
        try {
            var decoder = random.nextBoolean() ? tokenizer.decoder() : tokenizer.decoderBehind(random.nextInt(60));
            for (int id : tokenizer.encode(text)) {
                check(id >= 0 && id < tokenizer.vocabulary(), "id " + id);
                decoder.append(id);
            }
            for (int i = 0; i < 20; i++) {
                decoder.append(random.nextInt(tokenizer.vocabulary()));
            }
        } catch (IllegalArgumentException e) {
            check(e.getMessage().startsWith("The text cannot be encoded: "), e.toString());
        }
    }

    private static void check(boolean right, String message) {
        if (!right) {
            throw new AssertionError(message);
        }
    }

    /** Bytes of a text, cut anywhere. */
    static int[] inPieces(Tokenizer tokenizer, String text, int piece) {
        var bytes = text.getBytes(StandardCharsets.UTF_8);
        var encoder = tokenizer.encoder();
        var buffer = new byte[piece];
        var all = new java.util.ArrayList<Integer>();
        for (int at = 0; at < bytes.length; at += piece) {
            int count = Math.min(piece, bytes.length - at);
            System.arraycopy(bytes, at, buffer, 0, count);
            for (int id : encoder.append(buffer, count)) {
                all.add(id);
            }
        }
        for (int id : encoder.finish()) {
            all.add(id);
        }
        return all.stream().mapToInt(Integer::intValue).toArray();
    }
}
