package dev.panamba.graph;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.panamba.memory.Placement;
import dev.panamba.tensor.DType;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class AssignedGradientsTest {
    private static final int T = 2;
    private static final int O = 3;
    private static final int I = 4;

    /** Our networks use no weight in two products; who makes another may. */
    @Test
    void ofTwoProductsWithAWeightTheFirstAssignsAndTheOtherAdds() {
        var before = new double[O * I];
        var added = gradient(false, before);
        Arrays.fill(before, Double.NaN);
        assertArrayEquals(added, gradient(true, before));
    }

    private static double[] gradient(boolean assign, double[] before) {
        var bench = new Bench(DType.F64, 1);
        var graph = bench.graph();
        var weight = bench.parameter("weight", O, I);
        var y = graph.add(
                graph.linear(bench.input("a", T, I), weight, null), graph.linear(bench.input("b", T, I), weight, null));
        var backward = new Backward(graph).seed(y, bench.input("dy", T, O));
        if (assign) {
            backward.assign();
        }
        backward.append();
        try (var team = new Team(1);
                var program = bench.bind(team, Placement.PACKED)) {
            program.write(graph.gradient(weight), before);
            return program.run().read(graph.gradient(weight));
        }
    }
}
