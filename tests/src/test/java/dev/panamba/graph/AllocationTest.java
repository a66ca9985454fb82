package dev.panamba.graph;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.sun.management.ThreadMXBean;
import dev.panamba.memory.Placement;
import dev.panamba.model.Config.Norm;
import dev.panamba.model.Networks;
import dev.panamba.tensor.DType;
import java.lang.management.ManagementFactory;
import java.util.List;
import org.junit.jupiter.api.Test;

/** A run allocates nothing, on no thread of the team, once it is compiled. */
class AllocationTest {
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    /** Of each of the six families: over 1,000 in all. */
    private static final int RUNS = 200;

    /** How often to look until the compiler, which shares the machine with other tests, has done its work. */
    private static final int ROUNDS = 200;

    @Test
    void trainingAllocatesNothing() {
        assertAllocateNothing(Networks.families(Norm.LAYER, 4).stream()
                .map(config -> {
                    var check = Networks.training(config, DType.F32, 2, 3, 1);
                    check.differentiate();
                    return check.bench();
                })
                .toList());
    }

    @Test
    void decodingAllocatesNothing() {
        assertAllocateNothing(Networks.families(Norm.RMS, 4).stream()
                .map(config -> Networks.next(config, 1, 1, 2, 1).bench())
                .toList());
    }

    /** Runs all programs in turn, so that they warm up the steps they have in common together. */
    private static void assertAllocateNothing(List<Bench> programs) {
        var ids = new long[2];
        try (var team = new Team(ids.length)) {
            team.run(worker -> ids[worker] = Thread.currentThread().threadId());
            var bound = programs.stream()
                    .map(program -> program.bind(team, Placement.PACKED))
                    .toArray(Bench.Bound[]::new);
            long bytes = Long.MAX_VALUE;
            for (int round = 0; bytes > 0 && round < ROUNDS; round++) {
                bytes = bytesOfRuns(bound, ids, RUNS / 5);
                if (bytes == 0) {
                    bytes = bytesOfRuns(bound, ids, RUNS);
                }
            }
            assertEquals(0, bytes, "bytes in " + RUNS + " runs of each program");
            for (var program : bound) {
                program.close();
            }
        }
    }

    private static long bytesOfRuns(Bench.Bound[] programs, long[] ids, int runs) {
        long before = allocated(ids);
        for (int i = 0; i < runs; i++) {
            for (var program : programs) {
                program.run();
            }
        }
        return allocated(ids) - before;
    }

    private static long allocated(long[] ids) {
        long sum = 0;
        for (long id : ids) {
            sum += THREADS.getThreadAllocatedBytes(id);
        }
        return sum;
    }
}
