package dev.panamba.jmh;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.panamba.bindings.Kernels;
import dev.panamba.bindings.kernels.pb_gather_forward_args;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;
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
 * Is grouping tokens by expert worth a C kernel? Rows of D floats moved by a permutation: in C through one downcall, in Java by
 * {@code MemorySegment.copy} for each row, in Java by {@code System.arraycopy}. The control is {@code copyWhole}, one copy of all
 * bytes in their order: no gather can be faster.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Fork(value = 2, jvmArgs = "--enable-native-access=ALL-UNNAMED")
public class ExpertGather {
    private static final int D = 512;

    /** Tokens. */
    @Param({"256", "4096"})
    int T;

    private final Arena arena = Arena.ofShared();
    private MemorySegment x;
    private MemorySegment grouped;
    private MemorySegment token;
    private MemorySegment kernel;
    private MemorySegment block;
    private float[] heapX;
    private float[] heapGrouped;
    private int[] heapToken;

    /** Draws a permutation. */
    @Setup
    public void prepare() {
        var random = new Random(1);
        heapToken = new int[T];
        for (int i = 0; i < T; i++) {
            int j = random.nextInt(i + 1);
            heapToken[i] = heapToken[j];
            heapToken[j] = i;
        }
        heapX = new float[T * D];
        heapGrouped = new float[T * D];
        x = arena.allocate(JAVA_FLOAT, (long) T * D);
        grouped = arena.allocate(JAVA_FLOAT, (long) T * D);
        token = arena.allocateFrom(JAVA_INT, heapToken);
        var args = pb_gather_forward_args.allocate(arena);
        pb_gather_forward_args.grouped(args, grouped);
        pb_gather_forward_args.x(args, x);
        pb_gather_forward_args.token(args, token);
        pb_gather_forward_args.kept(args, arena.allocateFrom(JAVA_INT, T));
        pb_gather_forward_args.D(args, D);
        block = MemorySegment.ofAddress(args.address());
        kernel = Kernels.f32().find("pb_gather_forward");
    }

    /** Frees the rows. */
    @TearDown
    public void free() {
        arena.close();
    }

    /** The C kernel. */
    @Benchmark
    public void ffm() {
        Kernels.call(kernel, block, 0, T);
    }

    /** Row by row, off heap. */
    @Benchmark
    public void segmentCopies() {
        for (int i = 0; i < T; i++) {
            long from = (long) token.getAtIndex(JAVA_INT, i) * D * Float.BYTES;
            MemorySegment.copy(x, from, grouped, (long) i * D * Float.BYTES, D * Float.BYTES);
        }
    }

    /** Row by row, on the heap. */
    @Benchmark
    public float[] arrayCopies() {
        for (int i = 0; i < T; i++) {
            System.arraycopy(heapX, heapToken[i] * D, heapGrouped, i * D, D);
        }
        return heapGrouped;
    }

    /** All bytes in their order. */
    @Benchmark
    public void copyWhole() {
        grouped.copyFrom(x);
    }
}
