package dev.panamba.tensor;

import java.lang.foreign.MemorySegment;

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
}
