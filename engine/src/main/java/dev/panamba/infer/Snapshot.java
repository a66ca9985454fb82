package dev.panamba.infer;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** The state of a session at one moment. Its memory goes when nobody refers to it any more. */
public final class Snapshot {
    private final MemorySegment bytes;
    private final int position;

    private Snapshot(MemorySegment bytes, int position) {
        this.bytes = bytes;
        this.position = position;
    }

    static Snapshot empty(long size, int position) {
        return new Snapshot(Arena.ofAuto().allocate(size, Float.BYTES), position);
    }

    static Snapshot of(List<MemorySegment> state, int position, MemorySegment logits) {
        var snapshot = empty(state.stream().mapToLong(MemorySegment::byteSize).sum() + logits.byteSize(), position);
        var bytes = snapshot.bytes;
        long at = 0;
        for (var part : state) {
            MemorySegment.copy(part, 0, bytes, at, part.byteSize());
            at += part.byteSize();
        }
        MemorySegment.copy(logits, 0, bytes, at, logits.byteSize());
        return snapshot;
    }

    /** All states, one after the other, then the logits. */
    MemorySegment bytes() {
        return bytes;
    }

    void copyTo(List<MemorySegment> state, MemorySegment logits) {
        var size = state.stream().mapToLong(MemorySegment::byteSize).sum() + logits.byteSize();
        if (size != bytes.byteSize()) {
            throw new IllegalArgumentException("The snapshot has " + bytes.byteSize()
                    + " bytes and this model's sessions " + size + ": it comes from another kind of model.");
        }
        long at = 0;
        for (var part : state) {
            MemorySegment.copy(bytes, at, part, 0, part.byteSize());
            at += part.byteSize();
        }
        MemorySegment.copy(bytes, at, logits, 0, logits.byteSize());
    }

    /**
     * Tokens that the session had read.
     *
     * @return a count
     */
    public int position() {
        return position;
    }
}
