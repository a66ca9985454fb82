/** Shapes, element types, and named tensors over memory that somebody else owns. */
package dev.panamba.tensor;
