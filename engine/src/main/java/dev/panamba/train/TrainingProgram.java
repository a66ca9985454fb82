package dev.panamba.train;

import dev.panamba.graph.Backward;
import dev.panamba.graph.ForwardOp.CrossEntropy;
import dev.panamba.graph.ForwardOp.ExpertLinear;
import dev.panamba.graph.ForwardOp.Route;
import dev.panamba.graph.Graph;
import dev.panamba.graph.Program;
import dev.panamba.graph.Role;
import dev.panamba.graph.Value;
import dev.panamba.model.Config;
import dev.panamba.model.Network;
import dev.panamba.nn.Pass;
import dev.panamba.tensor.DType;
import dev.panamba.tensor.Shape;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Forward and backward of one micro-batch: the gradient of the mean cross entropy plus the mean balance loss of the Switch
 * layers, divided by the number of micro-batches in a step, is added to the gradients, or assigned by products of matrices where a
 * step has but one micro-batch.
 *
 * @param program what runs
 * @param token [T] I32 inputs
 * @param target [T] I32 targets
 * @param loss [1] mean cross entropy of this micro-batch
 * @param routes of the Switch layers, whose load, offset and balance can be read after a run
 * @param parameters in the order of the network
 * @param gradients of the parameters, by parameter
 * @param assigned parameters whose gradients a run assigns; all others must be 0 before the first micro-batch
 */
public record TrainingProgram(
        Program program,
        Value token,
        Value target,
        Value loss,
        List<Route> routes,
        List<Value> parameters,
        Map<Value, Value> gradients,
        Set<Value> assigned) {

    /**
     * Logits that live at once, at most. The head, the cross entropy and their derivatives go over one part of the tokens after the
     * other, since the logits of all would be the largest value by far. Each part reads the head's weight and its gradient once
     * more: with parts of 2,048 tokens and 50,257 logits that cannot be measured, with parts of 1,024 it costs 2 % of a step.
     */
    private static final long LOGITS = 1L << 27;

    /**
     * Builds the program.
     *
     * @param config the model
     * @param real F32, or F64 to check gradients
     * @param factors real, or BF16: what large products round their factors to
     * @param microBatch sequences that go through at once
     * @param context tokens of a sequence
     * @param microBatches of one step
     * @param lazyExperts whether to spare the gradients of experts without tokens, which are 0: then none is assigned
     * @return the program
     * @throws IllegalArgumentException if the context is longer than the model's positions
     */
    public static TrainingProgram of(
            Config config,
            DType real,
            DType factors,
            int microBatch,
            int context,
            int microBatches,
            boolean lazyExperts) {
        if (context > config.longest()) {
            throw new IllegalArgumentException(
                    "--context " + context + " is longer than the model's " + config.longest() + " positions.");
        }
        return of(config, real, factors, microBatch, context, microBatches, lazyExperts, LOGITS);
    }

    /** What brings tokens to the experts' weights, by weight. */
    Map<Value, Route> routesByWeight() {
        var byOffset = new HashMap<Value, Route>();
        routes.forEach(route -> byOffset.put(route.offset(), route));
        var byWeight = new HashMap<Value, Route>();
        for (var op : program.ops()) {
            if (op instanceof ExpertLinear experts) {
                byWeight.putIfAbsent(experts.weight(), byOffset.get(experts.offset()));
            }
        }
        return byWeight;
    }

    /** With another size of the parts. */
    static TrainingProgram of(
            Config config,
            DType real,
            DType factors,
            int microBatch,
            int context,
            int microBatches,
            boolean lazyExperts,
            long mostLogits) {
        var graph = new Graph(real, factors);
        var pass = Pass.whole(graph, microBatch, context, false);
        var token = graph.input("token", DType.I32, pass.T());
        var target = graph.input("target", DType.I32, pass.T());
        var x = Network.body(config, pass, token);
        var backward = new Backward(graph);
        if (microBatches == 1 && !lazyExperts) {
            backward.assign();
        }
        var losses = graph.value("loss", real, Role.ACTIVATION, Shape.of(pass.T()));
        var parts = Math.min(pass.T(), Math.ceilDiv(pass.T() * config.V(), mostLogits));
        for (long part = 0; part < parts; part++) {
            var first = pass.T() * part / parts;
            var tokens = pass.T() * (part + 1) / parts - first;
            var logits = Network.head(config, pass, graph.rows(x, first, tokens));
            var some = graph.columns(losses, first, tokens);
            var lse = graph.value("lse", real, Role.ACTIVATION, Shape.of(tokens));
            graph.add(new CrossEntropy(some, lse, logits, graph.columns(target, first, tokens)));
            backward.loss(some, 1.0 / microBatches / pass.T()).tail();
        }
        var loss = graph.output(graph.mean(losses));
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
                graph.program(),
                token,
                target,
                loss,
                List.copyOf(pass.routes()),
                parameters,
                graph.gradients(),
                backward.assignedParameters());
    }
}
