package dev.panamba.model;

import dev.panamba.model.Config.Attention;
import dev.panamba.model.Config.Dense;
import dev.panamba.model.Config.Mamba;
import dev.panamba.model.Config.Mixer;
import dev.panamba.model.Config.Mlp;
import dev.panamba.model.Config.None;
import dev.panamba.model.Config.Norm;
import dev.panamba.model.Config.Position;
import dev.panamba.model.Config.Switch;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.SequencedMap;

/**
 * Named configurations with the settings they are trained with. {@code paper-*} are the rows of the paper's first version
 * (100,000 steps of 256 sequences of 256 tokens); {@code small-*} and {@code tiny-*} have the same shapes for a laptop and
 * bytes; {@code mamba-130m} has the published model's shape.
 */
public final class Presets {
    private static final SequencedMap<String, Preset> ALL = new LinkedHashMap<>();

    /**
     * A configuration and how to train it.
     *
     * @param name as on the command line
     * @param config the model
     * @param context tokens of a training sequence
     * @param batch sequences of a step
     * @param steps of a whole training
     * @param lr highest learning rate
     */
    public record Preset(String name, Config config, int context, int batch, int steps, double lr) {
        /**
         * The same for another tokenizer.
         *
         * @param vocabulary its number of ids
         * @return a preset
         */
        public Preset withVocabulary(int vocabulary) {
            return new Preset(name, config.withVocabulary(vocabulary), context, batch, steps, lr);
        }
    }

    static {
        var paper = new Sizes(50257, 512, 8, 8, 2048, 1536, 32, 256);
        var small = new Sizes(256, 128, 4, 4, 512, 384, 16, 256);
        var tiny = new Sizes(256, 64, 2, 4, 256, 192, 8, 256);
        families("paper", paper, 256, 256, 100_000, 1e-3);
        families("small", small, 256, 32, 2_000, 2e-3);
        families("tiny", tiny, 256, 16, 600, 4e-3);
        var mixer = new Mamba(1536, 16, 4, 48, false, true);
        var published =
                new Config(50280, 768, 24, mixer, new None(), false, Norm.RMS, 1e-5, true, true, Position.NONE, 0);
        ALL.put("mamba-130m", new Preset("mamba-130m", published, 256, 4, 1_000, 6e-4));
    }

    private record Sizes(int V, int D, int pairs, int H, int attentionF, int mambaF, int X, int positions) {
        Config config(Mixer mixer, Mlp mlp, boolean parallel) {
            var attention = mixer instanceof Attention;
            return new Config(
                    V,
                    D,
                    mlp instanceof None ? 2 * pairs : pairs,
                    mixer,
                    mlp,
                    parallel,
                    Norm.LAYER,
                    1e-5,
                    false,
                    false,
                    attention ? Position.LEARNED : Position.NONE,
                    attention ? positions : 0);
        }
    }

    private Presets() {}

    private static void families(String size, Sizes s, int context, int batch, int steps, double lr) {
        var mamba = new Mamba(2 * s.D, 16, 4, Math.ceilDiv(s.D, 16), false, true);
        var attention = new Attention(s.H);
        var experts = new Switch(s.X, s.mambaF, 1.0, 0.01);
        var configs = new Config[] {
            s.config(mamba, new None(), false),
            s.config(mamba, experts, false),
            s.config(mamba, new Dense(s.mambaF), false),
            s.config(attention, new Dense(s.attentionF), false),
            s.config(attention, new Switch(s.X, s.attentionF, 1.0, 0.01), false),
            s.config(mamba, experts, true)
        };
        for (var config : configs) {
            var name = size + "-" + config.family();
            ALL.put(name, new Preset(name, config, context, batch, steps, lr));
        }
    }

    /**
     * All presets.
     *
     * @return by name
     */
    public static SequencedMap<String, Preset> all() {
        return Collections.unmodifiableSequencedMap(ALL);
    }

    /**
     * One preset.
     *
     * @param name as on the command line
     * @return the preset
     * @throws IllegalArgumentException with all names, if there is none of this name
     */
    public static Preset named(String name) {
        var preset = ALL.get(name);
        if (preset == null) {
            throw new IllegalArgumentException(
                    "There is no preset " + name + "; there are " + String.join(", ", ALL.keySet()) + ".");
        }
        return preset;
    }
}
