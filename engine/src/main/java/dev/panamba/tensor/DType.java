package dev.panamba.tensor;

/** Element types: those of files, with the names that safetensors gives them, and two that only weights in memory have. */
public enum DType {
    /** 64-bit float. */
    F64(8),
    /** 32-bit float. */
    F32(4),
    /** The upper half of a 32-bit float. */
    BF16(2),
    /** 16-bit float. */
    F16(2),
    /** 64-bit integer. */
    I64(8),
    /** 32-bit integer. */
    I32(4),
    /** 16-bit integer. */
    I16(2),
    /** 8-bit integer. */
    I8(1),
    /** Unsigned 8-bit integer. */
    U8(1),
    /** One byte, 0 or 1. */
    BOOL(1),
    /** Weights as a byte each, in groups of a row that share a scale; in files tiles of U8. */
    INT8(0),
    /** Weights as half a byte each, in groups of a row that share a scale; in files tiles of U8. */
    INT4(0);

    /** Weights of a row that share a scale. */
    private static final int GROUP = 32;
    /** Rows whose groups stand together, see native/src/quantise.h. */
    private static final int TILE = 16;

    private static final int SCALE_BYTES = 2;

    private final int bytes;

    DType(int bytes) {
        this.bytes = bytes;
    }

    /**
     * Size of an element.
     *
     * @return a size in bytes
     * @throws IllegalStateException for types of groups
     */
    public int bytes() {
        if (isGrouped()) {
            throw new IllegalStateException("An element of " + this + " has no size of its own.");
        }
        return bytes;
    }

    /**
     * What stands in memory for matrices of this type.
     *
     * @param matrices [..., rows, columns]
     * @return the same shape; for types of groups that of their bytes: [..., tiles of rows, bytes of a tile's rows]
     */
    public Shape stored(Shape matrices) {
        if (!isGrouped()) {
            return matrices;
        }
        var dims = matrices.dims();
        int last = dims.length - 1;
        int groupBytes = SCALE_BYTES + (this == INT8 ? GROUP : GROUP / 2);
        dims[last - 1] = Math.ceilDiv(dims[last - 1], TILE);
        dims[last] = Math.multiplyExact(Math.ceilDiv(dims[last], GROUP), TILE * groupBytes);
        return Shape.of(dims);
    }

    /**
     * Whether elements are stored in groups, which files do not know.
     *
     * @return true for INT8 and INT4
     */
    public boolean isGrouped() {
        return this == INT8 || this == INT4;
    }
}
