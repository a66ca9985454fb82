package dev.panamba.jmh;

import dev.panamba.infer.LanguageModel;
import dev.panamba.infer.Sampler;
import dev.panamba.infer.Session;
import dev.panamba.infer.Snapshot;
import dev.panamba.model.Presets;
import dev.panamba.model.Weights;
import dev.panamba.tensor.DType;
import dev.panamba.text.Tokenizers;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What does one generated token cost, and does it allocate?
 *
 * <p>A session of a model with random weights has read 64 tokens and generates greedily. Where the context of a Transformer is
 * full, it goes back to the prompt, outside the measurement. {@code allocatedBytes} is what caller and team took from the heap
 * while they generated all the tokens of a fork, and must be 0. {@code -prof gc} divides everything that happens meanwhile by the
 * number of tokens.
 *
 * <p>Control: a millisecond of waiting, which shows what the counting itself allocates. Its time means nothing.
 *
 * <p>Learnt: nothing is allocated. Two idle cores make the small models 1.6 to 2.2 times as fast and the tiny ones slower. On a
 * machine with a load of 7 the team of two was 10 to 80 times as slow as one thread, which hardly noticed: presumably a barrier
 * waits for the scheduler whenever one of the team is not running.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@State(Scope.Benchmark)
@Fork(value = 2, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
@Warmup(iterations = 5, time = 1, timeUnit = TimeUnit.SECONDS)
@Measurement(iterations = 10, time = 500, timeUnit = TimeUnit.MILLISECONDS)
public class DecodeStep {
    private static final int PROMPT = 64;
    private static final int TOKENS = 64;

    /** A session, after its prompt. */
    @State(Scope.Benchmark)
    public static class Conversation {
        @Param({
            "tiny-moe-mamba",
            "tiny-mamba",
            "tiny-transformer",
            "small-moe-mamba",
            "small-mamba",
            "small-transformer"
        })
        String preset;

        /** Threads that work for the model. */
        @Param({"one", "all"})
        String cores;

        private final Sampler greedy = Sampler.greedy();
        private LanguageModel model;
        private Session session;
        private Snapshot prompt;

        @Setup
        public void read() {
            var weights = Weights.random(Presets.named(preset).config(), 1);
            var threads = cores.equals("one") ? 1 : Runtime.getRuntime().availableProcessors();
            model = LanguageModel.of(weights, Tokenizers.bytes(), DType.F32, threads);
            session = model.newSession();
            session.feed(new Random(1).ints(PROMPT, 0, model.config().V()).toArray());
            prompt = session.snapshot();
        }

        @Setup(Level.Invocation)
        public void makeRoom() {
            if (session.position() > model.config().longest() - TOKENS) {
                session.restore(prompt);
            }
        }

        @TearDown
        public void close() {
            session.close();
            model.close();
        }
    }

    @Benchmark
    @OperationsPerInvocation(TOKENS)
    public int next(Conversation conversation, Allocated allocated) {
        int last = 0;
        allocated.begin();
        for (int i = 0; i < TOKENS; i++) {
            last = conversation.session.next(conversation.greedy);
        }
        allocated.end();
        return last;
    }

    @Benchmark
    @OperationsPerInvocation(TOKENS)
    public void controlWaiting(Allocated allocated) {
        allocated.countNothing();
    }
}
