package dev.panamba.cli;

import dev.panamba.graph.Executable;
import dev.panamba.graph.Gemm;
import dev.panamba.graph.Graph;
import dev.panamba.graph.Profile;
import dev.panamba.graph.Team;
import dev.panamba.graph.Value;
import dev.panamba.memory.Placement;
import dev.panamba.tensor.DType;
import java.io.PrintStream;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;

/**
 * A profile beside what the machine can do. The roofline of an op is the time that its products would take at the rate of a
 * large product with factors of their type, or its bytes at the rate at which memory adds two large vectors, whichever is longer;
 * functions such as exp are not counted, so an op that is made of them shows how far it is from being free. What stays in the
 * caches can be beyond it.
 */
final class ProfileTable {
    private static final int PRODUCT = 2048;
    private static final int VECTOR = 1 << 26;
    private static final int TRIES = 5;
    private static final String OUTSIDE = "outside the ops";

    private final Profile profile;
    private final double wall;
    private final Map<DType, Double> flopsPerSecond = new EnumMap<>(DType.class);
    private final double bytesPerSecond;

    /**
     * Measures the machine.
     *
     * @param profile what was measured
     * @param wall seconds that it took in all
     * @param threads that worked
     */
    ProfileTable(Profile profile, double wall, int threads) {
        this.profile = profile;
        this.wall = wall;
        // At large ones our own kernel is as fast as any.
        try (var team = new Team(threads, Gemm.PANAMBA)) {
            for (var factors : List.of(DType.F32, DType.BF16)) {
                var flops = rate(
                        team,
                        new Graph(DType.F32, factors),
                        graph -> graph.linear(
                                graph.input("x", DType.F32, PRODUCT, PRODUCT),
                                graph.input("w", DType.F32, PRODUCT, PRODUCT),
                                null),
                        Profile.Row::flops);
                flopsPerSecond.put(factors, flops);
            }
            bytesPerSecond = rate(
                    team,
                    new Graph(DType.F32),
                    graph -> graph.add(graph.input("a", DType.F32, VECTOR), graph.input("b", DType.F32, VECTOR)),
                    Profile.Row::bytes);
        }
    }

    private static double rate(
            Team team, Graph graph, Function<Graph, Value> emit, ToDoubleFunction<Profile.Row> work) {
        graph.output(emit.apply(graph));
        double best = 0;
        try (var program = Executable.bind(graph.program(), DType.F32, team, Map.of(), Placement.PACKED)) {
            program.run();
            for (int i = 0; i < TRIES; i++) {
                var once = new Profile();
                team.measure(once);
                program.run();
                var row = once.rows().getFirst();
                best = Math.max(best, work.applyAsDouble(row) / row.seconds());
            }
        }
        return best;
    }

    void print(PrintStream out, String what, boolean json) {
        double all = 0;
        double flops32 = 0;
        double byOpenBlas = 0;
        for (var row : profile.rows()) {
            all += row.seconds();
            flops32 += row.factors() == DType.F32 ? row.flops() : 0;
            byOpenBlas += row.openBlas() ? row.flops() : 0;
        }
        if (!json) {
            out.printf(
                    "  %-38s %-9s %8s %10s %7s %9s %7s %9s   (100 %% is %,.0f GFLOP/s, %,.0f with factors in bf16, or %,.1f GB/s)%n",
                    "op",
                    "products",
                    "calls",
                    "ms",
                    "share",
                    "GFLOP/s",
                    "GB/s",
                    "roofline",
                    flopsPerSecond.get(DType.F32) / 1e9,
                    flopsPerSecond.get(DType.BF16) / 1e9,
                    bytesPerSecond / 1e9);
        }
        for (var row : profile.rows()) {
            var share = row.seconds() / wall;
            var flops = row.flops() / row.seconds();
            var bytes = row.bytes() / row.seconds();
            var roofline = Math.max(flops / flopsPerSecond.get(row.factors()), bytes / bytesPerSecond);
            if (json) {
                var fields = new LinkedHashMap<String, Object>();
                fields.put("what", what + " op");
                fields.put("op", row.op());
                fields.put("products", products(row));
                fields.put("calls", row.calls());
                fields.put("seconds", row.seconds());
                fields.put("share", share);
                fields.put("flops_per_second", flops);
                fields.put("bytes_per_second", bytes);
                fields.put("roofline", roofline);
                Json.print(out, fields);
            } else {
                out.printf(
                        "  %-38s %-9s %8d %10.2f %5.1f %% %9.1f %7.1f %7.0f %%%n",
                        row.op(),
                        products(row),
                        row.calls(),
                        row.seconds() * 1e3,
                        share * 100,
                        flops / 1e9,
                        bytes / 1e9,
                        roofline * 100);
            }
        }
        if (json) {
            var fields = new LinkedHashMap<String, Object>();
            fields.put("what", what + " op");
            fields.put("op", OUTSIDE);
            fields.put("seconds", wall - all);
            fields.put("share", 1 - all / wall);
            Json.print(out, fields);
            fields = new LinkedHashMap<>();
            fields.put("what", what + " products");
            fields.put("flops_f32", flops32);
            fields.put("openblas_share", byOpenBlas / flops32);
            Json.print(out, fields);
        } else {
            out.printf(
                    "  %-38s %-9s %8s %10.2f %5.1f %%%n", OUTSIDE, "", "", (wall - all) * 1e3, (1 - all / wall) * 100);
            out.printf("  OpenBLAS did %.1f %% of the products' F32 operations%n", 100 * byOpenBlas / flops32);
        }
    }

    /** Who multiplied. */
    private static String products(Profile.Row row) {
        return row.openBlas() ? "OpenBLAS" : row.flops() > 0 ? "Panamba" : "";
    }
}
