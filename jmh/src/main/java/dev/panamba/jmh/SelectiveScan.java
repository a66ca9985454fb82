package dev.panamba.jmh;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.panamba.bindings.Kernels;
import dev.panamba.bindings.kernels.pb_scan_forward_args;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
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
 * What does C bring to the selective scan? The shipped kernel through FFM against the same loop in plain Java over arrays, one
 * thread. Set-up refuses to start unless both give the same numbers. The control is L: both costs grow with it alone.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 1, jvmArgs = "--enable-native-access=ALL-UNNAMED")
public class SelectiveScan {
    private static final int N = 16;
    private static final float SAME = 1e-4f;

    /** Channels. */
    @Param({"256", "1024"})
    int E;

    /** Tokens. */
    @Param({"64", "256"})
    int L;

    private final Arena arena = Arena.ofShared();
    private final Random random = new Random(1);
    private MemorySegment kernel;
    private MemorySegment block;
    private MemorySegment g;
    private float[] u;
    private float[] r;
    private float[] z;
    private float[] bc;
    private float[] aLog;
    private float[] skip;
    private float[] dtBias;
    private float[] a;
    private float[] h;
    private float[] out;

    /** Makes inputs, and compares. */
    @Setup
    public void prepare() {
        u = noise(L * E);
        r = noise(L * E);
        z = noise(L * E);
        bc = noise(L * 2 * N);
        aLog = noise(E * N);
        skip = noise(E);
        dtBias = noise(E);
        a = new float[E * N];
        h = new float[E * N];
        out = new float[L * E];
        g = arena.allocate(JAVA_FLOAT, (long) L * E);
        var args = pb_scan_forward_args.allocate(arena);
        args.fill((byte) 0);
        pb_scan_forward_args.g(args, g);
        pb_scan_forward_args.u(args, arena.allocateFrom(JAVA_FLOAT, u));
        pb_scan_forward_args.r(args, arena.allocateFrom(JAVA_FLOAT, r));
        pb_scan_forward_args.z(args, arena.allocateFrom(JAVA_FLOAT, z));
        var segment = arena.allocateFrom(JAVA_FLOAT, bc);
        pb_scan_forward_args.b(args, segment);
        pb_scan_forward_args.c(args, segment.asSlice(N * Float.BYTES));
        pb_scan_forward_args.a_log(args, arena.allocateFrom(JAVA_FLOAT, aLog));
        pb_scan_forward_args.skip(args, arena.allocateFrom(JAVA_FLOAT, skip));
        pb_scan_forward_args.dt_bias(args, arena.allocateFrom(JAVA_FLOAT, dtBias));
        pb_scan_forward_args.z_stride(args, E);
        pb_scan_forward_args.bc_stride(args, 2 * N);
        pb_scan_forward_args.B(args, 1);
        pb_scan_forward_args.L(args, L);
        pb_scan_forward_args.E(args, E);
        pb_scan_forward_args.N(args, N);
        block = MemorySegment.ofAddress(args.address());
        kernel = Kernels.f32().find("pb_scan_forward");
        ffm();
        plainJava();
        for (int i = 0; i < out.length; i++) {
            if (!(Math.abs(out[i] - g.getAtIndex(JAVA_FLOAT, i)) <= SAME * (1 + Math.abs(out[i])))) {
                throw new IllegalStateException(
                        "C and Java differ at " + i + ": " + g.getAtIndex(JAVA_FLOAT, i) + ", " + out[i]);
            }
        }
    }

    private float[] noise(int count) {
        var floats = new float[count];
        for (int i = 0; i < count; i++) {
            floats[i] = random.nextFloat() * 2 - 1;
        }
        return floats;
    }

    /** Frees the inputs. */
    @TearDown
    public void free() {
        arena.close();
    }

    /** The C kernel. */
    @Benchmark
    public void ffm() {
        Kernels.call(kernel, block, 0, Math.ceilDiv(E, 64));
    }

    /** The same in Java. */
    @Benchmark
    public float[] plainJava() {
        Arrays.fill(h, 0);
        for (int i = 0; i < a.length; i++) {
            a[i] = -(float) Math.exp(aLog[i]);
        }
        for (int t = 0; t < L; t++) {
            for (int e = 0; e < E; e++) {
                int at = t * E + e;
                float s = r[at] + dtBias[e];
                float delta = s > 20 ? s : (float) Math.log1p(Math.exp(s));
                float input = delta * u[at];
                float y = skip[e] * u[at];
                for (int n = 0; n < N; n++) {
                    float decay = (float) Math.exp(delta * a[e * N + n]);
                    h[e * N + n] = decay * h[e * N + n] + input * bc[t * 2 * N + n];
                    y += bc[t * 2 * N + N + n] * h[e * N + n];
                }
                out[at] = y * z[at] / (1 + (float) Math.exp(-z[at]));
            }
        }
        return out;
    }
}
