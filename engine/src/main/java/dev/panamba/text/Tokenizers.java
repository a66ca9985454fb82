package dev.panamba.text;

import java.io.IOException;
import java.nio.file.Path;

/** Where tokenizers come from. */
public final class Tokenizers {
    private Tokenizers() {}

    /**
     * A token is a byte of UTF-8.
     *
     * @return a tokenizer of 256 ids, without a file
     */
    public static Tokenizer bytes() {
        return new ByteTokenizer();
    }

    /**
     * Opens a tokenizer.
     *
     * @param file a {@code tokenizer.json}
     * @return the tokenizer
     * @throws IOException if the file cannot be read, is no tokenizer, or has what is not known to be harmless, each with the file's
     *     name; or if the tokenizers library cannot be loaded
     */
    public static Tokenizer open(Path file) throws IOException {
        return new JsonTokenizer(file);
    }

    /**
     * For a model whose tokens are unknown.
     *
     * @param vocabulary of the model
     * @param reason what is missing, and what to do
     * @return a tokenizer that refuses text with an IllegalArgumentException of that reason, and whose tokens have no text
     */
    public static Tokenizer none(int vocabulary, String reason) {
        return new NoTokenizer(vocabulary, reason);
    }

    /**
     * A tokenizer for a model.
     *
     * @param tokenizer any
     * @param vocabulary of the model
     * @return the same tokenizer, of fewer ids if the model has fewer: a text that has others is refused with an
     *     IllegalArgumentException that names one
     */
    public static Tokenizer within(Tokenizer tokenizer, int vocabulary) {
        return tokenizer.vocabulary() <= vocabulary ? tokenizer : new NarrowTokenizer(tokenizer, vocabulary);
    }
}
