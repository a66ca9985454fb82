package dev.panamba.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.Fork;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.function.IntFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Whoever writes a header does not decide how much heap it takes: less than twice its size, whatever its shape. */
class HeaderHeapTest {
    /** Of a JVM that opens a small file, with some room. */
    private static final int BASE = 4 << 20;
    /** Times the header. A tensor of a few bytes of text whose shape is no other one's is more than that as an object. */
    private static final double MOST = 2;

    private static final double MOST_OF_OWN_SHAPES = 2.6;

    @TempDir
    private Path folder;

    /** What a header is made of, about as many bytes as the format allows, or as many tensors. */
    enum Kind {
        TINY_TENSORS(100_000, true, i -> "\"" + i + "\":" + tensor("0")),
        EVERY_SHAPE(100_000, true, i -> "\"" + i + "\":" + tensor("0," + (i + 1))),
        LONG_NAMES(400, true, i -> "\"" + "n".repeat(60_000) + i + "\":" + tensor("0")),
        NAMES_OF_SOME_LENGTH(100_000, true, i -> "\"" + "n".repeat(200) + i + "\":" + tensor("0")),
        ESCAPED_NAMES(50_000, true, i -> "\"" + "\\u00e9".repeat(150) + i + "\":" + tensor("0")),
        ONE_LONG_NAME(1, false, i -> "\"" + "n".repeat(24_000_000) + "\":" + tensor("0")),
        MANY_DIMENSIONS(7_000, true, i -> "\"" + i + "\":" + tensor("1,".repeat(62) + "0," + i)),
        TOO_MANY_DIMENSIONS(100_000, false, i -> "\"" + i + "\":" + tensor("1,".repeat(62) + "0," + i)),
        A_LONG_DTYPE(1, false, i -> "\"a\":{\"dtype\":\"" + "F".repeat(24_000_000) + "\"}"),
        UNKNOWN_FIELDS(
                30, true, i -> "\"" + i + "\":" + tensor("0").replace("}", ",\"x\":\"" + "y".repeat(800_000) + "\"}")),
        LONG_METADATA(1, true, i -> "\"__metadata__\":{\"a\":\"" + "m".repeat(24_000_000) + "\"}"),
        MANY_METADATA(
                1,
                true,
                i -> "\"__metadata__\":{"
                        + many(10_000, j -> "\"" + "k".repeat(1_000) + j + "\":\"" + "v".repeat(1_000) + "\"") + "}"),
        TOO_MANY_METADATA(1, false, i -> "\"__metadata__\":{" + many(100_000, j -> "\"" + j + "\":\"\"") + "}");

        private final int count;
        private final boolean accepted;
        private final IntFunction<String> part;

        Kind(int count, boolean accepted, IntFunction<String> part) {
            this.count = count;
            this.accepted = accepted;
            this.part = part;
        }
    }

    private static String tensor(String dims) {
        return "{\"dtype\":\"U8\",\"shape\":[" + dims + "],\"data_offsets\":[0,0]}";
    }

    private static String many(int count, IntFunction<String> part) {
        var all = new StringBuilder();
        for (int i = 0; i < count; i++) {
            all.append(i == 0 ? "" : ",").append(part.apply(i));
        }
        return all.toString();
    }

    private Path write(String header) throws IOException {
        var bytes = ("{" + header + "}").getBytes(StandardCharsets.UTF_8);
        var file = folder.resolve("a.safetensors");
        try (var out = Files.newOutputStream(file)) {
            out.write(ByteBuffer.allocate(Long.BYTES)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putLong(bytes.length)
                    .array());
            out.write(bytes);
        }
        return file;
    }

    @ParameterizedTest
    @EnumSource
    void itTakesLessThanTwiceItself(Kind kind) throws Exception {
        var file = write(many(kind.count, kind.part));
        var most = kind == Kind.EVERY_SHAPE ? MOST_OF_OWN_SHAPES : MOST;
        var fork = open(file, BASE + (long) (most * (Files.size(file) - Long.BYTES)));
        assertEquals(0, fork.exit(), fork.output());
        assertTrue(fork.output().contains(kind.accepted ? "read" : "refused"), fork.output());
    }

    /** The base is what the JVM needs, and no room that hides what a header takes. */
    @Test
    void theBaseIsSmall() throws Exception {
        var fork = open(write("\"a\":" + tensor("0")), BASE - (1 << 20));
        assertTrue(fork.exit() == 0 && fork.output().contains("read"), fork.output());
    }

    private static Fork open(Path file, long heap) throws Exception {
        return Fork.run(Map.of("JAVA_TOOL_OPTIONS", "-Xmx" + heap), Open.class, file.toString());
    }

    /** Opens one file in a process of its own. */
    static final class Open {
        public static void main(String[] args) throws IOException {
            try (var file = SafeTensors.open(Path.of(args[0]))) {
                System.out.println("read " + file.tensors().size());
            } catch (MalformedFileException e) {
                System.out.println("refused " + e.getMessage());
            }
        }
    }
}
