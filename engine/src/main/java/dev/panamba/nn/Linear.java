package dev.panamba.nn;

import dev.panamba.graph.Value;

/**
 * y = x W^T + b.
 *
 * @param name of the parameters {@code weight} [O, I] and {@code bias} [O]
 * @param I input width
 * @param O output width
 * @param bias whether there is one
 */
public record Linear(String name, long I, long O, boolean bias) implements Layer {
    @Override
    public Value emit(Pass pass, Value x) {
        var graph = pass.graph();
        var weight = pass.matrix(name + ".weight", O, I);
        return graph.linear(x, weight, bias ? graph.parameter(name + ".bias", O) : null);
    }
}
