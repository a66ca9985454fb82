/**
 * Files that last. {@link dev.panamba.io.SafeTensors} reads and writes the tensors of a model and believes no file;
 * {@link dev.panamba.io.WeightFiles} is one such file or several behind an index; {@link dev.panamba.io.AtomicFiles} publishes a
 * whole directory or nothing, whatever interrupts it; {@link dev.panamba.io.Digests} tells whether it still is what was published;
 * a {@link dev.panamba.io.FolderLock} lets one at a time write.
 */
package dev.panamba.io;
