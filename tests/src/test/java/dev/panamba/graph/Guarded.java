package dev.panamba.graph;

import dev.panamba.bindings.Kernels;
import dev.panamba.bindings.kernels.pb_add_args;
import dev.panamba.memory.Placement;
import dev.panamba.model.Config.Norm;
import dev.panamba.model.Networks;
import dev.panamba.tensor.DType;
import java.lang.foreign.Arena;
import java.util.List;

/** Programs whose values all end where a forbidden page begins; for a process of its own, since an overrun ends it. */
final class Guarded {
    private static final int SHAPES = 50;

    private Guarded() {}

    public static void main(String[] arguments) {
        try (var team = new Team(2, Gemm.valueOf(arguments[1]))) {
            switch (arguments[0]) {
                case "ops" -> ops(team);
                case "families" -> families(team);
                case "write past the end" -> overrun(team, 0, 1);
                case "read past the end" -> overrun(team, 1, 0);
                case "stay inside" -> overrun(team, 0, 0);
                default -> throw new IllegalArgumentException(arguments[0]);
            }
        }
        System.out.println("done");
    }

    private static void ops(Team team) {
        for (var real : List.of(DType.F32, DType.F64)) {
            for (int seed = 0; seed < SHAPES; seed++) {
                for (var op : OpCases.ALL.values()) {
                    var check = new GradientCheck(real, seed);
                    op.accept(check);
                    run(check, team);
                }
            }
        }
    }

    private static void families(Team team) {
        for (var norm : Norm.values()) {
            for (int D : new int[] {4, 12, 36}) {
                for (var config : Networks.families(norm, D)) {
                    run(Networks.training(config, DType.F32, 3, 7, D), team);
                    for (int L : new int[] {1, 3, 17}) {
                        try (var next = Networks.next(config, 2, L, 3, D).bind(team, Placement.GUARDED)) {
                            next.run();
                        }
                    }
                }
            }
        }
    }

    private static void run(GradientCheck check, Team team) {
        check.differentiate();
        try (var bound = check.bench().bind(team, Placement.GUARDED)) {
            bound.run();
        }
    }

    /** An addition that is one element longer than one of its values. */
    private static void overrun(Team team, int read, int written) {
        var bench = new Bench(DType.F32, 1);
        var graph = bench.graph();
        var a = bench.input("a", 5);
        var y = graph.output(graph.add(a, bench.input("b", 5)));
        try (var arena = Arena.ofConfined();
                var bound = bench.bind(team, Placement.GUARDED)) {
            bound.run();
            var elsewhere = arena.allocate(6 * Float.BYTES, Float.BYTES);
            var args = pb_add_args.allocate(arena);
            pb_add_args.a(args, read > 0 ? bound.executable().at(a) : elsewhere);
            pb_add_args.b(args, elsewhere);
            pb_add_args.y(
                    args,
                    written > 0 || read + written == 0 ? bound.executable().at(y) : elsewhere);
            Kernels.call(Kernels.f32().find("pb_add"), args, 0, 5 + read + written);
        }
    }
}
