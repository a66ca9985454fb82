package dev.panamba.nn;

import dev.panamba.graph.ForwardOp.Route;
import dev.panamba.graph.Graph;
import dev.panamba.graph.Value;
import dev.panamba.tensor.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;

/**
 * One way through a network: whole sequences from zero state (training, evaluation), or the next tokens of sessions whose
 * states stand in slots (inference).
 *
 * @param graph where layers emit to
 * @param B sequences
 * @param L tokens of a sequence
 * @param dropless whether experts take every token
 * @param weights type of the large matrices: the graph's, BF16, INT8 or INT4
 * @param past [B] I32 tokens that each session has read before; null where sequences are whole
 * @param slot [B] I32 each session's slot; null where sequences are whole
 * @param slots number of slots
 * @param context tokens that a cache holds; unused by layers of constant state
 * @param routes what the switch layers emitted, in order
 */
public record Pass(
        Graph graph,
        long B,
        long L,
        boolean dropless,
        DType weights,
        Value past,
        Value slot,
        long slots,
        long context,
        List<Route> routes) {

    /**
     * Whole sequences.
     *
     * @param graph where layers emit to
     * @param B sequences
     * @param L tokens of a sequence
     * @param dropless whether experts take every token
     * @return the pass
     */
    public static Pass whole(Graph graph, long B, long L, boolean dropless) {
        return whole(graph, B, L, dropless, graph.real());
    }

    /**
     * Whole sequences, with weights in a format of inference.
     *
     * @param graph where layers emit to
     * @param B sequences
     * @param L tokens of a sequence
     * @param dropless whether experts take every token
     * @param weights type of the large matrices
     * @return the pass
     */
    public static Pass whole(Graph graph, long B, long L, boolean dropless, DType weights) {
        return new Pass(graph, B, L, dropless, weights, null, null, 0, 0, new ArrayList<>());
    }

    /**
     * The next tokens of sessions.
     *
     * @param graph where layers emit to
     * @param B sessions
     * @param L tokens of each
     * @param slots number of slots
     * @param context tokens that a cache holds
     * @param weights type of the large matrices
     * @return the pass
     */
    public static Pass next(Graph graph, long B, long L, long slots, long context, DType weights) {
        var past = graph.input("past", DType.I32, B);
        var slot = graph.input("slot", DType.I32, B);
        return new Pass(graph, B, L, true, weights, past, slot, slots, context, new ArrayList<>());
    }

    /**
     * All tokens.
     *
     * @return T = B L
     */
    public long T() {
        return B * L;
    }

    /**
     * Whether states are carried from run to run.
     *
     * @return true for inference
     */
    public boolean recurrent() {
        return slot != null;
    }

    /**
     * Declares a large matrix.
     *
     * @param name as in the model file
     * @param dims its shape
     * @return the value, in the type of {@link #weights}
     */
    public Value matrix(String name, long... dims) {
        return graph.matrix(name, weights, dims);
    }

    /**
     * Declares a matrix that is small, and matters more than it costs: it keeps a byte where others have half of one.
     *
     * @param name as in the model file
     * @param dims its shape
     * @return the value
     */
    Value smallMatrix(String name, long... dims) {
        return graph.matrix(name, weights == DType.INT4 ? DType.INT8 : weights, dims);
    }

    Value state(String name, long... dims) {
        return recurrent()
                ? graph.state(
                        name,
                        LongStream.concat(LongStream.of(slots), LongStream.of(dims))
                                .toArray())
                : null;
    }
}
