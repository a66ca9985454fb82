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
     * @throws IOException if the file cannot be read or is no tokenizer
     */
    public static Tokenizer open(Path file) throws IOException {
        return new JsonTokenizer(file);
    }
}
