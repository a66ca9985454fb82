package dev.panamba.jmh;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.panamba.graph.Executable;
import dev.panamba.graph.Role;
import dev.panamba.graph.Store;
import dev.panamba.graph.Team;
import dev.panamba.memory.Placement;
import dev.panamba.model.Presets;
import dev.panamba.model.Weights;
import dev.panamba.tensor.DType;
import dev.panamba.train.Batches;
import dev.panamba.train.Metrics;
import dev.panamba.train.Options;
import dev.panamba.train.Schedule;
import dev.panamba.train.Trainer;
import dev.panamba.train.TrainingProgram;
import dev.panamba.train.Windows;
import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
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
 * What does a training step cost, and does it allocate?
 *
 * <p>{@code gradient} runs the bound program of forward and backward on all cores; {@code step} is {@link Trainer#step}: the
 * batch, the same program, the norm of the gradients, the update, and a small record of metrics, the only thing that allocates.
 * Sequences are the preset's 256 tokens of noise. {@code allocatedBytes} is what caller and team took from the heap in all
 * measured runs of a fork, and must be 0 for {@code gradient}.
 *
 * <p>Controls: 4 times the sequences, which must take about 4 times as long; a millisecond of waiting, which shows what the
 * counting itself allocates and whose time means nothing.
 *
 * <p>Learnt: the run loop allocates nothing once it is compiled, which takes up to two hundred runs; a step allocates 2 to 5 KB
 * of metrics. The first version trained on one batch, and once the model had learnt it by heart a step took 1.7 times as long:
 * subnormal numbers, since flushing them to zero in the processor brought the time back.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@State(Scope.Benchmark)
@Fork(value = 2, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
@Warmup(iterations = 5, time = 1, timeUnit = TimeUnit.SECONDS)
@Measurement(iterations = 10, time = 500, timeUnit = TimeUnit.MILLISECONDS)
public class TrainingStep {
    // More than a model learns by heart: once it does, subnormal numbers nearly double the time of a step.
    private static final int TOKENS = 1 << 22;

    /** A model and its data. */
    @State(Scope.Benchmark)
    public static class Training {
        @Param({"tiny-moe-mamba", "small-moe-mamba"})
        String preset;

        /** Sequences of a step. */
        @Param({"1", "4"})
        int batch;

        private Weights weights;
        private Team team;
        private int context;
        private Batches noise;

        @Setup
        public void draw() {
            var chosen = Presets.named(preset);
            context = chosen.context();
            weights = Weights.random(chosen.config(), 1);
            team = Team.ofAllCores();
            var tokens = new Random(1).ints(TOKENS, 0, chosen.config().V()).toArray();
            noise = (sequence, inputs, targets, at) -> {
                int from = (int) (sequence * context % (TOKENS - context));
                MemorySegment.copy(tokens, from, inputs, JAVA_INT, at * Integer.BYTES, context);
                MemorySegment.copy(tokens, from + 1, targets, JAVA_INT, at * Integer.BYTES, context);
            };
        }

        @TearDown
        public void close() {
            team.close();
            weights.close();
        }
    }

    /** Forward and backward alone. */
    @State(Scope.Benchmark)
    public static class Gradient {
        private Store gradients;
        private Executable executable;

        @Setup
        public void bind(Training training) {
            var program = TrainingProgram.of(
                    training.weights.config(), DType.F32, DType.F32, training.batch, training.context, 1, false);
            gradients = Store.allocate("the gradients", program.parameters());
            var stores = Map.of(Role.PARAMETER, training.weights.store(), Role.GRADIENT, gradients);
            executable = Executable.bind(program.program(), DType.F32, training.team, stores, Placement.PACKED);
            for (int i = 0; i < training.batch; i++) {
                training.noise.fill(
                        i,
                        executable.at(program.token()),
                        executable.at(program.target()),
                        (long) i * training.context);
            }
        }

        /** Gradients add up from run to run. */
        @Setup(Level.Iteration)
        public void clear() {
            gradients.at(Store.ALL).fill((byte) 0);
        }

        @TearDown
        public void close() {
            executable.close();
            gradients.close();
        }
    }

    /** The whole step. */
    @State(Scope.Benchmark)
    public static class Whole {
        private Trainer trainer;
        private Batches noise;

        @Setup
        public void bind(Training training) {
            noise = training.noise;
            var options = new Options(
                    1,
                    training.batch,
                    training.context,
                    training.batch,
                    1,
                    new Schedule(1e-4, 0, 1, Schedule.Shape.CONSTANT, 1),
                    0.1,
                    Options.Decay.ALL,
                    0.5,
                    0.9,
                    0.999,
                    1e-8,
                    Windows.Order.SEQUENTIAL,
                    false,
                    DType.F32);
            trainer = new Trainer(training.weights, options, training.team, Placement.PACKED);
        }

        @TearDown
        public void close() {
            trainer.close();
        }
    }

    @Benchmark
    public void gradient(Gradient gradient, Allocated allocated) {
        allocated.begin();
        gradient.executable.run();
        allocated.end();
    }

    @Benchmark
    public Metrics step(Whole whole, Allocated allocated) {
        allocated.begin();
        var metrics = whole.trainer.step(whole.noise);
        allocated.end();
        return metrics;
    }

    @Benchmark
    public void controlWaiting(Allocated allocated) {
        allocated.countNothing();
    }
}
