package dev.panamba.model;

import dev.panamba.graph.Bench;
import dev.panamba.graph.GradientCheck;
import dev.panamba.graph.Value;
import dev.panamba.model.Config.Attention;
import dev.panamba.model.Config.Dense;
import dev.panamba.model.Config.Mamba;
import dev.panamba.model.Config.Mixer;
import dev.panamba.model.Config.Mlp;
import dev.panamba.model.Config.None;
import dev.panamba.model.Config.Norm;
import dev.panamba.model.Config.Position;
import dev.panamba.model.Config.Switch;
import dev.panamba.nn.Pass;
import dev.panamba.tensor.DType;
import java.util.List;
import java.util.stream.IntStream;

/** The six families at sizes that are quick to run and awkward for kernels. */
public final class Networks {
    private Networks() {}

    /**
     * All six families with one norm. With LayerNorm they are the paper's: untied, no final norm, learned positions for
     * attention; with RMSNorm they are tied and have a final norm, rotary positions, and biases around the mixer.
     */
    public static List<Config> families(Norm norm, int D) {
        var modern = norm == Norm.RMS;
        var mamba = new Mamba(2 * D + 1, 3, 3, 2, modern, true);
        var attention = new Attention(2);
        var experts = new Switch(3, D + 1, 1.0, 0.5);
        var dense = new Dense(D + 3);
        return List.of(
                config(norm, D, mamba, new None(), false),
                config(norm, D, mamba, experts, false),
                config(norm, D, mamba, dense, false),
                config(norm, D, attention, dense, false),
                config(norm, D, attention, experts, false),
                config(norm, D, mamba, experts, true));
    }

    private static Config config(Norm norm, int D, Mixer mixer, Mlp mlp, boolean parallel) {
        var modern = norm == Norm.RMS;
        var position = mixer instanceof Mamba ? Position.NONE : modern ? Position.ROPE : Position.LEARNED;
        return new Config(
                2 * D + 3,
                D,
                2,
                mixer,
                mlp,
                parallel,
                norm,
                1e-5,
                modern,
                modern,
                position,
                mixer instanceof Mamba ? 0 : 64);
    }

    /** Forward pass and losses of a training step, as the trainer makes them; the variables are all parameters. */
    public static GradientCheck training(Config config, DType real, int B, int L, long seed) {
        var check = new GradientCheck(real, seed);
        var bench = check.bench();
        var pass = Pass.whole(check.graph(), B, L, false);
        var logits = logits(config, check, pass);
        var target = bench.randomIntegers("target", B * L, 0, config.V());
        check.loss(check.graph().mean(check.graph().crossEntropy(logits, target)), 1);
        pass.routes()
                .forEach(
                        route -> check.loss(route.balance(), 1.0 / pass.routes().size()));
        return check;
    }

    /** Whole sequences as they are evaluated: nothing is dropped. */
    public static Bench whole(Config config, int B, int L, long seed) {
        var check = new GradientCheck(DType.F32, seed);
        check.graph().output(logits(config, check, Pass.whole(check.graph(), B, L, true)));
        return check.bench();
    }

    /** The next L tokens of B sessions. */
    public static Bench next(Config config, int B, int L, int slots, long seed) {
        var check = new GradientCheck(DType.F32, seed);
        var pass = Pass.next(check.graph(), B, L, slots, config.maxPositions(), DType.F32);
        check.bench().set(pass.slot(), IntStream.range(0, B).asDoubleStream().toArray());
        check.bench().set(pass.past(), new double[B]);
        check.graph().output(logits(config, check, pass));
        return check.bench();
    }

    private static Value logits(Config config, GradientCheck check, Pass pass) {
        var token = check.bench().randomIntegers("token", (int) pass.T(), 0, config.V());
        var logits = Network.head(config, pass, Network.body(config, pass, token));
        for (var parameter : check.graph().parameters().values()) {
            check.variable(check.bench().randomize(parameter, 0.5));
        }
        return logits;
    }
}
