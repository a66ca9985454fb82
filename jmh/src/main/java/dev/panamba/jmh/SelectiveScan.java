package dev.panamba.jmh;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.panamba.bindings.Kernels;
import dev.panamba.bindings.kernels.panamba_h;
import dev.panamba.bindings.kernels.pb_scan_forward_args;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;
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
 * What does the selective scan gain from being written in C?
 *
 * <p>One sequence of L tokens, E channels, N 16 states, one thread, four ways:
 *
 * <ul>
 *   <li>{@code c}: Panamba's kernel, called as the engine calls it;
 *   <li>{@code javaArrays}: one {@code float[]} for each row and elementary functions without a branch or a bit trick, so that
 *       C2 turns every inner loop into vector instructions;
 *   <li>{@code javaArraysMathExp}: the same with {@link Math}'s functions, as one writes it first;
 *   <li>{@code javaSegments}: {@code javaArrays} with off-heap memory and {@code getAtIndex}.
 * </ul>
 *
 * <p>All give the same numbers, or the set-up refuses. Control: 4 times the tokens, or 4 times the channels, must take 4 times
 * as long.
 *
 * <p>Learnt: C is 8 to 11 times as fast as the best loop that C2 compiles here, and 40 times as fast as the first that one
 * writes. The same loop over segments is 3 to 4 times as slow as over arrays, presumably because C2 (JDK 25) cannot tell that
 * segments do not overlap.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@State(Scope.Benchmark)
@Fork(value = 2, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
@Warmup(iterations = 5, time = 1, timeUnit = TimeUnit.SECONDS)
@Measurement(iterations = 10, time = 500, timeUnit = TimeUnit.MILLISECONDS)
public class SelectiveScan {
    private static final int N = 16;

    @Param({"64", "256"})
    int L;

    @Param({"256", "1024"})
    int E;

    private Arena arena;
    private MemorySegment function;
    private MemorySegment block;
    private long items;
    private ArrayScan arrays;
    private SegmentScan segments;

    @Setup
    public void fill() {
        var u = Numbers.random(1, L * E, -1, 1);
        var r = Numbers.random(2, L * E, -1, 1);
        var z = Numbers.random(3, L * E, -2, 2);
        var b = Numbers.random(4, L * N, -1, 1);
        var c = Numbers.random(5, L * N, -1, 1);
        var skip = Numbers.random(6, E, -1, 1);
        var dtBias = Numbers.random(7, E, -6, -2);
        var aLog = new float[E * N];
        for (int i = 0; i < aLog.length; i++) {
            aLog[i] = (float) Math.log(i % N + 1);
        }
        arena = Arena.ofShared();
        arrays = new ArrayScan(L, E, N, u, r, z, b, c, aLog, skip, dtBias);
        segments = new SegmentScan(L, E, N, arena, u, r, z, b, c, aLog, skip, dtBias);
        var args = pb_scan_forward_args.allocate(arena);
        var g = Numbers.zeros(arena, (long) L * E);
        pb_scan_forward_args.g(args, g);
        pb_scan_forward_args.u(args, Numbers.offHeap(arena, u));
        pb_scan_forward_args.r(args, Numbers.offHeap(arena, r));
        pb_scan_forward_args.z(args, Numbers.offHeap(arena, z));
        pb_scan_forward_args.b(args, Numbers.offHeap(arena, b));
        pb_scan_forward_args.c(args, Numbers.offHeap(arena, c));
        pb_scan_forward_args.a_log(args, Numbers.offHeap(arena, aLog));
        pb_scan_forward_args.skip(args, Numbers.offHeap(arena, skip));
        pb_scan_forward_args.dt_bias(args, Numbers.offHeap(arena, dtBias));
        pb_scan_forward_args.z_stride(args, E);
        pb_scan_forward_args.bc_stride(args, N);
        pb_scan_forward_args.B(args, 1);
        pb_scan_forward_args.L(args, L);
        pb_scan_forward_args.E(args, E);
        pb_scan_forward_args.N(args, N);
        function = Kernels.f32().find("pb_scan_forward");
        block = MemorySegment.ofAddress(args.address());
        items = Math.ceilDiv(E, panamba_h.PB_BLOCK());

        c();
        Numbers.requireEqual("The scan over segments", g, javaSegments(), 1e-5);
        Numbers.requireEqual("The scan over arrays", g, offHeap(javaArrays()), 1e-5);
        Numbers.requireEqual("The scan with Math.exp", g, offHeap(javaArraysMathExp()), 1e-5);
    }

    private MemorySegment offHeap(float[][] rows) {
        var all = Numbers.zeros(arena, (long) L * E);
        for (int t = 0; t < L; t++) {
            MemorySegment.copy(rows[t], 0, all, JAVA_FLOAT, (long) t * E * Float.BYTES, E);
        }
        return all;
    }

    @TearDown
    public void close() {
        arena.close();
    }

    @Benchmark
    public void c() {
        Kernels.call(function, block, 0, items);
    }

    @Benchmark
    public float[][] javaArrays() {
        return arrays.run();
    }

    @Benchmark
    public float[][] javaArraysMathExp() {
        return arrays.runMathExp();
    }

    @Benchmark
    public MemorySegment javaSegments() {
        return segments.run();
    }
}
