package dev.panamba.io;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.Map;

/**
 * Saving that survives anything: what is new is written beside its place, forced to the disk, and published by one rename;
 * until then, and if anything fails, what was there before is untouched.
 */
public final class AtomicFiles {
    private static final String TEMPORARY = ".tmp-";

    private AtomicFiles() {}

    /** Writes one file. */
    @FunctionalInterface
    public interface Content {
        /**
         * Writes it.
         *
         * @param channel the empty file
         * @throws IOException if it cannot be written
         */
        void write(WritableByteChannel channel) throws IOException;

        /**
         * A text.
         *
         * @param text the whole file
         * @return its content
         */
        static Content of(String text) {
            return channel -> {
                var bytes = ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
                while (bytes.hasRemaining()) {
                    channel.write(bytes);
                }
            };
        }

        /**
         * A copy.
         *
         * @param file of which
         * @return its content
         */
        static Content copyOf(Path file) {
            return channel -> {
                try (var from = FileChannel.open(file)) {
                    for (long at = 0; at < from.size(); ) {
                        at += from.transferTo(at, from.size() - at, channel);
                    }
                }
            };
        }
    }

    /**
     * Publishes one file, in place of one of that name.
     *
     * @param file where
     * @param content what
     * @throws IOException if it cannot be written; the file is then as before
     */
    public static void file(Path file, Content content) throws IOException {
        var place = place(file);
        var parent = place.getParent();
        if (!Files.isDirectory(parent)) {
            throw new IOException(file + " cannot be written: there is no folder " + parent + ".");
        }
        if (Files.isDirectory(place)) {
            throw new IOException(file + " cannot be written: it is a directory.");
        }
        var temporary = temporary(place);
        try {
            write(temporary, content);
            Files.move(temporary, place, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException | RuntimeException e) {
            deleteAfter(e, temporary);
            throw e;
        }
        force(parent);
    }

    /**
     * Publishes a directory of files, all or none.
     *
     * @param directory where; must not exist or be empty
     * @param files contents by name
     * @throws IOException if it cannot be written; nothing is then there
     */
    public static void directory(Path directory, Map<String, Content> files) throws IOException {
        var place = place(directory);
        var parent = place.getParent();
        checkFree(directory);
        Files.createDirectories(parent);
        var temporary = temporary(place);
        delete(temporary);
        try {
            Files.createDirectory(temporary);
            for (var file : files.entrySet()) {
                write(temporary.resolve(file.getKey()), file.getValue());
            }
            force(temporary);
            Files.move(temporary, place, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException | RuntimeException e) {
            deleteAfter(e, temporary);
            throw e;
        }
        force(parent);
    }

    /**
     * Refuses a directory that {@link #directory} would not publish, before any work is done for it.
     *
     * @param directory where something is to be published
     * @throws IOException if there is something already
     */
    public static void checkFree(Path directory) throws IOException {
        if (Files.notExists(directory, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        if (Files.isDirectory(directory)) {
            try (var inside = Files.newDirectoryStream(directory)) {
                if (!inside.iterator().hasNext()) {
                    return;
                }
            }
        }
        throw new IOException(directory + " exists already: choose another place, or remove it first.");
    }

    /** Absolute, so that it has a folder and a name of its own. */
    private static Path place(Path path) throws IOException {
        var place = path.toAbsolutePath().normalize();
        if (place.getParent() == null) {
            throw new IOException(path + " is no place to write to.");
        }
        return place;
    }

    private static Path temporary(Path place) {
        return place.resolveSibling(TEMPORARY + place.getFileName());
    }

    /**
     * Publishes a symbolic link, in place of one of that name.
     *
     * @param link where
     * @param target what it leads to
     * @throws IOException if it cannot be written; the link is then as before
     */
    public static void link(Path link, Path target) throws IOException {
        var temporary = temporary(link);
        Files.deleteIfExists(temporary);
        Files.createSymbolicLink(temporary, target);
        Files.move(temporary, link, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        force(link.toAbsolutePath().getParent());
    }

    /**
     * Removes a directory that is no longer the last: renamed first, so that a half removed one is never taken for whole.
     *
     * @param directory to remove
     * @throws IOException if it cannot be removed
     */
    public static void retire(Path directory) throws IOException {
        var temporary = temporary(directory);
        Files.move(directory, temporary, StandardCopyOption.ATOMIC_MOVE);
        delete(temporary);
    }

    /**
     * Removes what a killed process left behind.
     *
     * @param directory where things are published
     * @throws IOException if it cannot be removed
     */
    public static void clean(Path directory) throws IOException {
        try (var left = Files.newDirectoryStream(directory, TEMPORARY + "*")) {
            for (var path : left) {
                delete(path);
            }
        }
    }

    private static void write(Path file, Content content) throws IOException {
        try (var channel = FileChannel.open(
                file, StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING, StandardOpenOption.WRITE)) {
            content.write(channel);
            channel.force(true);
        } catch (FileSystemException e) {
            throw e;
        } catch (IOException e) {
            // A full disk names no file.
            throw new IOException(file + " cannot be written: " + e.getMessage() + ".", e);
        }
    }

    /** A rename lasts when the directory that holds the name is on the disk. */
    private static void force(Path directory) throws IOException {
        try (var channel = FileChannel.open(directory)) {
            channel.force(true);
        }
    }

    /** Removes what an attempt left, without hiding why it failed. */
    private static void deleteAfter(Exception failure, Path path) {
        try {
            delete(path);
        } catch (IOException e) {
            failure.addSuppressed(e);
        }
    }

    private static void delete(Path path) throws IOException {
        if (Files.notExists(path, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        try (var inside = Files.walk(path)) {
            for (var file : inside.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }
}
