package dev.panamba.text;

import java.util.OptionalInt;

/**
 * Text to token ids and back. Any number of threads may share one; an encoder or decoder belongs to one text or stream of tokens.
 */
public interface Tokenizer {
    /**
     * Number of ids.
     *
     * @return ids are below it
     */
    int vocabulary();

    /**
     * Encodes a whole text, as Python's {@code encode} does.
     *
     * @param text any text
     * @return ids, with those that the tokenizer's post-processor puts around a text, such as a bos; {@link #plain} leaves them out
     * @throws IllegalArgumentException if the text has what the vocabulary has no token for, or is too long for a tokenizer that must see
     *     it whole
     */
    int[] encode(String text);

    /**
     * Encodes UTF-8 bytes, without any tokens around them.
     *
     * @param bytes a text
     * @param count how many of the bytes
     * @return ids
     * @throws IllegalArgumentException as for {@link #encode(String)}
     */
    int[] encode(byte[] bytes, int count);

    /**
     * Begins to encode a document that comes in pieces.
     *
     * @return an encoder that has read nothing yet
     */
    default Encoder encoder() {
        return new Encoder() {
            @Override
            public int[] append(byte[] bytes, int count) {
                return encode(bytes, count);
            }

            @Override
            public int[] finish() {
                return new int[0];
            }
        };
    }

    /**
     * The same tokenizer without a post-processor: nothing is put around a text.
     *
     * @return a tokenizer of the same ids
     */
    default Tokenizer plain() {
        return this;
    }

    /**
     * The token that ends a document.
     *
     * @return its id, if the vocabulary has one
     */
    OptionalInt endOfText();

    /**
     * Begins to decode a text from its first token.
     *
     * @return a decoder that has seen nothing yet
     */
    Decoder decoder();

    /**
     * Begins to decode tokens that go on from others, since a word's first token may read differently at the start of a text.
     *
     * @param before the last tokens that were read, some 16; none where they are not known
     * @return a decoder in the middle of a text
     */
    default Decoder decoderBehind(int... before) {
        var decoder = decoder();
        for (int token : before) {
            decoder.append(token);
        }
        return decoder;
    }

    /**
     * Turns the bytes of a document into tokens piece by piece, which are those of the whole: a piece's are given when nothing that
     * comes can change them.
     */
    interface Encoder {
        /**
         * Reads bytes.
         *
         * @param bytes UTF-8, cut anywhere; not kept
         * @param count how many of them
         * @return the tokens that are known now
         * @throws IllegalArgumentException as for {@link Tokenizer#encode(String)}
         */
        int[] append(byte[] bytes, int count);

        /**
         * Ends the document.
         *
         * @return the tokens that were left; none for a document without bytes
         * @throws IllegalArgumentException as for {@link Tokenizer#encode(String)}
         */
        int[] finish();
    }

    /** Turns tokens into text one by one. */
    interface Decoder {
        /**
         * Reads a token.
         *
         * @param token an id
         * @return the whole characters that it completes: empty while one is still in parts, U+FFFD for bytes that are no UTF-8
         */
        String append(int token);
    }
}
