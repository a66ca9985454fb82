package dev.panamba.memory;

/**
 * A place inside a slab.
 *
 * @param offset first byte, from the slab's start
 * @param bytes size in bytes
 */
public record Extent(long offset, long bytes) {
    /** Every extent starts at a multiple of this many bytes: a cache line, and the widest vector. */
    public static final long ALIGNMENT = 64;

    /** Refuses what does not exist. */
    public Extent {
        if (offset < 0 || bytes < 0) {
            throw new IllegalArgumentException("An extent of " + bytes + " bytes at " + offset + " does not exist.");
        }
    }

    /**
     * The first byte after this extent.
     *
     * @return an offset in bytes
     */
    public long end() {
        return Math.addExact(offset, bytes);
    }

    /**
     * Rounds a size up to the alignment of extents.
     *
     * @param bytes a size in bytes
     * @return the next multiple of {@link #ALIGNMENT}
     */
    public static long align(long bytes) {
        return Math.addExact(bytes, ALIGNMENT - 1) & -ALIGNMENT;
    }
}
