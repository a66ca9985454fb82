package dev.panamba.graph;

import dev.panamba.tensor.DType;
import dev.panamba.tensor.Shape;

/**
 * A name for a matrix or vector, without memory. A view is a window of rows and columns of another value; it costs nothing,
 * and what is written through it is written to its owner.
 *
 * @param id unique in its program, in order of creation
 * @param name for people
 * @param shape dimensions, outermost first
 * @param type element type
 * @param role who owns the memory
 * @param owner the value this is a window of, or null
 * @param row first row of the window
 * @param column first column of the window
 */
public record Value(int id, String name, Shape shape, DType type, Role role, Value owner, long row, long column) {
    /** Refuses a view of a view. */
    public Value {
        if (owner != null && owner.owner != null) {
            throw new IllegalArgumentException("A view of the view " + owner.name + ": take one of its owner.");
        }
    }

    /**
     * The value that has the memory.
     *
     * @return this, or what this is a view of
     */
    public Value root() {
        return owner == null ? this : owner;
    }

    /**
     * Number of rows, with every dimension but the last folded.
     *
     * @return 1 for a vector
     */
    public long rows() {
        return columns() == 0 ? 0 : shape.elements() / columns();
    }

    /**
     * The last dimension.
     *
     * @return a count of elements
     */
    public long columns() {
        return shape.dim(shape.rank() - 1);
    }

    /**
     * Distance between two rows.
     *
     * @return a count of elements
     */
    public long stride() {
        return root().columns();
    }

    /**
     * Where the window starts in its owner.
     *
     * @return a count of elements
     */
    public long offset() {
        return row * stride() + column;
    }

    /**
     * Whether rows follow each other without a gap.
     *
     * @return false for a window of some columns of several rows
     */
    public boolean dense() {
        return columns() == stride() || rows() <= 1;
    }

    /**
     * Bytes of the dense value.
     *
     * @return a size in bytes
     */
    public long bytes() {
        try {
            return type.isGrouped()
                    ? type.stored(shape).elements()
                    : Math.multiplyExact(shape.elements(), type.bytes());
        } catch (ArithmeticException e) {
            throw new ArithmeticException(this + " has more bytes than can be counted.");
        }
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Value value && value.id == id && value.name.equals(name);
    }

    @Override
    public int hashCode() {
        return id;
    }

    @Override
    public String toString() {
        return name + shape;
    }
}
