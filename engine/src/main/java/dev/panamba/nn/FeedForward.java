package dev.panamba.nn;

import dev.panamba.graph.Value;

/**
 * Linear, ReLU, Linear, with biases.
 *
 * @param name of the parameters {@code up.weight} [F, D], {@code up.bias}, {@code down.weight} [D, F], {@code down.bias}
 * @param D width
 * @param F inner width
 */
public record FeedForward(String name, long D, long F) implements Layer {
    @Override
    public Value emit(Pass pass, Value x) {
        var up = new Linear(name + ".up", D, F, true).emit(pass, x);
        return new Linear(name + ".down", F, D, true).emit(pass, pass.graph().relu(up, null));
    }
}
