package dev.panamba.graph;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.panamba.memory.Placement;
import dev.panamba.tensor.DType;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Native code believes what it is told, so what does not fit is refused by name before. */
class ShapesTest {
    static Stream<Arguments> misfits() {
        return Stream.of(
                misfit(
                        g -> g.linear(f32(g, "x", 2, 5), g.parameter("weight", 3, 4), null),
                        "Linear: weight[3, 4] is not [3, 5]."),
                misfit(
                        g -> g.linear(f32(g, "x", 2, 4), g.parameter("weight", 3, 4), g.parameter("bias", 2)),
                        "Linear: bias[2] is not [3]."),
                misfit(
                        g -> g.linear(g.input("x", DType.I32, 2, 4), g.parameter("weight", 3, 4), null),
                        "Linear: x[2, 4] is I32."),
                misfit(
                        g -> g.linear(f32(g, "x", 2, 4), g.input("weight", DType.I32, 3, 4), null),
                        "Linear: weight[3, 4] is I32."),
                misfit(g -> g.add(f32(g, "a", 2, 3), f32(g, "b", 3, 2)), "Add: b[3, 2] is not like sum[2, 3]."),
                misfit(
                        g -> g.relu(g.columns(f32(g, "x", 2, 3), 0, 2), null),
                        "Relu: x[2, 2] is a window of columns, and this op takes whole rows."),
                misfit(
                        g -> g.embedding(f32(g, "token", 4), g.parameter("table", 7, 2), null, null, 2),
                        "Embedding: token[4] is F32, not I32 with 4 elements."),
                misfit(
                        g -> g.embedding(
                                g.input("token", DType.I32, 4),
                                g.parameter("table", 7, 2),
                                null,
                                g.input("past", DType.I32, 3),
                                2),
                        "Embedding: past[3] is I32, not I32 with 2 elements."),
                misfit(
                        g -> g.embedding(
                                g.input("token", DType.I32, 4),
                                g.parameter("table", 7, 2),
                                g.parameter("position", 9, 3),
                                null,
                                2),
                        "Embedding: position[9, 3] is not [9, 2]."),
                misfit(
                        g -> g.embedding(g.input("token", DType.I32, 4), g.parameter("table", 7, 2), null, null, 3),
                        "Embedding: 4 tokens do not divide into 3 (sequence length)."),
                misfit(
                        g -> g.attention(f32(g, "qkv", 4, 12), 1, 3),
                        "Attention: 4 columns do not divide into 3 (heads)."));
    }

    @ParameterizedTest
    @MethodSource("misfits")
    void whatDoesNotFitIsRefusedByName(Consumer<Graph> emit, String message) {
        var graph = new Graph(DType.F32);
        emit.accept(graph);
        try (var team = new Team(1)) {
            var refusal = assertThrows(
                    IllegalArgumentException.class,
                    () -> Executable.bind(graph.program(), DType.F32, team, Map.of(), Placement.PACKED));
            assertEquals(message, refusal.getMessage());
        }
    }

    private static Arguments misfit(Consumer<Graph> emit, String message) {
        return Arguments.of(emit, message);
    }

    private static Value f32(Graph graph, String name, long... dims) {
        return graph.input(name, DType.F32, dims);
    }
}
