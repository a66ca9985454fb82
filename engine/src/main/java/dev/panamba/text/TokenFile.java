package dev.panamba.text;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.panamba.io.AtomicFiles;
import dev.panamba.io.InputFiles;
import java.io.BufferedOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicReference;

/**
 * A corpus in tokens, in a file that is written once and then read in blocks: 1, 2 or 4 bytes a token, little-endian, by the size
 * of the vocabulary, behind a header of 32 bytes (magic, version, bytes of a token, vocabulary, number of tokens). Any number of
 * threads may read. It is not mapped, since what is cut off a mapped file ends whoever reads there.
 */
public final class TokenFile implements AutoCloseable {
    private static final long MAGIC = 0x314E_454B_4F54_4250L; // "PBTOKEN1"
    private static final int HEADER = 32;

    /** Bytes that are read at once; reads of at most so many need no memory of their own. */
    private static final int BLOCK = 8192;

    private final Path file;
    // Unlike a channel it stays open when a thread that reads is interrupted.
    private final RandomAccessFile opened;
    private final int width;
    private final int vocabulary;
    private final long length;
    private final byte[] block = new byte[BLOCK];
    /** The number of the block, counted from the first token, or -1 for none. */
    private long present = -1;

    private boolean closed;

    private TokenFile(Path file, RandomAccessFile opened, int width, int vocabulary, long length) {
        this.file = file;
        this.opened = opened;
        this.width = width;
        this.vocabulary = vocabulary;
        this.length = length;
    }

    /**
     * Tokenises a corpus into a file, each document as {@link Tokenizer#encode(String)} does, and each of several with the end of text
     * behind it; a file of that name is replaced at once when the new one is whole.
     *
     * @param file where to
     * @param corpus what
     * @param tokenizer how
     * @return what was read
     * @throws IOException if a file cannot be read or written
     */
    public static Corpus.Summary write(Path file, Corpus corpus, Tokenizer tokenizer) throws IOException {
        var summary = new AtomicReference<Corpus.Summary>();
        AtomicFiles.seekable(file, channel -> {
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
        private Tokenizer.Encoder encoder;
        private long count;

        Writer(FileChannel channel, Tokenizer tokenizer) throws IOException {
            this.channel = channel;
            this.tokenizer = tokenizer;
            this.encoder = tokenizer.encoder();
            this.width = width(tokenizer.vocabulary());
            channel.position(HEADER);
            out = new BufferedOutputStream(Channels.newOutputStream(channel), 1 << 16);
        }

        @Override
        public void part(byte[] bytes, int length) throws IOException {
            write(encoder.append(bytes, length));
        }

        @Override
        public void endOfDocument() throws IOException {
            var rest = encoder.finish();
            write(rest);
            encoder = tokenizer.encoder();
            var end = tokenizer.endOfText();
            // A post-processor may have written it.
            if (end.isPresent() && (rest.length == 0 || rest[rest.length - 1] != end.getAsInt())) {
                write(end.getAsInt());
            }
        }

        private void write(int... tokens) throws IOException {
            for (int token : tokens) {
                for (int i = 0; i < width; i++) {
                    out.write(token >>> 8 * i);
                }
            }
            count += tokens.length;
        }

        void finish() throws IOException {
            write(encoder.finish());
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
     * Opens a file.
     *
     * @param file written by {@link #write}
     * @return the tokens
     * @throws IOException if it cannot be read or is no whole token file
     */
    public static TokenFile open(Path file) throws IOException {
        InputFiles.check(file);
        var opened = new RandomAccessFile(file.toFile(), "r");
        try {
            long size = opened.length();
            var bytes = new byte[HEADER];
            opened.readFully(bytes, 0, (int) Math.min(HEADER, size));
            var header = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
            if (size < HEADER || header.getLong(0) != MAGIC) {
                throw new IOException(file + " is no token file.");
            }
            int width = header.getInt(12);
            long vocabulary = header.getLong(16);
            long length = header.getLong(24);
            if (header.getInt(8) != 1
                    || vocabulary < 1
                    || vocabulary > Integer.MAX_VALUE
                    || width != width((int) vocabulary)
                    || length < 0
                    || length != (size - HEADER) / width
                    || (size - HEADER) % width != 0) {
                throw new IOException(file + " is a damaged token file: delete it, it is made again.");
            }
            return new TokenFile(file, opened, width, (int) vocabulary, length);
        } catch (IOException | RuntimeException e) {
            opened.close();
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
     * @throws UncheckedIOException if the file can no longer be read
     */
    public synchronized int at(long index) {
        Objects.checkIndex(index, length);
        int at = load(index);
        return switch (width) {
            case 1 -> block[at] & 0xFF;
            case 2 -> block[at] & 0xFF | (block[at + 1] & 0xFF) << 8;
            default ->
                block[at] & 0xFF | (block[at + 1] & 0xFF) << 8 | (block[at + 2] & 0xFF) << 16 | block[at + 3] << 24;
        };
    }

    /** Makes the block present that has a token, and says where in it that stands. */
    private int load(long index) {
        if (closed) {
            throw new IllegalStateException(file + " is closed.");
        }
        long at = index * width;
        long wanted = at / BLOCK;
        if (wanted != present) {
            present = -1;
            try {
                opened.seek(HEADER + wanted * BLOCK);
                opened.readFully(block, 0, (int) Math.min(BLOCK, length * width - wanted * BLOCK));
            } catch (EOFException e) {
                throw new UncheckedIOException(
                        new IOException(file + " became shorter while it was read: delete it, it is made again.", e));
            } catch (IOException e) {
                throw new UncheckedIOException(new IOException(file + " cannot be read: " + e.getMessage() + ".", e));
            }
            present = wanted;
        }
        return (int) (at % BLOCK);
    }

    /**
     * Copies tokens. Allocates nothing.
     *
     * @param from index of the first
     * @param count how many
     * @param to I32
     * @param at index in it of the first
     * @throws UncheckedIOException if the file can no longer be read
     */
    public synchronized void copy(long from, int count, MemorySegment to, long at) {
        for (int i = 0; i < count; i++) {
            to.setAtIndex(JAVA_INT, at + i, at(from + i));
        }
    }

    @Override
    public synchronized void close() {
        closed = true;
        try {
            opened.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
