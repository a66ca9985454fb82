package dev.panamba.graph;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.memory.Extent;
import dev.panamba.memory.Placement;
import dev.panamba.memory.Slab;
import dev.panamba.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class StoreTest {
    private final Graph graph = new Graph(DType.F32);
    private final Value weight = graph.parameter("weight", 3, 5);
    private final Value bias = graph.parameter("bias", 3);

    @Test
    void valuesAreAlignedAndInOrder() {
        try (var store = Store.allocate("the weights", List.of(weight, bias))) {
            assertEquals(List.of("weight", "bias"), List.copyOf(store.segments().keySet()));
            assertEquals(60, store.at("weight").byteSize());
            assertEquals(0, store.at("bias").address() % Extent.ALIGNMENT);
            assertEquals(64, store.at("bias").address() - store.at("weight").address());
            assertEquals(128, store.at(Store.ALL).byteSize());
        }
    }

    @Test
    void missingNamesAreNamed() {
        try (var store = Store.allocate("the weights", List.of(weight))) {
            assertEquals(
                    "There is no bias in the weights.",
                    assertThrows(IllegalArgumentException.class, () -> store.at("bias"))
                            .getMessage());
        }
    }

    @Test
    void anOpenExecutableKeepsItsStores() {
        try (var team = new Team(1)) {
            var store = Store.allocate("the weights", List.of(weight, bias));
            var executable = bind(team, store);
            assertEquals(
                    "The memory of the weights is in use 1 time: close its users (sessions, executables) first.",
                    assertThrows(IllegalStateException.class, store::close).getMessage());
            executable.run();
            executable.close();
            executable.close();
            assertThrows(IllegalStateException.class, executable::run);
            store.close();
            store.close();
            assertThrows(
                    IllegalStateException.class,
                    () -> store.segments().get("bias").get(JAVA_FLOAT, 0));
        }
    }

    @Test
    void aClosedStoreIsNotBound() {
        try (var team = new Team(1)) {
            var store = Store.allocate("the weights", List.of(weight, bias));
            store.close();
            assertEquals(
                    "The memory of the weights is closed.",
                    assertThrows(IllegalStateException.class, () -> bind(team, store))
                            .getMessage());
        }
    }

    @Test
    void aFailedBindGivesItsLeasesBack() {
        try (var team = new Team(1);
                var store = Store.allocate("the weights", List.of(weight))) {
            assertEquals(
                    "There is no bias in the weights.",
                    assertThrows(IllegalArgumentException.class, () -> bind(team, store))
                            .getMessage());
        }
    }

    @Test
    void valuesOfTheWrongSizeAreNotBound() {
        try (var team = new Team(1);
                var store = Store.allocate("the weights", List.of(weight, new Graph(DType.F32).parameter("bias", 2)))) {
            assertEquals(
                    "bias[3] needs 12 bytes and has 8.",
                    assertThrows(IllegalArgumentException.class, () -> bind(team, store))
                            .getMessage());
        }
    }

    @Test
    void readOnlyMemoryIsReadAndNotWritten() {
        var arena = Arena.ofShared();
        var bytes = Map.of(
                "weight",
                arena.allocate(60, 4).asReadOnly(),
                "bias",
                arena.allocate(12, 4).asReadOnly());
        var slab = Slab.adopt("the model file", arena, MemorySegment.NULL);
        try (var team = new Team(1);
                var store = Store.mapped("the model file", slab, bytes)) {
            bind(team, store).close();
            var adamw = new Graph(DType.F32);
            adamw.add(new UpdateOp.AdamW(
                    weight,
                    weight,
                    weight,
                    weight,
                    adamw.input("step", DType.F64, UpdateOp.AdamW.FIELDS),
                    null,
                    0,
                    false));
            var refusal = assertThrows(
                    IllegalArgumentException.class,
                    () -> Executable.bind(
                            adamw.program(), DType.F32, team, Map.of(Role.PARAMETER, store), Placement.PACKED));
            assertTrue(refusal.getMessage().startsWith("weight[3, 5] is read-only"), refusal.getMessage());
        }
    }

    private Executable bind(Team team, Store store) {
        var program = new Graph(DType.F32);
        program.linear(program.input("x", DType.F32, 2, 5), weight, bias);
        return Executable.bind(program.program(), DType.F32, team, Map.of(Role.PARAMETER, store), Placement.PACKED);
    }
}
