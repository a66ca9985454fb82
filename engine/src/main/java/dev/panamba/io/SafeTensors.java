package dev.panamba.io;

import dev.panamba.tensor.DType;
import dev.panamba.tensor.Shape;
import dev.panamba.tensor.Tensor;
import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.json.JsonMapper;

/** A safetensors file. The header is read and checked when it is opened; data are read on demand, never beyond the file. */
public final class SafeTensors implements AutoCloseable {
    private static final int ALIGNMENT = 8;
    /** Bytes that go through a buffer at once, where types differ. */
    private static final int PART = 1 << 20;

    private final Path file;
    private final FileChannel channel;
    private final Header header;

    /**
     * A tensor of the file.
     *
     * @param name its name
     * @param type of its elements
     * @param shape dimensions, outermost first
     * @param begin first byte, from the start of the data
     * @param end behind the last byte
     */
    public record Entry(String name, DType type, Shape shape, long begin, long end) {}

    private SafeTensors(Path file, FileChannel channel, Header header) {
        this.file = file;
        this.channel = channel;
        this.header = header;
    }

    /**
     * Opens a file and checks its header.
     *
     * @param file a safetensors file
     * @return the open file
     * @throws MalformedFileException if it is none
     * @throws IOException if it cannot be read
     */
    public static SafeTensors open(Path file) throws IOException {
        var channel = InputFiles.open(file);
        try {
            return new SafeTensors(file, channel, Header.read(file, channel));
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    /**
     * Where it is.
     *
     * @return the file
     */
    public Path path() {
        return file;
    }

    /**
     * What the file says of itself.
     *
     * @return texts by name, read from the file each time
     * @throws IOException if it cannot be read
     */
    public Map<String, String> metadata() throws IOException {
        return Header.metadata(file, channel);
    }

    /**
     * All tensors.
     *
     * @return in the order of their data
     */
    public List<Entry> tensors() {
        return header.tensors();
    }

    /**
     * One tensor.
     *
     * @param name its name
     * @return its place, or null
     */
    public Entry tensor(String name) {
        int low = 0;
        int high = header.byName().size();
        while (low < high) {
            int middle = (low + high) >>> 1;
            int order = header.byName().get(middle).name().compareTo(name);
            if (order == 0) {
                return header.byName().get(middle);
            }
            low = order < 0 ? middle + 1 : low;
            high = order < 0 ? high : middle;
        }
        return null;
    }

    /**
     * Copies a tensor into memory as it is.
     *
     * @param tensor of this file
     * @param to as many bytes
     * @throws IOException if it cannot be read
     */
    public void copy(Entry tensor, MemorySegment to) throws IOException {
        if (to.byteSize() != tensor.end() - tensor.begin()) {
            throw new IllegalArgumentException(tensor.name() + " does not fit into " + to.byteSize() + " bytes.");
        }
        long at = header.dataStart() + tensor.begin();
        long done = 0;
        while (done < to.byteSize()) {
            // A buffer counts in an int.
            var part = to.asSlice(done, Math.min(1 << 30, to.byteSize() - done)).asByteBuffer();
            done += fill(part, at + done);
        }
    }

    /**
     * Copies a tensor into memory, with its elements as F32 where they are F32, F64, BF16 or F16.
     *
     * @param tensor of this file
     * @param to F32, as many elements
     * @throws IOException if it cannot be read, or is of another type
     */
    public void read(Entry tensor, MemorySegment to) throws IOException {
        if (to.byteSize() != tensor.shape().elements() * Float.BYTES) {
            throw new IllegalArgumentException(tensor.name() + " does not fit into " + to.byteSize() + " bytes.");
        }
        Floats.check(tensor, file);
        long at = header.dataStart() + tensor.begin();
        if (tensor.type() == DType.F32) {
            copy(tensor, to);
            return;
        }
        int width = tensor.type().bytes();
        var buffer = ByteBuffer.allocateDirect(PART).order(ByteOrder.LITTLE_ENDIAN);
        for (long i = 0; i < tensor.shape().elements(); i += PART / width) {
            int count = (int) Math.min(PART / width, tensor.shape().elements() - i);
            fill(buffer.clear().limit(count * width), at + i * width);
            Floats.widen(tensor, file, buffer.flip(), to.asSlice(i * Float.BYTES, (long) count * Float.BYTES));
        }
    }

    /**
     * Searches a tensor of F32 for what is no number.
     *
     * @param tensor of this file
     * @return whether there is no NaN and no infinity
     * @throws IOException if it cannot be read, or is of another type
     */
    public boolean isFinite(Entry tensor) throws IOException {
        if (tensor.type() != DType.F32) {
            throw new IOException(file + " has " + tensor.name() + " as " + tensor.type() + ", and not as F32.");
        }
        var buffer = ByteBuffer.allocateDirect((int) Math.min(PART, tensor.end() - tensor.begin()));
        for (long at = tensor.begin(); at < tensor.end(); at += PART) {
            fill(buffer.clear().limit((int) Math.min(PART, tensor.end() - at)), header.dataStart() + at);
            if (!Tensor.areFinite(MemorySegment.ofBuffer(buffer.flip()))) {
                return false;
            }
        }
        return true;
    }

    /**
     * Maps all data, read-only.
     *
     * @param arena what the mapping lives in
     * @return the bytes from the start of the data; {@link Entry#begin} is an offset into them
     * @throws IOException if the file cannot be mapped
     */
    public MemorySegment map(Arena arena) throws IOException {
        return channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena)
                .asSlice(header.dataStart());
    }

    boolean sameBytes(Entry tensor, SafeTensors other, Entry otherTensor) throws IOException {
        var a = ByteBuffer.allocateDirect(PART);
        var b = ByteBuffer.allocateDirect(PART);
        for (long at = 0; at < tensor.end() - tensor.begin(); at += PART) {
            int count = (int) Math.min(PART, tensor.end() - tensor.begin() - at);
            fill(a.clear().limit(count), header.dataStart() + tensor.begin() + at);
            other.fill(b.clear().limit(count), other.header.dataStart() + otherTensor.begin() + at);
            if (!a.flip().equals(b.flip())) {
                return false;
            }
        }
        return true;
    }

    private int fill(ByteBuffer part, long at) throws IOException {
        int wanted = part.remaining();
        while (part.hasRemaining()) {
            int read = channel.read(part, at);
            if (read < 0) {
                throw new EOFException(file + " became shorter while it was read.");
            }
            at += read;
        }
        return wanted;
    }

    @Override
    public String toString() {
        return file.toString();
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }

    /**
     * Writes tensors into a channel, in the given order, straight from their memory.
     *
     * @param channel an empty file
     * @param metadata texts by name
     * @param tensors what to write
     * @throws IOException if it cannot be written
     */
    public static void write(WritableByteChannel channel, Map<String, String> metadata, List<Tensor> tensors)
            throws IOException {
        write(channel, metadata, tensors, DType.F32);
    }

    /**
     * Writes tensors into a channel, in the given order.
     *
     * @param channel an empty file
     * @param metadata texts by name
     * @param tensors what to write
     * @param floats what F32 tensors become, rounded to the nearest: F32, BF16 or F16
     * @throws IOException if it cannot be written
     */
    public static void write(
            WritableByteChannel channel, Map<String, String> metadata, List<Tensor> tensors, DType floats)
            throws IOException {
        var json = new LinkedHashMap<String, Object>();
        if (!metadata.isEmpty()) {
            json.put(Header.METADATA, metadata);
        }
        long at = 0;
        for (var tensor : tensors) {
            var entry = new LinkedHashMap<String, Object>();
            var type = tensor.type() == DType.F32 ? floats : tensor.type();
            var end = at + Math.multiplyExact(tensor.shape().elements(), type.bytes());
            entry.put("dtype", type.name());
            entry.put("shape", tensor.shape().dims());
            entry.put("data_offsets", new long[] {at, end});
            if (json.put(tensor.name(), entry) != null) {
                throw new IllegalArgumentException("There are two tensors of the name " + tensor.name() + ".");
            }
            at = end;
        }
        var text = new JsonMapper().writeValueAsString(json).getBytes(StandardCharsets.UTF_8);
        int length = Math.ceilDiv(text.length, ALIGNMENT) * ALIGNMENT;
        var header = ByteBuffer.allocate(Long.BYTES + length).order(ByteOrder.LITTLE_ENDIAN);
        header.putLong(length).put(text);
        while (header.hasRemaining()) {
            header.put((byte) ' ');
        }
        drain(channel, header.flip());
        for (var tensor : tensors) {
            if (tensor.type() == DType.F32 && floats != DType.F32) {
                narrow(channel, tensor.data(), floats);
                continue;
            }
            for (long done = 0; done < tensor.data().byteSize(); done += 1 << 30) {
                var part = Math.min(1 << 30, tensor.data().byteSize() - done);
                drain(channel, tensor.data().asSlice(done, part).asByteBuffer());
            }
        }
    }

    private static void narrow(WritableByteChannel channel, MemorySegment data, DType type) throws IOException {
        var buffer = ByteBuffer.allocateDirect(PART).order(ByteOrder.LITTLE_ENDIAN);
        for (long done = 0; done < data.byteSize(); done += (long) PART / type.bytes() * Float.BYTES) {
            var part = data.asSlice(done, Math.min((long) PART / type.bytes() * Float.BYTES, data.byteSize() - done));
            buffer.clear().limit((int) (part.byteSize() / Float.BYTES * type.bytes()));
            Floats.narrow(part, type, buffer);
            drain(channel, buffer.flip());
        }
    }

    private static void drain(WritableByteChannel channel, ByteBuffer buffer) throws IOException {
        while (buffer.hasRemaining()) {
            channel.write(buffer);
        }
    }
}
