package dev.panamba.graph;

import dev.panamba.tensor.DType;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Where the time of a team goes, op by op, as its worker 0 sees it: from the end of the step before to the end of the wait for
 * the others.
 */
public final class Profile {
    private final Map<Op, long[]> nanoseconds = new IdentityHashMap<>();
    private final Map<Op, long[]> calls = new IdentityHashMap<>();
    private final Set<Op> byOpenBlas = Collections.newSetFromMap(new IdentityHashMap<>());

    /** Nothing yet. */
    public Profile() {}

    /**
     * The ops of one kind that work with the same parameter of some layer.
     *
     * @param op its kind, and the parameter's name without the layer's number
     * @param openBlas whether OpenBLAS did its products
     * @param calls how often one was run
     * @param seconds in all
     * @param factors what its products round their factors to
     * @param flops of all, two for a multiplication with its addition; functions such as exp are not among them
     * @param bytes that all read and wrote, each once for an op
     */
    public record Row(
            String op, boolean openBlas, long calls, double seconds, DType factors, double flops, double bytes) {}

    /** An op's steps follow each other; the first one counts as a call. */
    void add(Op op, boolean openBlas, long spent, boolean isFirst) {
        if (openBlas) {
            byOpenBlas.add(op);
        }
        nanoseconds.computeIfAbsent(op, _ -> new long[1])[0] += spent;
        calls.computeIfAbsent(op, _ -> new long[1])[0] += isFirst ? 1 : 0;
    }

    /** Forgets what was measured. */
    public void clear() {
        nanoseconds.clear();
        calls.clear();
        byOpenBlas.clear();
    }

    /**
     * What was measured.
     *
     * @return the longest first
     */
    public List<Row> rows() {
        var rows = new LinkedHashMap<String, Row>();
        nanoseconds.forEach((op, spent) -> {
            var count = calls.get(op)[0];
            var cost = Cost.of(op);
            var openBlas = byOpenBlas.contains(op);
            rows.merge(
                    name(op) + openBlas,
                    new Row(
                            name(op),
                            openBlas,
                            count,
                            spent[0] / 1e9,
                            Cost.factors(op),
                            2 * cost.products() * count,
                            cost.bytes() * count),
                    (a, b) -> new Row(
                            a.op,
                            a.openBlas,
                            a.calls + b.calls,
                            a.seconds + b.seconds,
                            a.factors,
                            a.flops + b.flops,
                            a.bytes + b.bytes));
        });
        var sorted = new ArrayList<>(rows.values());
        sorted.sort(Comparator.comparingDouble(row -> -row.seconds));
        return sorted;
    }

    private static String name(Op op) {
        var kind = op.getClass().getSimpleName();
        var uses = Uses.of(op);
        for (var values : List.of(uses.reads(), uses.writes())) {
            for (var value : values) {
                if (value.root().role() == Role.PARAMETER || value.root().role() == Role.GRADIENT) {
                    return kind + " " + value.root().name().replaceFirst("^backbone\\.(layers\\.\\d+\\.)?", "");
                }
            }
        }
        return kind;
    }
}
