package dev.panamba.graph;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.panamba.graph.ForwardOp.ExpertLinear;
import dev.panamba.graph.ForwardOp.Linear;
import dev.panamba.graph.GradientOp.ExpertLinearGrad;
import dev.panamba.graph.GradientOp.ExpertWeightGrad;
import dev.panamba.graph.GradientOp.LinearGrad;
import dev.panamba.graph.GradientOp.LinearWeightGrad;
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
        var program =
                TrainingProgram.of(config, DType.F32, DType.BF16, 2, 16, 1).program();
        int products = 0;
        for (var op : program.ops()) {
            var factors = switch (op) {
                case Linear o -> o.factors();
                case LinearGrad o -> o.factors();
                case LinearWeightGrad o -> o.factors();
                case ExpertLinear o -> o.factors();
                case ExpertLinearGrad o -> o.factors();
                case ExpertWeightGrad o -> o.factors();
                default -> null;
            };
            if (factors != null) {
                var used = Uses.of(op);
                var router = Stream.concat(used.reads().stream(), used.writes().stream())
                        .anyMatch(value -> value.name().contains("router"));
                assertEquals(router ? DType.F32 : DType.BF16, factors, op.toString());
                products++;
            }
        }
        // Of each of two pairs four products of the Mamba layer, the router's and two of the experts, and the head's.
        assertEquals(3 * (2 * 7 + 1), products);
    }
}
