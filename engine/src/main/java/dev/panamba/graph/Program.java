package dev.panamba.graph;

import java.util.List;
import java.util.Set;

/**
 * A list of ops in the order they run.
 *
 * @param ops the steps
 * @param inputs what the caller writes before a run
 * @param outputs activations that are read after a run, so live to its end
 */
public record Program(List<Op> ops, List<Value> inputs, Set<Value> outputs) {
    /** Copies. */
    public Program {
        ops = List.copyOf(ops);
        inputs = List.copyOf(inputs);
        outputs = Set.copyOf(outputs);
    }

    /**
     * The floating-point operations of all matrix products and of attention: two for each multiplication with its addition. What
     * is done element by element, as in a scan, is not counted.
     *
     * @return a count for one run
     */
    public double flops() {
        return 2 * ops.stream().mapToDouble(op -> Cost.of(op).products()).sum();
    }
}
