package dev.panamba.text;

import static dev.panamba.text.TokenizerFile.shortened;

import java.util.Set;
import java.util.stream.IntStream;
import tools.jackson.databind.JsonNode;

/** What of a {@code tokenizer.json} is known to be harmless: the parts that published ones have, within bounds. */
final class TokenizerChecks {
    /** Parts of a sequence, and of all sequences in it. */
    private static final int MOST_PARTS = 32;
    /** How much longer all that replaces or adds characters can make a text. */
    private static final int MOST_GROWTH = 128;
    /** Characters of a text that is put in front, or replaces another. */
    private static final int LONGEST_TEXT = 16;
    /** What is longer than that in a WordPiece is one unknown token; each of its parts is looked up. */
    private static final int LONGEST_WORD = 200;
    /** The library tries every piece that a text may go on with. */
    private static final int LONGEST_PIECE = 256;

    private static final int MOST_CHARACTERS = 1 << 23;

    private static final Set<String> BEHAVIOURS =
            Set.of("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous");

    private int parts;
    private long growth = 1;

    void model(JsonNode model) {
        if (model.path("vocab").isEmpty()) {
            throw new IllegalArgumentException("it has no vocabulary");
        }
        // Old files do not name the type.
        switch (model.path("type").asString(model.has("merges") ? "BPE" : "")) {
            case "BPE" -> bpe(model);
            case "Unigram" -> unigram(model);
            case "WordPiece" -> {
                if (model.path("max_input_chars_per_word").asLong(LONGEST_WORD) > LONGEST_WORD) {
                    throw new IllegalArgumentException("its WordPiece takes words of more than " + LONGEST_WORD
                            + " characters (max_input_chars_per_word)");
                }
            }
            case "WordLevel" -> {}
            default -> throw unknown("model", model);
        }
    }

    private static void bpe(JsonNode model) {
        if (model.path("dropout").asDouble(0) != 0) {
            throw new IllegalArgumentException("its BPE has a dropout of " + model.path("dropout")
                    + ", which gives other tokens each time: set it to null");
        }
        if (!model.path("continuing_subword_prefix").asString("").isEmpty()) {
            throw new IllegalArgumentException(
                    "its BPE has a continuing_subword_prefix, with which some merges end the process");
        }
        if (!model.path("merges").isArray()) {
            throw new IllegalArgumentException("its BPE has no merges");
        }
    }

    private static void unigram(JsonNode model) {
        var vocab = model.path("vocab");
        var unknown = model.path("unk_id");
        if (!vocab.isArray()
                || !unknown.isIntegralNumber()
                || unknown.asLong() < 0
                || unknown.asLong() >= vocab.size()) {
            throw new IllegalArgumentException(
                    "its Unigram has no list of pieces, or the unk_id " + unknown + " is not one of them");
        }
        long characters = 0;
        for (var piece : vocab) {
            int length = piece.path(0).asString("").length();
            characters += length;
            if (length > LONGEST_PIECE || !piece.path(1).isNumber()) {
                throw new IllegalArgumentException("its Unigram has a piece without a score, or longer than "
                        + LONGEST_PIECE + ": " + shortened(piece.toString()));
            }
        }
        if (characters > MOST_CHARACTERS) {
            throw new IllegalArgumentException(
                    "its Unigram's pieces have more than " + MOST_CHARACTERS + " characters together");
        }
    }

    void normalizer(JsonNode normalizer) {
        if (isNone(normalizer)) {
            return;
        }
        switch (type("normalizer", normalizer)) {
            case "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt", "BertNormalizer", "Strip" -> {}
            case "ByteLevel" -> grow(2);
            case "Prepend" -> {
                if (text("Prepend", normalizer.path("prepend")).isEmpty()) {
                    throw new IllegalArgumentException("its Prepend normaliser puts nothing in front");
                }
                grow(2);
            }
            case "Replace" -> replace(normalizer);
            case "Precompiled" -> {
                grow(Charsmap.GROWTH);
                try {
                    new Charsmap(normalizer.path("precompiled_charsmap").asString(""));
                } catch (IllegalArgumentException e) {
                    throw new IllegalArgumentException(
                            "its Precompiled normaliser's precompiled_charsmap is damaged: " + e.getMessage(), e);
                }
            }
            case "Sequence" -> normalizer.path("normalizers").forEach(this::normalizer);
            default -> throw unknown("normalizer", normalizer);
        }
    }

    /**
     * Checks the added tokens, which the library looks for first: some as they stand, some (normalized) in what the normaliser makes
     * of a text, where a token of which that leaves nothing would be found between any two bytes. One that takes the white space
     * behind it must not take the beginning of the next.
     */
    void added(JsonNode tokens, JsonNode normalizer) {
        boolean whole = !deletes(normalizer);
        for (boolean normalized : new boolean[] {false, true}) {
            boolean strips = false;
            boolean spaced = false;
            for (var token : tokens) {
                var content = token.path("content").asString("");
                if (content.isEmpty() || token.path("normalized").asBoolean(true) != normalized) {
                    continue;
                }
                strips |= token.path("rstrip").asBoolean(false);
                spaced |= normalized && !isNone(normalizer) || isSpace(content.codePointAt(0));
                if (normalized
                        && !whole
                        && !(content.chars().anyMatch(TokenizerChecks::isVisible) && keepsVisible(normalizer))) {
                    throw new IllegalArgumentException("its normaliser might leave nothing of its added token "
                            + shortened(content) + ": set the token's normalized to false");
                }
            }
            if (strips && spaced) {
                throw new IllegalArgumentException(
                        "it has an added token with rstrip beside others that may begin with a space");
            }
        }
    }

    private static boolean isSpace(int character) {
        return Character.isWhitespace(character) || Character.isSpaceChar(character) || character == 0x85;
    }

    private static boolean isVisible(int character) {
        return character > ' ' && character < 0x7F;
    }

    /** Whether a normaliser may take characters away. */
    private static boolean deletes(JsonNode normalizer) {
        return switch (normalizer.path("type").asString("")) {
            case "StripAccents", "Nmt", "BertNormalizer", "Strip", "Precompiled" -> true;
            case "Replace" -> normalizer.path("content").asString("").isEmpty();
            case "Sequence" -> normalizer.path("normalizers").valueStream().anyMatch(TokenizerChecks::deletes);
            default -> false;
        };
    }

    /** Whether visible ASCII characters stay such. */
    private static boolean keepsVisible(JsonNode normalizer) {
        var visible = IntStream.rangeClosed('!', '~');
        return switch (normalizer.path("type").asString("")) {
            case "Precompiled" -> {
                var charsmap =
                        new Charsmap(normalizer.path("precompiled_charsmap").asString(""));
                yield visible.allMatch(charsmap::leaves);
            }
            case "Replace" -> {
                var regex = Cuts.regex(normalizer.path("pattern"));
                yield normalizer.path("content").asString("").chars().anyMatch(TokenizerChecks::isVisible)
                        || visible.noneMatch(regex::mentions);
            }
            case "Sequence" -> normalizer.path("normalizers").valueStream().allMatch(TokenizerChecks::keepsVisible);
            default -> true;
        };
    }

    void preTokenizer(JsonNode pre) {
        if (isNone(pre)) {
            return;
        }
        switch (type("pre_tokenizer", pre)) {
            case "ByteLevel" -> grow(2);
            case "BertPreTokenizer",
                    "Whitespace",
                    "WhitespaceSplit",
                    "Digits",
                    "UnicodeScripts",
                    "CharDelimiterSplit" -> {}
            case "Metaspace" -> {
                text("Metaspace", pre.path("replacement"));
                grow(2);
            }
            case "Punctuation" -> {
                if (pre.has("behavior")) {
                    behaviour(pre);
                }
            }
            case "Split" -> {
                pattern("Split", pre.path("pattern"));
                behaviour(pre);
            }
            case "Sequence" -> pre.path("pretokenizers").forEach(this::preTokenizer);
            default -> throw unknown("pre_tokenizer", pre);
        }
    }

    void decoder(JsonNode decoder) {
        if (isNone(decoder)) {
            return;
        }
        switch (type("decoder", decoder)) {
            case "ByteLevel", "ByteFallback", "Fuse" -> {}
            case "Metaspace" -> text("Metaspace", decoder.path("replacement"));
            case "WordPiece" -> {
                text("WordPiece", decoder.path("prefix"));
                grow(2);
            }
            case "BPEDecoder" -> {
                text("BPEDecoder", decoder.path("suffix"));
                grow(2);
            }
            case "Replace" -> replace(decoder);
            case "Strip" -> {
                // It counts back from the end without looking how long a token is.
                if (decoder.path("stop").asLong(0) != 0 || decoder.path("start").asLong(0) > LONGEST_TEXT) {
                    throw new IllegalArgumentException("its Strip decoder strips the end, or more than " + LONGEST_TEXT
                            + " characters of the front: start " + decoder.path("start") + ", stop "
                            + decoder.path("stop"));
                }
            }
            case "Sequence" -> decoder.path("decoders").forEach(this::decoder);
            default -> throw unknown("decoder", decoder);
        }
    }

    private void replace(JsonNode replace) {
        var shortest = pattern("Replace", replace.path("pattern"));
        var content = text("Replace", replace.path("content"));
        int length = content.codePointCount(0, content.length());
        grow(Math.max(1, Math.ceilDiv(length, shortest)));
    }

    private void grow(int times) {
        growth *= times;
        if (growth > MOST_GROWTH) {
            throw new IllegalArgumentException(
                    "its parts together could make a text more than " + MOST_GROWTH + " times as long");
        }
    }

    /** Checks a pattern; gives the characters of its shortest match, or fewer. */
    private static int pattern(String part, JsonNode pattern) {
        var text = pattern.path("String").asString("");
        if (!text.isEmpty()) {
            text(part, pattern.path("String"));
            return text.codePointCount(0, text.length());
        }
        var regex = pattern.path("Regex").asString("");
        if (regex.isEmpty()) {
            throw new IllegalArgumentException("its " + part + " has no pattern");
        }
        try {
            return Math.max(1, new SplitRegex(regex).shortest());
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(
                    "its " + part + " has the regular expression " + shortened(regex)
                            + ", which is not known to be harmless (" + e.getMessage() + ")",
                    e);
        }
    }

    private static String text(String part, JsonNode text) {
        var value = text.asString("");
        if (value.length() > LONGEST_TEXT) {
            throw new IllegalArgumentException(
                    "its " + part + " has a text of more than " + LONGEST_TEXT + " characters: " + shortened(value));
        }
        return value;
    }

    private static void behaviour(JsonNode part) {
        if (!BEHAVIOURS.contains(part.path("behavior").asString(""))) {
            throw unknown("behavior", part);
        }
    }

    private String type(String what, JsonNode part) {
        if (++parts > MOST_PARTS) {
            throw new IllegalArgumentException(
                    "it has more than " + MOST_PARTS + " normalisers, pre-tokenisers and decoders");
        }
        if (!part.path("type").isString()) {
            throw unknown(what, part);
        }
        return part.path("type").asString();
    }

    private static IllegalArgumentException unknown(String what, JsonNode part) {
        var name = part.has("type") ? part.path("type") : part;
        return new IllegalArgumentException(
                "its " + what + " is " + shortened(name.toString()) + ", which is not known to be harmless");
    }

    private static boolean isNone(JsonNode part) {
        return part.isNull() || part.isMissingNode();
    }
}
