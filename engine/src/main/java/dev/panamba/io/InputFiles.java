package dev.panamba.io;

import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Optional;

/**
 * Files that somebody names to be read. All are opened here, since what is no regular file may never begin (a pipe that nobody
 * writes to) or never end (a device). Links are followed.
 */
public final class InputFiles {
    /** How much of a file {@link FileType} looks at. */
    public static final int PROBE = 8192;

    private static final int KIND = 0170000;
    private static final int FIFO = 0010000;
    private static final int CHARACTER_DEVICE = 0020000;
    private static final int BLOCK_DEVICE = 0060000;
    private static final int SOCKET = 0140000;

    private InputFiles() {}

    /**
     * Refuses what is no regular file.
     *
     * @param file a file, or a link to one
     * @throws NoSuchFileException if there is none
     * @throws IOException if it is another thing, with what it is
     */
    public static void check(Path file) throws IOException {
        BasicFileAttributes attributes;
        try {
            attributes = Files.readAttributes(file, BasicFileAttributes.class);
        } catch (NoSuchFileException e) {
            throw new NoSuchFileException(file.toString());
        }
        if (attributes.isDirectory()) {
            throw new IOException(file + " is a directory, and not a file.");
        }
        if (!attributes.isRegularFile()) {
            throw new IOException(file + " is " + kind(file)
                    + ", and only regular files are read: write what it holds into one first.");
        }
    }

    private static String kind(Path file) throws IOException {
        try {
            return switch ((int) Files.getAttribute(file, "unix:mode") & KIND) {
                case FIFO -> "a FIFO (a pipe)";
                case CHARACTER_DEVICE -> "a character device";
                case BLOCK_DEVICE -> "a block device";
                case SOCKET -> "a socket";
                default -> "a special file";
            };
        } catch (UnsupportedOperationException | IllegalArgumentException e) {
            return "a special file";
        }
    }

    /**
     * Opens a file to read at any place.
     *
     * @param file a regular file, or a link to one
     * @return a channel for reading
     * @throws IOException as {@link #check} does, or if it cannot be read
     */
    public static FileChannel open(Path file) throws IOException {
        check(file);
        return FileChannel.open(file);
    }

    /**
     * Opens a file to read from its start to its end.
     *
     * @param file a regular file, or a link to one
     * @return a stream
     * @throws IOException as {@link #check} does, or if it cannot be read
     */
    public static InputStream stream(Path file) throws IOException {
        check(file);
        return Files.newInputStream(file);
    }

    /**
     * Looks at what a file is.
     *
     * @param file a regular file, or a link to one
     * @return its type, if it is a known one
     * @throws IOException as {@link #check} does, or if it cannot be read
     */
    public static Optional<FileType> type(Path file) throws IOException {
        try (var in = stream(file)) {
            return FileType.of(in.readNBytes(PROBE));
        }
    }

    /**
     * Reads a file that is not large.
     *
     * @param file a regular file, or a link to one
     * @param most bytes that it may have
     * @return its content
     * @throws IOException as {@link #check} does, if it is larger, or if it cannot be read
     */
    public static byte[] bytes(Path file, int most) throws IOException {
        try (var in = stream(file)) {
            // Sizes are not believed: files of /proc have none.
            var bytes = in.readNBytes(most + 1);
            if (bytes.length > most) {
                throw new IOException(file + " is too large for what it should be: more than " + most + " bytes.");
            }
            return bytes;
        }
    }
}
