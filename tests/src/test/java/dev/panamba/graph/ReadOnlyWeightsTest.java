package dev.panamba.graph;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.panamba.memory.Placement;
import dev.panamba.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** What is computed once from weights that nobody changes is what else is computed at every run, to the last bit. */
class ReadOnlyWeightsTest {
    private static final int B = 2;
    private static final int T = 6;

    @Test
    void theScanIsTheSame() {
        try (var team = new Team(2)) {
            for (int E : new int[] {1, 16, 64, 65, 200}) {
                for (int N : new int[] {1, 8, 9, 16, 17, 40}) {
                    assertArrayEquals(
                            scan(E, N, false, team), scan(E, N, true, team), E + " channels, " + N + " states");
                }
            }
        }
    }

    private static byte[] scan(int E, int N, boolean readOnly, Team team) {
        var graph = new Graph(DType.F32);
        var inputs = List.of(
                graph.input("u", DType.F32, T, E),
                graph.input("r", DType.F32, T, E),
                graph.input("z", DType.F32, T, E),
                graph.input("b", DType.F32, T, N),
                graph.input("c", DType.F32, T, N));
        var g = graph.output(graph.scan(
                inputs.get(0),
                inputs.get(1),
                inputs.get(2),
                inputs.get(3),
                inputs.get(4),
                graph.parameter("A_log", E, N),
                graph.parameter("D", E),
                graph.parameter("dt_bias", E),
                null,
                null,
                B));
        var random = new Random(E * 100L + N);
        try (var weights = Store.allocate("weights", graph.parameters().values())) {
            weights.segments().values().forEach(segment -> fill(segment, random));
            var bound = readOnly ? weights.asReadOnly() : weights;
            try (var program = Executable.bind(
                    graph.program(), DType.F32, team, Map.of(Role.PARAMETER, bound), Placement.PACKED)) {
                inputs.forEach(input -> fill(program.at(input), random));
                program.run();
                return program.at(g).toArray(JAVA_BYTE);
            }
        }
    }

    private static void fill(MemorySegment segment, Random random) {
        for (long i = 0; i < segment.byteSize() / Float.BYTES; i++) {
            segment.setAtIndex(JAVA_FLOAT, i, (float) random.nextGaussian());
        }
    }
}
