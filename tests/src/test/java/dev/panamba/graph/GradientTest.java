package dev.panamba.graph;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.graph.ForwardOp.CacheAppend;
import dev.panamba.tensor.DType;
import java.util.Arrays;
import java.util.HashSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every derivative against central differences. */
class GradientTest {
    private static final int SHAPES = 24;

    @Test
    void noOpIsForgotten() {
        var ops = new HashSet<>(Arrays.asList(ForwardOp.class.getPermittedSubclasses()));
        // It writes a cache, which only inference has; its derivative is refused.
        ops.remove(CacheAppend.class);
        assertEquals(ops, OpCases.ALL.keySet());
    }

    static Stream<Class<? extends ForwardOp>> ops() {
        return OpCases.ALL.keySet().stream();
    }

    @ParameterizedTest
    @MethodSource("ops")
    void opsAgreeWithDifferences(Class<? extends ForwardOp> op) {
        for (int seed = 0; seed < SHAPES; seed++) {
            var check = new GradientCheck(DType.F64, seed);
            OpCases.ALL.get(op).accept(check);
            assertTrue(check.graph().ops().stream().anyMatch(op::isInstance), "the case has no " + op);
            check.check();
        }
    }

    @Test
    void residualsAddTheirGradients() {
        var check = new GradientCheck(DType.F64, 1);
        var graph = check.graph();
        var x = check.input("x", 7, 5);
        var norm = graph.layerNorm(x, check.parameter("weight", 5), check.parameter("bias", 5), 1e-5);
        check.seed(graph.add(x, graph.linear(norm, check.parameter("linear", 5, 5), null)));
        check.check();
    }

    @Test
    void aValueMayBeAddedToItself() {
        var check = new GradientCheck(DType.F64, 2);
        var graph = check.graph();
        var a = graph.linear(check.input("x", 6, 3), check.parameter("weight", 4, 3), null);
        var twice = graph.add(a, a);
        check.seed(graph.add(twice, twice));
        check.check();
    }

    @Test
    void aGradientSharedByTwoOperandsIsCopiedBeforeOneGrows() {
        var check = new GradientCheck(DType.F64, 3);
        var graph = check.graph();
        var x = check.input("x", 6, 3);
        var a = graph.linear(x, check.parameter("a", 4, 3), null);
        var b = graph.linear(x, check.parameter("b", 4, 3), null);
        // The last linear adds to the gradient of b, which the sum has handed to a and b under one name.
        var c = graph.linear(b, check.parameter("c", 4, 4), null);
        check.seed(graph.add(c, graph.add(a, b)));
        check.check();
        assertTrue(graph.ops().stream().anyMatch(GradientOp.Copy.class::isInstance), "nothing was copied");
    }

    @Test
    void randomGraphsAgreeWithDifferences() {
        for (int seed = 0; seed < 60; seed++) {
            var check = new GradientCheck(DType.F64, seed);
            RandomPrograms.emit(check, 2 + seed / 5);
            check.check();
        }
    }

    @Test
    void aGradientThatNobodyGivesIsNamed() {
        var check = new GradientCheck(DType.F64, 5);
        check.loss(OpCases.route(check, 3).balance(), 1);
        var refusal = assertThrows(UnsupportedOperationException.class, check::differentiate);
        assertTrue(refusal.getMessage().startsWith("Nothing gives gate[3] a gradient"), refusal.getMessage());
    }

    @Test
    void aParameterInAnActivationsPlaceIsRefused() {
        var check = new GradientCheck(DType.F64, 6);
        check.seed(check.graph().add(check.input("x", 2, 3), check.parameter("weight", 2, 3)));
        var refusal = assertThrows(UnsupportedOperationException.class, check::differentiate);
        assertTrue(refusal.getMessage().startsWith("The gradient of weight[2, 3] would be lost"), refusal.getMessage());
    }

    @Test
    void cachesHaveNoDerivative() {
        var bench = new Bench(DType.F64, 4);
        var graph = bench.graph();
        var y = graph.cachedAttention(
                bench.input("qkv", 2, 6),
                bench.state("cache", 1, 4, 4),
                bench.integers("past", 0),
                bench.integers("slot", 0),
                1,
                1);
        var backward = new Backward(graph).seed(y, bench.input("dy", 2, 2));
        assertThrows(UnsupportedOperationException.class, backward::append);
    }
}
