package dev.panamba.model;

import dev.panamba.graph.Bench;
import dev.panamba.graph.Numbers;
import dev.panamba.graph.Team;
import dev.panamba.graph.Value;
import dev.panamba.memory.Placement;
import dev.panamba.model.Config.Norm;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A network reads a text in parts, with states between them, as it reads it whole. */
class NetworkTest {
    private static final int B = 2;
    private static final int L = 20;
    private static final int SEED = 3;

    @ParameterizedTest
    @EnumSource(Norm.class)
    void partsAreTheWhole(Norm norm) {
        try (var team = new Team(2)) {
            for (var config : Networks.families(norm, 12)) {
                var whole = Networks.whole(config, B, L, SEED);
                try (var bound = whole.bind(team, Placement.PACKED)) {
                    var tokens = whole.get(input(whole, "token"));
                    var logits = bound.run().read(output(whole));
                    for (var parts : List.of(new int[] {20}, new int[] {1, 1, 1, 17}, new int[] {6, 1, 5, 8})) {
                        Numbers.assertClose(
                                logits,
                                read(config, team, tokens, parts),
                                1e-5,
                                config.family() + " in parts of " + Arrays.toString(parts));
                    }
                }
            }
        }
    }

    private static double[] read(Config config, Team team, double[] tokens, int[] parts) {
        var logits = new double[B * L * config.V()];
        var states = List.<double[]>of();
        int at = 0;
        for (int n : parts) {
            var next = Networks.next(config, B, n, B, SEED);
            next.set(input(next, "token"), part(tokens, at, n));
            next.set(input(next, "past"), at, at);
            for (int i = 0; i < states.size(); i++) {
                next.set(next.graph().states().get(i), states.get(i));
            }
            try (var bound = next.bind(team, Placement.PACKED)) {
                var part = bound.run().read(output(next));
                for (int b = 0; b < B; b++) {
                    System.arraycopy(part, b * n * config.V(), logits, (b * L + at) * config.V(), n * config.V());
                }
                states = next.graph().states().stream().map(bound::read).toList();
            }
            at += n;
        }
        return logits;
    }

    /** Tokens [at, at + n) of every sequence. */
    private static double[] part(double[] tokens, int at, int n) {
        var part = new double[B * n];
        for (int b = 0; b < B; b++) {
            System.arraycopy(tokens, b * L + at, part, b * n, n);
        }
        return part;
    }

    private static Value input(Bench bench, String name) {
        return bench.graph().program().inputs().stream()
                .filter(input -> input.name().equals(name))
                .findFirst()
                .orElseThrow();
    }

    private static Value output(Bench bench) {
        return bench.graph().program().outputs().iterator().next();
    }
}
