package dev.panamba.nn;

import dev.panamba.graph.Value;

/**
 * RMSNorm with weight.
 *
 * @param name of the parameter {@code weight} [D]
 * @param D width
 * @param eps added to the mean square
 */
public record RmsNorm(String name, long D, double eps) implements Layer {
    @Override
    public Value emit(Pass pass, Value x) {
        return pass.graph().rmsNorm(x, pass.graph().parameter(name + ".weight", D), eps);
    }
}
