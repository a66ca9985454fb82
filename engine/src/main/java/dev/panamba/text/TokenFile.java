package dev.panamba.text;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import dev.panamba.io.AtomicFiles;
import dev.panamba.io.InputFiles;
import java.io.BufferedOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicReference;

/**
 * A corpus in tokens, in a file that is written once and then mapped: 1, 2 or 4 bytes a token, little-endian, by the size of the
 * vocabulary, behind a header of 32 bytes (magic, version, bytes of a token, vocabulary, number of tokens).
 */
public final class TokenFile implements AutoCloseable {
    private static final long MAGIC = 0x314E_454B_4F54_4250L; // "PBTOKEN1"
    private static final int HEADER = 32;

    private final Path file;
    /** The mapped file, whose size can be asked for without anything that an interrupt could close. */
    private final RandomAccessFile handle;

    private final Arena arena;
    private final MemorySegment tokens;
    private final int width;
    private final int vocabulary;
    private final long length;

    private TokenFile(Path file, RandomAccessFile handle, Arena arena, MemorySegment bytes, int vocabulary) {
        this.file = file;
        this.handle = handle;
        this.arena = arena;
        this.tokens = bytes.asSlice(HEADER);
        this.width = width(vocabulary);
        this.vocabulary = vocabulary;
        this.length = tokens.byteSize() / width;
    }

    /**
     * Tokenises a corpus into a file; a file of that name is replaced at once when the new one is whole.
     *
     * @param file where to
     * @param corpus what
     * @param tokenizer how
     * @return what was read
     * @throws IOException if a file cannot be read or written
     */
    public static Corpus.Summary write(Path file, Corpus corpus, Tokenizer tokenizer) throws IOException {
        var summary = new AtomicReference<Corpus.Summary>();
        AtomicFiles.file(file, channel -> {
            var out = new Writer(channel, tokenizer);
            summary.set(corpus.read(out));
            out.finish();
        });
        return summary.get();
    }

    private static int width(int vocabulary) {
        return vocabulary <= 1 << 8 ? 1 : vocabulary <= 1 << 16 ? 2 : 4;
    }

    private static final class Writer implements Corpus.Reader {
        private final FileChannel channel;
        private final OutputStream out;
        private final Tokenizer tokenizer;
        private final int width;
        private long count;

        Writer(FileChannel channel, Tokenizer tokenizer) throws IOException {
            this.channel = channel;
            this.tokenizer = tokenizer;
            this.width = width(tokenizer.vocabulary());
            channel.position(HEADER);
            out = new BufferedOutputStream(Channels.newOutputStream(channel), 1 << 16);
        }

        @Override
        public void part(byte[] bytes, int length) throws IOException {
            for (int token : tokenizer.encode(bytes, length)) {
                write(token);
            }
        }

        @Override
        public void endOfDocument() throws IOException {
            if (tokenizer.endOfText().isPresent()) {
                write(tokenizer.endOfText().getAsInt());
            }
        }

        private void write(int token) throws IOException {
            for (int i = 0; i < width; i++) {
                out.write(token >>> 8 * i);
            }
            count++;
        }

        void finish() throws IOException {
            out.flush();
            var header = ByteBuffer.allocate(HEADER).order(ByteOrder.LITTLE_ENDIAN);
            header.putLong(MAGIC)
                    .putInt(1)
                    .putInt(width)
                    .putLong(tokenizer.vocabulary())
                    .putLong(count)
                    .flip();
            channel.write(header, 0);
        }
    }

    /**
     * Maps a file.
     *
     * @param file written by {@link #write}
     * @return the tokens
     * @throws IOException if it cannot be read or is no whole token file
     */
    public static TokenFile open(Path file) throws IOException {
        InputFiles.check(file);
        var handle = new RandomAccessFile(file.toFile(), "r");
        var arena = Arena.ofShared();
        try {
            var bytes = handle.getChannel().map(FileChannel.MapMode.READ_ONLY, 0, handle.length(), arena);
            if (bytes.byteSize() < HEADER || bytes.get(JAVA_LONG_UNALIGNED, 0) != MAGIC) {
                throw new IOException(file + " is no token file.");
            }
            int width = bytes.get(JAVA_INT_UNALIGNED, 12);
            long vocabulary = bytes.get(JAVA_LONG_UNALIGNED, 16);
            long length = bytes.get(JAVA_LONG_UNALIGNED, 24);
            if (bytes.get(JAVA_INT_UNALIGNED, 8) != 1
                    || vocabulary < 1
                    || vocabulary > Integer.MAX_VALUE
                    || width != width((int) vocabulary)
                    || length < 0
                    || length != (bytes.byteSize() - HEADER) / width
                    || (bytes.byteSize() - HEADER) % width != 0) {
                throw new IOException(file + " is a damaged token file: delete it, it is made again.");
            }
            return new TokenFile(file, handle, arena, bytes, (int) vocabulary);
        } catch (IOException | RuntimeException e) {
            handle.close();
            arena.close();
            throw e;
        }
    }

    /**
     * Number of tokens.
     *
     * @return a count
     */
    public long length() {
        return length;
    }

    /**
     * Number of ids of the tokenizer that made it.
     *
     * @return all tokens are below it
     */
    public int vocabulary() {
        return vocabulary;
    }

    /**
     * One token.
     *
     * @param index 0 .. length - 1
     * @return its id
     */
    public int at(long index) {
        return switch (width) {
            case 1 -> tokens.getAtIndex(JAVA_BYTE, index) & 0xFF;
            case 2 -> tokens.getAtIndex(JAVA_SHORT_UNALIGNED, index) & 0xFFFF;
            default -> tokens.getAtIndex(JAVA_INT_UNALIGNED, index);
        };
    }

    /**
     * Copies tokens. Allocates nothing.
     *
     * @param from index of the first
     * @param count how many
     * @param to I32
     * @param at index in it of the first
     * @throws UncheckedIOException if somebody has cut the file meanwhile: to touch what is gone would be an error of the JVM
     */
    public void copy(long from, int count, MemorySegment to, long at) {
        checkIsWhole();
        for (int i = 0; i < count; i++) {
            to.setAtIndex(JAVA_INT, at + i, at(from + i));
        }
    }

    private void checkIsWhole() {
        try {
            if (handle.length() < HEADER + tokens.byteSize()) {
                throw new EOFException(file + " became shorter while it was read: make it again.");
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() {
        arena.close();
        try {
            handle.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
