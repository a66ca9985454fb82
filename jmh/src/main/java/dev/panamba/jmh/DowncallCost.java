package dev.panamba.jmh;

import dev.panamba.bindings.Kernels;
import dev.panamba.bindings.OpenBlas;
import dev.panamba.bindings.kernels.panamba_h;
import dev.panamba.bindings.kernels.pb_add_args;
import dev.panamba.bindings.openblas.cblas_h;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.openblas.global.openblas_full;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Threads;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What does it cost to cross from Java to C?
 *
 * <p>The same functions of the same OpenBLAS are called through FFM and through JNI (JavaCPP): one without arguments, and a
 * product that is too small to matter, which a loop in C calls too. Then one of Panamba's kernels with no work to do, by the kind of arena that its argument
 * block lives in: FFM counts threads in and out of a shared arena, checks a confined one's thread, and trusts a bare address.
 *
 * <p>Controls: an empty method; ten calls, which must cost ten times one.
 *
 * <p>Learnt: the crossing itself costs the same both ways, about 11 ns here; JNI's products cost 9 ns more, presumably what
 * JavaCPP pays to look into its pointers. One handle for all kernels is as fast as one for each. A block in a shared arena
 * costs 16 ns more, and 140 ns more as soon as two threads call at once: that is why the engine passes bare addresses.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@State(Scope.Benchmark)
@Fork(value = 2, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
@Warmup(iterations = 5, time = 1, timeUnit = TimeUnit.SECONDS)
@Measurement(iterations = 10, time = 500, timeUnit = TimeUnit.MILLISECONDS)
public class DowncallCost {
    private static final int C_CALLS = 1000;

    private MemorySegment function;
    private Arena shared;
    private MemorySegment bareBlock;
    private MemorySegment sharedBlock;

    @Setup
    public void load() {
        JniTwin.load();
        function = Kernels.f32().find("pb_add");
        shared = Arena.ofShared();
        sharedBlock = pb_add_args.allocate(shared);
        bareBlock = MemorySegment.ofAddress(sharedBlock.address());
    }

    @TearDown
    public void close() {
        shared.close();
    }

    /** A block that only its thread may touch. */
    @State(Scope.Thread)
    public static class Confined {
        private Arena arena;
        private MemorySegment block;

        @Setup
        public void allocate() {
            arena = Arena.ofConfined();
            block = pb_add_args.allocate(arena);
        }

        @TearDown
        public void close() {
            arena.close();
        }
    }

    /** Matrices that every way of calling shares. */
    @State(Scope.Benchmark)
    public static class Matrices {
        @Param({"1", "4"})
        int size;

        private Arena arena;
        private MemorySegment a;
        private MemorySegment b;
        private MemorySegment c;
        private MemorySegment bareA;
        private MemorySegment bareB;
        private MemorySegment bareC;
        private FloatPointer jniA;
        private FloatPointer jniB;
        private FloatPointer jniC;

        @Setup
        public void fill() {
            arena = Arena.ofShared();
            a = Numbers.offHeap(arena, Numbers.random(1, size * size, -1, 1));
            b = Numbers.offHeap(arena, Numbers.random(2, size * size, -1, 1));
            c = Numbers.zeros(arena, size * size);
            bareA = MemorySegment.ofAddress(a.address());
            bareB = MemorySegment.ofAddress(b.address());
            bareC = MemorySegment.ofAddress(c.address());
            jniA = JniTwin.pointer(a);
            jniB = JniTwin.pointer(b);
            jniC = JniTwin.pointer(c);
        }

        @TearDown
        public void close() {
            arena.close();
        }
    }

    @Benchmark
    public void controlEmpty() {}

    @Benchmark
    public void controlTenKernelsBareAddress() {
        for (int i = 0; i < 10; i++) {
            Kernels.call(function, bareBlock, 0, 0);
        }
    }

    @Benchmark
    public int noArgumentsFfm() {
        return cblas_h.openblas_get_num_threads();
    }

    @Benchmark
    public int noArgumentsJni() {
        return openblas_full.openblas_get_num_threads();
    }

    /** As the engine calls it. */
    @Benchmark
    public void sgemmFace(Matrices m) {
        OpenBlas.sgemm(false, false, m.size, m.size, m.size, 1, m.bareA, m.size, m.bareB, m.size, 0, m.bareC, m.size);
    }

    @Benchmark
    public void sgemmGeneratedBareAddress(Matrices m) {
        generated(m.size, m.bareA, m.bareB, m.bareC);
    }

    @Benchmark
    public void sgemmGeneratedSharedArena(Matrices m) {
        generated(m.size, m.a, m.b, m.c);
    }

    private static void generated(int n, MemorySegment a, MemorySegment b, MemorySegment c) {
        cblas_h.cblas_sgemm(
                cblas_h.CblasRowMajor(),
                cblas_h.CblasNoTrans(),
                cblas_h.CblasNoTrans(),
                n,
                n,
                n,
                1,
                a,
                n,
                b,
                n,
                0,
                c,
                n);
    }

    @Benchmark
    public void sgemmJni(Matrices m) {
        openblas_full.cblas_sgemm(
                openblas_full.CblasRowMajor,
                openblas_full.CblasNoTrans,
                openblas_full.CblasNoTrans,
                m.size,
                m.size,
                m.size,
                1,
                m.jniA,
                m.size,
                m.jniB,
                m.size,
                0,
                m.jniC,
                m.size);
    }

    /** A loop in C around the same function. */
    @Benchmark
    @OperationsPerInvocation(C_CALLS)
    public void sgemmC(Matrices m) {
        CTwin.repeatSgemm(cblas_h.cblas_sgemm$address(), C_CALLS, m.size, m.size, m.size, m.bareA, m.bareB, m.bareC);
    }

    /** As the engine calls it: one handle for all kernels, the function's address and the block are arguments. */
    @Benchmark
    public void kernelBareAddress() {
        Kernels.call(function, bareBlock, 0, 0);
    }

    /** As jextract would have it: a handle for each function, bound to its address. */
    @Benchmark
    public int kernelGeneratedBareAddress() {
        return panamba_h.pb_add(bareBlock, 0, 0);
    }

    @Benchmark
    public void kernelConfinedArena(Confined confined) {
        Kernels.call(function, confined.block, 0, 0);
    }

    @Benchmark
    public void kernelSharedArena() {
        Kernels.call(function, sharedBlock, 0, 0);
    }

    @Benchmark
    @Threads(2)
    public void kernelBareAddressTwoThreads() {
        Kernels.call(function, bareBlock, 0, 0);
    }

    @Benchmark
    @Threads(2)
    public void kernelSharedArenaTwoThreads() {
        Kernels.call(function, sharedBlock, 0, 0);
    }
}
