package dev.panamba.io;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.panamba.tensor.DType;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Path;

/** Float types of files, as F32. */
final class Floats {
    private Floats() {}

    static void check(SafeTensors.Entry tensor, Path file) throws IOException {
        switch (tensor.type()) {
            case F64, F32, BF16, F16 -> {}
            case I64, I32, I16, I8, U8, BOOL ->
                throw new IOException(
                        file + " has " + tensor.name() + " as " + tensor.type() + ", and a weight is a float.");
        }
    }

    /** Converts what remains in a little-endian buffer. */
    static void widen(DType type, ByteBuffer from, MemorySegment to) {
        for (long i = 0; from.hasRemaining(); i++) {
            to.setAtIndex(
                    JAVA_FLOAT_UNALIGNED,
                    i,
                    switch (type) {
                        case F64 -> (float) from.getDouble();
                        case BF16 -> Float.intBitsToFloat(from.getShort() << 16);
                        case F16 -> Float.float16ToFloat(from.getShort());
                        case F32 -> from.getFloat();
                        case I64, I32, I16, I8, U8, BOOL -> throw new IllegalStateException(type.name());
                    });
        }
    }
}
