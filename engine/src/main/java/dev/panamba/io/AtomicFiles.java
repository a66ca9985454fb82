package dev.panamba.io;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Comparator;
import java.util.Map;
import java.util.Set;
import java.util.UUID;

/**
 * Saving that survives anything: what is new is written beside its place, forced to the disk, and published by one rename;
 * until then, and if anything fails, what was there before is untouched. Everything that writes where a user says goes through
 * here: a symbolic link stays and the file that it leads to is replaced, and what is no file (a device, a pipe, a socket) is
 * refused, since a rename would put a file in its place. What is temporary has a name that nobody can guess, and is created new,
 * so that nothing that was planted there is written through.
 */
public final class AtomicFiles {
    private static final String TEMPORARY = ".tmp-";
    /** Links that lead to links, at most; the system follows no more either. */
    private static final int MOST_LINKS = 40;

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
            return of(text.getBytes(StandardCharsets.UTF_8));
        }

        /**
         * Bytes.
         *
         * @param bytes the whole file
         * @return its content
         */
        static Content of(byte[] bytes) {
            return channel -> {
                var left = ByteBuffer.wrap(bytes);
                while (left.hasRemaining()) {
                    channel.write(left);
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
                try (var from = InputFiles.open(file)) {
                    for (long at = 0; at < from.size(); ) {
                        at += from.transferTo(at, from.size() - at, channel);
                    }
                }
            };
        }
    }

    /**
     * Publishes one file, in place of one of that name, whose permissions it keeps.
     *
     * @param file where, or a symbolic link to where
     * @param content what
     * @throws IOException if it cannot be written; the file is then as before
     */
    public static void file(Path file, Content content) throws IOException {
        seekable(file, content::write);
    }

    /** Writes one file, whose beginning may come last. */
    @FunctionalInterface
    public interface Seekable {
        /**
         * Writes it.
         *
         * @param channel the empty file
         * @throws IOException if it cannot be written
         */
        void write(FileChannel channel) throws IOException;
    }

    /**
     * {@link #file} for a content that is not written from its beginning to its end.
     *
     * @param file where, or a symbolic link to where
     * @param content what
     * @throws IOException if it cannot be written; the file is then as before
     */
    public static void seekable(Path file, Seekable content) throws IOException {
        checkFile(file);
        var place = target(file);
        var temporary = temporary(place);
        try {
            write(temporary, file, content, permissions(place));
            Files.move(temporary, place, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (Throwable e) {
            deleteAfter(e, temporary);
            throw e;
        }
        force(place.getParent());
    }

    /**
     * Refuses a file that {@link #file} would not write, before any work is done for it.
     *
     * @param file where something is to be published
     * @throws IOException if there is a directory or something that is no file, or no folder to put a file into
     */
    public static void checkFile(Path file) throws IOException {
        if (Files.isDirectory(file)) {
            throw new IOException(file + " cannot be written: it is a directory.");
        }
        if (Files.exists(file) && !Files.isRegularFile(file)) {
            throw new IOException(
                    file
                            + " cannot be written: it is a device, a pipe or a socket, and a file is wanted. Choose another name.");
        }
        var parent = target(file).getParent();
        if (!Files.isDirectory(parent)) {
            throw new IOException(file + " cannot be written: there is no folder " + parent + ".");
        }
    }

    /**
     * Publishes a directory of files, all or none.
     *
     * @param directory where; must not exist or be empty, or be a symbolic link to an empty one
     * @param files contents by name
     * @throws IOException if it cannot be written; nothing is then there
     */
    public static void directory(Path directory, Map<String, Content> files) throws IOException {
        checkFree(directory);
        var place = Files.exists(directory) ? directory.toRealPath() : place(directory);
        Files.createDirectories(place.getParent());
        var temporary = temporary(place);
        try {
            Files.createDirectory(temporary);
            for (var file : files.entrySet()) {
                write(temporary.resolve(file.getKey()), directory.resolve(file.getKey()), file.getValue()::write, null);
            }
            force(temporary);
            Files.move(temporary, place, StandardCopyOption.ATOMIC_MOVE);
        } catch (Throwable e) {
            deleteAfter(e, temporary);
            throw e;
        }
        force(place.getParent());
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
        var absolute = path.toAbsolutePath();
        var parent = absolute.getParent();
        if (parent == null || absolute.normalize().getParent() == null) {
            throw new IOException(path + " is no place to write to.");
        }
        // What stands above a link is not what stands before it in the path.
        var named = !absolute.getFileName().toString().matches("\\.\\.?");
        return named && Files.isDirectory(parent)
                ? parent.toRealPath().resolve(absolute.getFileName())
                : absolute.normalize();
    }

    /** Where the links that a file is a name of lead, whether there is something or not. */
    private static Path target(Path file) throws IOException {
        var place = place(file);
        for (int links = 0; Files.isSymbolicLink(place); links++) {
            if (links == MOST_LINKS) {
                throw new IOException(file + " cannot be written: it is a link that leads back to itself.");
            }
            place = place(place.resolveSibling(Files.readSymbolicLink(place)));
        }
        return place;
    }

    /** A name that nobody has thought of before. */
    private static Path temporary(Path place) {
        return place.resolveSibling(TEMPORARY + UUID.randomUUID() + "-" + place.getFileName());
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
        try {
            Files.createSymbolicLink(temporary, target);
            Files.move(temporary, link, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (Throwable e) {
            deleteAfter(e, temporary);
            throw e;
        }
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

    /** What the old file lets others do with it, or null where there is none. */
    private static Set<PosixFilePermission> permissions(Path place) throws IOException {
        return Files.exists(place, LinkOption.NOFOLLOW_LINKS) ? Files.getPosixFilePermissions(place) : null;
    }

    /**
     * Writes what will be published.
     *
     * @param temporary where it is written, which must not exist
     * @param file what it will be, for messages
     * @param content what
     * @param permissions that it has, or null for the usual ones
     */
    private static void write(Path temporary, Path file, Seekable content, Set<PosixFilePermission> permissions)
            throws IOException {
        var options =
                Set.<OpenOption>of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS);
        try (var channel = permissions == null
                ? FileChannel.open(temporary, options)
                : FileChannel.open(temporary, options, PosixFilePermissions.asFileAttribute(permissions))) {
            if (permissions != null) {
                // Those that the process gives to no file of its own, the old one may have had.
                Files.setPosixFilePermissions(temporary, permissions);
            }
            content.write(channel);
            channel.force(true);
        } catch (FileSystemException e) {
            throw temporary.toString().equals(e.getFile()) ? unwritable(file, e) : e;
        } catch (IOException e) {
            // A full disk names no file; a sentence is about another, which could not be read.
            throw String.valueOf(e.getMessage()).endsWith(".") ? e : unwritable(file, e);
        }
    }

    private static IOException unwritable(Path file, IOException e) {
        var reason = switch (e) {
            case AccessDeniedException _ -> "this user may not write to its folder";
            case FileSystemException f when f.getReason() != null -> f.getReason();
            case ClosedByInterruptException _ -> "the thread was interrupted";
            case ClosedChannelException _ -> "it was closed meanwhile";
            default -> e.getMessage() == null ? "the system gives no reason" : e.getMessage();
        };
        return new IOException(file + " cannot be written: " + reason + ".", e);
    }

    /** A rename lasts when the directory that holds the name is on the disk. */
    private static void force(Path directory) throws IOException {
        try (var channel = FileChannel.open(directory)) {
            channel.force(true);
        }
    }

    /** Removes what an attempt left, without hiding why it failed. */
    private static void deleteAfter(Throwable failure, Path path) {
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
