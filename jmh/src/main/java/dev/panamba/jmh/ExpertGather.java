package dev.panamba.jmh;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.panamba.bindings.Kernels;
import dev.panamba.bindings.kernels.pb_gather_forward_args;
import dev.panamba.bindings.kernels.pb_scatter_forward_args;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.SplittableRandom;
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
 * Is it worth a C kernel to group tokens by expert and to put them back?
 *
 * <p>T tokens of D 512 numbers, 32 experts that take T / 32 tokens each at most, one thread. Gathering copies rows; scattering
 * multiplies each row with its gate on the way and clears the rows of dropped tokens. Three ways: Panamba's kernel, arrays,
 * segments; in Java a row goes by one bulk copy, and is scaled where it arrived.
 *
 * <p>Controls: one bulk copy of all rows, which no way of gathering can beat; 4 times the tokens, which must take 4 times as
 * long as long as all of them fit the same cache.
 *
 * <p>Learnt: all ways of gathering are as fast as the bulk copy, so the kernel is there for uniformity and not for speed.
 * Scattering over segments is 3 to 7 times as slow; presumably C2 does not make vector instructions of its loop.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@State(Scope.Benchmark)
@Fork(value = 2, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
@Warmup(iterations = 5, time = 1, timeUnit = TimeUnit.SECONDS)
@Measurement(iterations = 10, time = 500, timeUnit = TimeUnit.MILLISECONDS)
public class ExpertGather {
    private static final int D = 512;
    private static final int X = 32;

    @Param({"256", "1024"})
    int T;

    private Arena arena;
    private int kept;
    private int[] row;
    private int[] token;
    private float[] x;
    private float[] gate;
    private float[] grouped;
    private float[] y;
    private MemorySegment xSegment;
    private MemorySegment gateSegment;
    private MemorySegment groupedSegment;
    private MemorySegment ySegment;
    private MemorySegment gather;
    private MemorySegment gatherBlock;
    private MemorySegment scatter;
    private MemorySegment scatterBlock;

    @Setup
    public void route() {
        row = new int[T];
        token = new int[T];
        var random = new SplittableRandom(1);
        var expert = random.ints(T, 0, X).toArray();
        for (int e = 0; e < X; e++) {
            int taken = 0;
            for (int t = 0; t < T; t++) {
                if (expert[t] == e) {
                    var fits = taken++ < T / X;
                    row[t] = fits ? kept : -1;
                    if (fits) {
                        token[kept++] = t;
                    }
                }
            }
        }
        x = Numbers.random(2, T * D, -1, 1);
        gate = Numbers.random(3, T, 0, 1);
        grouped = new float[T * D];
        y = new float[T * D];
        arena = Arena.ofShared();
        xSegment = Numbers.offHeap(arena, x);
        gateSegment = Numbers.offHeap(arena, gate);
        groupedSegment = Numbers.zeros(arena, (long) T * D);
        ySegment = Numbers.zeros(arena, (long) T * D);
        bind();
        check();
    }

    private void bind() {
        var rows = Numbers.offHeap(arena, row);
        var g = pb_gather_forward_args.allocate(arena);
        pb_gather_forward_args.grouped(g, groupedSegment);
        pb_gather_forward_args.x(g, xSegment);
        pb_gather_forward_args.token(g, Numbers.offHeap(arena, token));
        pb_gather_forward_args.kept(g, Numbers.offHeap(arena, new int[] {kept}));
        pb_gather_forward_args.D(g, D);
        gather = Kernels.f32().find("pb_gather_forward");
        gatherBlock = MemorySegment.ofAddress(g.address());
        var s = pb_scatter_forward_args.allocate(arena);
        pb_scatter_forward_args.y(s, ySegment);
        pb_scatter_forward_args.grouped(s, groupedSegment);
        pb_scatter_forward_args.gate(s, gateSegment);
        pb_scatter_forward_args.row(s, rows);
        pb_scatter_forward_args.D(s, D);
        scatter = Kernels.f32().find("pb_scatter_forward");
        scatterBlock = MemorySegment.ofAddress(s.address());
    }

    private void check() {
        gatherC();
        scatterC();
        var expected = arena.allocate(ySegment.byteSize()).copyFrom(ySegment);
        groupedSegment.fill((byte) 0);
        gatherSegments();
        scatterSegments();
        Numbers.requireEqual("Scattering over segments", expected, ySegment, 0);
        gatherArrays();
        scatterArrays();
        Numbers.requireEqual("Scattering over arrays", expected, Numbers.offHeap(arena, y), 0);
    }

    @TearDown
    public void close() {
        arena.close();
    }

    @Benchmark
    public MemorySegment controlBulkCopy() {
        return groupedSegment.copyFrom(xSegment);
    }

    @Benchmark
    public void gatherC() {
        Kernels.call(gather, gatherBlock, 0, T);
    }

    @Benchmark
    public float[] gatherArrays() {
        for (int i = 0; i < kept; i++) {
            System.arraycopy(x, token[i] * D, grouped, i * D, D);
        }
        return grouped;
    }

    @Benchmark
    public MemorySegment gatherSegments() {
        for (int i = 0; i < kept; i++) {
            MemorySegment.copy(xSegment, bytes(token[i]), groupedSegment, bytes(i), bytes(1));
        }
        return groupedSegment;
    }

    @Benchmark
    public void scatterC() {
        Kernels.call(scatter, scatterBlock, 0, T);
    }

    @Benchmark
    public float[] scatterArrays() {
        for (int t = 0; t < T; t++) {
            int to = t * D;
            if (row[t] < 0) {
                Arrays.fill(y, to, to + D, 0);
            } else {
                System.arraycopy(grouped, row[t] * D, y, to, D);
                float scale = gate[t];
                for (int i = to; i < to + D; i++) {
                    y[i] *= scale;
                }
            }
        }
        return y;
    }

    @Benchmark
    public MemorySegment scatterSegments() {
        for (int t = 0; t < T; t++) {
            if (row[t] < 0) {
                ySegment.asSlice(bytes(t), bytes(1)).fill((byte) 0);
            } else {
                MemorySegment.copy(groupedSegment, bytes(row[t]), ySegment, bytes(t), bytes(1));
                float scale = gateSegment.getAtIndex(JAVA_FLOAT, t);
                for (int i = t * D; i < (t + 1) * D; i++) {
                    ySegment.setAtIndex(JAVA_FLOAT, i, ySegment.getAtIndex(JAVA_FLOAT, i) * scale);
                }
            }
        }
        return ySegment;
    }

    private static long bytes(int rows) {
        return (long) rows * D * Float.BYTES;
    }
}
