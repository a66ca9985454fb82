package dev.panamba.text;

import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import dev.panamba.bindings.NativeException;
import dev.panamba.bindings.Natives;
import java.io.IOException;
import java.util.Locale;
import java.util.Map;

/** Brings the tokenizers' library into the process, once, out of DJL's jar. DJL's own loading believes what others may have planted. */
final class TokenizersNative {
    /** The digests of DJL 0.38.0's libraries, by platform as it spells them. */
    private static final Map<String, String> SHA256 =
            Map.of("linux-x86_64", "edf58c92155e0fe4fae5231e782a1f02deeb5881de7bbcd1195f6e25009da90a");

    private static boolean loaded;

    private TokenizersNative() {}

    /** Loads it unless it is loaded. */
    static synchronized void load() throws IOException {
        if (loaded) {
            return;
        }
        var platform = System.getProperty("os.name").toLowerCase(Locale.ROOT) + "-"
                + System.getProperty("os.arch").replace("amd64", "x86_64");
        var sha256 = SHA256.get(platform);
        if (sha256 == null) {
            throw new IOException(
                    "There is no tokenizers library for " + platform + ": only models of bytes work here.");
        }
        try {
            // DJL's class loader need not be ours.
            var loader = TokenizersLibrary.class.getClassLoader();
            Natives.load(loader, "native/lib/" + platform + "/cpu/libtokenizers.so", sha256);
        } catch (NativeException | LinkageError e) {
            throw cannotBeLoaded(e);
        }
        loaded = true;
    }

    static IOException cannotBeLoaded(Throwable e) {
        return new IOException("The tokenizers library cannot be loaded: " + e.getMessage(), e);
    }
}
