package dev.panamba.train;

import dev.panamba.tensor.DType;

/**
 * How to train.
 *
 * @param steps optimiser steps of the whole training
 * @param batch sequences of a step
 * @param context tokens of a sequence, L
 * @param microBatch sequences that go through the network at once; divides batch. Gradients of the parts are averaged; a Switch
 *     layer's capacity is that of the micro-batch
 * @param seed of weights and of the order of data
 * @param schedule learning rates
 * @param weightDecay decoupled decay
 * @param decay which parameters decay
 * @param clip highest norm of all gradients together
 * @param beta1 of the first moment
 * @param beta2 of the second moment
 * @param eps added to the root of the second moment
 * @param order of the windows of text
 * @param lazyExperts whether an expert that took no token in a step is left as it is, which spares the pass over its memory. AdamW
 *     would decay its moments and its weights and go on by what the moments still hold; here all of that rests until the expert
 *     takes a token again. The bias corrections follow the training's steps, not the expert's
 * @param compute F32, or BF16: what large products round their factors to. Weights, moments, sums, scan, router, norms and loss
 *     stay F32
 */
public record Options(
        int steps,
        int batch,
        int context,
        int microBatch,
        long seed,
        Schedule schedule,
        double weightDecay,
        Decay decay,
        double clip,
        double beta1,
        double beta2,
        double eps,
        Windows.Order order,
        boolean lazyExperts,
        DType compute) {

    /** Which parameters decay. */
    public enum Decay {
        /** All, as the paper's code does. */
        ALL,
        /** Those with two or more dimensions, A_log excepted, as Mamba's authors do. */
        MATRICES
    }

    /** Checks ranges, with the command line's names in the sentences. */
    public Options {
        atLeast(1, steps, "--steps");
        atLeast(1, batch, "--batch");
        atLeast(1, context, "--context");
        atLeast(1, microBatch, "--micro-batch");
        if (batch % microBatch != 0) {
            throw new IllegalArgumentException("--batch " + batch + " does not divide into micro-batches of "
                    + microBatch + ": choose a --micro-batch that divides it.");
        }
        within(0, weightDecay, 1000, "--weight-decay");
        positive(clip, "--clip");
        within(0, beta1, Math.nextDown(1.0), "--beta1");
        within(0, beta2, Math.nextDown(1.0), "--beta2");
        // A float below divides zero by zero.
        within(1e-20, eps, 1, "--eps");
        given(schedule, "--schedule");
        given(decay, "--decay");
        given(order, "--order");
        if (compute != DType.F32 && compute != DType.BF16) {
            throw new IllegalArgumentException("--compute is " + compute + " and must be F32 or BF16.");
        }
    }

    /**
     * The same for a part of the steps, with the warm-up in proportion.
     *
     * @param part the number of steps is divided by it
     * @param lr another highest learning rate
     * @return options of a shorter training
     */
    public Options shortened(int part, double lr) {
        atLeast(1, part, "The part");
        int fewer = Math.max(1, steps / part);
        int warmup = Math.ceilDiv(schedule.warmup(), part);
        return new Options(
                fewer,
                batch,
                context,
                microBatch,
                seed,
                new Schedule(lr, warmup, fewer, schedule.shape(), schedule.minRatio()),
                weightDecay,
                decay,
                clip,
                beta1,
                beta2,
                eps,
                order,
                lazyExperts,
                compute);
    }

    static void positive(double value, String name) {
        if (!(value > 0 && value < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException(name + " is " + value + " and must be a number above 0.");
        }
    }

    static void within(double least, double value, double most, String name) {
        if (!(value >= least && value <= most)) {
            throw new IllegalArgumentException(
                    name + " is " + value + " and must be a number from " + least + " to " + most + ".");
        }
    }

    static void given(Object value, String name) {
        if (value == null) {
            throw new IllegalArgumentException(name + " is missing.");
        }
    }

    static void atLeast(int least, int value, String name) {
        if (value < least) {
            throw new IllegalArgumentException(name + " is " + value + " and must be at least " + least + ".");
        }
    }
}
