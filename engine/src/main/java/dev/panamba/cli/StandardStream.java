package dev.panamba.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.Charset;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Standard output or error whose failure is an exception, now and at each later use: a {@link PrintStream} swallows it, and a
 * command would go on for hours for a reader that has gone, or end well with half of its output on a full disk. What is said on
 * standard error is no result, so there it counts only that the reader has gone.
 */
final class StandardStream extends OutputStream {
    private final OutputStream stream;
    private final boolean isError;
    private UncheckedIOException failure;

    private StandardStream(FileDescriptor descriptor) {
        this.stream = new FileOutputStream(descriptor);
        this.isError = descriptor == FileDescriptor.err;
    }

    /** For {@link System#setOut} or {@link System#setErr}, in the charset of what is there. */
    static PrintStream of(FileDescriptor descriptor, Charset charset) {
        return new PrintStream(new StandardStream(descriptor), true, charset);
    }

    @Override
    public void write(int b) {
        write(new byte[] {(byte) b}, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int from, int length) {
        flush();
        try {
            stream.write(bytes, from, length);
        } catch (IOException e) {
            if (!isError || hasReader()) {
                failure = new UncheckedIOException(new IOException(
                        "Standard " + (isError ? "error" : "output") + " cannot be written: " + e.getMessage() + ".",
                        e));
                throw failure;
            }
        }
    }

    /** Nothing waits here; a failure of before is said again. */
    @Override
    public void flush() {
        if (failure != null) {
            throw failure;
        }
    }

    /** Whether what is said goes to another process, and not to a file or a device. */
    private static boolean hasReader() {
        try {
            return Files.readSymbolicLink(Path.of("/proc/self/fd/2")).toString().matches("(pipe|socket):.*");
        } catch (IOException e) {
            return false;
        }
    }
}
