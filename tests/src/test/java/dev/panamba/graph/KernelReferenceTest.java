package dev.panamba.graph;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.panamba.Fork;
import java.io.IOException;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** The shipped kernels against slow and obvious arithmetic in double precision, at every CPU level. */
class KernelReferenceTest {
    static Set<String> checks() {
        return KernelChecks.ALL.keySet();
    }

    @ParameterizedTest
    @MethodSource("checks")
    void kernelsAgreeWithTheReference(String check) {
        KernelChecks.ALL.get(check).run();
    }

    @ParameterizedTest
    @CsvSource({"v2,x86-64-v2", "v3,x86-64-v3", "v4,x86-64-v4", "vnni,x86-64-v4+vnni"})
    void kernelsOfLowerLevelsAgreeWithTheReference(String most, String level) throws IOException, InterruptedException {
        var fork = Fork.run(Map.of("PANAMBA_CPU_LEVEL", most), KernelChecks.class);
        assertEquals(level + "\ndone\n", fork.output());
        assertEquals(0, fork.exit());
    }
}
