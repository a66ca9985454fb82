package dev.panamba.graph;

import dev.panamba.memory.Extent;
import dev.panamba.memory.Lease;
import dev.panamba.memory.Slab;
import java.lang.foreign.MemorySegment;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.BiFunction;

/** Named values of one role in one slab: a model's weights, a trainer's gradients and moments, a pool's states. */
public final class Store implements AutoCloseable {
    /** The name under which {@link #at} gives the whole memory, gaps between values included; those are zero. */
    public static final String ALL = "*";

    private final String name;
    private final Slab slab;
    private final SequencedMap<String, MemorySegment> segments;

    private Store(String name, Slab slab, SequencedMap<String, MemorySegment> segments) {
        this.name = name;
        this.slab = slab;
        this.segments = segments;
    }

    /**
     * Memory for values, all zero, one after the other in the given order.
     *
     * @param name what it holds, for messages
     * @param values what needs memory
     * @return the owner of the memory
     */
    public static Store allocate(String name, Collection<Value> values) {
        return allocate(name, values, Slab::map);
    }

    /**
     * Memory for values of which only some rows are ever used, as {@link #allocate} has it.
     *
     * @param name what it holds, for messages
     * @param values what needs memory
     * @return the owner of the memory
     */
    public static Store allocateSparse(String name, Collection<Value> values) {
        return allocate(name, values, Slab::mapSparse);
    }

    private static Store allocate(String name, Collection<Value> values, BiFunction<String, Long, Slab> map) {
        var extents = new LinkedHashMap<String, Extent>();
        long end = 0;
        for (var value : values) {
            var extent = new Extent(end, value.bytes());
            extents.put(value.name(), extent);
            end = Extent.align(extent.end());
        }
        var slab = map.apply(name, end);
        var segments = new LinkedHashMap<String, MemorySegment>();
        extents.forEach((value, extent) -> segments.put(value, slab.at(extent)));
        return new Store(name, slab, segments);
    }

    /**
     * Values that stand in mapped files already.
     *
     * @param name what it holds, for messages
     * @param slab owns the mappings; closed with the store
     * @param segments the values' bytes
     * @return the owner of the mappings
     */
    public static Store mapped(String name, Slab slab, Map<String, MemorySegment> segments) {
        return new Store(name, slab, new LinkedHashMap<>(segments));
    }

    /**
     * The same values for who does not change them, nor lets others do so: what follows from them alone is then computed once, when
     * a program is bound. Needs no close of its own.
     *
     * @return read-only values in the same memory
     */
    public Store asReadOnly() {
        var readOnly = new LinkedHashMap<String, MemorySegment>();
        segments.forEach((value, segment) -> readOnly.put(value, segment.asReadOnly()));
        return new Store(name, slab, readOnly);
    }

    /**
     * The bytes of a value.
     *
     * @param value its name
     * @return a segment that dies with the store
     */
    public MemorySegment at(String value) {
        var segment = value.equals(ALL) ? slab.memory() : segments.get(value);
        if (segment == null) {
            throw new IllegalArgumentException("There is no " + value + " in " + name + ".");
        }
        return segment;
    }

    /**
     * All values, in the order of their declaration.
     *
     * @return segments by name
     */
    public SequencedMap<String, MemorySegment> segments() {
        return Collections.unmodifiableSequencedMap(segments);
    }

    Lease lease() {
        return slab.lease();
    }

    @Override
    public void close() {
        slab.close();
    }
}
