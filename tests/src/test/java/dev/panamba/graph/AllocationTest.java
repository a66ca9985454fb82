package dev.panamba.graph;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.panamba.Fork;
import java.io.IOException;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A run allocates nothing, on no thread of the team. A process of its own has only the first compiler, which removes no objects
 * that do not escape: what the second one removes on a good day must not be what this rests on.
 */
class AllocationTest {
    @ParameterizedTest
    @CsvSource({"training, PANAMBA, 1", "training, OPENBLAS, 1", "decoding, FASTEST, 1", "sessions, FASTEST, 2"})
    void steadyRunsAllocateNothing(String what, String gemm, int answers) throws IOException, InterruptedException {
        var fork = Fork.run(Map.of(), Allocations.class, what, gemm);
        assertEquals("0 bytes\n".repeat(answers), fork.output());
        assertEquals(0, fork.exit());
    }
}
