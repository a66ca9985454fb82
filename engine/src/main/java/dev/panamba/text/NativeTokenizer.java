package dev.panamba.text;

import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import java.io.IOException;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.nio.charset.StandardCharsets;

/**
 * A tokenizer of Hugging Face's library, through the functions that DJL's binding declares. DJL's own classes around them are
 * left alone: they copy the library to a folder that others may write to, look for GPUs, log, and ask a cloud's address where
 * they run, which only properties of the whole JVM would keep them from.
 */
final class NativeTokenizer {
    private static final Cleaner CLEANER = Cleaner.create();

    private final long handle;

    /**
     * Makes one.
     *
     * @param json of a {@code tokenizer.json} that was checked, since a wrong one can end the process
     * @throws RefusedException if the library refuses it
     * @throws IOException if the library cannot be loaded
     */
    NativeTokenizer(String json) throws IOException {
        TokenizersNative.load();
        long made;
        try {
            made = TokenizersLibrary.LIB.createTokenizerFromString(json);
        } catch (LinkageError | IllegalCallerException e) {
            throw TokenizersNative.cannotBeLoaded(e);
        } catch (RuntimeException e) {
            throw new RefusedException(e);
        }
        handle = made;
        CLEANER.register(this, () -> TokenizersLibrary.LIB.deleteTokenizer(made));
    }

    /** The library's reason. */
    static final class RefusedException extends IOException {
        private static final long serialVersionUID = 1;

        RefusedException(RuntimeException e) {
            super(e.getMessage(), e);
        }
    }

    /** Ids of a text, without any that a post-processor would add. */
    long[] encode(String text) {
        try {
            // Half a surrogate pair would spoil the library's reading of all other pairs.
            boolean whole =
                    text.codePoints().noneMatch(c -> c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE);
            var readable = whole ? text : new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8);
            long encoding = TokenizersLibrary.LIB.encode(handle, readable, false);
            try {
                return TokenizersLibrary.LIB.getTokenIds(encoding);
            } finally {
                TokenizersLibrary.LIB.deleteEncoding(encoding);
            }
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /** The text of ids, special ones included. */
    String decode(long[] ids) {
        try {
            return TokenizersLibrary.LIB.decode(handle, ids, false);
        } finally {
            Reference.reachabilityFence(this);
        }
    }
}
