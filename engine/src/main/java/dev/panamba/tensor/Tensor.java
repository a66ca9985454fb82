package dev.panamba.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A named array, row-major, over memory that somebody else owns.
 *
 * @param name as in a model file
 * @param type of its elements
 * @param shape dimensions, outermost first
 * @param data exactly its bytes
 */
public record Tensor(String name, DType type, Shape shape, MemorySegment data) {
    /** Checks the size. */
    public Tensor {
        if (data.byteSize() != Math.multiplyExact(shape.elements(), type.bytes())) {
            throw new IllegalArgumentException(
                    name + " " + shape + " of " + type + " does not have " + data.byteSize() + " bytes.");
        }
    }

    /**
     * Searches F32 for what is no number.
     *
     * @return whether there is no NaN and no infinity
     * @throws IllegalArgumentException if it is of another type
     */
    public boolean isFinite() {
        if (type != DType.F32) {
            throw new IllegalArgumentException(name + " is " + type + ", and only F32 is searched.");
        }
        return areFinite(data);
    }

    /**
     * Searches floats for what is no number.
     *
     * @param floats F32
     * @return whether there is no NaN and no infinity
     */
    public static boolean areFinite(MemorySegment floats) {
        // The largest exponent and one more is the sign, and a loop without a branch is as fast as the memory.
        int signs = 0;
        for (long i = 0; i < floats.byteSize() / Float.BYTES; i++) {
            signs |= (floats.getAtIndex(ValueLayout.JAVA_INT_UNALIGNED, i) & 0x7F80_0000) + 0x0080_0000;
        }
        return signs >= 0;
    }
}
