package dev.panamba.text;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import dev.panamba.io.FileType;
import dev.panamba.io.InputFiles;
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

    /** More ids than any vocabulary has. */
    private static final int MOST_IDS = 1 << 24;

    /** A character has at most four bytes, so of more broken ones in a row the first can become none. */
    private static final int MOST_BROKEN = 8;
    /** Tokens that are decoded together at most, however long the text does not end in a whole character. */
    private static final int MOST_TOKENS = 256;

    static {
        // The library would otherwise ask a cloud's address where it runs; the engine opens no socket.
        System.setProperty("OPT_OUT_TRACKING", "true");
        System.setProperty("ai.djl.offline", "true");
        // It copies its own library to ~/.djl.ai (or the temporary folder) and that of JNA to ~/.cache/JNA otherwise.
        var cache = System.getenv("PANAMBA_CACHE");
        if (cache != null && !cache.isEmpty()) {
            System.setProperty("ENGINE_CACHE_DIR", cache);
            System.setProperty("jna.tmpdir", cache);
        }
    }

    private final HuggingFaceTokenizer tokenizer;
    private final int vocabulary;
    private final OptionalInt endOfText;

    JsonTokenizer(Path file) throws IOException {
        InputFiles.check(file);
        JsonNode json;
        try {
            json = new JsonMapper().readTree(file);
        } catch (JacksonException e) {
            var why = InputFiles.type(file).map(FileType::toString).orElse(e.getOriginalMessage());
            throw new IOException(file + " is no tokenizer.json: " + why, e);
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
        if (highest < 0 || highest >= MOST_IDS) {
            throw new IOException(file + " is no tokenizer.json: it has no vocabulary, or ids beyond any.");
        }
        vocabulary = highest + 1;
        endOfText = end;
        try {
            tokenizer = HuggingFaceTokenizer.newInstance(
                    file, Map.of("addSpecialTokens", "false", "truncation", "false", "padding", "false"));
        } catch (RuntimeException | LinkageError e) {
            // It does not always say why its own library could not be loaded.
            if (e instanceof LinkageError || String.valueOf(e.getMessage()).contains("native library")) {
                throw new IOException(
                        "The tokenizers library cannot be loaded (" + reason(e)
                                + "): set PANAMBA_CACHE to a folder that can be written and allows execution.",
                        e);
            }
            throw new IOException(file + " is refused by the tokenizers library: " + e.getMessage(), e);
        }
    }

    private static Throwable reason(Throwable e) {
        return e.getCause() == null ? e : reason(e.getCause());
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
            if (ids[i] < 0 || ids[i] >= vocabulary) {
                throw new IllegalStateException("The tokenizer gave the id " + ids[i]
                        + ", which is not in its own vocabulary of " + vocabulary + ".");
            }
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
     * Decodes the tokens since a moment at which the text ended in a whole character, and some before it, since how a token
     * reads can depend on the one before; gives what is new and whole.
     */
    private final class Incremental implements Decoder {
        private final List<Integer> tokens = new ArrayList<>();
        /** Tokens at the front that were given before and are only context. */
        private int context;
        /** Characters of the tokens' text that were given. */
        private int given;

        @Override
        public String append(int token) {
            if (token < 0 || token >= vocabulary) {
                return "";
            }
            tokens.add(token);
            var text = decode();
            int end = whole(text);
            var fresh = end > given ? text.substring(given, end) : "";
            given = Math.max(given, end);
            if (end == text.length() || tokens.size() > MOST_TOKENS) {
                tokens.subList(0, context).clear();
                context = tokens.size();
                given = decode().length();
            }
            return fresh;
        }

        /** Where the characters end that no further token can change. */
        private static int whole(String text) {
            int end = text.length();
            while (end > 0 && text.charAt(end - 1) == '\uFFFD') {
                end--;
            }
            return text.length() - end > MOST_BROKEN ? text.length() - MOST_BROKEN / 2 : end;
        }

        private String decode() {
            return tokenizer.decode(
                    tokens.stream().mapToLong(Integer::longValue).toArray(), false);
        }
    }
}
