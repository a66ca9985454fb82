package dev.panamba.tensor;

import java.util.Arrays;

/** Dimensions, outermost first; a value. No dimensions are a scalar. */
public final class Shape {
    private final long[] dims;

    private Shape(long[] dims) {
        this.dims = dims;
    }

    /**
     * A shape.
     *
     * @param dims none of them negative
     * @return the shape
     * @throws IllegalArgumentException for a negative dimension
     * @throws ArithmeticException if there are more elements than a long counts
     */
    public static Shape of(long... dims) {
        long elements = 1;
        for (long dim : dims) {
            if (dim < 0) {
                throw new IllegalArgumentException("A shape with the negative dimension " + dim + ".");
            }
            try {
                elements = Math.multiplyExact(elements, dim);
            } catch (ArithmeticException e) {
                throw new ArithmeticException(
                        "A shape of " + Arrays.toString(dims) + " has more elements than can be counted.");
            }
        }
        return new Shape(dims.clone());
    }

    /**
     * Number of dimensions.
     *
     * @return 0 for a scalar
     */
    public int rank() {
        return dims.length;
    }

    /**
     * One dimension.
     *
     * @param axis 0 is the outermost
     * @return its size
     */
    public long dim(int axis) {
        return dims[axis];
    }

    /**
     * All dimensions.
     *
     * @return a copy
     */
    public long[] dims() {
        return dims.clone();
    }

    /**
     * Number of elements.
     *
     * @return the product of all dimensions
     */
    public long elements() {
        long elements = 1;
        for (long dim : dims) {
            elements *= dim;
        }
        return elements;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Shape shape && Arrays.equals(dims, shape.dims);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(dims);
    }

    @Override
    public String toString() {
        return Arrays.toString(dims);
    }
}
