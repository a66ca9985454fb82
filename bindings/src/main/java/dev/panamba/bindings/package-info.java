/**
 * One hand-written face per native library, one method per C function: {@link dev.panamba.bindings.Kernels} for our
 * kernels, {@link dev.panamba.bindings.OpenBlas} for dense matrix products, {@link dev.panamba.bindings.Pages} for memory.
 * {@link dev.panamba.bindings.Natives} brings the libraries into the process. Faces check return codes and nothing else:
 * sizes, alignment and lifetimes are checked once, by whoever binds a program. Argument blocks are laid out by the
 * classes that jextract generated in {@code dev.panamba.bindings.kernels}.
 */
package dev.panamba.bindings;
