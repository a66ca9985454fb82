package dev.panamba.memory;

import dev.panamba.bindings.Pages;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * One anonymous mapping with one owner. Pages are zero and cost nothing until they are touched; huge pages where the system
 * gives them. The memory may be read by every thread of a team, so the arena is a shared one; it is closed once.
 */
public final class Slab implements AutoCloseable {
    private static final int CLOSED = -1;

    private final String name;
    private final Arena arena;
    private final MemorySegment memory;
    /** What counts as memory of the machine. */
    private final long taken;

    private final AtomicInteger leases = new AtomicInteger();

    private Slab(String name, Arena arena, MemorySegment memory, long taken) {
        this.name = name;
        this.arena = arena;
        this.memory = memory;
        this.taken = taken;
    }

    /**
     * Maps fresh memory.
     *
     * @param name what it holds, for messages
     * @param bytes size in bytes, at least 0
     * @return the slab, all zero
     * @throws IllegalStateException if the machine has not so much memory, with both numbers
     */
    public static Slab map(String name, long bytes) {
        Machine.take(name, bytes);
        try {
            var slab = map(name, bytes, bytes);
            Pages.join(slab.memory);
            return slab;
        } catch (RuntimeException e) {
            Machine.giveBack(bytes);
            throw e;
        }
    }

    /**
     * Maps fresh memory of which places far apart will be touched: a huge page for each would be mostly zeros.
     *
     * @param name what it holds, for messages
     * @param bytes size in bytes, at least 0
     * @return the slab, all zero
     * @throws IllegalStateException if the system has not so many addresses
     */
    public static Slab mapSparse(String name, long bytes) {
        return map(name, bytes, 0);
    }

    private static Slab map(String name, long bytes, long taken) {
        var arena = Arena.ofShared();
        try {
            var memory = Pages.map(Math.max(Extent.ALIGNMENT, bytes), arena);
            return new Slab(name, arena, memory, taken);
        } catch (RuntimeException e) {
            arena.close();
            throw e;
        }
    }

    /**
     * Takes over memory that was mapped elsewhere, such as a model file.
     *
     * @param name what it holds, for messages
     * @param arena what the memory lives in; closed with the slab
     * @param memory the bytes
     * @return the slab
     */
    public static Slab adopt(String name, Arena arena, MemorySegment memory) {
        return new Slab(name, arena, memory, 0);
    }

    /**
     * The bytes of an extent.
     *
     * @param extent a place inside this slab
     * @return a segment that dies with the slab
     */
    public MemorySegment at(Extent extent) {
        return memory.asSlice(extent.offset(), extent.bytes(), 1);
    }

    /**
     * Forbids every access to an extent.
     *
     * @param extent whole pages
     */
    public void guard(Extent extent) {
        Pages.forbid(at(extent));
    }

    /**
     * The whole slab.
     *
     * @return a segment that dies with the slab
     */
    public MemorySegment memory() {
        return memory;
    }

    /**
     * Keeps the slab open until the lease is closed.
     *
     * @return the lease
     * @throws IllegalStateException if the slab is closed
     */
    public Lease lease() {
        if (leases.getAndUpdate(n -> n == CLOSED ? CLOSED : n + 1) == CLOSED) {
            throw new IllegalStateException("The memory of " + name + " is closed.");
        }
        return new Lease(this);
    }

    void release() {
        leases.decrementAndGet();
    }

    /**
     * Gives the memory back.
     *
     * @throws IllegalStateException if leases are out: somebody would be left with pointers into nothing
     */
    @Override
    public void close() {
        var out = leases.compareAndExchange(0, CLOSED);
        if (out > 0) {
            throw new IllegalStateException("The memory of " + name + " is in use " + out
                    + (out == 1 ? " time" : " times") + ": close its users (sessions, executables) first.");
        }
        if (out == 0) {
            arena.close();
            Machine.giveBack(taken);
        }
    }
}
