package dev.panamba.text;

import java.io.IOException;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * Brings the tokenizers' library into the process, once. It is copied out of DJL's jar to the cache, and believed there only
 * where nobody else could have put it: in a folder that, like every one above it, is this user's or the system's and closed
 * to others. Where there is no such cache it is copied to a fresh private folder, and removed when it is loaded.
 */
@SuppressWarnings("restricted")
final class TokenizersNative {
    private static final String FILE = "libtokenizers.so";

    /** The digests of DJL 0.38.0's libraries, by platform as it spells them. */
    private static final Map<String, String> SHA256 =
            Map.of("linux-x86_64", "edf58c92155e0fe4fae5231e782a1f02deeb5881de7bbcd1195f6e25009da90a");

    private static final Set<PosixFilePermission> OTHERS_WRITE =
            Set.of(PosixFilePermission.GROUP_WRITE, PosixFilePermission.OTHERS_WRITE);

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
        var resource = "native/lib/" + platform + "/cpu/" + FILE;
        try {
            if (!loadFromCache(resource, sha256)) {
                loadFromOwnFolder(resource, sha256);
            }
        } catch (IOException | LinkageError | IllegalCallerException e) {
            throw cannotBeLoaded(e);
        }
        loaded = true;
    }

    static IOException cannotBeLoaded(Throwable e) {
        return new IOException(
                e instanceof IllegalCallerException
                        ? "The tokenizers library may not be loaded (" + e.getMessage()
                                + "): start the JVM with --enable-native-access=ALL-UNNAMED, or on the module path with"
                                + " --enable-native-access=dev.panamba.bindings,dev.panamba.engine,ai.djl.tokenizers."
                        : "The tokenizers library cannot be loaded (" + e
                                + "): set PANAMBA_CACHE to a folder of your own that can be written and allows"
                                + " execution.",
                e);
    }

    private static boolean loadFromCache(String resource, String sha256) throws IOException {
        Path folder;
        try {
            folder = Files.createDirectories(cache().resolve(sha256)).toRealPath();
            if (!isClosedToOthers(folder)) {
                return false;
            }
            var file = folder.resolve(FILE);
            if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS) || !isClosedToOthers(file)) {
                var copy = Files.createTempFile(folder, "copy", ".tmp");
                try {
                    copy(resource, sha256, copy);
                    Files.move(copy, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
                } finally {
                    Files.deleteIfExists(copy);
                }
            }
            System.load(file.toString());
            return true;
        } catch (DamagedException e) {
            throw e;
        } catch (IOException | InvalidPathException | UnsatisfiedLinkError e) {
            // It cannot be written, forbids execution, or serves another class loader of this process.
            return false;
        }
    }

    private static void loadFromOwnFolder(String resource, String sha256) throws IOException {
        var folder = Files.createTempDirectory(
                "panamba", PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        var file = folder.resolve(FILE);
        try {
            copy(resource, sha256, Files.createFile(file));
            System.load(file.toString());
        } finally {
            Files.deleteIfExists(file);
            Files.deleteIfExists(folder);
        }
    }

    /** Whether only this user and the system can change a file, or what stands on the way to it. */
    private static boolean isClosedToOthers(Path file) throws IOException {
        var self = Files.getAttribute(Path.of("/proc/self"), "unix:uid");
        for (var path = file; path != null; path = path.getParent()) {
            var facts = Files.readAttributes(path, "unix:uid,mode,permissions", LinkOption.NOFOLLOW_LINKS);
            var sticky = ((Integer) facts.get("mode") & 01000) != 0 && !path.equals(file);
            var open = ((Set<?>) facts.get("permissions")).stream().anyMatch(OTHERS_WRITE::contains);
            if (!facts.get("uid").equals(self) && !facts.get("uid").equals(0) || open && !sticky) {
                return false;
            }
        }
        return true;
    }

    private static void copy(String resource, String sha256, Path to) throws IOException {
        // DJL's class loader, which need not be ours.
        var in = ai.djl.huggingface.tokenizers.jni.TokenizersLibrary.class
                .getClassLoader()
                .getResourceAsStream(resource);
        if (in == null) {
            throw new DamagedException(
                    "The library " + resource + " is not on the class path: add ai.djl.huggingface:tokenizers.");
        }
        MessageDigest digest;
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every JDK has SHA-256", e);
        }
        try (in;
                var channel = FileChannel.open(to, StandardOpenOption.WRITE)) {
            new DigestInputStream(in, digest).transferTo(Channels.newOutputStream(channel));
            channel.force(true);
        }
        if (!HexFormat.of().formatHex(digest.digest()).equals(sha256)) {
            throw new DamagedException("The library " + resource + " on the class path does not have the digest "
                    + sha256 + ": its jar is damaged or of another version than DJL 0.38.0.");
        }
    }

    private static Path cache() throws IOException {
        var chosen = System.getenv("PANAMBA_CACHE");
        if (chosen != null && !chosen.isEmpty()) {
            return Path.of(chosen).toAbsolutePath();
        }
        var shared = System.getenv("XDG_CACHE_HOME");
        var folder = shared != null && !shared.isEmpty()
                ? Path.of(shared, "panamba")
                : Path.of(System.getProperty("user.home"), ".cache", "panamba");
        // The home of a user whom the system does not know is "?".
        if (!folder.isAbsolute()) {
            throw new IOException("There is no home for a cache.");
        }
        return folder;
    }

    /** No other folder would help. */
    private static final class DamagedException extends IOException {
        private static final long serialVersionUID = 1;

        DamagedException(String message) {
            super(message);
        }
    }
}
