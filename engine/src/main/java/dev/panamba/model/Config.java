package dev.panamba.model;

/**
 * What a model is. The six families are combinations of a mixer, what follows it, and whether both stand side by side.
 *
 * @param V vocabulary
 * @param D width
 * @param blocks Mamba layers where nothing follows the mixer, otherwise pairs of a mixer and what follows
 * @param mixer what moves information along the sequence
 * @param mlp what follows it in a block
 * @param parallel whether both read one norm's output and are added at once
 * @param norm which normalisation
 * @param normEps added to the variance or mean square
 * @param finalNorm whether a norm stands before the head
 * @param tieEmbeddings whether the head is the embedding
 * @param position how tokens know where they are
 * @param maxPositions tokens that a sequence can have where positions or caches limit it, 0 where nothing does
 */
public record Config(
        int V,
        int D,
        int blocks,
        Mixer mixer,
        Mlp mlp,
        boolean parallel,
        Norm norm,
        double normEps,
        boolean finalNorm,
        boolean tieEmbeddings,
        Position position,
        int maxPositions) {

    /** What moves information along the sequence. */
    public sealed interface Mixer {}

    /**
     * The selective state space layer.
     *
     * @param E inner width
     * @param N state size
     * @param K convolution width
     * @param R rank of delta's projection
     * @param projectionBias whether in_proj and out_proj have biases
     * @param convBias whether the convolution has one
     */
    public record Mamba(int E, int N, int K, int R, boolean projectionBias, boolean convBias) implements Mixer {
        /** Checks sizes. */
        public Mamba {
            atLeast(1, E, "expand * hidden_size");
            within(1, N, 256, "state_size");
            within(1, K, 16, "conv_kernel");
            atLeast(1, R, "time_step_rank");
        }
    }

    /**
     * Causal attention.
     *
     * @param H heads
     */
    public record Attention(int H) implements Mixer {
        /** Checks sizes. */
        public Attention {
            atLeast(1, H, "num_heads");
        }
    }

    /** What follows the mixer. */
    public sealed interface Mlp {}

    /** Nothing. */
    public record None() implements Mlp {}

    /**
     * A dense feed-forward layer.
     *
     * @param F inner width
     */
    public record Dense(int F) implements Mlp {
        /** Checks sizes. */
        public Dense {
            atLeast(1, F, "intermediate_size");
        }
    }

    /**
     * A Switch layer.
     *
     * @param X experts
     * @param F width of one
     * @param capacityFactor share of an even load that an expert takes in training
     * @param auxLoss weight of the balance loss
     */
    public record Switch(int X, int F, double capacityFactor, double auxLoss) implements Mlp {
        /** Checks sizes. */
        public Switch {
            atLeast(1, X, "num_experts");
            atLeast(1, F, "expert_size");
            finite(capacityFactor, "capacity_factor");
            finite(auxLoss, "aux_loss");
        }
    }

    /** Which normalisation. */
    public enum Norm {
        /** LayerNorm with bias. */
        LAYER,
        /** RMSNorm. */
        RMS
    }

    /** How tokens know where they are. */
    public enum Position {
        /** From the order of the recurrence alone. */
        NONE,
        /** A learned vector for each position. */
        LEARNED,
        /** Rotated queries and keys. */
        ROPE
    }

    /** Checks sizes and combinations. */
    public Config {
        atLeast(1, V, "vocab_size");
        atLeast(1, D, "hidden_size");
        within(1, blocks, 10_000, "num_blocks");
        finite(normEps, "norm_eps");
        if (mixer instanceof Attention(var H)) {
            if (D % H != 0 || D / H > 256) {
                throw new IllegalArgumentException("hidden_size " + D + " does not divide into num_heads " + H
                        + " heads of at most 256: choose another number of heads.");
            }
            if (position == Position.ROPE && D / H % 2 != 0) {
                throw new IllegalArgumentException(
                        "Rotary positions need heads of an even width, not " + D / H + ": choose another num_heads.");
            }
            atLeast(1, maxPositions, "max_positions (attention has a cache of that many tokens)");
            if (parallel) {
                throw new IllegalArgumentException("Parallel blocks have a Mamba mixer, not attention.");
            }
        } else if (position == Position.ROPE) {
            throw new IllegalArgumentException("Rotary positions need attention; a Mamba mixer has nothing to rotate.");
        }
        if (position == Position.LEARNED) {
            atLeast(1, maxPositions, "max_positions (learned positions are that many)");
        }
        if (parallel && !(mlp instanceof Switch)) {
            throw new IllegalArgumentException("Parallel blocks have a Switch layer beside the mixer.");
        }
    }

    /**
     * The name of this combination in files and presets.
     *
     * @return one of the six families
     */
    public String family() {
        return switch (mixer) {
            case Mamba _ ->
                switch (mlp) {
                    case None _ -> "mamba";
                    case Dense _ -> "mamba-mlp";
                    case Switch _ -> parallel ? "parallel-moe-mamba" : "moe-mamba";
                };
            case Attention _ ->
                switch (mlp) {
                    case None _ -> "attention";
                    case Dense _ -> "transformer";
                    case Switch _ -> "transformer-moe";
                };
        };
    }

    /**
     * Whether the state of a session has the same size at every length.
     *
     * @return true for the Mamba families
     */
    public boolean constantState() {
        return mixer instanceof Mamba;
    }

    /**
     * The longest sequence.
     *
     * @return tokens
     */
    public int longest() {
        return constantState() && position == Position.NONE ? Integer.MAX_VALUE : maxPositions;
    }

    /**
     * The same with another second half of its blocks.
     *
     * @param other behind or beside the mixer
     * @return a configuration
     */
    public Config withMlp(Mlp other) {
        return new Config(
                V, D, blocks, mixer, other, parallel, norm, normEps, finalNorm, tieEmbeddings, position, maxPositions);
    }

    /**
     * The same with another vocabulary.
     *
     * @param vocabulary of the tokenizer that the model is for
     * @return a configuration
     */
    public Config withVocabulary(int vocabulary) {
        return new Config(
                vocabulary,
                D,
                blocks,
                mixer,
                mlp,
                parallel,
                norm,
                normEps,
                finalNorm,
                tieEmbeddings,
                position,
                maxPositions);
    }

    private static void atLeast(int least, int value, String name) {
        if (value < least) {
            throw new IllegalArgumentException(name + " is " + value + " and must be at least " + least + ".");
        }
    }

    private static void within(int least, int value, int most, String name) {
        if (value < least || value > most) {
            throw new IllegalArgumentException(name + " is " + value + " and must be " + least + " to " + most + ".");
        }
    }

    private static void finite(double value, String name) {
        if (!(value >= 0 && value < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException(name + " is " + value + " and must be a number of at least 0.");
        }
    }
}
