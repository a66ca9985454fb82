package dev.panamba.text;

import java.text.Normalizer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import tools.jackson.databind.JsonNode;

/**
 * Where a text can be cut so that its parts have the tokens of the whole: between a letter or digit and white space behind it, where
 * the tokenizer's own parts say so. Nothing in front of the place may look behind it, one stage of the pre-tokeniser must part the
 * text there (or, without one, no token of a BPE goes over a space), and no added token may touch it.
 */
final class Cuts {
    /** What parts a text, tried in order. */
    private interface Stage {
        Effect at(int left, int right);
    }

    /** What a stage does to a place. */
    private enum Effect {
        /** It parts the text there, whatever comes around. */
        PARTS,
        /** It makes no difference to it whether the text ends there. */
        PASSES,
        /** Not known. */
        REFUSES
    }

    private static final SplitRegex GPT2 =
            new SplitRegex("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+");

    private final List<String> added;
    private final int longestAdded;
    private final List<Stage> stages = new ArrayList<>();
    private final Map<Integer, Boolean> known = new ConcurrentHashMap<>();
    private boolean never;
    /** Whether letters may become others in front of the stages. */
    private boolean changesLetters;
    /** Whether only a space will do, since what begins with anything else gets a space in front. */
    private boolean spacesOnly;
    /** What stands for a space behind the normaliser. */
    private char space = ' ';
    /** Whether every text gets a space in front, so that the one at the cut is left out. */
    private boolean leavesOutSpace;

    private Charsmap charsmap;

    private Cuts(List<String> added) {
        this.added = added;
        this.longestAdded = added.stream().mapToInt(String::length).max().orElse(0);
    }

    static Cuts of(JsonNode json, Map<String, Integer> tokens, List<String> added) {
        var cuts = new Cuts(added.stream().filter(token -> !token.isEmpty()).toList());
        cuts.normalizer(json.path("normalizer"));
        cuts.preTokenizer(json.path("pre_tokenizer"));
        cuts.model(json.path("model"), tokens);
        // An added token that is looked for behind the normaliser may have any spelling in front of it.
        cuts.never |= (cuts.changesLetters || cuts.charsmap != null)
                && json.path("added_tokens")
                        .valueStream()
                        .anyMatch(t -> t.path("normalized").asBoolean(true));
        cuts.never |= cuts.leavesOutSpace && cuts.space != '\u2581';
        return cuts;
    }

    private void normalizer(JsonNode normalizer) {
        switch (normalizer.path("type").asString("")) {
            case "Sequence" -> normalizer.path("normalizers").forEach(this::normalizer);
            case "", "NFC" -> {}
            case "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt", "BertNormalizer" -> changesLetters = true;
            case "Strip" -> {
                never |= normalizer.path("strip_left").asBoolean(true);
                spacesOnly = true;
            }
            case "Prepend" -> {
                never |= leavesOutSpace
                        || !normalizer.path("prepend").asString("").equals("\u2581");
                leavesOutSpace = true;
                spacesOnly = true;
            }
            case "Replace" -> replace(normalizer);
            case "Precompiled" -> {
                charsmap = new Charsmap(normalizer.path("precompiled_charsmap").asString(""));
                spacesOnly = true;
                never |= !charsmap.leaves(' ');
            }
            default -> never = true;
        }
    }

    private void replace(JsonNode replace) {
        var pattern = replace.path("pattern");
        var content = replace.path("content").asString("");
        if (pattern.path("String").asString("").equals(" ") && content.equals("\u2581")) {
            space = '\u2581';
            return;
        }
        // What is no letter or digit, and no single space, may become whatever it likes.
        var regex = regex(pattern);
        never |= "aA1".chars().anyMatch(regex::mentions)
                || regex.mentions(' ') && regex.shortest() < 2 && !content.equals(" ");
        changesLetters = true;
        spacesOnly = true;
    }

    /** The pattern of a part, which was checked. */
    static SplitRegex regex(JsonNode pattern) {
        var text = pattern.path("String").asString("");
        return text.isEmpty() ? new SplitRegex(pattern.path("Regex").asString("")) : SplitRegex.literal(text);
    }

    private void preTokenizer(JsonNode pre) {
        switch (pre.path("type").asString("")) {
            case "" -> {}
            case "Sequence" -> pre.path("pretokenizers").forEach(this::preTokenizer);
            case "ByteLevel" -> {
                boolean parts = pre.path("use_regex").asBoolean(true);
                spacesOnly |= pre.path("add_prefix_space").asBoolean(true);
                add((left, right) -> parts && GPT2.parts(left, right) ? Effect.PARTS : Effect.REFUSES);
            }
            case "Split" -> add(split(pre));
            case "Metaspace" -> {
                boolean parts = pre.path("split").asBoolean(true);
                var replacement = pre.path("replacement").asString("\u2581");
                never |= replacement.length() != 1 || space != ' ' && space != replacement.charAt(0);
                spacesOnly = true;
                add((_, _) -> parts ? Effect.PARTS : Effect.PASSES);
                space = never ? ' ' : replacement.charAt(0);
            }
            case "BertPreTokenizer", "Whitespace", "WhitespaceSplit" ->
                add((_, right) -> Character.isWhitespace(right) ? Effect.PARTS : Effect.PASSES);
            case "Digits", "Punctuation" -> add((_, _) -> Effect.PASSES);
            case "CharDelimiterSplit" -> {
                var delimiter = pre.path("delimiter").asString("");
                add((_, right) -> delimiter.equals(Character.toString(right)) ? Effect.PARTS : Effect.PASSES);
            }
            default -> add((_, _) -> Effect.REFUSES);
        }
    }

    /** A stage sees what stands for a space at its place. */
    private void add(Stage stage) {
        char seen = space;
        stages.add((left, right) -> stage.at(left, right == ' ' ? seen : right));
    }

    private static Stage split(JsonNode split) {
        var regex = regex(split.path("pattern"));
        boolean plain = !split.path("invert").asBoolean(false)
                && Set.of("Isolated", "Removed").contains(split.path("behavior").asString(""));
        return (left, right) -> {
            if (!regex.mentions(left) && !regex.mentions(right)) {
                return Effect.PASSES;
            }
            if (!plain || regex.crosses(left, right)) {
                return Effect.REFUSES;
            }
            return regex.parts(left, right) ? Effect.PARTS : Effect.PASSES;
        };
    }

    /** Without a stage that parts the text, a BPE does where no token has a space behind another character. */
    private void model(JsonNode model, Map<String, Integer> tokens) {
        char between = space;
        boolean parts = model.has("merges")
                && model.path("end_of_word_suffix").asString("").isEmpty()
                && !model.path("ignore_merges").asBoolean(false)
                && tokens.containsKey(String.valueOf(between))
                && tokens.keySet().stream().noneMatch(token -> hasInside(token, between));
        spacesOnly |= stages.isEmpty();
        add((_, _) -> parts ? Effect.PARTS : Effect.REFUSES);
    }

    private static boolean hasInside(String token, char space) {
        for (int i = 1; i < token.length(); i++) {
            if (token.charAt(i) == space && token.charAt(i - 1) != space) {
                return true;
            }
        }
        return false;
    }

    /** Whether a tokenizer adds what a cut leaves out. */
    boolean leavesOutSpace() {
        return leavesOutSpace;
    }

    /** Characters around a place that decide about it. */
    int reach() {
        return longestAdded + 2;
    }

    /**
     * Whether a text can be cut in front of a character.
     *
     * @param text with {@link #reach} more characters behind the place, or to its end
     */
    boolean at(CharSequence text, int index) {
        if (never || index < 1 || index + 1 >= text.length()) {
            return false;
        }
        char left = text.charAt(index - 1);
        char right = text.charAt(index);
        boolean isSpace = right == ' ' && isLetterOrDigit(text.charAt(index + 1));
        return isLetterOrDigit(left)
                && (isSpace || right == '\n' && !spacesOnly)
                && parts(left, right)
                && !touchesAdded(text, index);
    }

    private boolean isLetterOrDigit(char c) {
        boolean plain = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9';
        return (plain || !changesLetters && isWhole(c)) && (charsmap == null || charsmap.leaves(c));
    }

    /** Whether it is a letter or digit that Unicode's composition leaves as it is, whatever stands before it. */
    private static boolean isWhole(char c) {
        boolean isJamo = c >= 0x1100 && c < 0x1200;
        return Character.isLetterOrDigit(c)
                && !isJamo
                && Normalizer.isNormalized(String.valueOf(c), Normalizer.Form.NFC);
    }

    private boolean parts(char left, char right) {
        return known.computeIfAbsent(left << 16 | right, _ -> {
            for (var stage : stages) {
                var effect = changesLetters ? both(stage, left, right) : stage.at(left, right);
                if (effect != Effect.PASSES) {
                    return effect == Effect.PARTS;
                }
            }
            return false;
        });
    }

    /** A letter may have been made small. */
    private static Effect both(Stage stage, char left, char right) {
        var effect = stage.at(left, right);
        return stage.at(Character.toLowerCase(left), right) == effect ? effect : Effect.REFUSES;
    }

    /** An added token takes its text, and the white space beside it, before all else. */
    private boolean touchesAdded(CharSequence text, int index) {
        int from = Math.max(0, index - longestAdded - 1);
        var around = text.subSequence(from, Math.min(text.length(), index + longestAdded + 2))
                .toString();
        int at = index - from;
        for (var token : added) {
            for (int i = around.indexOf(token); i >= 0; i = around.indexOf(token, i + 1)) {
                if (i <= at + 1 && i + token.length() >= at) {
                    return true;
                }
            }
        }
        return false;
    }
}
