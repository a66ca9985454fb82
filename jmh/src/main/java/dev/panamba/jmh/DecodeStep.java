package dev.panamba.jmh;

import dev.panamba.infer.LanguageModel;
import dev.panamba.infer.Sampler;
import dev.panamba.infer.Session;
import dev.panamba.model.Presets;
import dev.panamba.model.Weights;
import dev.panamba.text.Tokenizers;
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
 * What does a token cost? One greedy step of a session; {@code -prof gc} shows 0 B/op. The controls are the threads, since a step
 * of a small model is barriers as much as work, and {@code sample}, a step without the network.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 1, jvmArgs = "--enable-native-access=ALL-UNNAMED")
public class DecodeStep {
    /** The model. */
    @Param({"tiny-moe-mamba", "small-mamba", "small-moe-mamba"})
    String preset;

    /** The team's size. */
    @Param({"1", "2"})
    int threads;

    private LanguageModel model;
    private Session session;
    private final Sampler sampler = Sampler.greedy();

    /** Opens a session. */
    @Setup
    public void open() {
        model = LanguageModel.of(Weights.random(Presets.named(preset).config(), 1), Tokenizers.bytes(), threads);
        session = model.newSession();
        session.feed(0);
    }

    /** Closes it. */
    @TearDown
    public void close() {
        session.close();
        model.close();
    }

    /** Samples a token and reads it. */
    @Benchmark
    public int step() {
        return session.next(sampler);
    }

    /** Samples a token. */
    @Benchmark
    public int sample() {
        return sampler.sample(session.logits());
    }
}
