package dev.panamba.model;

import dev.panamba.graph.Graph;
import dev.panamba.graph.Value;
import dev.panamba.nn.Pass;
import dev.panamba.tensor.DType;

/**
 * How large a model is, and how much of it works for one token.
 *
 * @param parameters all
 * @param active those that are read for one token, the embedding counted whole
 * @param flops forward for one token: matrix products and attention; see {@link dev.panamba.graph.Program#flops}
 */
public record Size(long parameters, long active, double flops) {
    /**
     * Measures a model.
     *
     * @param config the model
     * @param context tokens of a sequence, which attention's work depends on
     * @return its size
     */
    public static Size of(Config config, int context) {
        var parameters = Network.parameters(config, DType.F32);
        var graph = new Graph(DType.F32);
        var pass = Pass.whole(graph, 1, context, true);
        var token = graph.input("token", DType.I32, context);
        graph.output(Network.head(config, pass, Network.body(config, pass, token)));
        return new Size(
                parameters.stream().mapToLong(p -> p.shape().elements()).sum(),
                parameters.stream().mapToLong(Size::active).sum(),
                graph.program().flops() / context);
    }

    /** Whether a parameter holds the weights of all experts of a layer. */
    static boolean isExperts(Value parameter) {
        return parameter.name().contains(".experts.");
    }

    /** Of the experts' weights one is read. */
    private static long active(Value parameter) {
        return parameter.shape().elements()
                / (isExperts(parameter) ? parameter.shape().dim(0) : 1);
    }
}
