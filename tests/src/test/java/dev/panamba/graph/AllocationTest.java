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
    @CsvSource({"training, 1", "decoding, 1", "sessions, 2"})
    void steadyRunsAllocateNothing(String what, int answers) throws IOException, InterruptedException {
        var fork = Fork.run(Map.of(), Allocations.class, what);
        assertEquals("0 bytes\n".repeat(answers), fork.output());
        assertEquals(0, fork.exit());
    }
}
