package dev.panamba.infer;

import dev.panamba.model.Config;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** The state of a session at one moment. Its memory goes when nobody refers to it any more. */
public final class Snapshot {
    private final Config config;
    private final String fingerprint;
    private final MemorySegment bytes;
    private final int position;

    private Snapshot(Config config, String fingerprint, MemorySegment bytes, int position) {
        this.config = config;
        this.fingerprint = fingerprint;
        this.bytes = bytes;
        this.position = position;
    }

    static Snapshot empty(Config config, String fingerprint, long size, int position) {
        return new Snapshot(config, fingerprint, Arena.ofAuto().allocate(size, Float.BYTES), position);
    }

    static Snapshot of(
            Config config, String fingerprint, List<MemorySegment> state, int position, MemorySegment logits) {
        var size = state.stream().mapToLong(MemorySegment::byteSize).sum() + logits.byteSize();
        var snapshot = empty(config, fingerprint, size, position);
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

    /** What tells the weights of the session's model from others. */
    String fingerprint() {
        return fingerprint;
    }

    void copyTo(List<MemorySegment> state, MemorySegment logits) {
        var size = state.stream().mapToLong(MemorySegment::byteSize).sum() + logits.byteSize();
        if (size != bytes.byteSize()) {
            throw new IllegalArgumentException("The snapshot has " + bytes.byteSize()
                    + " bytes, and a session of its length has " + size + ": it is damaged.");
        }
        long at = 0;
        for (var part : state) {
            MemorySegment.copy(bytes, at, part, 0, part.byteSize());
            at += part.byteSize();
        }
        MemorySegment.copy(bytes, at, logits, 0, logits.byteSize());
    }

    /**
     * What the session's model is.
     *
     * @return its configuration
     */
    public Config config() {
        return config;
    }

    /**
     * What it takes.
     *
     * @return bytes of the states and the logits
     */
    public long byteSize() {
        return bytes.byteSize();
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
