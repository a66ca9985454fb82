package dev.panamba.graph;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.Fork;
import dev.panamba.memory.Placement;
import dev.panamba.model.Config.Norm;
import dev.panamba.model.Networks;
import dev.panamba.model.Presets;
import dev.panamba.tensor.DType;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Training steps of all families, wherever their values stand. */
class PlacementTest {
    @ParameterizedTest
    @CsvSource({"LAYER,OPENBLAS", "LAYER,PANAMBA", "RMS,OPENBLAS", "RMS,PANAMBA"})
    void aTrainingStepIsTheSameBitForBit(Norm norm, Gemm gemm) {
        try (var team = new Team(2, gemm)) {
            for (var config : Networks.families(norm, 12)) {
                var check = Networks.training(config, DType.F32, 2, 18, 1);
                var values = new ArrayList<>(check.outputs());
                values.addAll(check.differentiate());
                assertPlacementsAgree(check.bench(), values, team);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"LAYER,OPENBLAS", "LAYER,PANAMBA", "RMS,OPENBLAS", "RMS,PANAMBA"})
    void anInferenceStepIsTheSameBitForBit(Norm norm, Gemm gemm) {
        try (var team = new Team(2, gemm)) {
            for (var config : Networks.families(norm, 12)) {
                for (int L : new int[] {1, 18}) {
                    var bench = Networks.next(config, 2, L, 3, 1);
                    var values = new ArrayList<>(bench.graph().program().outputs());
                    values.addAll(bench.graph().states());
                    assertPlacementsAgree(bench, values, team);
                }
            }
        }
    }

    private static void assertPlacementsAgree(Bench bench, List<Value> values, Team team) {
        var packed = results(bench, values, team, Placement.PACKED);
        for (var placement : List.of(Placement.SPREAD, Placement.POISON, Placement.CHECKED, Placement.GUARDED)) {
            var other = results(bench, values, team, placement);
            for (int i = 0; i < packed.size(); i++) {
                assertArrayEquals(packed.get(i), other.get(i), placement + " " + values.get(i));
            }
        }
    }

    private static List<double[]> results(Bench bench, List<Value> values, Team team, Placement placement) {
        try (var bound = bench.bind(team, placement)) {
            bound.run();
            return values.stream().map(bound::read).toList();
        }
    }

    @ParameterizedTest
    @CsvSource({"ops,PANAMBA", "ops,OPENBLAS", "families,PANAMBA", "families,OPENBLAS", "stay inside,PANAMBA"})
    void nothingTouchesTheGuards(String what, String gemm) throws IOException, InterruptedException {
        var fork = Fork.run(Map.of(), Guarded.class, what, gemm);
        assertEquals("done", fork.output().strip());
        assertEquals(0, fork.exit());
    }

    @ParameterizedTest
    @ValueSource(strings = {"write past the end", "read past the end"})
    void aStepOneElementTooFarDies(String what) throws IOException, InterruptedException {
        var fork = Fork.run(Map.of(), Guarded.class, what, "PANAMBA");
        assertTrue(fork.output().contains("SIGSEGV") && fork.output().contains("pb_add"), fork.output());
        assertEquals(Fork.CRASHED, fork.exit());
    }

    @ParameterizedTest
    @MethodSource("smallPresets")
    void packingSavesMemory(Presets.Preset preset) {
        var training = Networks.training(preset.config(), DType.F32, 4, preset.context(), 1);
        training.differentiate();
        assertSaves(0.4, training.graph().program());
        assertSaves(0.8, Networks.next(preset.config(), 1, 32, 1, 1).graph().program());
    }

    private static void assertSaves(double share, Program program) {
        var plan = Plan.of(program, Placement.PACKED);
        var saved = 1 - (double) plan.bytes() / plan.naiveBytes();
        assertTrue(saved >= share, "saves " + saved + " of " + plan.naiveBytes() + " bytes");
    }

    static Stream<Presets.Preset> smallPresets() {
        return Presets.all().values().stream().filter(preset -> preset.name().startsWith("small-"));
    }
}
