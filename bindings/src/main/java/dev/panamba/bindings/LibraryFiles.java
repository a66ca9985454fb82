package dev.panamba.bindings;

import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Set;

/**
 * A library travels as a resource and is loaded as a file, so it is copied to a cache, in a folder named by its SHA-256: {@code
 * $PANAMBA_CACHE}, else {@code $XDG_CACHE_HOME/panamba}, else {@code ~/.cache/panamba}. A file is believed there only where nobody
 * else could have put it: in a folder that, like every one above it, is this user's or the system's and closed to others. Where there
 * is no such cache it is copied to a fresh private folder. Copies appear by one rename, so processes may start together; a copy
 * that was changed since its digest was computed is replaced.
 */
final class LibraryFiles {
    private static final Set<PosixFilePermission> OTHERS_WRITE =
            Set.of(PosixFilePermission.GROUP_WRITE, PosixFilePermission.OTHERS_WRITE);
    /** The bit of a folder in which only owners may rename and delete, such as /tmp. */
    private static final int STICKY = 01000;

    private LibraryFiles() {}

    /**
     * Loads a library for the class loader of this class. One that another class loader of the process has loaded is copied once more,
     * since the JVM gives a file to one class loader only.
     *
     * @param loader whose resource it is
     * @param resource its name
     * @param sha256 the digest that it must have
     * @return the file
     */
    static Path load(ClassLoader loader, String resource, String sha256) {
        var file = extract(loader, resource, sha256);
        try {
            load(file);
            return file;
        } catch (UnsatisfiedLinkError e) {
            if (!String.valueOf(e.getMessage()).contains("already loaded in another classloader")) {
                throw new NativeException(
                        "Cannot load " + file + " (" + e.getMessage()
                                + "): if its folder forbids execution, set PANAMBA_CACHE to one that allows it.",
                        e);
            }
        }
        try {
            var copy = extractForThisProcess(loader, resource, sha256);
            load(copy);
            return copy;
        } catch (IOException | UnsatisfiedLinkError e) {
            throw new NativeException(
                    file + " is in use by another class loader, and a second copy cannot be loaded (" + e + ").", e);
        }
    }

    private static void load(Path file) {
        try {
            System.load(file.toString());
        } catch (IllegalCallerException e) {
            throw new NativeException(
                    "Panamba may not call native code (" + e.getMessage()
                            + "): start the JVM with --enable-native-access=ALL-UNNAMED, or on the module path with"
                            + " --enable-native-access=dev.panamba.bindings.",
                    e);
        }
    }

    /** A file with a resource's content, which nobody else can change. */
    static Path extract(ClassLoader loader, String resource, String sha256) {
        try {
            return extract(loader, resource, sha256, cache());
        } catch (IOException | InvalidPathException cacheFailed) {
            try {
                return extractForThisProcess(loader, resource, sha256);
            } catch (IOException e) {
                throw new NativeException(
                        "Cannot copy " + resource + " to the cache (" + cacheFailed
                                + ") or to the folder for temporary files (" + e
                                + "): set PANAMBA_CACHE to a folder of your own that can be written and has 50 MB of room.",
                        e);
            }
        }
    }

    private static Path extract(ClassLoader loader, String resource, String sha256, Path cache) throws IOException {
        var folder = Files.createDirectories(cache.resolve(sha256)).toRealPath();
        if (!isClosedToOthers(folder)) {
            throw new IOException(folder + " can be changed by other users");
        }
        var target = folder.resolve(resource.substring(resource.lastIndexOf('/') + 1));
        var isOurs = isRegular(target) && isClosedToOthers(target);
        if (!isOurs || !isVerified(target)) {
            if (!isOurs || !digest(target).equals(sha256)) {
                publish(loader, resource, sha256, target);
            }
            replace(verified(target), Files.createTempFile(folder, "verified", ".tmp"), stamp(target));
        }
        return target;
    }

    /** Whether only this user and the system can change a file or a folder, or what stands on the way to it. */
    private static boolean isClosedToOthers(Path file) throws IOException {
        var self = Files.getAttribute(Path.of("/proc/self"), "unix:uid");
        for (var path = file; path != null; path = path.getParent()) {
            var facts = Files.readAttributes(path, "unix:uid,mode,permissions", LinkOption.NOFOLLOW_LINKS);
            var keepsOthersOut = ((Integer) facts.get("mode") & STICKY) != 0 && !path.equals(file);
            var isOpen = ((Set<?>) facts.get("permissions")).stream().anyMatch(OTHERS_WRITE::contains);
            if (!facts.get("uid").equals(self) && !facts.get("uid").equals(0) || isOpen && !keepsOthersOut) {
                return false;
            }
        }
        return true;
    }

    private static boolean isRegular(Path file) {
        return Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS);
    }

    /** Whether a file is still the one whose digest was computed: 40 MB at every start would take a tenth of a second. */
    private static boolean isVerified(Path file) throws IOException {
        return isRegular(verified(file)) && Files.readString(verified(file)).equals(stamp(file));
    }

    private static Path verified(Path file) {
        return file.resolveSibling(file.getFileName() + ".verified");
    }

    private static String stamp(Path file) throws IOException {
        return Files.size(file) + " bytes of " + Files.getLastModifiedTime(file);
    }

    private static void replace(Path place, Path temporary, String text) throws IOException {
        try {
            Files.writeString(temporary, text);
            Files.move(temporary, place, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(temporary);
        }
    }

    private static Path extractForThisProcess(ClassLoader loader, String resource, String sha256) throws IOException {
        var folder = Files.createTempDirectory(
                "panamba", PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        var target = folder.resolve(resource.substring(resource.lastIndexOf('/') + 1));
        folder.toFile().deleteOnExit();
        target.toFile().deleteOnExit();
        publish(loader, resource, sha256, target);
        return target;
    }

    private static void publish(ClassLoader loader, String resource, String sha256, Path target) throws IOException {
        var copy = Files.createTempFile(target.getParent(), "copy", ".tmp");
        try {
            try (var in = open(loader, resource)) {
                Files.copy(in, copy, StandardCopyOption.REPLACE_EXISTING);
            }
            if (!digest(copy).equals(sha256)) {
                throw new NativeException("The library " + resource + " on the class path does not have the digest "
                        + sha256 + ": its jar is damaged or of another version, fetch it again.");
            }
            try (var channel = FileChannel.open(copy, StandardOpenOption.WRITE)) {
                channel.force(true);
            }
            Files.move(copy, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(copy);
        }
    }

    private static InputStream open(ClassLoader loader, String resource) throws IOException {
        var url = loader.getResource(resource);
        if (url == null) {
            throw isMissing(resource);
        }
        return url.openStream();
    }

    static NativeException isMissing(String resource) {
        return new NativeException("The library " + resource
                + " is not on the class path: add the jar that holds it (panamba-native, org.bytedeco:openblas with this platform's"
                + " classifier, or ai.djl.huggingface:tokenizers).");
    }

    private static String digest(Path file) throws IOException {
        MessageDigest digest;
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every JDK has SHA-256", e);
        }
        var buffer = new byte[1 << 18];
        try (var in = Files.newInputStream(file)) {
            for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
                digest.update(buffer, 0, n);
            }
        }
        return HexFormat.of().formatHex(digest.digest());
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
            throw new IOException("there is no home for it");
        }
        return folder;
    }
}
