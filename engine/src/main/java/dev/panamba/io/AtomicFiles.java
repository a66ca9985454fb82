package dev.panamba.io;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
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
        void write(FileChannel channel) throws IOException;

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
        var parent = file.toAbsolutePath().getParent();
        var temporary = parent.resolve(TEMPORARY + file.getFileName());
        try {
            write(temporary, content);
            Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException | RuntimeException e) {
            Files.deleteIfExists(temporary);
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
        var parent = directory.toAbsolutePath().getParent();
        Files.createDirectories(parent);
        var temporary = parent.resolve(TEMPORARY + directory.getFileName());
        delete(temporary);
        try {
            Files.createDirectory(temporary);
            for (var file : files.entrySet()) {
                write(temporary.resolve(file.getKey()), file.getValue());
            }
            force(temporary);
            Files.move(temporary, directory, StandardCopyOption.ATOMIC_MOVE);
        } catch (FileAlreadyExistsException | DirectoryNotEmptyException e) {
            delete(temporary);
            throw new IOException(directory + " exists already: choose another place, or remove it first.", e);
        } catch (IOException | RuntimeException e) {
            delete(temporary);
            throw e;
        }
        force(parent);
    }

    /**
     * Removes a directory that is no longer the last: renamed first, so that a half removed one is never taken for whole.
     *
     * @param directory to remove
     * @throws IOException if it cannot be removed
     */
    public static void retire(Path directory) throws IOException {
        var temporary = directory.resolveSibling(TEMPORARY + directory.getFileName());
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
        }
    }

    /** A rename lasts when the directory that holds the name is on the disk. */
    private static void force(Path directory) throws IOException {
        try (var channel = FileChannel.open(directory)) {
            channel.force(true);
        }
    }

    private static void delete(Path path) throws IOException {
        if (!Files.exists(path)) {
            return;
        }
        try (var inside = Files.walk(path)) {
            for (var file : inside.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }
}
