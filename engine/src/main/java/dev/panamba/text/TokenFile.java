package dev.panamba.text;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;

/**
 * A corpus in tokens, in a file that is written once and then mapped: 1, 2 or 4 bytes a token, little-endian, by the size of the
 * vocabulary, behind a header of 32 bytes (magic, version, bytes of a token, vocabulary, number of tokens).
 */
public final class TokenFile implements AutoCloseable {
    private static final long MAGIC = 0x314E_454B_4F54_4250L; // "PBTOKEN1"
    private static final int HEADER = 32;

    private final Arena arena;
    private final MemorySegment tokens;
    private final int width;
    private final int vocabulary;
    private final long length;

    private TokenFile(Arena arena, MemorySegment file, int width, int vocabulary, long length) {
        this.arena = arena;
        this.tokens = file.asSlice(HEADER);
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
        var temporary = file.resolveSibling(".tmp-" + file.getFileName());
        try {
            Corpus.Summary summary;
            try (var out = new Writer(temporary, tokenizer)) {
                summary = corpus.read(out);
                out.finish();
            }
            Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            return summary;
        } finally {
            Files.deleteIfExists(temporary);
        }
    }

    private static int width(int vocabulary) {
        return vocabulary <= 1 << 8 ? 1 : vocabulary <= 1 << 16 ? 2 : 4;
    }

    private static final class Writer implements Corpus.Reader, AutoCloseable {
        private final FileChannel channel;
        private final OutputStream out;
        private final Tokenizer tokenizer;
        private final int width;
        private Tokenizer.Encoder encoder;
        private long count;

        Writer(Path file, Tokenizer tokenizer) throws IOException {
            this.tokenizer = tokenizer;
            this.encoder = tokenizer.encoder();
            this.width = width(tokenizer.vocabulary());
            channel = FileChannel.open(
                    file, StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING, StandardOpenOption.WRITE);
            channel.position(HEADER);
            out = new BufferedOutputStream(java.nio.channels.Channels.newOutputStream(channel), 1 << 16);
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
            channel.force(true);
        }

        @Override
        public void close() throws IOException {
            channel.close();
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
        var arena = Arena.ofShared();
        try (var channel = FileChannel.open(file)) {
            var bytes = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
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
            return new TokenFile(arena, bytes, width, (int) vocabulary, length);
        } catch (IOException | RuntimeException e) {
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
     */
    public void copy(long from, int count, MemorySegment to, long at) {
        for (int i = 0; i < count; i++) {
            to.setAtIndex(JAVA_INT, at + i, at(from + i));
        }
    }

    @Override
    public void close() {
        arena.close();
    }
}
