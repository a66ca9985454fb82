package dev.panamba.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.graph.Executable;
import dev.panamba.graph.Plan;
import dev.panamba.graph.Role;
import dev.panamba.graph.Store;
import dev.panamba.graph.Team;
import dev.panamba.graph.Value;
import dev.panamba.memory.Placement;
import dev.panamba.model.Config;
import dev.panamba.model.Config.Norm;
import dev.panamba.model.Networks;
import dev.panamba.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** How the program of a step may be cut without changing what it computes. */
class TrainingProgramTest {
    private static final int B = 2;
    private static final int L = 11;

    static List<Config> families() {
        return Stream.of(Norm.values())
                .flatMap(norm -> Networks.families(norm, 8).stream())
                .toList();
    }

    @ParameterizedTest
    @MethodSource("families")
    void partsOfTheTokensAreTheWhole(Config config) {
        var whole = run(program(config, Long.MAX_VALUE / 2));
        // Seven parts of 3 or 4 tokens, which begin where no sequence does.
        var parts = run(program(config, 3 * config.V()));
        assertEquals(whole.keySet(), parts.keySet());
        whole.forEach((name, expected) -> {
            var actual = parts.get(name);
            for (int i = 0; i < expected.length; i++) {
                assertEquals(expected[i], actual[i], 1e-12, name + " " + i);
            }
        });
    }

    @Test
    void onlyOnePartsLogitsLive() {
        var config = families().getFirst().withVocabulary(5000);
        var most = 4 * config.V();
        var plan = Plan.of(program(config, most).program(), Placement.PACKED);
        var whole = Plan.of(program(config, Long.MAX_VALUE / 2).program(), Placement.PACKED);
        var spared = (long) (B * L - 4) * config.V() * Double.BYTES;
        assertTrue(whole.bytes() - plan.bytes() > 0.99 * spared, "spared " + (whole.bytes() - plan.bytes()));
        var places = plan.where().entrySet().stream()
                .filter(entry -> entry.getKey().columns() == config.V())
                .map(Map.Entry::getValue)
                .toList();
        assertEquals(2 * 6, places.size(), "logits and their gradients, six times");
        assertEquals(
                1,
                places.stream().mapToLong(extent -> extent.offset()).distinct().count(),
                "places of logits");
    }

    private static TrainingProgram program(Config config, long mostLogits) {
        return TrainingProgram.of(config, DType.F64, DType.F64, B, L, 3, false, mostLogits);
    }

    /** The loss and all gradients. */
    private static Map<String, double[]> run(TrainingProgram program) {
        var random = new Random(5);
        var results = new LinkedHashMap<String, double[]>();
        try (var team = new Team(2);
                var weights = Store.allocate("weights", program.parameters());
                var gradients = Store.allocate("gradients", program.parameters());
                var executable = Executable.bind(
                        program.program(),
                        DType.F64,
                        team,
                        Map.of(Role.PARAMETER, weights, Role.GRADIENT, gradients),
                        Placement.POISON)) {
            for (var parameter : program.parameters()) {
                var memory = weights.at(parameter.name());
                for (long i = 0; i < parameter.shape().elements(); i++) {
                    memory.setAtIndex(ValueLayout.JAVA_DOUBLE, i, random.nextGaussian() / 2);
                }
            }
            var V = (int) program.parameters().getFirst().rows();
            for (var tokens : List.of(program.token(), program.target())) {
                for (long i = 0; i < B * L; i++) {
                    executable.at(tokens).setAtIndex(ValueLayout.JAVA_INT, i, random.nextInt(V));
                }
            }
            executable.run();
            results.put("loss", doubles(executable.at(program.loss())));
            for (Value parameter : program.parameters()) {
                results.put(parameter.name(), doubles(gradients.at(parameter.name())));
            }
        }
        return results;
    }

    private static double[] doubles(MemorySegment memory) {
        return memory.toArray(ValueLayout.JAVA_DOUBLE);
    }
}
