package dev.panamba.jmh;

import dev.panamba.bindings.Kernels;
import dev.panamba.bindings.OpenBlas;
import dev.panamba.bindings.kernels.pb_add_args;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.TimeUnit;
import org.bytedeco.javacpp.FloatPointer;
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
 * What does it cost to call C? The same OpenBLAS symbol through FFM and through JavaCPP's JNI, at sizes where the call is all
 * there is; segments of the global scope against those of a shared arena, whose liveness every call counts in and out. The
 * control is the size: from 1 to 4 the arithmetic grows 64-fold, and what grows with it is not the call.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 5, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 10, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Fork(value = 3, jvmArgs = "--enable-native-access=ALL-UNNAMED")
public class DowncallCost {
    /** Side of the matrices. */
    @Param({"1", "4"})
    int n;

    private Arena arena;
    private MemorySegment a;
    private MemorySegment b;
    private MemorySegment c;
    private MemorySegment globalA;
    private MemorySegment globalB;
    private MemorySegment globalC;
    private MemorySegment kernel;
    private MemorySegment block;
    private FloatPointer pointerA;
    private FloatPointer pointerB;
    private FloatPointer pointerC;

    /** Allocates the matrices. */
    @Setup
    public void allocate() {
        arena = Arena.ofShared();
        a = arena.allocate(ValueLayout.JAVA_FLOAT, 16);
        b = arena.allocate(ValueLayout.JAVA_FLOAT, 16);
        c = arena.allocate(ValueLayout.JAVA_FLOAT, 16);
        globalA = MemorySegment.ofAddress(a.address());
        globalB = MemorySegment.ofAddress(b.address());
        globalC = MemorySegment.ofAddress(c.address());
        kernel = Kernels.f32().find("pb_add");
        var args = pb_add_args.allocate(arena);
        pb_add_args.y(args, c);
        pb_add_args.a(args, a);
        pb_add_args.b(args, b);
        block = MemorySegment.ofAddress(args.address());
        pointerA = new FloatPointer(16);
        pointerB = new FloatPointer(16);
        pointerC = new FloatPointer(16);
        org.bytedeco.openblas.global.openblas.blas_set_num_threads(1);
    }

    /** Frees them. */
    @TearDown
    public void free() {
        arena.close();
        pointerA.close();
        pointerB.close();
        pointerC.close();
    }

    /** sgemm through FFM, segments of a shared arena. */
    @Benchmark
    public void ffmSharedArena() {
        OpenBlas.sgemm(false, false, n, n, n, 1, a, n, b, n, 0, c, n);
    }

    /** sgemm through FFM, bare addresses: what the engine does. */
    @Benchmark
    public void ffmGlobalScope() {
        OpenBlas.sgemm(false, false, n, n, n, 1, globalA, n, globalB, n, 0, globalC, n);
    }

    /** sgemm through JavaCPP. */
    @Benchmark
    public void jni() {
        org.bytedeco.openblas.global.openblas.cblas_sgemm(
                101, 111, 111, n, n, n, 1, pointerA, n, pointerB, n, 0, pointerC, n);
    }

    /** A kernel of ours over n elements: one pointer to its block, whatever the number of arguments. */
    @Benchmark
    public void kernel() {
        Kernels.call(kernel, block, 0, n);
    }
}
