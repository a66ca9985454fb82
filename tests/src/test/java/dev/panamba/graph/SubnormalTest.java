package dev.panamba.graph;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.memory.Placement;
import dev.panamba.tensor.DType;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/**
 * What a softmax that is sure of itself leaves behind is zero, or so large that it stays normal times a scale and a weight: a
 * memorised batch would otherwise be trained at half the speed.
 */
class SubnormalTest {
    /** The smallest normal float, behind two factors of 1e-5. */
    private static final double LEAST = Float.MIN_NORMAL * 1e10;

    private static final int V = 211;

    @Test
    void aSureTokensGradientHasNoTinyNumbers() {
        var check = new GradientCheck(DType.F32, 1);
        // Like a batch of 8,192 tokens; every other one is right.
        var logits = check.bench().set(check.input("logits", 2, V), scores(2));
        var target = check.bench().integers("target", 0, 1);
        check.loss(check.graph().mean(check.graph().crossEntropy(logits, target)), 2.0 / 8192);
        assertNotTiny(check, check.differentiate().getFirst());
    }

    @Test
    void aSureRouterHasNoTinyProbabilities() {
        var check = new GradientCheck(DType.F32, 2);
        var logits = check.bench().set(check.bench().input("logits", 2, V), scores(2));
        assertNotTiny(
                check, check.graph().output(check.graph().route(logits, 2, 0.01).probability()));
    }

    @Test
    void attentionToOneKeyHasNoTinyGradients() {
        var check = new GradientCheck(DType.F32, 3);
        int L = 100;
        // One head of width 1: keys far below the first one's score.
        var qkv = check.input("qkv", L, 3);
        check.bench()
                .set(
                        qkv,
                        IntStream.range(0, L)
                                .boxed()
                                .flatMapToDouble(t -> DoubleStream.of(1, -t, 1e-3 * t))
                                .toArray());
        check.seed(check.graph().attention(qkv, 1, 1));
        assertNotTiny(check, check.differentiate().getFirst());
    }

    /** Half a nat apart, from 0 down to -105. */
    private static double[] scores(int rows) {
        return IntStream.range(0, rows * V).mapToDouble(i -> -(i % V) / 2.0).toArray();
    }

    private static void assertNotTiny(GradientCheck check, Value value) {
        try (var team = new Team(1);
                var bound = check.bench().bind(team, Placement.PACKED)) {
            bound.run();
            var numbers = bound.read(value);
            assertTrue(IntStream.range(0, numbers.length).anyMatch(i -> Math.abs(numbers[i]) > 1e-5), "all is lost");
            for (int i = 0; i < numbers.length; i++) {
                assertTrue(numbers[i] == 0 || Math.abs(numbers[i]) > LEAST, value + " has " + numbers[i] + " at " + i);
            }
        }
    }
}
