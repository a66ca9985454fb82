package dev.panamba.graph;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.panamba.model.Presets;
import dev.panamba.tensor.DType;
import dev.panamba.train.TrainingProgram;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** With narrow factors every product is of them, forward and backward, but for the router's. */
class FactorsTest {
    @Test
    void onlyTheRouterIsExact() {
        var config = Presets.named("tiny-moe-mamba").config();
        var program = TrainingProgram.of(config, DType.F32, DType.BF16, 2, 16, 1, false)
                .program();
        int products = 0;
        for (var op : program.ops()) {
            if (Cost.of(op).products() > 0) {
                var used = Uses.of(op);
                var router = Stream.concat(used.reads().stream(), used.writes().stream())
                        .anyMatch(value -> value.name().contains("router"));
                assertEquals(router ? DType.F32 : DType.BF16, Cost.factors(op), op.toString());
                products++;
            }
        }
        // Of each of two pairs four products of the Mamba layer, the router's and two of the experts, and the head's.
        assertEquals(3 * (2 * 7 + 1), products);
    }
}
