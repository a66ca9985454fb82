package dev.panamba.text;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Any {@code tokenizer.json}, through Hugging Face's tokenizers (DJL's binding). */
final class JsonTokenizer implements Tokenizer {
    /** Names under which published vocabularies keep the token that ends a document. */
    private static final List<String> ENDS = List.of("<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<|eos|>");

    /** A character has at most four bytes, so behind more tokens than this what is not whole is no character. */
    private static final int MOST_PARTS = 8;

    static {
        // The library would otherwise ask a cloud's address where it runs; the engine opens no socket.
        System.setProperty("OPT_OUT_TRACKING", "true");
        System.setProperty("ai.djl.offline", "true");
    }

    private final HuggingFaceTokenizer tokenizer;
    private final int vocabulary;
    private final OptionalInt endOfText;

    JsonTokenizer(Path file) throws IOException {
        JsonNode json;
        try {
            json = new JsonMapper().readTree(file);
        } catch (JacksonException e) {
            throw new IOException(file + " is no tokenizer.json: " + e.getOriginalMessage(), e);
        }
        int highest = -1;
        var end = OptionalInt.empty();
        var vocab = json.path("model").path("vocab");
        if (vocab.isObject()) {
            for (var entry : vocab.properties()) {
                highest = Math.max(highest, entry.getValue().asInt(-1));
            }
        } else {
            highest = vocab.size() - 1;
        }
        for (var added : json.path("added_tokens")) {
            int id = added.path("id").asInt(-1);
            highest = Math.max(highest, id);
            if (end.isEmpty() && ENDS.contains(added.path("content").asString(""))) {
                end = OptionalInt.of(id);
            }
        }
        if (highest < 0) {
            throw new IOException(file + " is no tokenizer.json: it has no vocabulary.");
        }
        vocabulary = highest + 1;
        endOfText = end;
        try {
            tokenizer =
                    HuggingFaceTokenizer.newInstance(file, Map.of("addSpecialTokens", "false", "truncation", "false"));
        } catch (RuntimeException e) {
            throw new IOException(file + " is refused by the tokenizers library: " + e.getMessage(), e);
        }
    }

    @Override
    public int vocabulary() {
        return vocabulary;
    }

    @Override
    public int[] encode(String text) {
        var ids = tokenizer.encode(text, false, false).getIds();
        var tokens = new int[ids.length];
        for (int i = 0; i < ids.length; i++) {
            tokens[i] = (int) ids[i];
        }
        return tokens;
    }

    @Override
    public int[] encode(byte[] bytes, int count) {
        return encode(new String(bytes, 0, count, StandardCharsets.UTF_8));
    }

    @Override
    public OptionalInt endOfText() {
        return endOfText;
    }

    @Override
    public Decoder decoder() {
        return new Incremental();
    }

    /**
     * Decodes a few tokens with and without the newest, since how a token reads can depend on the one before, and gives what is
     * new once it ends in a whole character.
     */
    private final class Incremental implements Decoder {
        private final List<Integer> tokens = new ArrayList<>();
        private int given;

        @Override
        public String append(int token) {
            if (token < 0 || token >= vocabulary) {
                return "";
            }
            tokens.add(token);
            var before = decode(given);
            var now = decode(tokens.size());
            if (now.endsWith("\uFFFD") && tokens.size() - given < MOST_PARTS || now.length() < before.length()) {
                return "";
            }
            tokens.subList(0, given).clear();
            given = tokens.size();
            return now.substring(before.length());
        }

        private String decode(int count) {
            return tokenizer.decode(
                    tokens.stream().limit(count).mapToLong(Integer::longValue).toArray(), false);
        }
    }
}
