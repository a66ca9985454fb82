/**
 * Who owns bytes. A {@link dev.panamba.memory.Slab} is one mapping with one owner, closed once; everything else holds a
 * {@link dev.panamba.memory.Lease} on it for as long as native code may follow a pointer into it, and closing a slab with leases
 * out is refused. An {@link dev.panamba.memory.Extent} is a place inside a slab. A {@link dev.panamba.memory.Placement} says how a
 * plan's values are laid out: packed for work, the others to prove that packing changes nothing.
 */
package dev.panamba.memory;
