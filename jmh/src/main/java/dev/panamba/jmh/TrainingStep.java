package dev.panamba.jmh;

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
import java.util.Map;
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
 * What does a training step cost, and what of it is not forward and backward? {@code step} is all of it, with metrics for people;
 * {@code runLoop} is the bound program alone, for which {@code -prof gc} shows 0 B/op. The control is the batch, with which the run
 * loop grows and the update does not.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(value = 1, jvmArgs = "--enable-native-access=ALL-UNNAMED")
public class TrainingStep {
    private static final int CONTEXT = 256;

    /** The model. */
    @Param({"tiny-moe-mamba", "small-moe-mamba"})
    String preset;

    /** Sequences. */
    @Param({"4", "16"})
    int batch;

    private Weights weights;
    private Team team;
    private Trainer trainer;
    private Batches noise;
    private Store gradients;
    private Executable program;

    /** Binds a trainer, and the program of forward and backward by itself. */
    @Setup
    public void bind() {
        var config = Presets.named(preset).config();
        weights = Weights.random(config, 1);
        team = Team.ofAllCores();
        noise = Batches.random(config.V(), CONTEXT);
        var schedule = new Schedule(1e-4, 0, 1, Schedule.Shape.CONSTANT, 1);
        trainer = new Trainer(
                weights,
                new Options(
                        1,
                        batch,
                        CONTEXT,
                        batch,
                        1,
                        schedule,
                        0.1,
                        Options.Decay.ALL,
                        0.5,
                        0.9,
                        0.999,
                        1e-8,
                        Windows.Order.SEQUENTIAL),
                team,
                Placement.PACKED);
        var training = TrainingProgram.of(config, DType.F32, batch, CONTEXT, 1);
        gradients = Store.allocate("the gradients", training.gradients().values());
        program = Executable.bind(
                training.program(),
                DType.F32,
                team,
                Map.of(Role.PARAMETER, weights.store(), Role.GRADIENT, gradients),
                Placement.PACKED);
        for (int k = 0; k < batch; k++) {
            noise.fill(k, program.at(training.token()), program.at(training.target()), (long) k * CONTEXT);
        }
    }

    /** Closes all. */
    @TearDown
    public void close() {
        program.close();
        trainer.close();
        gradients.close();
        team.close();
        weights.close();
    }

    /** Data, forward, backward, norm, update, metrics. */
    @Benchmark
    public Metrics step() {
        return trainer.step(noise);
    }

    /** Forward and backward. */
    @Benchmark
    public void runLoop() {
        program.run();
    }
}
