package dev.panamba.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Files that were made to be misread, with our verdict and that of Python's safetensors: ours may be the stricter one, and changes
 * only with the table {@code verdicts.tsv}.
 */
class VerdictsTest {
    private static final String ACCEPT = "accept";

    @TempDir
    private Path folder;

    /**
     * A line of the table.
     *
     * @param name of the case
     * @param length what the file says of its header; = for the truth, none for no such number
     * @param header with what is not printable as \xNN; with an at sign the name of what {@link #large} makes
     * @param data bytes behind it
     * @param ours a fault, or accept and the number of tensors
     * @param pythons accept or reject
     */
    record Case(String name, String length, String header, int data, String ours, String pythons) {
        @Override
        public String toString() {
            return name;
        }

        byte[] file() {
            var text = header.startsWith("@") ? large(header.substring(1)) : unescaped(header);
            var bytes = text.getBytes(StandardCharsets.ISO_8859_1);
            var file = new ByteArrayOutputStream();
            if (!length.equals("none")) {
                long says = length.equals("=") ? bytes.length : Long.parseUnsignedLong(length);
                file.writeBytes(ByteBuffer.allocate(Long.BYTES)
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .putLong(says)
                        .array());
            }
            file.writeBytes(bytes);
            file.writeBytes(new byte[data]);
            return file.toByteArray();
        }
    }

    private static String unescaped(String text) {
        var out = new StringBuilder();
        for (int i = 0; i < text.length(); i++) {
            if (text.charAt(i) != '\\') {
                out.append(text.charAt(i));
            } else if (text.charAt(++i) == 'x') {
                out.append((char) Integer.parseInt(text, i + 1, i + 3, 16));
                i += 2;
            } else {
                out.append('\\');
            }
        }
        return out.toString();
    }

    /** Headers that are too long for a table. */
    private static String large(String name) {
        var tensor = ":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";
        return switch (name) {
            case "depth_100k" -> "{\"a\":" + "[".repeat(100_000);
            case "depth_meta" -> "{\"__metadata__\":{\"a\":" + "{\"a\":".repeat(50_000);
            case "digits_10k" -> "{\"a\"" + tensor.replace("[2]", "[" + "9".repeat(10_000) + "]");
            case "name_10MB" -> "{\"" + "n".repeat(10_000_000) + "\"" + tensor;
            case "tensors_100k" ->
                empty(IntStream.range(0, 100_000).mapToObj(Integer::toString).toList());
            case "tensors_100001" ->
                empty(IntStream.range(0, 100_001).mapToObj(Integer::toString).toList());
            case "tensors_1M" ->
                empty(IntStream.range(0, 1_000_000).mapToObj(Integer::toString).toList());
            // All have one hash: Aa and BB do.
            case "hash_collisions_32k" ->
                empty(IntStream.range(0, 1 << 15)
                        .mapToObj(i -> IntStream.range(0, 15)
                                .mapToObj(bit -> (i >> bit & 1) == 0 ? "Aa" : "BB")
                                .collect(Collectors.joining()))
                        .toList());
            default -> throw new IllegalArgumentException(name);
        };
    }

    private static String empty(List<String> names) {
        return names.stream()
                .map(name -> "\"" + name + "\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}")
                .collect(Collectors.joining(",", "{", "}"));
    }

    static List<Case> cases() throws IOException {
        try (var table = VerdictsTest.class.getResourceAsStream("verdicts.tsv")) {
            return new String(table.readAllBytes(), StandardCharsets.UTF_8)
                    .lines()
                    .filter(line -> !line.startsWith("#"))
                    .map(line -> line.split("\t", -1))
                    .map(f -> new Case(f[0], f[1], f[2], Integer.parseInt(f[3]), f[4], f[5]))
                    .toList();
        }
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("cases")
    void isJudgedAsTheTableSays(Case one) throws IOException {
        var path = Files.write(folder.resolve("a.safetensors"), one.file());
        String verdict;
        try (var file = SafeTensors.open(path)) {
            verdict = ACCEPT + " " + file.tensors().size();
            for (var tensor : file.tensors()) {
                assertEquals(tensor, file.tensor(tensor.name()));
            }
            file.metadata();
        } catch (MalformedFileException e) {
            verdict = e.fault().name();
        }
        assertEquals(one.ours(), verdict);
        assertTrue(!verdict.startsWith(ACCEPT) || one.pythons().equals(ACCEPT), "more lenient than Python");
    }

    @Test
    void theTableIsWhole() throws IOException {
        assertTrue(cases().size() >= 122, cases().size() + " cases");
        assertEquals(cases().size(), cases().stream().map(Case::name).distinct().count());
    }
}
