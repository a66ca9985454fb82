package dev.panamba.jmh;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.panamba.graph.Executable;
import dev.panamba.graph.Graph;
import dev.panamba.graph.Role;
import dev.panamba.graph.Store;
import dev.panamba.graph.Team;
import dev.panamba.memory.Placement;
import dev.panamba.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
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
 * How much of the machine do matrix products of the engine's shapes reach?
 *
 * <p>{@code y = x w^T} with x [m, k] and w [n, k], as a bound program runs it: by a team of one and by a team of all cores, with the
 * engine's own kernel. Beside it OpenBLAS on one thread, through JavaCPP's JNI, on the same memory; what JNI adds to a call is
 * measured in {@link DowncallCost}. Shapes are squares and the paper's (D 512): in_proj, x_proj, dt_proj and out_proj of 4096
 * tokens, one expert's share, the head. The secondary result {@code gflop} is GFLOP/s.
 *
 * <p>Control: in_proj of 1024 and of 4096 tokens are 1 and 4 times the work, so the calls per second must be as 4 to 1.
 *
 * <p>Learnt: from 32 cubed on one thread is as fast as OpenBLAS or faster, a tenth for one expert's share and a third for dt_proj,
 * whose k is 32; 8 cubed is slower by a third. The team of two is 1.7 to 2.3 times as fast as one thread from 128 cubed on and
 * loses below, where its barriers, about a microsecond together, are the work.
 */
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@State(Scope.Benchmark)
@Fork(value = 2, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
@Warmup(iterations = 5, time = 1, timeUnit = TimeUnit.SECONDS)
@Measurement(iterations = 10, time = 500, timeUnit = TimeUnit.MILLISECONDS)
public class GemmByShape {
    @Param({
        "8x8x8",
        "32x32x32",
        "128x128x128",
        "512x512x512",
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
    private Store weights;
    private Team one;
    private Team all;
    private Executable onOne;
    private Executable onAll;
    private FloatPointer blasX;
    private FloatPointer blasW;
    private FloatPointer blasY;

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
        var graph = new Graph(DType.F32);
        var x = graph.input("x", DType.F32, m, k);
        var w = graph.parameter("w", n, k);
        var y = graph.output(graph.linear(x, w, null));
        weights = Store.allocate("the weight", List.of(w));
        one = new Team(1);
        all = Team.ofAllCores();
        var stores = Map.of(Role.PARAMETER, weights);
        onOne = Executable.bind(graph.program(), DType.F32, one, stores, Placement.PACKED);
        onAll = Executable.bind(graph.program(), DType.F32, all, stores, Placement.PACKED);
        var numbers = Numbers.random(1, m * k, -1, 1);
        MemorySegment.copy(numbers, 0, onOne.at(x), JAVA_FLOAT, 0, numbers.length);
        MemorySegment.copy(numbers, 0, onAll.at(x), JAVA_FLOAT, 0, numbers.length);
        numbers = Numbers.random(2, n * k, -1, 1);
        MemorySegment.copy(numbers, 0, weights.at("w"), JAVA_FLOAT, 0, numbers.length);
        blasX = JniTwin.pointer(onOne.at(x));
        blasW = JniTwin.pointer(weights.at("w"));
        blasY = JniTwin.pointer(onOne.at(y));
        onAll.run();
        onOne.run();
        Numbers.requireEqual("The product of one thread", onAll.at(y), onOne.at(y), 1e-4);
        onOne.at(y).fill((byte) 0);
        openBlas();
        Numbers.requireEqual("OpenBLAS's product", onAll.at(y), onOne.at(y), 1e-4);
    }

    @TearDown
    public void close() {
        onOne.close();
        onAll.close();
        one.close();
        all.close();
        weights.close();
    }

    @Benchmark
    public void oneThread(Work work) {
        onOne.run();
        count(work);
    }

    @Benchmark
    public void allCores(Work work) {
        onAll.run();
        count(work);
    }

    @Benchmark
    public void openBlasOneThread(Work work) {
        openBlas();
        count(work);
    }

    private void openBlas() {
        openblas_full.cblas_sgemm(
                openblas_full.CblasRowMajor,
                openblas_full.CblasNoTrans,
                openblas_full.CblasTrans,
                m,
                n,
                k,
                1,
                blasX,
                k,
                blasW,
                k,
                0,
                blasY,
                n);
    }

    private void count(Work work) {
        work.gflop += 2e-9 * m * n * k;
    }
}
