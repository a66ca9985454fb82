package dev.panamba.text;

import java.util.OptionalInt;

/** Text to token ids and back. Any number of threads may share one; a decoder belongs to one stream of tokens. */
public interface Tokenizer {
    /**
     * Number of ids.
     *
     * @return ids are below it
     */
    int vocabulary();

    /**
     * Encodes a whole text.
     *
     * @param text any text
     * @return ids, without anything added in front or behind
     */
    int[] encode(String text);

    /**
     * Encodes a piece of a document's UTF-8 bytes.
     *
     * @param bytes the document, or a part that ends where {@link Corpus} may cut
     * @param count how many of the bytes
     * @return ids
     */
    int[] encode(byte[] bytes, int count);

    /**
     * The token that ends a document.
     *
     * @return its id, if the vocabulary has one
     */
    OptionalInt endOfText();

    /**
     * Begins to decode a stream of tokens.
     *
     * @return a decoder that has seen nothing yet
     */
    Decoder decoder();

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
