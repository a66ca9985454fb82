package dev.panamba.train;

import dev.panamba.graph.Gemm;
import dev.panamba.graph.Team;
import dev.panamba.memory.Placement;
import dev.panamba.model.Config;
import dev.panamba.model.Config.Attention;
import dev.panamba.model.Config.Dense;
import dev.panamba.model.Config.Mamba;
import dev.panamba.model.Config.Mixer;
import dev.panamba.model.Config.Mlp;
import dev.panamba.model.Config.None;
import dev.panamba.model.Config.Norm;
import dev.panamba.model.Config.Position;
import dev.panamba.model.Config.Switch;
import dev.panamba.model.Weights;
import dev.panamba.tensor.DType;
import dev.panamba.text.Corpus;
import dev.panamba.text.TokenFile;
import dev.panamba.text.Tokenizers;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.function.UnaryOperator;

/** The six families, small enough that a training takes a second, and something to train them on. */
public final class Tiny {
    /** Tokens that a Transformer has room for. */
    public static final int POSITIONS = 400;

    private Tiny() {}

    /** All six; bytes are tokens. */
    public static List<Config> families() {
        var mamba = new Mamba(40, 4, 4, 3, false, true);
        var attention = new Attention(2);
        var experts = new Switch(4, 24, 1.0, 0.01);
        return List.of(
                config(mamba, new None(), false),
                config(mamba, experts, false),
                config(mamba, new Dense(48), false),
                config(attention, new Dense(48), false),
                config(attention, experts, false),
                config(mamba, experts, true));
    }

    /** Those without experts, whose result does not depend on how tokens are grouped. */
    public static List<Config> dense() {
        return families().stream().filter(c -> !(c.mlp() instanceof Switch)).toList();
    }

    private static Config config(Mixer mixer, Mlp mlp, boolean parallel) {
        var attention = mixer instanceof Attention;
        return new Config(
                256,
                20,
                2,
                mixer,
                mlp,
                parallel,
                Norm.LAYER,
                1e-5,
                false,
                false,
                attention ? Position.LEARNED : Position.NONE,
                attention ? POSITIONS : 0);
    }

    /** Options that train the families quickly. */
    public static Options options(int steps, int batch, int microBatch, double lr) {
        return options(steps, batch, microBatch, lr, false, DType.F32);
    }

    /** The same, with experts that may rest, or with narrow factors. */
    public static Options options(int steps, int batch, int microBatch, double lr, boolean lazyExperts, DType compute) {
        return new Options(
                steps,
                batch,
                16,
                microBatch,
                1,
                new Schedule(lr, 5, steps, Schedule.Shape.COSINE, 0.1),
                0.01,
                Options.Decay.MATRICES,
                1,
                0.9,
                0.99,
                1e-8,
                Windows.Order.SHUFFLED,
                lazyExperts,
                compute);
    }

    /** A training of fresh weights. */
    public static final class Training implements AutoCloseable {
        public final Weights weights;
        public final Trainer trainer;
        private final Team team;

        /** Of a model drawn with seed 1. */
        public Training(Config config, Options options) {
            this(Weights.random(config, 1), options);
        }

        /** Of weights that it takes over. */
        public Training(Weights weights, Options options) {
            this(weights, options, Gemm.FASTEST);
        }

        /** The same, multiplied by one library. */
        public Training(Weights weights, Options options, Gemm gemm) {
            this.weights = weights;
            this.team = new Team(2, gemm);
            this.trainer = new Trainer(weights, options, team, Placement.PACKED);
        }

        @Override
        public void close() {
            trainer.close();
            team.close();
            weights.close();
        }
    }

    /** A text with some order in it, as tokens. */
    public static Path tokens(Path folder, int length) throws IOException {
        var random = new Random(3);
        var words = List.of("state ", "space ", "expert ", "mamba ", "the ", "of ", "a ");
        var text = new StringBuilder();
        while (text.length() < length) {
            text.append(words.get(random.nextInt(words.size())));
        }
        var file = Files.writeString(folder.resolve("text.txt"), text.substring(0, length));
        TokenFile.write(folder.resolve("text.tokens"), Corpus.of(file), Tokenizers.bytes());
        return folder.resolve("text.tokens");
    }

    /** Files of a directory that differ from those of another. */
    public static List<String> differences(Path a, Path b, UnaryOperator<Path> each) throws IOException {
        try (var files = Files.list(a)) {
            return files.map(each)
                    .map(file -> file.getFileName().toString())
                    .filter(name -> differs(a.resolve(name), b.resolve(name)))
                    .toList();
        }
    }

    private static boolean differs(Path a, Path b) {
        try {
            return Files.mismatch(a, b) >= 0;
        } catch (IOException e) {
            return true;
        }
    }
}
