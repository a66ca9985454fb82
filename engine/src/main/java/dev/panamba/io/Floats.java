package dev.panamba.io;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.panamba.tensor.DType;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Path;

/** F32 from and to the float types of files. */
final class Floats {
    private Floats() {}

    static void check(SafeTensors.Entry tensor, Path file) throws IOException {
        switch (tensor.type()) {
            case F64, F32, BF16, F16 -> {}
            case I64, I32, I16, I8, U8, BOOL, INT8, INT4 ->
                throw new IOException(
                        file + " has " + tensor.name() + " as " + tensor.type() + ", and a weight is a float.");
        }
    }

    /** Converts what remains in a little-endian buffer of a tensor's elements. */
    static void widen(SafeTensors.Entry tensor, Path file, ByteBuffer from, MemorySegment to) throws IOException {
        var type = tensor.type();
        for (long i = 0; from.hasRemaining(); i++) {
            to.setAtIndex(
                    JAVA_FLOAT_UNALIGNED,
                    i,
                    switch (type) {
                        case F64 -> single(from.getDouble(), tensor, file);
                        case BF16 -> Float.intBitsToFloat(from.getShort() << 16);
                        case F16 -> Float.float16ToFloat(from.getShort());
                        case F32 -> from.getFloat();
                        case I64, I32, I16, I8, U8, BOOL, INT8, INT4 -> throw new IllegalStateException(type.name());
                    });
        }
    }

    /** A number that F32 has not would become an infinity. */
    private static float single(double x, SafeTensors.Entry tensor, Path file) throws IOException {
        if (Double.isFinite(x) && !Float.isFinite((float) x)) {
            throw new IOException(file + " has " + x + " in " + tensor.name() + ", which is too large for F32.");
        }
        return (float) x;
    }

    /** Fills what remains in a little-endian buffer; to the nearest, ties to even. */
    static void narrow(MemorySegment from, DType type, ByteBuffer to) {
        for (long i = 0; to.hasRemaining(); i++) {
            var x = from.getAtIndex(JAVA_FLOAT_UNALIGNED, i);
            to.putShort(
                    switch (type) {
                        case BF16 -> bf16(x);
                        case F16 -> Float.floatToFloat16(x);
                        case F64, F32, I64, I32, I16, I8, U8, BOOL, INT8, INT4 ->
                            throw new IllegalStateException(type.name());
                    });
        }
    }

    private static short bf16(float x) {
        int bits = Float.floatToRawIntBits(x);
        // A NaN keeps a bit of its payload, or it would become an infinity.
        return (short) (Float.isNaN(x) ? bits >>> 16 | 0x40 : bits + 0x7FFF + (bits >>> 16 & 1) >>> 16);
    }
}
