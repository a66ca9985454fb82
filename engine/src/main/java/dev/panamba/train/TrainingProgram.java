package dev.panamba.train;

import dev.panamba.graph.Backward;
import dev.panamba.graph.ForwardOp.Route;
import dev.panamba.graph.Graph;
import dev.panamba.graph.Program;
import dev.panamba.graph.Value;
import dev.panamba.model.Config;
import dev.panamba.model.Network;
import dev.panamba.nn.Pass;
import dev.panamba.tensor.DType;
import java.util.List;
import java.util.Map;

/**
 * Forward and backward of one micro-batch: the gradient of the mean cross entropy plus the mean balance loss of the Switch
 * layers, divided by the number of micro-batches in a step, is added to the gradients.
 *
 * @param program what runs
 * @param token [T] I32 inputs
 * @param target [T] I32 targets
 * @param loss [1] mean cross entropy of this micro-batch
 * @param routes of the Switch layers, whose load, offset and balance can be read after a run
 * @param parameters in the order of the network
 * @param gradients of the parameters, by parameter
 */
public record TrainingProgram(
        Program program,
        Value token,
        Value target,
        Value loss,
        List<Route> routes,
        List<Value> parameters,
        Map<Value, Value> gradients) {

    /**
     * Builds the program.
     *
     * @param config the model
     * @param real F32, or F64 to check gradients
     * @param microBatch sequences that go through at once
     * @param context tokens of a sequence
     * @param microBatches of one step
     * @return the program
     * @throws IllegalArgumentException if the context is longer than the model's positions
     */
    public static TrainingProgram of(Config config, DType real, int microBatch, int context, int microBatches) {
        if (context > config.longest()) {
            throw new IllegalArgumentException(
                    "--context " + context + " is longer than the model's " + config.longest() + " positions.");
        }
        var graph = new Graph(real);
        var pass = Pass.whole(graph, microBatch, context, false);
        var token = graph.input("token", DType.I32, pass.T());
        var target = graph.input("target", DType.I32, pass.T());
        var logits = Network.head(config, pass, Network.body(config, pass, token));
        var loss = graph.output(graph.mean(graph.crossEntropy(logits, target)));
        var backward = new Backward(graph).loss(loss, 1.0 / microBatches);
        for (var route : pass.routes()) {
            graph.output(route.balance());
            graph.output(route.load());
            graph.output(route.offset());
            backward.loss(
                    route.balance(),
                    1.0 / ((double) microBatches * pass.routes().size()));
        }
        backward.append();
        var parameters = List.copyOf(graph.parameters().values());
        return new TrainingProgram(
                graph.program(), token, target, loss, List.copyOf(pass.routes()), parameters, graph.gradients());
    }
}
