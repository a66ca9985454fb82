package dev.panamba.io;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeout;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.io.MalformedFileException.Fault;
import dev.panamba.tensor.DType;
import dev.panamba.tensor.Shape;
import dev.panamba.tensor.Tensor;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** What a safetensors file says is compared with the file before anybody uses it. */
class SafeTensorsTest {
    private static final String ONE = "{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,8]}}";

    @TempDir
    private Path folder;

    static Stream<Arguments> malformed() {
        return Stream.of(
                wrong("a Git LFS pointer", Fault.OTHER_FILE, text("version https://git-lfs.github.com/spec/v1\n")),
                wrong("an HTML page", Fault.OTHER_FILE, text("<html>")),
                wrong("gzip data", Fault.OTHER_FILE, "\u001F\u008B\b".getBytes(StandardCharsets.ISO_8859_1)),
                wrong("a text", Fault.HEADER_TOO_LARGE, text("Entry not found")),
                wrong("a short text", Fault.NO_HEADER, text("none")),
                wrong("empty file", Fault.NO_HEADER, new byte[0]),
                wrong("seven bytes", Fault.NO_HEADER, new byte[7]),
                wrong("header length 0", Fault.HEADER_TOO_SMALL, raw(0, "")),
                wrong("header length 1", Fault.HEADER_TOO_SMALL, raw(1, "{")),
                wrong("header length 2^31", Fault.HEADER_TOO_LARGE, raw(1L << 31, "{}")),
                wrong("header length 2^63", Fault.HEADER_TOO_LARGE, raw(1L << 63, "{}")),
                wrong("header length 2^64 - 1", Fault.HEADER_TOO_LARGE, raw(-1, "{}")),
                wrong("header of 100 MB and a byte", Fault.HEADER_TOO_LARGE, raw(100_000_001, "{}")),
                wrong("header longer than the file", Fault.HEADER_OVER_FILE, raw(3, "{}")),
                wrong("an array", Fault.NO_OBJECT, file("[]", 0)),
                wrong("a space first", Fault.NO_OBJECT, file(" {}", 0)),
                wrong("a byte order mark", Fault.NO_OBJECT, file("\uFEFF{}", 0)),
                wrong("no UTF-8", Fault.NO_UTF8, latin1("{'é':1}")),
                wrong("half a character", Fault.NO_UTF8, latin1("{'a':'\u00C3")),
                wrong("no JSON", Fault.NO_JSON, file("{a}", 0)),
                wrong("an object without an end", Fault.NO_JSON, file("{'a':{'dtype':'F32'", 0)),
                wrong("a comment", Fault.NO_JSON, file("{/**/}", 0)),
                wrong("a depth bomb", Fault.NO_JSON, file("{'a':{'x':" + "[".repeat(100_000), 0)),
                wrong("a number of 10,000 digits", Fault.NO_JSON, one("[" + "9".repeat(10_000) + "]", "[0,8]", 8)),
                wrong("two objects", Fault.TRAILING_TEXT, file("{}{}", 0)),
                wrong("zero bytes behind", Fault.NO_JSON, file("{}\0\0", 0)),
                wrong(
                        "a name twice",
                        Fault.DUPLICATE_KEY,
                        file(ONE.replace("}}", "},") + ONE.substring(1).replace("0,8", "8,16"), 16)),
                wrong(
                        "a dtype twice",
                        Fault.DUPLICATE_KEY,
                        file(ONE.replace("'dtype':'F32',", "'dtype':'F32','dtype':'F32',"), 8)),
                wrong("a metadatum twice", Fault.DUPLICATE_KEY, file("{'__metadata__':{'a':'b','a':'c'}}", 0)),
                wrong("metadata twice", Fault.DUPLICATE_KEY, file("{'__metadata__':{},'__metadata__':{}}", 0)),
                wrong("metadata as a text", Fault.BAD_METADATA, file("{'__metadata__':'a'}", 0)),
                wrong("a metadatum as a number", Fault.BAD_METADATA, file("{'__metadata__':{'a':1}}", 0)),
                wrong("an empty name", Fault.EMPTY_NAME, file(ONE.replace("'a'", "''"), 8)),
                wrong("a tensor as a number", Fault.BAD_TENSOR, file("{'a':1}", 0)),
                wrong("no dtype", Fault.BAD_TENSOR, file("{'a':{'shape':[2],'data_offsets':[0,8]}}", 8)),
                wrong("no shape", Fault.BAD_TENSOR, file("{'a':{'dtype':'F32','data_offsets':[0,8]}}", 8)),
                wrong("no offsets", Fault.BAD_TENSOR, file("{'a':{'dtype':'F32','shape':[2]}}", 8)),
                wrong("one offset", Fault.BAD_TENSOR, one("[2]", "[8]", 8)),
                wrong("three offsets", Fault.BAD_TENSOR, one("[2]", "[0,4,8]", 8)),
                wrong("a shape as a text", Fault.BAD_TENSOR, one("'2'", "[0,8]", 8)),
                wrong("a dtype as a number", Fault.BAD_TENSOR, file(ONE.replace("'F32'", "32"), 8)),
                wrong("an unknown dtype", Fault.UNKNOWN_DTYPE, file(ONE.replace("F32", "F31"), 8)),
                wrong("a dtype in small letters", Fault.UNKNOWN_DTYPE, file(ONE.replace("F32", "f32"), 8)),
                wrong("a negative dimension", Fault.BAD_NUMBER, one("[-2]", "[0,8]", 8)),
                wrong("two negative dimensions", Fault.BAD_NUMBER, one("[-2,-1]", "[0,8]", 8)),
                wrong("a fraction", Fault.BAD_NUMBER, one("[2.0]", "[0,8]", 8)),
                wrong("an exponent", Fault.BAD_NUMBER, one("[2e0]", "[0,8]", 8)),
                wrong("2^64", Fault.BAD_NUMBER, one("[18446744073709551616]", "[0,8]", 8)),
                wrong("2^63", Fault.BAD_NUMBER, one("[9223372036854775808]", "[0,8]", 8)),
                wrong("a nested shape", Fault.BAD_NUMBER, one("[[2]]", "[0,8]", 8)),
                wrong("null as a dimension", Fault.BAD_NUMBER, one("[null]", "[0,8]", 8)),
                wrong("a negative offset", Fault.BAD_NUMBER, one("[2]", "[-8,0]", 8)),
                wrong("65 dimensions", Fault.TOO_MANY_DIMENSIONS, one("[" + "1,".repeat(64) + "2]", "[0,8]", 8)),
                wrong("a product above 2^63", Fault.SHAPE_OVERFLOW, one("[4294967296,4294967296]", "[0,8]", 8)),
                wrong("bytes above 2^63", Fault.SHAPE_OVERFLOW, one("[4611686018427387904]", "[0,8]", 8)),
                wrong("a product that wraps to 2", Fault.SHAPE_OVERFLOW, one("[9223372036854775807,2,3]", "[0,8]", 8)),
                wrong("too few bytes", Fault.WRONG_SPAN, one("[3]", "[0,8]", 8)),
                wrong("offsets in the wrong order", Fault.WRONG_SPAN, one("[2]", "[8,0]", 8)),
                wrong("offsets far away", Fault.WRONG_SPAN, one("[2]", "[0,9223372036854775807]", 8)),
                wrong("an overlap", Fault.OVERLAP, two(0, 8, 4, 12)),
                wrong("the same bytes", Fault.OVERLAP, two(0, 8, 0, 8)),
                wrong("a hole", Fault.HOLE, two(0, 8, 12, 20)),
                wrong("a hole at the start", Fault.HOLE, one("[2]", "[4,12]", 12)),
                wrong("data that end early", Fault.TRUNCATED, one("[2]", "[0,8]", 7)),
                wrong("no data", Fault.TRUNCATED, one("[2]", "[0,8]", 0)),
                wrong("data that go on", Fault.TRAILING_BYTES, one("[2]", "[0,8]", 9)),
                wrong("data of nobody", Fault.TRAILING_BYTES, file("{}", 1)));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("malformed")
    void everyFaultIsRefusedByName(String what, Fault fault, byte[] bytes) throws IOException {
        var file = Files.write(folder.resolve("wrong.safetensors"), bytes);
        var refused = assertTimeout(
                Duration.ofSeconds(5),
                () -> assertThrows(
                        MalformedFileException.class,
                        () -> SafeTensors.open(file).close()));
        assertEquals(fault, refused.fault(), refused.getMessage());
        assertTrue(refused.getMessage().startsWith(file + " "), refused.getMessage());
        assertTrue(refused.getMessage().length() < folder.toString().length() + 400, "the message is short");
        assertTrue(refused.getMessage().chars().noneMatch(Character::isISOControl), "and printable");
    }

    @Test
    void everyFaultHasACase() {
        var tried = EnumSet.noneOf(Fault.class);
        malformed().forEach(arguments -> tried.add((Fault) arguments.get()[1]));
        // These have tests of their own below.
        tried.addAll(List.of(Fault.TOO_MANY_TENSORS, Fault.BAD_INDEX, Fault.SHARD_OUTSIDE, Fault.SHARDS_DIFFER));
        assertEquals(EnumSet.allOf(Fault.class), tried);
        assertTrue(malformed().count() >= 30);
    }

    @Test
    void moreTensorsOrMetadataThanAnybodyWritesAreRefused() throws IOException {
        var tensors = new StringBuilder("{");
        var metadata = new StringBuilder("{'__metadata__':{");
        for (int i = 0; i <= 100_000; i++) {
            tensors.append("'" + i + "':{'dtype':'F32','shape':[0],'data_offsets':[0,0]},");
            metadata.append("'" + i + "':'',");
        }
        for (var text : List.of(tensors + "'x':0}", metadata + "'x':''}}")) {
            var file = Files.write(folder.resolve("many"), file(text, 0));
            var refused = assertThrows(MalformedFileException.class, () -> SafeTensors.open(file));
            assertEquals(Fault.TOO_MANY_TENSORS, refused.fault());
        }
    }

    @Test
    void aLargeHeaderTakesMemoryLikeItself() throws IOException {
        int length = 32 << 20;
        var bytes = file(ONE.replace("[2]", "[" + "1,".repeat(length / 2) + "2]"), 8);
        var file = Files.write(folder.resolve("large"), bytes);
        var before = allocated();
        assertThrows(MalformedFileException.class, () -> SafeTensors.open(file));
        var used = allocated() - before;
        assertTrue(used < 2L * bytes.length, used + " bytes allocated for a header of " + bytes.length);
    }

    private static long allocated() {
        return ((com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean()).getCurrentThreadAllocatedBytes();
    }

    @Test
    void whatIsRightIsRead() throws IOException {
        var right = List.of(
                file("{}", 0),
                file("{}      ", 0),
                file("{\n\t}\r\n", 0),
                file("{'__metadata__':{}}", 0),
                file(ONE, 8),
                file(ONE.replace("'F32'", "'F32','more':[{'x':null}]"), 8),
                file("{'a':{'dtype':'F32','shape':[],'data_offsets':[0,4]}}", 4),
                file("{'a':{'dtype':'F32','shape':[3,0],'data_offsets':[0,0]}}", 0),
                two(8, 16, 0, 8));
        for (var bytes : right) {
            try (var file = SafeTensors.open(Files.write(folder.resolve("right"), bytes))) {
                assertEquals(
                        file.tensors().size(),
                        file.tensors().stream()
                                .map(t -> file.tensor(t.name()))
                                .distinct()
                                .count());
            }
        }
    }

    @Test
    void everyTruncationIsRefusedAndEveryFlipIsRefusedOrHarmless() throws IOException {
        var file = folder.resolve("small");
        write(file, Map.of("format", "pt"), floats("first", 3, 5), floats("second", 8));
        var bytes = Files.readAllBytes(file);
        for (int length = 0; length < bytes.length; length++) {
            Files.write(file, java.util.Arrays.copyOf(bytes, length));
            assertThrows(MalformedFileException.class, () -> SafeTensors.open(file), "cut at " + length);
        }
        int header =
                8 + (int) ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong();
        for (int at = 0; at < header; at++) {
            for (int bit = 0; bit < 8; bit++) {
                var flipped = bytes.clone();
                flipped[at] ^= (byte) (1 << bit);
                Files.write(file, flipped);
                try (var read = SafeTensors.open(file)) {
                    readAll(read);
                } catch (MalformedFileException e) {
                    assertTrue(e.fault() != null);
                }
            }
        }
    }

    /** Whatever the header says, what is read lies in the file. */
    private static void readAll(SafeTensors file) throws IOException {
        try (var arena = Arena.ofConfined()) {
            for (var tensor : file.tensors()) {
                var to = arena.allocate(tensor.shape().elements() * Float.BYTES);
                switch (tensor.type()) {
                    case F64, F32, BF16, F16 -> file.read(tensor, to);
                    default -> assertThrows(IOException.class, () -> file.read(tensor, to));
                }
            }
        }
    }

    @Test
    void allFloatTypesAreReadAsF32() throws IOException {
        float[] values = {0, -0f, 1, -2.5f, 1024, 0.5f, Float.POSITIVE_INFINITY, -65504};
        try (var arena = Arena.ofConfined()) {
            for (var type : List.of(DType.F32, DType.F64, DType.BF16, DType.F16)) {
                var bytes =
                        ByteBuffer.allocateDirect(values.length * type.bytes()).order(ByteOrder.LITTLE_ENDIAN);
                for (float value : values) {
                    switch (type) {
                        case F32 -> bytes.putFloat(value);
                        case F64 -> bytes.putDouble(value);
                        case F16 -> bytes.putShort(Float.floatToFloat16(value));
                        default -> bytes.putShort((short) (Float.floatToRawIntBits(value) >>> 16));
                    }
                }
                var file = folder.resolve(type.name());
                write(file, Map.of(), new Tensor("x", type, Shape.of(2, 4), MemorySegment.ofBuffer(bytes.flip())));
                var to = arena.allocate(JAVA_FLOAT, values.length);
                try (var read = SafeTensors.open(file)) {
                    assertEquals(Shape.of(2, 4), read.tensor("x").shape());
                    read.read(read.tensor("x"), to);
                }
                var expected = type == DType.BF16 ? rounded(values) : values;
                assertArrayEquals(expected, to.toArray(JAVA_FLOAT), type.name());
            }
        }
    }

    @Test
    void whatF32CannotHoldIsRefused() throws IOException {
        try (var arena = Arena.ofConfined()) {
            var to = arena.allocate(JAVA_FLOAT, 1);
            for (double value : new double[] {1e39, -Double.MAX_VALUE}) {
                var bytes = ByteBuffer.allocateDirect(Double.BYTES).order(ByteOrder.LITTLE_ENDIAN);
                bytes.putDouble(value);
                var file = folder.resolve("double");
                write(file, Map.of(), new Tensor("x", DType.F64, Shape.of(1), MemorySegment.ofBuffer(bytes.flip())));
                try (var read = SafeTensors.open(file)) {
                    var refused = assertThrows(IOException.class, () -> read.read(read.tensor("x"), to));
                    assertTrue(refused.getMessage().contains(value + " in x"), refused.getMessage());
                }
            }
        }
    }

    private static float[] rounded(float[] values) {
        var rounded = values.clone();
        for (int i = 0; i < values.length; i++) {
            rounded[i] = Float.intBitsToFloat(Float.floatToRawIntBits(values[i]) & 0xFFFF_0000);
        }
        return rounded;
    }

    @Test
    void partsOfAMegabyteAreConvertedInOrder() throws IOException {
        int count = 700_001;
        try (var arena = Arena.ofConfined()) {
            var halves = arena.allocate(2L * count, 2);
            for (int i = 0; i < count; i++) {
                halves.setAtIndex(java.lang.foreign.ValueLayout.JAVA_SHORT, i, Float.floatToFloat16(i % 2048));
            }
            var file = folder.resolve("long");
            write(file, Map.of(), new Tensor("x", DType.F16, Shape.of(count), halves));
            var to = arena.allocate(JAVA_FLOAT, count);
            try (var read = SafeTensors.open(file)) {
                read.read(read.tensor("x"), to);
            }
            for (int i = 0; i < count; i++) {
                assertEquals(i % 2048, to.getAtIndex(JAVA_FLOAT, i));
            }
        }
    }

    @Test
    void whatIsWrittenIsReadAndMappedBackByteForByte() throws IOException {
        var file = folder.resolve("back");
        var odd = floats("naïve \"name\"\n", 1, 7);
        write(file, Map.of("a", "ö"), floats("zero", 0), odd, floats("scalar"));
        try (var read = SafeTensors.open(file);
                var arena = Arena.ofShared()) {
            assertEquals(Map.of("a", "ö"), read.metadata());
            assertEquals(3, read.tensors().size());
            var entry = read.tensor("naïve \"name\"\n");
            var to = arena.allocate(odd.data().byteSize());
            read.read(entry, to);
            assertEquals(-1, odd.data().mismatch(to));
            var map = read.map(arena);
            assertTrue(map.isReadOnly());
            assertEquals(-1, odd.data().mismatch(map.asSlice(entry.begin(), entry.end() - entry.begin())));
            assertThrows(IllegalArgumentException.class, () -> read.read(entry, to.asSlice(4)));
        }
    }

    @Test
    void aDirectoryIsNoFile() {
        var refused = assertThrows(IOException.class, () -> SafeTensors.open(folder));
        assertTrue(refused.getMessage().contains("is a directory"), refused.getMessage());
        assertTrue(assertThrows(IOException.class, () -> WeightFiles.json(folder))
                .getMessage()
                .contains("is a directory"));
    }

    @Test
    void shardsAreFoundThroughTheIndex() throws IOException {
        write(folder.resolve("model-1.safetensors"), Map.of(), floats("a", 2), floats("b", 3));
        write(folder.resolve("model-2.safetensors"), Map.of(), floats("c", 4));
        index("{'weight_map':{'a':'model-1.safetensors','b':'model-1.safetensors','c':'model-2.safetensors'}}");
        try (var files = WeightFiles.open(folder)) {
            assertEquals(
                    new TreeSet<>(List.of("a", "b", "c")),
                    new TreeSet<>(files.weights().keySet()));
            assertEquals(
                    2,
                    files.weights().values().stream()
                            .map(WeightFiles.Weight::file)
                            .distinct()
                            .count());
        }
        write(folder.resolve("model-2.safetensors"), Map.of(), floats("a", 2));
        assertFault(Fault.DUPLICATE_KEY);
    }

    @Test
    void anIndexAndItsShardsAgree() throws IOException {
        write(folder.resolve("model-1.safetensors"), Map.of(), floats("a", 2));
        write(folder.resolve("model-2.safetensors"), Map.of(), floats("b", 3), floats("c", 4));
        for (var map : List.of(
                "'a':'model-1.safetensors','b':'model-2.safetensors'",
                "'a':'model-1.safetensors','b':'model-1.safetensors','c':'model-2.safetensors'",
                "'a':'model-1.safetensors','b':'model-2.safetensors','c':'model-2.safetensors','d':'model-2.safetensors'")) {
            index("{'weight_map':{" + map + "}}");
            assertFault(Fault.SHARDS_DIFFER);
        }
    }

    @Test
    void aNameIsGivenOnce() throws IOException {
        write(folder.resolve("model.safetensors"), Map.of(), floats("theirs", 2), floats("ours", 3));
        try (var files = WeightFiles.open(folder)) {
            files.rename("missing", "other");
            files.rename("theirs", "ours");
            assertEquals(Set.of("theirs", "ours"), files.weights().keySet());
            files.rename("theirs", "other");
            assertEquals(Set.of("other", "ours"), files.weights().keySet());
            assertEquals(Shape.of(2), files.weights().get("other").entry().shape());
            var mapping = files.map();
            assertEquals(Set.of("other", "ours"), mapping.segments().keySet());
            mapping.slab().close();
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"BF16", "F16"})
    void halvesAreTheNearestWithTiesToEven(DType type) throws IOException {
        // A value of every exponent, mantissas around ties, both signs, and what is no number; then enough for several
        // parts.
        var values = new ArrayList<Float>(List.of(
                0f,
                -0f,
                Float.NaN,
                Float.intBitsToFloat(0x7F800001),
                1f / 0,
                -1f / 0,
                Float.MAX_VALUE,
                65519f,
                65520f));
        for (int exponent = 0; exponent < 255; exponent++) {
            for (int mantissa :
                    new int[] {0, 1, 0x1000, 0x1001, 0x2FFF, 0x3000, 0x7FFF, 0x8000, 0x8001, 0x18000, 0x7FFFFF}) {
                values.add(Float.intBitsToFloat(exponent << 23 | mantissa));
                values.add(Float.intBitsToFloat(1 << 31 | exponent << 23 | mantissa));
            }
        }
        int count = 1_100_000;
        var data = Arena.ofAuto().allocate(JAVA_FLOAT, count);
        for (int i = 0; i < count; i++) {
            data.setAtIndex(JAVA_FLOAT, i, values.get(i % values.size()));
        }
        var file = folder.resolve("half");
        var whole = new Tensor("x", DType.F32, Shape.of(count), data);
        var integers = new Tensor(
                "i", DType.I32, Shape.of(1), Arena.ofAuto().allocate(4).fill((byte) 1));
        AtomicFiles.file(
                file, channel -> SafeTensors.write(channel, Map.of(), List.of(integers, whole, floats("y", 3)), type));
        var back = Arena.ofAuto().allocate(JAVA_FLOAT, count);
        try (var read = SafeTensors.open(file)) {
            assertEquals(DType.I32, read.tensor("i").type());
            assertEquals(type, read.tensor("y").type());
            read.read(read.tensor("x"), back);
        }
        for (int i = 0; i < count; i++) {
            float x = data.getAtIndex(JAVA_FLOAT, i);
            float half = back.getAtIndex(JAVA_FLOAT, i);
            assertEquals(nearest(x, type), half, () -> type + " of " + x);
            assertEquals(Math.copySign(1, x), Math.copySign(1, Float.isNaN(half) ? x : half));
        }
    }

    /** By arithmetic in double precision: a multiple of the distance between neighbours, ties to even. */
    private static float nearest(float x, DType type) {
        if (!Float.isFinite(x)) {
            return x;
        }
        int digits = type == DType.BF16 ? 8 : 11;
        int least = type == DType.BF16 ? Float.MIN_EXPONENT : -14;
        var unit = Math.scalb(1.0, Math.max(least, Math.getExponent(x)) - digits + 1);
        var rounded = Math.rint(x / unit) * unit;
        var most = type == DType.BF16 ? Math.scalb(2 - Math.scalb(1.0, -7), 127) : 65504;
        return (float) (Math.abs(rounded) > most ? Math.copySign(Double.POSITIVE_INFINITY, x) : rounded);
    }

    @Test
    void anIndexNamesFilesOfItsDirectoryOnly() throws IOException {
        for (var name : List.of(
                "../a.safetensors",
                "/etc/passwd",
                "..",
                ".",
                "",
                "sub/a.safetensors",
                "a\\\\b.safetensors",
                "a\\u0000.safetensors",
                "tokenizer.json")) {
            index("{'weight_map':{'a':'" + name + "'}}");
            assertFault(Fault.SHARD_OUTSIDE);
        }
        for (var text : List.of("{}", "[]", "1", "{'weight_map':[]}", "{'weight_map':'a'}")) {
            index(text);
            assertFault(Fault.BAD_INDEX);
        }
        index("{'weight_map':{'a':'missing.safetensors'}}");
        assertThrows(java.nio.file.NoSuchFileException.class, () -> WeightFiles.open(folder));
        index("{'weight_map':");
        assertThrows(IOException.class, () -> WeightFiles.open(folder));
    }

    private void index(String text) throws IOException {
        Files.writeString(folder.resolve("model.safetensors.index.json"), text.replace('\'', '"'));
    }

    private void assertFault(Fault fault) {
        var refused = assertThrows(MalformedFileException.class, () -> WeightFiles.open(folder));
        assertEquals(fault, refused.fault(), refused.getMessage());
    }

    private static void write(Path file, Map<String, String> metadata, Tensor... tensors) throws IOException {
        AtomicFiles.file(file, channel -> SafeTensors.write(channel, metadata, List.of(tensors)));
    }

    private static Tensor floats(String name, long... dims) {
        var shape = Shape.of(dims);
        var data = Arena.ofAuto().allocate(JAVA_FLOAT, shape.elements());
        for (long i = 0; i < shape.elements(); i++) {
            data.setAtIndex(JAVA_FLOAT, i, name.length() + i / 7f);
        }
        return new Tensor(name, DType.F32, shape, data);
    }

    private static Arguments wrong(String what, Fault fault, byte[] bytes) {
        return Arguments.of(what, fault, bytes);
    }

    private static byte[] one(String shape, String offsets, int data) {
        return file(ONE.replace("[2]", shape).replace("[0,8]", offsets), data);
    }

    private static byte[] two(int a, int b, int c, int d) {
        var second = ONE.substring(1).replace("'a'", "'b'").replace("0,8", c + "," + d);
        return file(ONE.replace("0,8", a + "," + b).replace("}}", "},") + second, Math.max(b, d));
    }

    private static byte[] file(String header, int data) {
        return bytes(header.replace('\'', '"').getBytes(StandardCharsets.UTF_8), data);
    }

    private static byte[] latin1(String header) {
        return bytes(header.replace('\'', '"').getBytes(StandardCharsets.ISO_8859_1), 0);
    }

    private static byte[] text(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static byte[] raw(long length, String header) {
        var bytes = ByteBuffer.allocate(8 + header.length()).order(ByteOrder.LITTLE_ENDIAN);
        return bytes.putLong(length)
                .put(header.getBytes(StandardCharsets.UTF_8))
                .array();
    }

    private static byte[] bytes(byte[] header, int data) {
        var out = new ByteArrayOutputStream();
        var length = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(header.length);
        out.writeBytes(length.array());
        out.writeBytes(header);
        out.writeBytes(new byte[data]);
        return out.toByteArray();
    }
}
