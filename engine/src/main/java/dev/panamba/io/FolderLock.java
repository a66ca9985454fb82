package dev.panamba.io;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * The right to write into a folder, held by one at a time. It is a lock of the operating system on the file {@code .lock} in the
 * folder, so it goes with the process that holds it, however that ends; the file stays and means nothing.
 */
public final class FolderLock implements AutoCloseable {
    private static final String FILE = ".lock";

    private final FileChannel channel;

    private FolderLock(FileChannel channel) {
        this.channel = channel;
    }

    /**
     * Takes the lock, or says at once that somebody else has it.
     *
     * @param folder exists
     * @return the lock, to be closed
     * @throws IOException if another process, or another part of this one, has it, or if the folder cannot be locked
     */
    public static FolderLock of(Path folder) throws IOException {
        var file = folder.resolve(FILE);
        // A pipe would be waited for, and a link would be made somewhere else.
        if (Files.exists(file, LinkOption.NOFOLLOW_LINKS) && !Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
            throw new IOException(file + " is no regular file, so the folder cannot be locked: remove it.");
        }
        var channel =
                FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS);
        try {
            if (channel.tryLock() != null) {
                return new FolderLock(channel);
            }
        } catch (OverlappingFileLockException e) {
            // Somebody else in this process.
        } catch (IOException e) {
            channel.close();
            throw new IOException(file + " cannot be locked: " + e.getMessage() + ".", e);
        }
        channel.close();
        throw new IOException(
                "Another training is at work in " + folder + ": wait for its end, or choose another folder (--out).");
    }

    /** Gives the folder free. */
    @Override
    public void close() throws IOException {
        channel.close();
    }
}
