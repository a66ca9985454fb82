package dev.panamba.jmh;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.panamba.bindings.OpenBlas;
import dev.panamba.bindings.openblas.cblas_h;
import dev.panamba.graph.Executable;
import dev.panamba.graph.Gemm;
import dev.panamba.graph.Graph;
import dev.panamba.graph.Role;
import dev.panamba.graph.Store;
import dev.panamba.graph.Team;
import dev.panamba.memory.Placement;
import dev.panamba.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.openblas.global.openblas_full;
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
 * How much of the machine do matrix products of the engine's shapes reach, and who is the faster at which?
 *
 * <p>{@code y = x w^T} with x [m, k] and w [n, k]: OpenBLAS called through FFM, through JavaCPP's JNI and by a loop in C, the same
 * function on the same memory, and Panamba's own kernel, all on one thread; and both as a bound program runs them, on a team of all
 * cores. Up to 16 rows a program reads the weights with {@code pb_matvec}, whoever is asked for. Shapes are squares and the paper's (D 512):
 * in_proj, x_proj, dt_proj and out_proj of 1024 and 4096 tokens, one expert's share, the head. The secondary result {@code gflop} is GFLOP/s.
 *
 * <p>Control: in_proj of 1024 and of 4096 tokens are 1 and 4 times the work, so the calls per second must be as 4 to 1. Of the three ways
 * to OpenBLAS none can be faster than C by more than the spread; if one were, they would not call the same function.
 *
 * <p>Learnt: FFM reaches what C reaches. On one thread OpenBLAS is as fast as Panamba's kernel from 512 cubed on and slower below; on a
 * team, where its calls share caches and memory, it keeps a tenth to a fifth less of two threads than ours.
 */
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@State(Scope.Benchmark)
@Fork(value = 2, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
@Warmup(iterations = 5, time = 1, timeUnit = TimeUnit.SECONDS)
@Measurement(iterations = 10, time = 500, timeUnit = TimeUnit.MILLISECONDS)
public class GemmByShape {
    /** 10^9 of a product's operations, two for each of its m n k terms. */
    private static final double GIGA = 2e-9;

    @Param({
        "8x8x8",
        "32x32x32",
        "64x64x64",
        "128x128x128",
        "256x256x256",
        "512x512x512",
        "1024x1024x1024",
        "2048x2048x2048",
        "1024x2048x512",
        "4096x2048x512",
        "4096x64x1024",
        "4096x1024x32",
        "4096x512x1024",
        "128x1536x512",
        "256x50257x512"
    })
    String shape;

    private int m;
    private int n;
    private int k;
    /** The loop in C is long enough that coming to it is nothing. */
    private int cCalls;

    private Store weights;
    private final Deque<AutoCloseable> opened = new ArrayDeque<>();
    private Executable panambaOnOne;
    private Executable panambaOnAll;
    private Executable openBlasOnAll;
    private MemorySegment x;
    private MemorySegment w;
    private MemorySegment y;
    private FloatPointer jniX;
    private FloatPointer jniW;
    private FloatPointer jniY;

    /** The work done. */
    @AuxCounters
    @State(Scope.Thread)
    public static class Work {
        /** 10^9 multiplications and additions; JMH divides by seconds. */
        public double gflop;
    }

    @Setup
    public void bind() {
        JniTwin.load();
        var sizes = Arrays.stream(shape.split("x")).mapToInt(Integer::parseInt).toArray();
        m = sizes[0];
        n = sizes[1];
        k = sizes[2];
        cCalls = (int) Math.max(1, 1e7 / m / n / k);
        var graph = new Graph(DType.F32);
        var input = graph.input("x", DType.F32, m, k);
        var parameter = graph.parameter("w", n, k);
        var output = graph.output(graph.linear(input, parameter, null));
        weights = Store.allocate("the weight", List.of(parameter));
        w = weights.at("w");
        var random = Numbers.random(2, n * k, -1, 1);
        MemorySegment.copy(random, 0, w, JAVA_FLOAT, 0, random.length);
        random = Numbers.random(1, m * k, -1, 1);
        var cores = Runtime.getRuntime().availableProcessors();
        panambaOnOne = bind(graph, 1, Gemm.PANAMBA);
        panambaOnAll = bind(graph, cores, Gemm.PANAMBA);
        openBlasOnAll = bind(graph, cores, Gemm.OPENBLAS);
        for (var program : List.of(panambaOnOne, panambaOnAll, openBlasOnAll)) {
            MemorySegment.copy(random, 0, program.at(input), JAVA_FLOAT, 0, random.length);
            program.run();
        }
        var expected = panambaOnAll.at(output);
        Numbers.requireEqual("The product of one thread", expected, panambaOnOne.at(output), 1e-4);
        Numbers.requireEqual("The product of OpenBLAS's team", expected, openBlasOnAll.at(output), 1e-4);
        x = MemorySegment.ofAddress(panambaOnOne.at(input).address());
        y = MemorySegment.ofAddress(panambaOnOne.at(output).address());
        jniX = JniTwin.pointer(panambaOnOne.at(input));
        jniW = JniTwin.pointer(w);
        jniY = JniTwin.pointer(panambaOnOne.at(output));
        w = MemorySegment.ofAddress(w.address());
        for (Runnable way : List.<Runnable>of(this::ffm, this::jni, this::c)) {
            panambaOnOne.at(output).fill((byte) 0);
            way.run();
            Numbers.requireEqual("OpenBLAS's product", expected, panambaOnOne.at(output), 1e-4);
        }
    }

    private Executable bind(Graph graph, int threads, Gemm gemm) {
        var team = new Team(threads, gemm);
        opened.push(team);
        var program =
                Executable.bind(graph.program(), DType.F32, team, Map.of(Role.PARAMETER, weights), Placement.PACKED);
        opened.push(program);
        return program;
    }

    @TearDown
    public void close() throws Exception {
        for (var each : opened) {
            each.close();
        }
        weights.close();
    }

    @Benchmark
    public void panambaOneThread(Work work) {
        panambaOnOne.run();
        count(work);
    }

    @Benchmark
    public void panambaAllCores(Work work) {
        panambaOnAll.run();
        count(work);
    }

    @Benchmark
    public void openBlasAllCores(Work work) {
        openBlasOnAll.run();
        count(work);
    }

    @Benchmark
    public void openBlasFfm(Work work) {
        ffm();
        count(work);
    }

    @Benchmark
    public void openBlasJni(Work work) {
        jni();
        count(work);
    }

    @Benchmark
    public void openBlasC(Work work) {
        c();
        work.gflop += (cCalls - 1) * GIGA * m * n * k;
        count(work);
    }

    private void ffm() {
        OpenBlas.sgemm(false, true, m, n, k, 1, x, k, w, k, 0, y, n);
    }

    private void jni() {
        openblas_full.cblas_sgemm(
                openblas_full.CblasRowMajor,
                openblas_full.CblasNoTrans,
                openblas_full.CblasTrans,
                m,
                n,
                k,
                1,
                jniX,
                k,
                jniW,
                k,
                0,
                jniY,
                n);
    }

    private void c() {
        CTwin.repeatSgemm(cblas_h.cblas_sgemm$address(), cCalls, m, n, k, x, w, y);
    }

    private void count(Work work) {
        work.gflop += GIGA * m * n * k;
    }
}
