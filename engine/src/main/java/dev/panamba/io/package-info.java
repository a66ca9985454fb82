/**
 * Files that last. {@link dev.panamba.io.SafeTensors} reads and writes the tensors of a model and believes no file;
 * {@link dev.panamba.io.WeightFiles} is one such file or several behind an index; {@link dev.panamba.io.AtomicFiles} publishes a
 * whole file or directory or nothing, whatever interrupts it, and is the one place that writes where a user says.
 */
package dev.panamba.io;
