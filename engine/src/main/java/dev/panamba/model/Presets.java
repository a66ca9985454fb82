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
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/**
 * Named configurations with the settings they are trained with. {@code paper-*} are the rows of the paper's first version
 * (100,000 steps of 256 sequences of 256 tokens); {@code small-*} and {@code tiny-*} have the same shapes for a laptop and
 * bytes; {@code claim-*}, {@code claim64-*} and {@code claim128-*} are matched as the paper's rows are, with its 32 experts, for
 * its claim about steps at three small widths; {@code mamba-130m} has the published model's shape.
 *
 * <p>Behind one of them: {@code -xN}, the same with N experts; {@code -dropless}, with room for every token at every expert;
 * {@code -unbalanced}, also without the balance loss.
 */
public final class Presets {
    private static final int CONTEXT = 256;
    private static final int CLAIM_STEPS = 3_662;
    /** The paper's ablation, and one more. */
    private static final int[] EXPERTS = {1, 4, 8, 16, 32, 64};

    private static final String DROPLESS = "-dropless";

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
     * @param decays whether the learning rate falls behind the warm-up
     */
    public record Preset(String name, Config config, int context, int batch, int steps, double lr, boolean decays) {
        /**
         * The same for another tokenizer.
         *
         * @param vocabulary its number of ids
         * @return a preset
         */
        public Preset withVocabulary(int vocabulary) {
            return as(name, config.withVocabulary(vocabulary));
        }

        private Preset as(String other, Config changed) {
            return new Preset(other, changed, context, batch, steps, lr, decays);
        }

        /**
         * The same for a shorter or longer training.
         *
         * @param number of steps
         * @return a preset
         */
        public Preset withSteps(int number) {
            return new Preset(name, config, context, batch, number, lr, decays);
        }

        /**
         * The same at another speed.
         *
         * @param rate the highest learning rate
         * @return a preset
         */
        public Preset withLr(double rate) {
            return new Preset(name, config, context, batch, steps, rate, decays);
        }
    }

    static {
        var paper = new Sizes(50257, 512, 8, 8, 2048, 1536, 32, 256);
        var small = new Sizes(256, 128, 4, 4, 512, 384, 16, 256);
        var tiny = new Sizes(256, 64, 2, 4, 256, 192, 8, 256);
        families("paper", paper, 256, 100_000, 1e-3, true);
        families("small", small, 32, 2_000, 2e-3, true);
        families("tiny", tiny, 16, 600, 4e-3, true);
        claim("claim", 32, 2, 2, 3e-3);
        claim("claim64", 64, 3, 4, 2e-3);
        claim("claim128", 128, 4, 4, 1e-3);
        var mixer = new Mamba(1536, 16, 4, 48, false, true);
        var published =
                new Config(50280, 768, 24, mixer, new None(), false, Norm.RMS, 1e-5, true, true, Position.NONE, 0);
        ALL.put("mamba-130m", new Preset("mamba-130m", published, CONTEXT, 4, 1_000, 6e-4, true));
    }

    private record Sizes(int V, int D, int pairs, int H, int attentionF, int mambaF, int X, int positions) {
        Mamba mamba() {
            return new Mamba(2 * D, 16, 4, Math.ceilDiv(D, 16), false, true);
        }

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

    /** The paper's ratios; 30 million tokens, and the constant rate that its curves look like. */
    private static void claim(String size, int D, int pairs, int H, double lr) {
        var sizes = new Sizes(256, D, pairs, H, 4 * D, 3 * D, 32, CONTEXT);
        families(size, sizes, 32, CLAIM_STEPS, lr, false);
        for (int X : EXPERTS) {
            variant(size + "-moe-mamba-x" + X, sizes, new Switch(X, 3 * D, 1.0, 0.01), lr);
        }
        variant(size + "-moe-mamba-unbalanced", sizes, new Switch(32, 3 * D, 32.0, 0.0), lr);
    }

    private static void variant(String name, Sizes sizes, Switch experts, double lr) {
        var config = sizes.config(sizes.mamba(), experts, false);
        ALL.put(name, new Preset(name, config, CONTEXT, 32, CLAIM_STEPS, lr, false));
    }

    private static void families(String size, Sizes s, int batch, int steps, double lr, boolean decays) {
        var mamba = s.mamba();
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
            ALL.put(name, new Preset(name, config, CONTEXT, batch, steps, lr, decays));
        }
    }

    /**
     * All presets, but for those that another one with {@code -dropless} behind it makes.
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
        var preset = name.endsWith(DROPLESS) ? dropless(name) : ALL.get(name);
        if (preset == null) {
            throw new IllegalArgumentException("There is no preset " + name + "; there are "
                    + String.join(", ", names()) + ", and " + DROPLESS + " behind those with experts.");
        }
        return preset;
    }

    private static Preset dropless(String name) {
        var preset = ALL.get(name.substring(0, name.length() - DROPLESS.length()));
        if (preset == null || !(preset.config.mlp() instanceof Switch s)) {
            return null;
        }
        // A capacity of all tokens drops none.
        return preset.as(name, preset.config.withMlp(new Switch(s.X(), s.F(), s.X(), s.auxLoss())));
    }

    /** The names of one size in one word each, since all in full would fill the screen. */
    private static Iterable<String> names() {
        var sizes = new LinkedHashMap<String, List<String>>();
        for (var name : ALL.keySet()) {
            int dash = name.indexOf('-');
            sizes.computeIfAbsent(name.substring(0, dash), _ -> new ArrayList<>())
                    .add(name.substring(dash + 1));
        }
        var names = new ArrayList<String>();
        sizes.forEach((size, rest) -> names.add(
                rest.size() == 1 ? size + "-" + rest.getFirst() : size + "-{" + String.join(",", rest) + "}"));
        return names;
    }
}
