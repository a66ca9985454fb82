package dev.panamba.text;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.OptionalInt;

/** Any {@code tokenizer.json} that is known to be harmless, through Hugging Face's tokenizers. */
final class JsonTokenizer implements Tokenizer {
    /** A character has at most four bytes, so of more broken ones in a row the first can become none. */
    private static final int MOST_BROKEN = 8;
    /** Tokens that are decoded together at most, however long the text does not end in a whole character. */
    private static final int MOST_TOKENS = 256;
    /** Characters that are encoded together where a text can be cut. */
    private static final int PIECE = 1 << 16;
    /** Characters that are encoded together where it cannot: the library takes up to a thousand bytes for each. */
    private static final int MOST_CHARACTERS = 1 << 21;

    private final TokenizerFile file;
    private final NativeTokenizer tokenizer;
    private final boolean plain;
    /** Tokens that are a byte inside of a character. */
    private final BitSet inside;

    JsonTokenizer(Path path) throws IOException {
        file = TokenizerFile.read(path);
        plain = false;
        inside = inside(file);
        try {
            tokenizer = new NativeTokenizer(file.json().toString());
        } catch (NativeTokenizer.RefusedException e) {
            throw new IOException(path + " is refused by the tokenizers library: " + e.getMessage(), e);
        }
    }

    private JsonTokenizer(JsonTokenizer other) {
        file = other.file;
        plain = true;
        inside = other.inside;
        tokenizer = other.tokenizer;
    }

    private static BitSet inside(TokenizerFile file) {
        var inside = new BitSet();
        for (int b = 0x80; b < 0xC0; b++) {
            var id = file.tokens().get("<0x%02X>".formatted(b));
            if (id != null) {
                inside.set(id);
            }
        }
        return inside;
    }

    @Override
    public int vocabulary() {
        return file.vocabulary();
    }

    @Override
    public int[] encode(String text) {
        return encode(text, plain);
    }

    @Override
    public int[] encode(byte[] bytes, int count) {
        return encode(new String(bytes, 0, count, StandardCharsets.UTF_8), true);
    }

    private int[] encode(String text, boolean plain) {
        var pieces = new Pieces(plain);
        pieces.text.append(text);
        return concat(pieces.cut(), pieces.end());
    }

    @Override
    public Encoder encoder() {
        return new Pieces(plain);
    }

    @Override
    public Tokenizer plain() {
        return plain ? this : new JsonTokenizer(this);
    }

    @Override
    public OptionalInt endOfText() {
        return file.endOfText();
    }

    @Override
    public Decoder decoder() {
        return new Incremental();
    }

    @Override
    public Decoder decoderBehind(int... before) {
        var decoder = new Incremental();
        int from = 0;
        // Bytes that begin inside of a character would spoil the whole ones behind it.
        while (from < before.length && before[from] >= 0 && inside.get(before[from])) {
            from++;
        }
        for (int token : Arrays.copyOfRange(before, from, before.length)) {
            decoder.append(token);
        }
        if (decoder.tokens.isEmpty()) {
            // A word of its own, behind which the next one has its space.
            for (int token : encode("a", true)) {
                decoder.append(token);
            }
        }
        return decoder;
    }

    private static int[] concat(int[]... parts) {
        return Arrays.stream(parts).flatMapToInt(Arrays::stream).toArray();
    }

    /** A text that is encoded piece by piece. */
    private final class Pieces implements Encoder {
        private final Utf8Stream characters = new Utf8Stream();
        private final StringBuilder text = new StringBuilder();
        private final boolean plain;
        /** Where what was not encoded yet begins. */
        private int begin;
        /** Up to where it is known that it cannot be cut. */
        private int searched;

        private boolean begun;

        Pieces(boolean plain) {
            this.plain = plain;
        }

        @Override
        public int[] append(byte[] bytes, int count) {
            text.append(characters.append(Arrays.copyOf(bytes, count)));
            return cut();
        }

        @Override
        public int[] finish() {
            text.append(characters.finish());
            return begun || !text.isEmpty() ? end() : new int[0];
        }

        int[] end() {
            var ids = concat(front(), piece(text.length()));
            return plain ? ids : concat(ids, ids(file.after()));
        }

        private int[] front() {
            boolean first = !begun;
            begun = true;
            return first && !plain ? ids(file.before()) : new int[0];
        }

        /** Encodes as much as can be cut off. */
        int[] cut() {
            var ids = new ArrayList<int[]>();
            while (text.length() - begin > PIECE) {
                int at = place();
                if (at < 0) {
                    if (text.length() - begin > MOST_CHARACTERS) {
                        throw new IllegalArgumentException("The text has more than " + MOST_CHARACTERS
                                + " characters in which there is no place where it could be cut without other tokens:"
                                + " break it up into documents, or choose another tokenizer.");
                    }
                    break;
                }
                ids.add(front());
                ids.add(piece(at));
            }
            text.delete(0, begin);
            searched -= begin;
            begin = 0;
            return concat(ids.toArray(int[][]::new));
        }

        /** The last place in a piece's length, or the first one behind it. */
        private int place() {
            int known = text.length() - file.cuts().reach();
            for (int at = Math.min(begin + PIECE, known); at > Math.max(begin, searched); at--) {
                if (file.cuts().at(text, at)) {
                    return at;
                }
            }
            for (int at = Math.max(begin + PIECE, searched) + 1; at <= known; at++) {
                if (file.cuts().at(text, at)) {
                    return at;
                }
            }
            searched = Math.max(searched, known);
            return -1;
        }

        private int[] piece(int end) {
            var ids = ids(text.substring(begin, end));
            begin = end == text.length() || !file.cuts().leavesOutSpace() ? end : end + 1;
            searched = begin;
            return ids;
        }
    }

    private static int[] ids(List<Integer> ids) {
        return ids.stream().mapToInt(Integer::intValue).toArray();
    }

    private int[] ids(String text) {
        long[] ids;
        try {
            ids = tokenizer.encode(text);
        } catch (RuntimeException e) {
            throw new IllegalArgumentException("The text cannot be encoded: " + e.getMessage(), e);
        }
        return Arrays.stream(ids)
                .mapToInt(id -> {
                    if (id < 0 || id >= file.vocabulary()) {
                        throw new IllegalStateException("The tokenizer gave the id " + id
                                + ", which is not in its own vocabulary of " + file.vocabulary() + ".");
                    }
                    return (int) id;
                })
                .toArray();
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
            if (token < 0 || token >= file.vocabulary()) {
                return "";
            }
            tokens.add(token);
            var text = decode();
            int end = whole(text);
            var fresh = end > given ? text.substring(given, end) : "";
            given = Math.max(given, end);
            // Tokens without a text are no context.
            if (end == text.length() && !fresh.isEmpty() || tokens.size() > MOST_TOKENS) {
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
                    tokens.stream().mapToLong(Integer::longValue).toArray());
        }
    }
}
