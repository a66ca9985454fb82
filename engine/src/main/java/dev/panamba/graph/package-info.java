/**
 * The thin graph. A {@link dev.panamba.graph.Graph} collects {@link dev.panamba.graph.Op}s, which are data;
 * {@link dev.panamba.graph.Backward} appends the ops of the derivative; {@link dev.panamba.graph.Plan} gives every
 * {@link dev.panamba.graph.Value} a place by its life; {@link dev.panamba.graph.Executable} checks, binds and runs the steps on a
 * {@link dev.panamba.graph.Team}: calls of our kernels and, for large dense products, of OpenBLAS ({@link dev.panamba.graph.Gemm}). Nothing here knows a model.
 */
package dev.panamba.graph;
