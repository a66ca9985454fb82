/**
 * Files that last. {@link dev.panamba.io.SafeTensors} reads and writes the tensors of a model and believes no file;
 * {@link dev.panamba.io.WeightFiles} is one such file or several behind an index; {@link dev.panamba.io.AtomicFiles} publishes a
 * whole file or directory or nothing, whatever interrupts it, and is the one place that writes where a user says. Whatever a user names
 * to be read is opened by {@link dev.panamba.io.InputFiles}, which takes regular files only, and what stands where another file should
 * is named by {@link dev.panamba.io.FileType}. {@link dev.panamba.io.Digests} tells
 * whether a directory still is what was published; a {@link dev.panamba.io.FolderLock} lets one at a time write.
 */
package dev.panamba.io;
