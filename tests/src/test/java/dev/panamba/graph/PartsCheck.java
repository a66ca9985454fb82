package dev.panamba.graph;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.panamba.graph.KernelChecks.ScanInputs;
import dev.panamba.memory.Placement;
import dev.panamba.tensor.DType;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.IntSupplier;

/**
 * In inference form the ops that carry states give the same results for a sequence whole, token by token, and cut anywhere. Two
 * sessions stand in two of three slots; the third must stay as it is.
 */
final class PartsCheck {
    private static final int LONGEST = 1000;
    private static final int B = 2;
    private static final int E = 18;
    private static final int N = 3;
    private static final int K = 4;
    private static final int H = 3;

    private final Team team;
    private final Map<Integer, NextTokens> programs = new HashMap<>();

    private PartsCheck(Team team) {
        this.team = team;
    }

    static void run() {
        try (var team = new Team(2)) {
            var sessions = new PartsCheck(team);
            for (int L : new int[] {1, 2, 3, 15, 16, 17, 63, 64, 65, 128, LONGEST}) {
                var cuts = new SplittableRandom(L);
                var whole = sessions.read(L, () -> L);
                for (var part : List.<IntSupplier>of(() -> 1, () -> 7, () -> 16, () -> cuts.nextInt(1, 20))) {
                    var parts = sessions.read(L, part);
                    for (int i = 0; i < whole.length; i++) {
                        Numbers.assertClose(whole[i], parts[i], 1e-5, "the parts of " + L + " tokens, value " + i);
                    }
                }
            }
            sessions.programs.values().forEach(program -> program.bound.close());
        }
    }

    /** What all ops give for the first L tokens. */
    double[][] read(int L, IntSupplier part) {
        var results = new double[3][B * L * E];
        var states = List.<double[]>of();
        for (int at = 0; at < L; ) {
            var n = Math.min(L - at, part.getAsInt());
            var program = programs.computeIfAbsent(n, NextTokens::new);
            states = program.run(states, at);
            for (int i = 0; i < results.length; i++) {
                var y = program.bound.read(program.outputs.get(i));
                for (int b = 0; b < B; b++) {
                    System.arraycopy(y, b * n * E, results[i], (b * L + at) * E, n * E);
                }
            }
            at += n;
        }
        return results;
    }

    /** The ops that carry states, bound for n tokens. */
    private final class NextTokens {
        private final int n;
        private final Bench bench = new Bench(DType.F32, 5);
        private final Value past = bench.integers("past", 0, 0);
        private final List<Value> inputs;
        private final List<Value> states;
        private final List<Value> outputs;
        final Bench.Bound bound;

        NextTokens(int n) {
            this.n = n;
            var graph = bench.graph();
            var slot = bench.integers("slot", 2, 0);
            var s = new ScanInputs(bench, B * n, E, N);
            var qkv = bench.input("qkv", B * n, 3 * E);
            inputs = List.of(s.u, s.r, s.z, s.b, s.c, qkv);
            states = List.of(
                    bench.state("conv", 3, K - 1, E),
                    bench.state("ssm", 3, N, E),
                    bench.state("cache", 3, LONGEST, 2 * E));
            var u = graph.convolution(
                    s.u, bench.parameter("taps", E, K), bench.parameter("bias", E), states.get(0), slot, B);
            var g = graph.scan(s.u, s.r, s.z, s.b, s.c, s.aLog, s.skip, s.dtBias, states.get(1), slot, B);
            var y = graph.cachedAttention(graph.rope(qkv, past, n, H), states.get(2), past, slot, B, H);
            outputs = List.of(graph.output(u), graph.output(g), graph.output(y));
            bound = bench.bind(team, Placement.PACKED);
        }

        /** Reads tokens [at, at + n) and returns the states behind them. */
        List<double[]> run(List<double[]> statesBefore, int at) {
            bound.write(past, new double[] {at, at});
            inputs.forEach(input -> bound.write(input, tokens(input, at)));
            for (int i = 0; i < states.size(); i++) {
                bound.write(states.get(i), at == 0 ? bench.get(states.get(i)) : statesBefore.get(i));
            }
            bound.run();
            for (var state : states) {
                var unread = bench.graph().rows(state, state.rows() / 3, state.rows() / 3);
                var before = bench.get(state);
                assertArrayEquals(
                        Arrays.copyOfRange(before, before.length / 3, 2 * before.length / 3),
                        bound.read(unread),
                        "the state of a session that was not read");
            }
            return states.stream().map(bound::read).toList();
        }

        /** The same numbers however the sequences are cut. */
        private double[] tokens(Value input, int at) {
            int width = (int) input.columns();
            var part = new double[B * n * width];
            for (int b = 0; b < B; b++) {
                var name = 31 * input.name().hashCode() + b;
                for (int i = 0; i < n * width; i++) {
                    part[b * n * width + i] =
                            (float) new SplittableRandom(31L * name + at * width + i).nextDouble(-2, 2);
                }
            }
            return part;
        }
    }
}
