package dev.panamba.graph;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.bindings.NativeException;
import dev.panamba.memory.Placement;
import dev.panamba.tensor.DType;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class TeamTest {
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 7})
    void nobodyPassesABarrierAlone(int size) {
        int rounds = 200;
        var arrivals = new AtomicIntegerArray(rounds);
        var early = new AtomicIntegerArray(size);
        try (var team = new Team(size)) {
            for (int run = 0; run < 3; run++) {
                team.run(worker -> {
                    for (int round = 0; round < rounds; round++) {
                        arrivals.incrementAndGet(round);
                        team.barrier(worker);
                        if (arrivals.get(round) % size != 0) {
                            early.incrementAndGet(worker);
                        }
                        team.barrier(worker);
                    }
                });
                assertEquals((run + 1) * size, arrivals.get(rounds - 1));
            }
        }
        for (int worker = 0; worker < size; worker++) {
            assertEquals(0, early.get(worker), "worker " + worker + " ran ahead");
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 7})
    void aKernelsRefusalReachesTheCallerAndTheTeamGoesOn(int size) {
        var bench = new Bench(DType.F32, 1);
        var graph = bench.graph();
        // Only the last worker's share holds the token that is not in the vocabulary.
        var token = bench.integers("token", 0, 1, 2, 3, 0, 1, 2, 4);
        var table = bench.parameter("table", 4, 3);
        var x = graph.output(graph.layerNorm(
                graph.embedding(token, table, null, null, 8), bench.parameter("w", 3), bench.parameter("b", 3), 1e-5));
        try (var team = new Team(size);
                var bound = bench.bind(team, Placement.PACKED)) {
            var valid = new double[] {0, 1, 2, 3, 0, 1, 2, 3};
            bound.write(token, valid);
            var expected = bound.run().read(x);
            for (int i = 0; i < 50; i++) {
                bound.write(token, bench.get(token));
                assertEquals(
                        "A token id is negative or not below the vocabulary's size.",
                        assertThrows(NativeException.class, bound::run).getMessage());
                bound.write(x, new double[24]);
                bound.write(token, valid);
                assertArrayEquals(expected, bound.run().read(x));
            }
        }
    }

    @Test
    void sizesAgreeAndTheSameSizeAgreesBitForBit() {
        for (int seed = 0; seed < 12; seed++) {
            var check = new GradientCheck(DType.F32, seed);
            RandomPrograms.emit(check, 20);
            var gradients = check.differentiate();
            var alone = run(check, gradients, 1);
            for (int size : new int[] {1, 2, 3, 7}) {
                var first = run(check, gradients, size);
                assertArrayEquals(first, run(check, gradients, size), "two runs of " + size + " workers");
                Numbers.assertClose(alone, first, 1e-4, "program " + seed + " on " + size + " workers");
            }
        }
    }

    private static double[] run(GradientCheck check, Iterable<Value> gradients, int size) {
        try (var team = new Team(size);
                var bound = check.bench().bind(team, Placement.PACKED)) {
            bound.run();
            var all = new double[0];
            for (var gradient : gradients) {
                var elements = bound.read(gradient);
                int at = all.length;
                all = Arrays.copyOf(all, at + elements.length);
                System.arraycopy(elements, 0, all, at, elements.length);
            }
            return all;
        }
    }

    @Test
    void anIdleTeamUsesNoCpu() throws InterruptedException {
        var threads = ManagementFactory.getThreadMXBean();
        var ids = new long[3];
        try (var team = new Team(3)) {
            team.run(worker -> ids[worker] = Thread.currentThread().threadId());
            Thread.sleep(50);
            long before = threads.getThreadCpuTime(ids[1]) + threads.getThreadCpuTime(ids[2]);
            assertTrue(before > 0, "the threads have run");
            Thread.sleep(300);
            long used = threads.getThreadCpuTime(ids[1]) + threads.getThreadCpuTime(ids[2]) - before;
            assertTrue(used < 1_000_000, "two idle workers used " + used + " ns in 300 ms");
        }
    }

    @Test
    void closingEndsTheThreadsOnce() throws InterruptedException {
        var team = new Team(3);
        var workers = new Thread[3];
        team.run(worker -> workers[worker] = Thread.currentThread());
        team.close();
        team.close();
        for (int worker = 1; worker < 3; worker++) {
            workers[worker].join(5_000);
            assertTrue(!workers[worker].isAlive(), "worker " + worker + " lives on");
        }
        assertEquals(
                "The team is closed.",
                assertThrows(IllegalStateException.class, () -> team.run(_ -> {}))
                        .getMessage());
    }

    /** Who waits gives up the core: in a team that is larger than the cores no worker waits for one that does not run. */
    @Test
    void aTeamLargerThanTheCoresComesToItsEnd() {
        int size = 4 * Runtime.getRuntime().availableProcessors() + 1;
        var arrived = new AtomicIntegerArray(2_000);
        var early = new AtomicIntegerArray(1);
        try (var team = new Team(size)) {
            team.run(worker -> {
                for (int round = 0; round < arrived.length(); round++) {
                    arrived.incrementAndGet(round);
                    team.barrier(worker);
                    if (arrived.get(round) != size) {
                        early.incrementAndGet(0);
                    }
                }
            });
        }
        assertEquals(0, early.get(0));
    }

    @Test
    void callersOnSeveralThreadsTakeTurns() throws InterruptedException {
        var inside = new AtomicIntegerArray(2);
        try (var team = new Team(2)) {
            Runnable caller = () -> {
                for (int i = 0; i < 500; i++) {
                    team.run(worker -> {
                        if (worker == 0 && inside.incrementAndGet(0) > 1) {
                            inside.incrementAndGet(1);
                        }
                        if (worker == 0) {
                            inside.decrementAndGet(0);
                        }
                    });
                }
            };
            var others = new Thread[] {new Thread(caller), new Thread(caller)};
            for (var thread : others) {
                thread.start();
            }
            caller.run();
            for (var thread : others) {
                thread.join();
            }
        }
        assertEquals(0, inside.get(1), "two callers were inside at once");
    }

    @Test
    void sizesOutOfRangeAreRefused() {
        assertThrows(IllegalArgumentException.class, () -> new Team(0));
        assertThrows(IllegalArgumentException.class, () -> new Team(1025));
    }
}
