package dev.panamba.graph;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.memory.Extent;
import dev.panamba.memory.Placement;
import dev.panamba.tensor.DType;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Random programs, forward and backward: where values stand changes nothing. */
class PlanTest {
    private static final int PROGRAMS = 150;

    @Test
    void placementsAgreeBitForBit() {
        try (var team = new Team(2)) {
            for (int seed = 0; seed < PROGRAMS; seed++) {
                var check = new GradientCheck(DType.F32, seed);
                RandomPrograms.emit(check, 1 + seed / 6);
                // What lives to the backward pass lives long; what is read last in a forward pass alone does not.
                var results = new ArrayList<>(check.outputs());
                assertPlacementsAgree(check, results, team);
                results.addAll(check.differentiate());
                assertPlacementsAgree(check, results, team);
            }
        }
    }

    private static void assertPlacementsAgree(GradientCheck check, List<Value> values, Team team) {
        var packed = results(check, values, team, Placement.PACKED);
        for (var placement : List.of(Placement.SPREAD, Placement.POISON)) {
            var other = results(check, values, team, placement);
            for (int i = 0; i < packed.size(); i++) {
                assertArrayEquals(packed.get(i), other.get(i), placement + ", " + values.get(i));
            }
        }
    }

    private static List<double[]> results(GradientCheck check, List<Value> values, Team team, Placement placement) {
        try (var bound = check.bench().bind(team, placement)) {
            bound.run();
            return values.stream().map(bound::read).toList();
        }
    }

    @Test
    void whatIsReadIsWhatWasWritten() {
        for (int seed = 0; seed < PROGRAMS; seed++) {
            var check = new GradientCheck(DType.F32, seed);
            RandomPrograms.emit(check, 1 + seed / 3);
            assertConsistent(check.graph().program());
            check.differentiate().forEach(check.graph()::output);
            assertConsistent(check.graph().program());
        }
    }

    private static void assertConsistent(Program program) {
        var plan = Plan.of(program, Placement.PACKED);
        new Shadow(plan).run(program);
        assertTrue(plan.bytes() <= plan.naiveBytes());
        assertEquals(plan.naiveBytes(), Plan.of(program, Placement.SPREAD).bytes());
    }

    /** Runs a program on names instead of numbers: each cache line of the slab knows whose value it holds. */
    private static final class Shadow {
        private final Map<Long, Value> lines = new HashMap<>();
        private final Plan plan;

        Shadow(Plan plan) {
            this.plan = plan;
        }

        void run(Program program) {
            program.inputs().forEach(this::write);
            for (var op : program.ops()) {
                var uses = Uses.of(op);
                uses.reads().forEach(value -> read(value, op));
                uses.writes().forEach(this::write);
                // Outputs that share bytes with each other, or with inputs that the kernel may still be reading.
                uses.writes().forEach(value -> read(value, op));
                uses.reads().stream()
                        .filter(value -> !uses.inPlace().contains(value))
                        .forEach(value -> read(value, op));
            }
            program.inputs().forEach(value -> read(value, null));
            program.outputs().forEach(value -> read(value, null));
        }

        private void write(Value value) {
            if (value.root().role().planned()) {
                var extent = plan.where().get(value.root());
                for (long at = extent.offset(); at < extent.end(); at += Extent.ALIGNMENT) {
                    lines.put(at, value.root());
                }
            }
        }

        private void read(Value value, Op op) {
            if (value.root().role().planned()) {
                var extent = plan.where().get(value.root());
                for (long at = extent.offset(); at < extent.end(); at += Extent.ALIGNMENT) {
                    assertEquals(value.root(), lines.get(at), () -> value + " is overwritten when it is read by " + op);
                }
            }
        }
    }
}
