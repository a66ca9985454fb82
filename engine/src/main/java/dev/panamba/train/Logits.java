package dev.panamba.train;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.panamba.graph.Executable;
import dev.panamba.graph.Graph;
import dev.panamba.graph.Role;
import dev.panamba.graph.Team;
import dev.panamba.graph.Value;
import dev.panamba.memory.Placement;
import dev.panamba.model.Network;
import dev.panamba.model.Weights;
import dev.panamba.nn.Pass;
import dev.panamba.tensor.DType;
import dev.panamba.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Map;

/** All logits of one sequence, read whole from zero state and without dropping: for whoever wants to compare. */
public final class Logits implements AutoCloseable {
    private final Executable executable;
    private final Value logits;

    /**
     * Computes them.
     *
     * @param weights the model
     * @param tokens ids below the vocabulary's size, at least one
     * @param team who works
     * @param placement {@link Placement#PACKED} for work
     * @throws IllegalArgumentException for no tokens, an id out of the vocabulary, or more than the model's positions
     * @throws ArithmeticException if a logit is not finite
     */
    public Logits(Weights weights, int[] tokens, Team team, Placement placement) {
        var config = weights.config();
        if (tokens.length == 0 || tokens.length > config.longest()) {
            throw new IllegalArgumentException(
                    "There are " + tokens.length + " tokens, and the model reads 1 to " + config.longest() + ".");
        }
        for (int token : tokens) {
            if (token < 0 || token >= config.V()) {
                throw new IllegalArgumentException(
                        "Token " + token + " is not in the vocabulary (0 to " + (config.V() - 1) + ").");
            }
        }
        var graph = new Graph(DType.F32);
        var pass = Pass.whole(graph, 1, tokens.length, true, weights.format());
        var token = graph.input("token", DType.I32, tokens.length);
        logits = graph.output(Network.head(config, pass, Network.body(config, pass, token)));
        executable =
                Executable.bind(graph.program(), DType.F32, team, Map.of(Role.PARAMETER, weights.store()), placement);
        MemorySegment.copy(tokens, 0, executable.at(token), JAVA_INT, 0, tokens.length);
        try {
            executable.run();
            checkFinite(executable.at(logits), config.V());
        } catch (RuntimeException e) {
            executable.close();
            throw e;
        }
    }

    private static void checkFinite(MemorySegment logits, long V) {
        for (long i = 0; i < logits.byteSize() / Float.BYTES; i++) {
            var logit = logits.getAtIndex(JAVA_FLOAT, i);
            if (!Float.isFinite(logit)) {
                throw new ArithmeticException(
                        "Logit " + i % V + " after token " + (i / V + 1) + " is " + logit
                                + ": the model's weights are damaged, or its training diverged. --check-finite names the place.");
            }
        }
    }

    /**
     * The logits.
     *
     * @return "logits" [L, V] F32, as long as this is open
     */
    public Tensor tensor() {
        return new Tensor("logits", DType.F32, logits.shape(), executable.at(logits));
    }

    @Override
    public void close() {
        executable.close();
    }
}
