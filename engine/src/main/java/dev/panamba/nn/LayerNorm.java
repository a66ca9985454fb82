package dev.panamba.nn;

import dev.panamba.graph.Value;

/**
 * LayerNorm with weight and bias.
 *
 * @param name of the parameters {@code weight} [D] and {@code bias} [D]
 * @param D width
 * @param eps added to the variance
 */
public record LayerNorm(String name, long D, double eps) implements Layer {
    @Override
    public Value emit(Pass pass, Value x) {
        var graph = pass.graph();
        return graph.layerNorm(x, graph.parameter(name + ".weight", D), graph.parameter(name + ".bias", D), eps);
    }
}
