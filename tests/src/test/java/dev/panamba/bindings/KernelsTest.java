package dev.panamba.bindings;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.panamba.bindings.kernels.pb_add_args;
import dev.panamba.bindings.kernels.pb_cross_entropy_forward_args;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

class KernelsTest {
    @Test
    void bothPrecisionsRunTheirRange() {
        try (var arena = Arena.ofConfined()) {
            var floats = arena.allocateFrom(JAVA_FLOAT, 1, 2, 3, 4);
            Kernels.call(Kernels.f32().find("pb_add"), add(arena, floats), 1, 3);
            assertArrayEquals(new float[] {1, 4, 6, 4}, floats.toArray(JAVA_FLOAT));

            var doubles = arena.allocateFrom(JAVA_DOUBLE, 1, 2, 3, 4);
            Kernels.call(Kernels.f64().find("pb_add"), add(arena, doubles), 1, 3);
            assertArrayEquals(new double[] {1, 4, 6, 4}, doubles.toArray(JAVA_DOUBLE));
        }
    }

    @Test
    void refusalsAreSentences() {
        try (var arena = Arena.ofConfined()) {
            var args = pb_cross_entropy_forward_args.allocate(arena);
            pb_cross_entropy_forward_args.loss(args, arena.allocate(JAVA_FLOAT));
            pb_cross_entropy_forward_args.lse(args, arena.allocate(JAVA_FLOAT));
            pb_cross_entropy_forward_args.logits(args, arena.allocate(JAVA_FLOAT, 2));
            pb_cross_entropy_forward_args.target(args, arena.allocateFrom(JAVA_INT, 2));
            pb_cross_entropy_forward_args.V(args, 2);
            var kernel = Kernels.f32().find("pb_cross_entropy_forward");
            var refusal = assertThrows(NativeException.class, () -> Kernels.call(kernel, args, 0, 1));
            assertEquals("A token id is negative or not below the vocabulary's size.", refusal.getMessage());
        }
    }

    private static MemorySegment add(Arena arena, MemorySegment values) {
        var args = pb_add_args.allocate(arena);
        pb_add_args.y(args, values);
        pb_add_args.a(args, values);
        pb_add_args.b(args, values);
        return args;
    }
}
