package dev.panamba.nn;

import dev.panamba.graph.Value;

/**
 * The Switch layer: each token goes through the one expert with the highest router probability, and the expert's output is
 * multiplied by it. In training an expert takes at most floor(capacityFactor T / X) tokens, first come first kept, and the
 * output of the others is 0; elsewhere nothing is dropped.
 *
 * @param name of the parameters {@code router.weight} [X, D], {@code experts.up.weight} [X, F, D] and
 *     {@code experts.down.weight} [X, D, F]
 * @param D width
 * @param X experts
 * @param F width of one expert
 * @param capacityFactor share of an even load that an expert takes
 * @param alpha weight of the balance loss
 */
public record SwitchFeedForward(String name, long D, long X, long F, double capacityFactor, double alpha)
        implements Layer {
    @Override
    public Value emit(Pass pass, Value x) {
        var graph = pass.graph();
        var T = pass.T();
        var capacity = pass.dropless() ? T : Math.min(T, (long) Math.floor(capacityFactor * T / X));
        var logits = graph.exactLinear(x, graph.parameter(name + ".router.weight", X, D));
        var route = graph.route(logits, capacity, alpha);
        pass.routes().add(route);
        var up = graph.expertLinear(graph.gather(x, route), pass.matrix(name + ".experts.up.weight", X, F, D), route);
        var down = pass.matrix(name + ".experts.down.weight", X, D, F);
        return graph.scatter(graph.expertLinear(graph.relu(up, route), down, route), route);
    }
}
