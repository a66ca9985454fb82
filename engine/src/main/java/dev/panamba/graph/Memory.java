package dev.panamba.graph;

import dev.panamba.memory.Slab;
import dev.panamba.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.util.Map;

/**
 * Finds the bytes of values while a program is bound. What it gives out are bare addresses: argument blocks hold pointers that
 * FFM does not see, so the executable holds leases on every slab behind them instead, and a call costs no liveness check.
 */
final class Memory {
    private final Plan plan;
    private final Slab slab;
    private final Map<Role, Store> stores;

    Memory(Plan plan, Slab slab, Map<Role, Store> stores) {
        this.plan = plan;
        this.slab = slab;
        this.stores = stores;
    }

    /**
     * Where an op reads a value.
     *
     * @param value or null
     * @return an address without size, NULL for null
     */
    MemorySegment read(Value value) {
        return value == null ? MemorySegment.NULL : address(value, segment(value.root()));
    }

    /**
     * Where an op writes a value.
     *
     * @param value or null
     * @return an address without size, NULL for null
     */
    MemorySegment write(Value value) {
        if (value == null) {
            return MemorySegment.NULL;
        }
        var segment = segment(value.root());
        // FFM lets C write through a read-only segment, and over a read-only mapping that ends the process.
        if (segment.isReadOnly()) {
            throw new IllegalArgumentException(
                    value + " is read-only: a mapped model cannot be trained, load it without a map.");
        }
        return address(value, segment);
    }

    /**
     * The bytes of a whole value.
     *
     * @param root not a view
     * @return a segment of exactly its size
     */
    MemorySegment segment(Value root) {
        var segment = root.role().planned() ? slab.at(plan.where().get(root)) : stored(root);
        if (segment.byteSize() != root.bytes()) {
            throw new IllegalArgumentException(
                    root + " needs " + root.bytes() + " bytes and has " + segment.byteSize() + ".");
        }
        return segment;
    }

    private MemorySegment stored(Value root) {
        var store = stores.get(root.role());
        if (store == null) {
            throw new IllegalArgumentException(
                    "The program has " + root + " and is bound without a store for " + root.role() + ".");
        }
        return store.at(root.name());
    }

    private static MemorySegment address(Value value, MemorySegment segment) {
        var bytes = value.type() == DType.F64 ? Double.BYTES : Float.BYTES;
        return MemorySegment.ofAddress(segment.address() + value.offset() * bytes);
    }
}
