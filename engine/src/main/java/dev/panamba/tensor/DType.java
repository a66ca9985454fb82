package dev.panamba.tensor;

/** Element types, with the names that safetensors gives them. */
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
    BOOL(1);

    private final int bytes;

    DType(int bytes) {
        this.bytes = bytes;
    }

    /**
     * Size of an element.
     *
     * @return a size in bytes
     */
    public int bytes() {
        return bytes;
    }
}
