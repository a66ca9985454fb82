package dev.panamba.jmh;

import dev.panamba.bindings.OpenBlas;
import dev.panamba.graph.Team;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * How fast is y = x w^T by shape, on one thread and split over a team? The control is {@code gigaflop}, the billions of operations
 * a second, which is flat where the cost grows with the work.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 3, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Fork(value = 1, jvmArgs = "--enable-native-access=ALL-UNNAMED")
public class GemmByShape {
    /** Rows, columns and depth of the product: squares, then those of the paper's models. */
    @Param({
        "8x8x8",
        "32x32x32",
        "128x128x128",
        "512x512x512",
        "2048x2048x2048",
        "4096x2048x512",
        "4096x512x1024",
        "4096x64x1024",
        "4096x1024x32",
        "128x1536x512",
        "128x512x1536"
    })
    String shape;

    private int m;
    private int n;
    private int k;
    private Arena arena;
    private MemorySegment x;
    private MemorySegment w;
    private MemorySegment y;
    private Team team;

    /** Work done, by the second. */
    @State(Scope.Thread)
    @AuxCounters(AuxCounters.Type.OPERATIONS)
    public static class Work {
        /** Billions of floating-point operations. */
        public double gigaflop;
    }

    /** Allocates the matrices. */
    @Setup
    public void allocate() {
        var sizes = shape.split("x");
        m = Integer.parseInt(sizes[0]);
        n = Integer.parseInt(sizes[1]);
        k = Integer.parseInt(sizes[2]);
        arena = Arena.ofShared();
        x = noise((long) m * k);
        w = noise((long) n * k);
        y = noise((long) m * n);
        team = Team.ofAllCores();
    }

    private MemorySegment noise(long count) {
        var random = new Random(1);
        var floats = arena.allocate(ValueLayout.JAVA_FLOAT, count);
        for (long i = 0; i < count; i++) {
            floats.setAtIndex(ValueLayout.JAVA_FLOAT, i, random.nextFloat() - 0.5f);
        }
        return MemorySegment.ofAddress(floats.address());
    }

    /** Frees them. */
    @TearDown
    public void free() {
        team.close();
        arena.close();
    }

    /** The caller alone. */
    @Benchmark
    public void oneThread(Work work) {
        OpenBlas.sgemm(false, true, m, n, k, 1, x, k, w, k, 0, y, n);
        work.gigaflop += 2e-9 * m * n * k;
    }

    /** All cores, each with rows of its own. */
    @Benchmark
    public void team(Work work) {
        team.run(worker -> {
            long first = (long) m * worker / team.size();
            int rows = (int) ((long) m * (worker + 1) / team.size() - first);
            if (rows > 0) {
                OpenBlas.sgemm(
                        false,
                        true,
                        rows,
                        n,
                        k,
                        1,
                        MemorySegment.ofAddress(x.address() + first * k * Float.BYTES),
                        k,
                        w,
                        k,
                        0,
                        MemorySegment.ofAddress(y.address() + first * n * Float.BYTES),
                        n);
            }
        });
        work.gigaflop += 2e-9 * m * n * k;
    }
}
