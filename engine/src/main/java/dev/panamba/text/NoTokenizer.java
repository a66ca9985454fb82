package dev.panamba.text;

import java.util.OptionalInt;

/**
 * What a model has whose tokens are unknown: ids go through, and text is refused.
 *
 * @param vocabulary ids are below it
 * @param reason what is missing, and what to do
 */
record NoTokenizer(int vocabulary, String reason) implements Tokenizer {
    @Override
    public int[] encode(String text) {
        throw new IllegalArgumentException(reason);
    }

    @Override
    public int[] encode(byte[] bytes, int count) {
        throw new IllegalArgumentException(reason);
    }

    @Override
    public OptionalInt endOfText() {
        return OptionalInt.empty();
    }

    @Override
    public Decoder decoder() {
        return _ -> "";
    }
}
