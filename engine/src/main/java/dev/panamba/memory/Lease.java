package dev.panamba.memory;

/** The right to follow pointers into a slab; while it is held the slab cannot be closed. Closing a lease twice is harmless. */
public final class Lease implements AutoCloseable {
    private Slab slab;

    Lease(Slab slab) {
        this.slab = slab;
    }

    @Override
    public synchronized void close() {
        if (slab != null) {
            slab.release();
            slab = null;
        }
    }
}
