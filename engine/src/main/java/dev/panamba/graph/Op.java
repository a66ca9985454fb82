package dev.panamba.graph;

/**
 * One step of a program: data, no behaviour. What it reads and writes ({@link Uses}), which shapes fit ({@link Shapes}), its
 * derivative ({@link Backward}) and its kernel ({@link Lowering}) are one pattern switch each, and the compiler proves that
 * none forgets an op.
 *
 * <p>Components stand in the order of the C kernels' fields: outputs, saved values, inputs, sizes. Shapes use the alphabet of
 * {@code panamba.h}; activations are [T, width] with T = B*L, weights are [out, in].
 */
public sealed interface Op permits ForwardOp, GradientOp, UpdateOp {}
