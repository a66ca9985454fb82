package dev.panamba.golden;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.panamba.graph.Executable;
import dev.panamba.graph.Gemm;
import dev.panamba.graph.Graph;
import dev.panamba.graph.Program;
import dev.panamba.graph.Role;
import dev.panamba.graph.Store;
import dev.panamba.graph.Team;
import dev.panamba.graph.Value;
import dev.panamba.memory.Placement;
import dev.panamba.model.Network;
import dev.panamba.nn.Pass;
import dev.panamba.tensor.DType;
import dev.panamba.train.TrainingProgram;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;

/** Forward and backward of a golden file's first batch, in either precision. */
final class GoldenStep implements AutoCloseable {
    private final DType real;
    private final Team team;
    private final TrainingProgram program;
    private final Store weights;
    private final Store gradients;
    private final Executable training;
    private final double[] logits;

    GoldenStep(Golden golden, DType real, Gemm gemm) {
        this.real = real;
        team = new Team(2, gemm);
        var options = golden.options();
        program = TrainingProgram.of(golden.config(), real, real, options.batch(), options.context(), 1, false);
        weights = Store.allocate("golden weights", program.parameters());
        gradients = Store.allocate("golden gradients", program.parameters());
        for (var parameter : program.parameters()) {
            write(golden.get("weights/" + parameter.name()), weights.at(parameter.name()));
        }
        training = bind(program.program());
        fill(golden, training.at(program.token()), training.at(program.target()));
        training.run();

        var graph = new Graph(real);
        var pass = Pass.whole(graph, options.batch(), options.context(), false);
        var token = graph.input("token", DType.I32, pass.T());
        var head = graph.output(Network.head(golden.config(), pass, Network.body(golden.config(), pass, token)));
        try (var forward = bind(graph.program())) {
            fill(golden, forward.at(token), MemorySegment.ofArray(new int[(int) pass.T()]));
            forward.run();
            logits = Golden.numbers(forward.at(head), real);
        }
    }

    private Executable bind(Program program) {
        return Executable.bind(
                program, real, team, Map.of(Role.PARAMETER, weights, Role.GRADIENT, gradients), Placement.CHECKED);
    }

    private static void fill(Golden golden, MemorySegment tokens, MemorySegment targets) {
        var options = golden.options();
        for (int b = 0; b < options.batch(); b++) {
            golden.batches().fill(b, tokens, targets, (long) b * options.context());
        }
    }

    private void write(double[] numbers, MemorySegment to) {
        for (int i = 0; i < numbers.length; i++) {
            if (real == DType.F64) {
                to.setAtIndex(JAVA_DOUBLE_UNALIGNED, i, numbers[i]);
            } else {
                to.setAtIndex(JAVA_FLOAT_UNALIGNED, i, (float) numbers[i]);
            }
        }
    }

    /** In training, where experts drop. */
    double[] logits() {
        return logits;
    }

    double loss() {
        return Golden.numbers(training.at(program.loss()), real)[0];
    }

    /** The mean of the Switch layers' balance losses. */
    double aux() {
        return program.routes().stream()
                .mapToDouble(route -> Golden.numbers(training.at(route.balance()), real)[0])
                .average()
                .orElse(0);
    }

    List<String> parameters() {
        return program.parameters().stream().map(Value::name).toList();
    }

    double[] gradient(String parameter) {
        return Golden.numbers(gradients.at(parameter), real);
    }

    double gradientNorm() {
        double squares = 0;
        for (var parameter : parameters()) {
            for (double g : gradient(parameter)) {
                squares += g * g;
            }
        }
        return Math.sqrt(squares);
    }

    @Override
    public void close() {
        training.close();
        gradients.close();
        weights.close();
        team.close();
    }
}
