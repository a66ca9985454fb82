package dev.panamba.graph;

import com.sun.management.ThreadMXBean;
import dev.panamba.infer.LanguageModel;
import dev.panamba.infer.Sampler;
import dev.panamba.memory.Placement;
import dev.panamba.model.Config.Norm;
import dev.panamba.model.Networks;
import dev.panamba.model.Presets;
import dev.panamba.model.Weights;
import dev.panamba.tensor.DType;
import dev.panamba.text.Tokenizers;
import java.lang.management.ManagementFactory;
import java.util.List;

/** Prints how many bytes steady runs allocate, for a process whose compiler removes no objects. */
final class Allocations {
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    private static final int RUNS = 200;
    /** How often to look until all is compiled, which takes longer on a busy machine. */
    private static final int ROUNDS = 200;

    private Allocations() {}

    public static void main(String[] arguments) {
        var gemm = Gemm.valueOf(arguments[1]);
        switch (arguments[0]) {
            case "training" -> training(gemm);
            case "decoding" -> decoding(gemm);
            case "sessions" -> sessions();
            default -> throw new IllegalArgumentException(arguments[0]);
        }
    }

    private static void training(Gemm gemm) {
        printBytesOf(
                gemm,
                Networks.families(Norm.LAYER, 4).stream()
                        .map(config -> {
                            var check = Networks.training(config, DType.F32, 2, 3, 1);
                            check.differentiate();
                            return check.bench();
                        })
                        .toList());
    }

    private static void decoding(Gemm gemm) {
        printBytesOf(
                gemm,
                Networks.families(Norm.RMS, 4).stream()
                        .map(config -> Networks.next(config, 1, 1, 2, 1))
                        .toList());
    }

    /** Runs the programs of all families in turn, on two threads. */
    private static void printBytesOf(Gemm gemm, List<Bench> programs) {
        var ids = new long[2];
        try (var team = new Team(ids.length, gemm)) {
            team.run(worker -> ids[worker] = Thread.currentThread().threadId());
            var bound = programs.stream()
                    .map(program -> program.bind(team, Placement.PACKED))
                    .toArray(Bench.Bound[]::new);
            printBytesOf(
                    () -> {
                        for (var program : bound) {
                            program.run();
                        }
                    },
                    ids);
            for (var program : bound) {
                program.close();
            }
        }
    }

    private static void sessions() {
        var weights = Weights.random(Presets.named("tiny-moe-mamba").config(), 1);
        try (var model = LanguageModel.of(weights, Tokenizers.bytes(), DType.F32, 1);
                var session = model.newSession()) {
            session.feed(1, 2, 3);
            for (var sampler : List.of(Sampler.greedy(), Sampler.of(0.8, 20, 0.9, 1))) {
                printBytesOf(() -> session.next(sampler), Thread.currentThread().threadId());
            }
        }
    }

    private static void printBytesOf(Runnable step, long... threads) {
        long bytes = Long.MAX_VALUE;
        for (int round = 0; bytes > 0 && round < ROUNDS; round++) {
            bytes = bytesOfRuns(step, RUNS / 5, threads);
            if (bytes == 0) {
                bytes = bytesOfRuns(step, RUNS, threads);
            }
        }
        System.out.println(bytes + " bytes");
    }

    private static long bytesOfRuns(Runnable step, int runs, long[] threads) {
        long before = allocated(threads);
        for (int i = 0; i < runs; i++) {
            step.run();
        }
        return allocated(threads) - before;
    }

    private static long allocated(long[] threads) {
        long sum = 0;
        for (long id : threads) {
            sum += THREADS.getThreadAllocatedBytes(id);
        }
        return sum;
    }
}
