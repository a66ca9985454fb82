package dev.panamba.io;

import dev.panamba.io.MalformedFileException.Fault;
import dev.panamba.tensor.DType;
import dev.panamba.tensor.Shape;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.TokenStreamFactory;
import tools.jackson.core.json.JsonFactory;

/**
 * The header of a safetensors file: 8 bytes of length, little-endian, then a JSON object of names with dtype, shape and offsets
 * into the data behind it. Whatever it says is compared with the file before anybody uses it. Somebody else chose how large it is: its
 * text stays outside the heap, and of what it says only what is needed is kept.
 *
 * @param tensors in the order of their data
 * @param byName the same in the order of their names
 * @param dataStart first byte of the data in the file
 */
record Header(List<SafeTensors.Entry> tensors, List<SafeTensors.Entry> byName, long dataStart) {
    static final String METADATA = "__metadata__";

    private static final long MOST_BYTES = 100_000_000;
    private static final int MOST_TENSORS = 100_000;
    private static final int MOST_METADATA = 10_000;
    private static final int MOST_DIMENSIONS = 64;
    private static final int MOST_DIMENSIONS_IN_ALL = 500_000;
    private static final int MOST_BYTES_OF_A_NAME = 1 << 16;
    /** Shapes that are remembered, a power of two. */
    private static final int RECENT = 256;

    private static final int DEPTH = 8;
    /** Bytes of a text in place of a header that are shown. */
    private static final int EXCERPT = 60;

    private static final DType[] TYPES = DType.values();
    /** A name of a type is short; what is longer is never made a string of. */
    private static final JsonFactory JSON = factory(MOST_BYTES_OF_A_NAME);

    private static JsonFactory factory(int mostOfAText) {
        return JsonFactory.builder()
                // A table of names would keep them beyond their file.
                .disable(TokenStreamFactory.Feature.CANONICALIZE_PROPERTY_NAMES)
                .streamReadConstraints(StreamReadConstraints.builder()
                        .maxNestingDepth(DEPTH)
                        .maxStringLength(mostOfAText)
                        .maxNameLength(MOST_BYTES_OF_A_NAME)
                        .build())
                .build();
    }

    /** Reads and checks. */
    static Header read(Path file, FileChannel channel) throws IOException {
        var reading = new Reading(file, channel.size());
        try {
            return reading.read(channel);
        } catch (MalformedFileException e) {
            throw reading.named(channel, e);
        }
    }

    /** What the file says of itself. */
    static Map<String, String> metadata(Path file, FileChannel channel) throws IOException {
        return new Reading(file, channel.size()).metadata(channel);
    }

    private static final class Reading {
        private final Path file;
        private final long size;
        private final List<SafeTensors.Entry> tensors = new ArrayList<>();
        private final long[] numbers = new long[MOST_DIMENSIONS];
        private final Shape[] recent = new Shape[RECENT];
        private int dimensions;

        Reading(Path file, long size) {
            this.file = file;
            this.size = size;
        }

        Header read(FileChannel channel) throws IOException {
            try (var arena = Arena.ofConfined()) {
                var text = text(channel, arena);
                if (text.get(0) != '{') {
                    throw refuse(Fault.NO_OBJECT, "");
                }
                // The parser would take it for UTF-16.
                if (text.get(1) == 0) {
                    throw refuse(Fault.NO_JSON, "a zero byte behind the brace");
                }
                if (!HeaderText.isUtf8(text)) {
                    throw refuse(Fault.NO_UTF8, "");
                }
                if (HeaderText.hasHalfACharacter(text)) {
                    throw refuse(Fault.NO_JSON, "half a character is escaped");
                }
                try (var json = JSON.createParser(ObjectReadContext.empty(), HeaderText.stream(text))) {
                    json.nextToken();
                    object(json);
                    if (json.nextToken() != null) {
                        throw refuse(Fault.TRAILING_TEXT, "");
                    }
                } catch (JacksonException e) {
                    throw refuse(Fault.NO_JSON, e.getOriginalMessage());
                }
                long dataStart = Long.BYTES + text.capacity();
                var byName = new ArrayList<>(tensors);
                byName.sort(Comparator.comparing(SafeTensors.Entry::name));
                for (int i = 1; i < byName.size(); i++) {
                    if (byName.get(i).name().equals(byName.get(i - 1).name())) {
                        throw refuse(Fault.DUPLICATE_KEY, byName.get(i).name());
                    }
                }
                layout(size - dataStart);
                return new Header(Collections.unmodifiableList(tensors), byName, dataStart);
            }
        }

        /** The header's text, outside the heap. */
        private ByteBuffer text(FileChannel channel, Arena arena) throws IOException {
            if (size < Long.BYTES) {
                throw refuse(Fault.NO_HEADER, size + " bytes");
            }
            long length = fill(channel, ByteBuffer.allocate(Long.BYTES), 0)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .getLong();
            if (length < 0 || length > MOST_BYTES) {
                throw refuse(Fault.HEADER_TOO_LARGE, Long.toUnsignedString(length) + " bytes");
            }
            if (length < 2) {
                throw refuse(Fault.HEADER_TOO_SMALL, length + " bytes");
            }
            if (length > size - Long.BYTES) {
                throw refuse(Fault.HEADER_OVER_FILE, length + " bytes in a file of " + size);
            }
            return fill(channel, arena.allocate(length).asByteBuffer(), Long.BYTES);
        }

        /** The metadata of a header that was read before. */
        Map<String, String> metadata(FileChannel channel) throws IOException {
            var metadata = new LinkedHashMap<String, String>();
            try (var arena = Arena.ofConfined();
                    var json = factory((int) MOST_BYTES)
                            .createParser(ObjectReadContext.empty(), HeaderText.stream(text(channel, arena)))) {
                json.nextToken();
                while (json.nextToken() == JsonToken.PROPERTY_NAME) {
                    var ours = json.currentName().equals(METADATA);
                    json.nextToken();
                    while (ours && json.nextToken() == JsonToken.PROPERTY_NAME) {
                        var name = json.currentName();
                        json.nextToken();
                        metadata.put(name, json.getString());
                    }
                    json.skipChildren();
                }
            } catch (JacksonException e) {
                throw new IOException(file + " changed while it was read.", e);
            }
            return metadata;
        }

        /** A better word for what is no header at all: many things lie where weights should. */
        MalformedFileException named(FileChannel channel, MalformedFileException e) throws IOException {
            switch (e.fault()) {
                case NO_HEADER, HEADER_TOO_SMALL, HEADER_TOO_LARGE, HEADER_OVER_FILE, NO_OBJECT -> {}
                default -> {
                    return e;
                }
            }
            var start = fill(channel, ByteBuffer.allocate((int) Math.min(size, InputFiles.PROBE)), 0)
                    .array();
            var type = FileType.of(start);
            if (type.isPresent() && type.get() != FileType.SAFETENSORS) {
                return refuse(Fault.OTHER_FILE, type.get().toString());
            }
            var text = new String(start, 0, Math.min(start.length, EXCERPT), StandardCharsets.UTF_8);
            return !text.isEmpty() && text.codePoints().allMatch(Reading::isPrinted)
                    ? refuse(e.fault(), "it is a text that begins with \"" + text.strip() + "\"")
                    : e;
        }

        /** The last character of an excerpt may be cut. */
        private static boolean isPrinted(int character) {
            return character >= ' ' && character != 0x7F || Character.isWhitespace(character);
        }

        private void object(JsonParser json) throws IOException {
            boolean hasMetadata = false;
            while (json.nextToken() == JsonToken.PROPERTY_NAME) {
                var name = json.currentName();
                if (name.equals(METADATA)) {
                    if (hasMetadata) {
                        throw refuse(Fault.DUPLICATE_KEY, name);
                    }
                    hasMetadata = true;
                    checkMetadata(json);
                } else if (name.isEmpty()) {
                    throw refuse(Fault.EMPTY_NAME, "");
                } else if (tensors.size() == MOST_TENSORS) {
                    throw refuse(Fault.TOO_MANY_TENSORS, "");
                } else {
                    tensors.add(tensor(name, json));
                }
            }
        }

        /** They are texts by name, which {@link #metadata} reads for who wants them; most do not. */
        private void checkMetadata(JsonParser json) throws IOException {
            if (json.nextToken() != JsonToken.START_OBJECT) {
                throw refuse(Fault.BAD_METADATA, "");
            }
            var names = new HashSet<String>();
            while (json.nextToken() == JsonToken.PROPERTY_NAME) {
                var name = json.currentName();
                if (json.nextToken() != JsonToken.VALUE_STRING) {
                    throw refuse(Fault.BAD_METADATA, name);
                }
                if (names.size() == MOST_METADATA) {
                    throw refuse(Fault.TOO_MANY_TENSORS, "");
                }
                if (!names.add(name)) {
                    throw refuse(Fault.DUPLICATE_KEY, name);
                }
            }
        }

        private SafeTensors.Entry tensor(String name, JsonParser json) throws IOException {
            if (json.nextToken() != JsonToken.START_OBJECT) {
                throw refuse(Fault.BAD_TENSOR, name);
            }
            DType type = null;
            long[] dims = null;
            long[] offsets = null;
            while (json.nextToken() == JsonToken.PROPERTY_NAME) {
                var field = json.currentName();
                json.nextToken();
                switch (field) {
                    case "dtype" -> {
                        once(type, name);
                        type = type(name, json);
                    }
                    case "shape" -> {
                        once(dims, name);
                        dims = numbers(name, json);
                    }
                    case "data_offsets" -> {
                        once(offsets, name);
                        offsets = numbers(name, json);
                    }
                    default -> json.skipChildren();
                }
            }
            if (type == null || dims == null || offsets == null || offsets.length != 2) {
                throw refuse(Fault.BAD_TENSOR, name);
            }
            Shape shape;
            long bytes;
            try {
                shape = shape(dims);
                bytes = Math.multiplyExact(shape.elements(), type.bytes());
            } catch (ArithmeticException e) {
                throw refuse(Fault.SHAPE_OVERFLOW, name);
            }
            if (offsets[1] - offsets[0] != bytes) {
                throw refuse(
                        Fault.WRONG_SPAN,
                        name + " of " + type + " " + shape + " needs " + bytes + " bytes and has "
                                + (offsets[1] - offsets[0]));
            }
            return new SafeTensors.Entry(name, type, shape, offsets[0], offsets[1]);
        }

        /** Most tensors have the shape of one before them. */
        private Shape shape(long[] dims) {
            var shape = Shape.of(dims);
            int place = shape.hashCode() & RECENT - 1;
            if (!shape.equals(recent[place])) {
                recent[place] = shape;
            }
            return recent[place];
        }

        private void once(Object before, String name) throws MalformedFileException {
            if (before != null) {
                throw refuse(Fault.DUPLICATE_KEY, name);
            }
        }

        private DType type(String name, JsonParser json) throws IOException {
            if (json.currentToken() != JsonToken.VALUE_STRING) {
                throw refuse(Fault.BAD_TENSOR, name);
            }
            var text = json.getString();
            for (var type : TYPES) {
                if (!type.isGrouped() && type.name().equals(text)) {
                    return type;
                }
            }
            throw refuse(Fault.UNKNOWN_DTYPE, text + " of " + name);
        }

        private long[] numbers(String name, JsonParser json) throws IOException {
            if (json.currentToken() != JsonToken.START_ARRAY) {
                throw refuse(Fault.BAD_TENSOR, name);
            }
            int count = 0;
            while (json.nextToken() != JsonToken.END_ARRAY) {
                var whole = json.currentToken() == JsonToken.VALUE_NUMBER_INT
                        && json.getNumberType() != JsonParser.NumberType.BIG_INTEGER;
                // Only what is not above zero can have a sign.
                if (!whole || json.getLongValue() <= 0 && json.getString().startsWith("-")) {
                    throw refuse(Fault.BAD_NUMBER, json.getString() + " of " + name);
                }
                if (count == MOST_DIMENSIONS || dimensions++ == MOST_DIMENSIONS_IN_ALL) {
                    throw refuse(Fault.TOO_MANY_DIMENSIONS, name);
                }
                numbers[count++] = json.getLongValue();
            }
            return Arrays.copyOf(numbers, count);
        }

        /** The tensors follow each other without gap or overlap from the first byte of the data to the last. */
        private void layout(long data) throws MalformedFileException {
            tensors.sort((a, b) ->
                    a.begin() == b.begin() ? Long.compare(a.end(), b.end()) : Long.compare(a.begin(), b.begin()));
            long at = 0;
            for (var tensor : tensors) {
                if (tensor.begin() < at) {
                    throw refuse(Fault.OVERLAP, tensor.name());
                }
                if (tensor.begin() > at) {
                    throw refuse(Fault.HOLE, "before " + tensor.name());
                }
                at = tensor.end();
                if (at > data) {
                    throw refuse(Fault.TRUNCATED, tensor.name() + " ends at " + at + " of " + data + " bytes");
                }
            }
            if (at < data) {
                throw refuse(Fault.TRAILING_BYTES, String.valueOf(data - at));
            }
        }

        private ByteBuffer fill(FileChannel channel, ByteBuffer buffer, long at) throws IOException {
            while (buffer.hasRemaining()) {
                int read = channel.read(buffer, at + buffer.position());
                if (read < 0) {
                    throw refuse(Fault.HEADER_OVER_FILE, "");
                }
            }
            return buffer.flip();
        }

        private MalformedFileException refuse(Fault fault, String where) {
            return new MalformedFileException(file, fault, where);
        }
    }
}
