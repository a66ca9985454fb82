package dev.panamba.graph;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.memory.Placement;
import dev.panamba.model.Config;
import dev.panamba.model.Config.Norm;
import dev.panamba.model.Networks;
import dev.panamba.tensor.DType;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** The first op whose result is not finite is named; that nothing finite is refused, the checked placement's other tests show. */
class FiniteChecksTest {
    static Stream<Config> families() {
        return Stream.of(Norm.values()).flatMap(norm -> Networks.families(norm, 8).stream());
    }

    @ParameterizedTest
    @MethodSource("families")
    void everyParameterThatIsNotFiniteIsNamed(Config config) {
        var check = Networks.training(config, DType.F32, 2, 5, 1);
        check.differentiate();
        try (var team = new Team(2);
                var bound = check.bench().bind(team, Placement.CHECKED)) {
            bound.run();
            for (var parameter : check.graph().parameters().values()) {
                var right = check.bench().get(parameter);
                var wrong = right.clone();
                // Every row, since a table's rows are not all read, nor every expert's.
                for (int i = 0; i < wrong.length; i += (int) parameter.columns()) {
                    wrong[i] = Double.NaN;
                }
                bound.write(parameter, wrong);
                var refused = assertThrows(ArithmeticException.class, bound::run);
                assertEquals(
                        "The weights are not finite: " + parameter + " has NaN in row 0, column 0.",
                        refused.getMessage());
                bound.write(parameter, right);
            }
            bound.run();
        }
    }

    @Test
    void anOverflowIsThatOfTheFirstOpThatHasIt() {
        var bench = new Bench(DType.F32, 1);
        var graph = bench.graph();
        var x = bench.set(bench.input("x", 2, 3), 1, 2, 3, 1, 1e30, 1);
        var weight = bench.set(bench.parameter("large", 2, 3), 1, 1, 1, 1, 1e20, 1);
        var y = graph.linear(graph.relu(x, null), weight, null);
        var z = graph.output(graph.add(graph.relu(y, null), y));
        try (var team = new Team(2);
                var bound = bench.bind(team, Placement.CHECKED)) {
            var refused = assertThrows(ArithmeticException.class, bound::run);
            assertEquals(
                    "The first result that is not finite is that of Linear (step 2 of 4, with large): " + y
                            + " has Infinity in row 1, column 1.",
                    refused.getMessage());
            bound.write(x, new double[] {1, 2, 3, 1, 2e38, 1});
            bound.write(weight, new double[] {1, 1, 1, 0, 1, 0});
            refused = assertThrows(ArithmeticException.class, bound::run);
            assertTrue(refused.getMessage().contains("of Add (step 4 of 4, behind large): " + z), refused.getMessage());
            bound.write(x, new double[6]);
            bound.run();
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"BF16", "INT8", "INT4"})
    void anOpWithNarrowWeightsIsNamedToo(DType format) {
        var bench = new Bench(DType.F32, 1);
        var graph = bench.graph();
        var x = bench.set(bench.input("x", 1, 40), new double[40]);
        var weight = graph.matrix("narrow", format, 5, 40);
        var y = graph.output(graph.linear(x, weight, null));
        try (var team = new Team(1);
                var bound = bench.bind(team, Placement.CHECKED)) {
            bound.run();
            var wrong = new double[40];
            wrong[3] = Double.NaN;
            bound.write(x, wrong);
            var refused = assertThrows(ArithmeticException.class, bound::run);
            assertEquals(
                    "The first result that is not finite is that of Linear (step 1 of 1, with narrow): " + y
                            + " has NaN in row 0, column 0.",
                    refused.getMessage());
        }
    }

    @Test
    void rowsOfDroppedTokensAreNotLookedAt() {
        var check = new GradientCheck(DType.F32, 3);
        var graph = check.graph();
        var x = check.input("x", 17, 5);
        var route = graph.route(check.input("logits", 17, 3), 2, 0.3);
        var hidden =
                graph.relu(graph.expertLinear(graph.gather(x, route), check.parameter("up", 3, 7, 5), route), route);
        check.seed(graph.scatter(graph.expertLinear(hidden, check.parameter("down", 3, 5, 7), route), route));
        check.loss(route.balance(), 1);
        check.differentiate();
        try (var team = new Team(2);
                var bound = check.bench().bind(team, Placement.CHECKED)) {
            // The second run finds what the first has poisoned.
            bound.run();
            bound.run();
        }
    }
}
