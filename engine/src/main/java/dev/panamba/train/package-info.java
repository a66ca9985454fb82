/**
 * Training and evaluation. A {@link dev.panamba.train.Trainer} owns gradients and moments and takes steps on
 * {@link dev.panamba.train.Batches}, usually {@link dev.panamba.train.Windows} of a text; {@link dev.panamba.train.Evaluation} measures held-out loss, dropless;
 * a {@link dev.panamba.train.TrainingRun} takes a trainer to its last step, and {@link dev.panamba.train.Checkpoint} makes it last.
 */
package dev.panamba.train;
