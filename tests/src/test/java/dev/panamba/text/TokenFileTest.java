package dev.panamba.text;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.OptionalInt;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A corpus in tokens is read back as written, or refused. */
class TokenFileTest {
    @TempDir
    private Path folder;

    /** Of each byte the id that is spread over a whole vocabulary. */
    private record Spread(int vocabulary) implements Tokenizer {
        @Override
        public int[] encode(String text) {
            throw new UnsupportedOperationException();
        }

        @Override
        public int[] encode(byte[] bytes, int count) {
            return IntStream.range(0, count)
                    .map(i -> (int) ((bytes[i] & 0xFFL) * (vocabulary - 1) / 255))
                    .toArray();
        }

        @Override
        public OptionalInt endOfText() {
            return OptionalInt.empty();
        }

        @Override
        public Decoder decoder() {
            throw new UnsupportedOperationException();
        }
    }

    @Test
    void whatIsCutOffIsNotRead() throws IOException {
        var file = write(Tokenizers.bytes());
        try (var tokens = TokenFile.open(file);
                var arena = Arena.ofConfined()) {
            var to = arena.allocate(JAVA_INT, 10);
            try (var channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
                channel.truncate(100);
            }
            var refused = assertThrows(UncheckedIOException.class, () -> tokens.copy(990, 10, to, 0));
            assertTrue(refused.getMessage().contains(file + " became shorter"), refused.getMessage());
        }
    }

    private Path write(Tokenizer tokenizer) throws IOException {
        var bytes = new byte[1000];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) (i * 7);
        }
        Files.write(folder.resolve("text"), bytes);
        var file = folder.resolve("tokens");
        TokenFile.write(file, Corpus.of(folder.resolve("text")), tokenizer);
        return file;
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 256, 257, 65_536, 65_537, 1 << 24})
    void everyWidthIsReadBack(int vocabulary) throws IOException {
        var tokenizer = new Spread(vocabulary);
        var file = write(tokenizer);
        var expected = tokenizer.encode(Files.readAllBytes(folder.resolve("text")), 1000);
        int width = vocabulary <= 256 ? 1 : vocabulary <= 65_536 ? 2 : 4;
        assertEquals(32 + 1000L * width, Files.size(file));
        try (var tokens = TokenFile.open(file);
                var arena = Arena.ofConfined()) {
            assertEquals(vocabulary, tokens.vocabulary());
            assertEquals(1000, tokens.length());
            var copied = arena.allocate(JAVA_INT, 1000);
            tokens.copy(0, 1000, copied, 0);
            assertArrayEquals(expected, copied.toArray(JAVA_INT));
            assertThrows(IndexOutOfBoundsException.class, () -> tokens.at(1000));
            assertThrows(IndexOutOfBoundsException.class, () -> tokens.at(-1));
        }
    }

    @Test
    void damagedFilesAreRefused() throws IOException {
        var file = write(new Spread(1000));
        var whole = Files.readAllBytes(file);
        for (int length = 0; length < 40; length++) {
            refuse(file, Arrays.copyOf(whole, length));
        }
        refuse(file, Arrays.copyOf(whole, whole.length - 1));
        refuse(file, Arrays.copyOf(whole, whole.length - 2));
        refuse(file, Arrays.copyOf(whole, whole.length + 1));
        refuse(file, Arrays.copyOf(whole, whole.length + 2));
        refuse(file, with(whole, 0, 1L));
        refuse(file, with(whole, 8, 2));
        for (int width : new int[] {0, 1, 4, -2, Integer.MAX_VALUE}) {
            refuse(file, with(whole, 12, width));
        }
        for (long vocabulary : new long[] {0, -1, 256, 65_537, 1L << 31, 1L << 32 | 1000, Long.MIN_VALUE}) {
            refuse(file, with(whole, 16, vocabulary));
        }
        for (long length : new long[] {0, 999, 1001, -1, Long.MAX_VALUE, Long.MIN_VALUE, 1L << 63 | 1000}) {
            refuse(file, with(whole, 24, length));
        }
        assertThrows(IOException.class, () -> TokenFile.open(folder));
        assertThrows(IOException.class, () -> TokenFile.open(folder.resolve("missing")));
    }

    private static void refuse(Path file, byte[] bytes) throws IOException {
        Files.write(file, bytes);
        var refused = assertThrows(IOException.class, () -> TokenFile.open(file));
        assertTrue(refused.getMessage().contains("token file"), refused.getMessage());
    }

    private static byte[] with(byte[] bytes, int at, Number value) {
        var buffer = ByteBuffer.wrap(bytes.clone()).order(ByteOrder.LITTLE_ENDIAN);
        if (value instanceof Long whole) {
            buffer.putLong(at, whole);
        } else {
            buffer.putInt(at, value.intValue());
        }
        return buffer.array();
    }

    @Test
    void anAttemptThatFailsLeavesTheOldFileAndNothingElse() throws IOException {
        var file = write(new Spread(256));
        var before = Files.readAllBytes(file);
        var missing = Corpus.of(folder.resolve("missing"));
        assertThrows(IOException.class, () -> TokenFile.write(file, missing, Tokenizers.bytes()));
        assertArrayEquals(before, Files.readAllBytes(file));
        try (var files = Files.list(folder)) {
            assertEquals(2, files.count(), "text and tokens");
        }
    }

    /** Copies go over the ends of blocks, forward and back, and every width counts its bytes. */
    @ParameterizedTest
    @ValueSource(ints = {256, 1000, 100_000})
    void anyPartIsThatPart(int vocabulary) throws IOException {
        var text = new byte[40_000];
        new Random(4).nextBytes(text);
        Files.write(folder.resolve("text"), text);
        var tokenizer = new Spread(vocabulary);
        var expected = tokenizer.encode(text, text.length);
        TokenFile.write(folder.resolve("tokens"), Corpus.of(folder.resolve("text")), tokenizer);
        try (var tokens = TokenFile.open(folder.resolve("tokens"));
                var arena = Arena.ofConfined()) {
            var copied = arena.allocate(JAVA_INT, 10_000);
            var random = new Random(5);
            for (int round = 0; round < 200; round++) {
                int from = random.nextInt(text.length - 10_000);
                int count = random.nextInt(10_000);
                tokens.copy(from, count, copied, 0);
                assertArrayEquals(
                        Arrays.copyOfRange(expected, from, from + count),
                        copied.asSlice(0, 4L * count).toArray(JAVA_INT));
                assertEquals(expected[from], tokens.at(from));
            }
        }
    }

    @Test
    void aFileThatIsCutWhileItIsReadIsOneSentence() throws IOException {
        var file = folder.resolve("tokens");
        Files.write(folder.resolve("text"), new byte[100_000]);
        TokenFile.write(file, Corpus.of(folder.resolve("text")), Tokenizers.bytes());
        for (int left : new int[] {50_000, 33, 0}) {
            try (var tokens = TokenFile.open(file);
                    var channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
                assertEquals(0, tokens.at(0));
                channel.truncate(left);
                var e = assertThrows(UncheckedIOException.class, () -> tokens.at(99_999));
                assertTrue(e.getCause().getMessage().contains(file + " became shorter"), e.getMessage());
                try (var arena = Arena.ofConfined()) {
                    var copied = arena.allocate(JAVA_INT, 1000);
                    assertThrows(UncheckedIOException.class, () -> tokens.copy(90_000, 1000, copied, 0));
                }
            }
            TokenFile.write(file, Corpus.of(folder.resolve("text")), Tokenizers.bytes());
        }
    }

    @Test
    void anInterruptedThreadReadsOn() throws IOException {
        try (var tokens = TokenFile.open(write(new Spread(256)))) {
            int expected = tokens.at(999);
            Thread.currentThread().interrupt();
            assertEquals(expected, tokens.at(999));
            assertTrue(Thread.interrupted());
        }
        try (var tokens = TokenFile.open(folder.resolve("tokens"))) {
            Thread.currentThread().interrupt();
            tokens.at(999);
            assertTrue(Thread.interrupted());
        }
    }

    @Test
    @Timeout(20)
    void aPipeIsNoTokenFile() throws Exception {
        var pipe = folder.resolve("pipe");
        assertEquals(0, new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor());
        assertThrows(IOException.class, () -> TokenFile.open(pipe));
    }

    @Test
    void aClosedFileIsNotRead() throws IOException {
        var tokens = TokenFile.open(write(new Spread(256)));
        tokens.close();
        assertThrows(IllegalStateException.class, () -> tokens.at(0));
    }

    @Test
    void anEmptyCorpusIsAnEmptyFile() throws IOException {
        Files.createFile(folder.resolve("empty"));
        TokenFile.write(folder.resolve("tokens"), Corpus.of(folder.resolve("empty")), Tokenizers.bytes());
        try (var tokens = TokenFile.open(folder.resolve("tokens"))) {
            assertEquals(0, tokens.length());
        }
    }
}
