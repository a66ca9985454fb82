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
import dev.panamba.tensor.DType;
import java.util.Locale;
import java.util.Map;
import java.util.function.Supplier;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * {@code config.json}: Panamba's own for the paper's families, Hugging Face's for {@code model_type: mamba}, and the one of
 * state-spaces/mamba, which has no model type.
 */
public final class ConfigFile {
    private static final String STATE_SPACES = "state-spaces";
    private static final int MOST_SHOWN = 80;

    // Where others name what Config has.
    private static final Map<String, String> HUGGING_FACE =
            Map.of("num_blocks", "num_hidden_layers", "norm_eps", "layer_norm_epsilon");
    private static final Map<String, String> STATE_SPACES_NAMES = Map.of(
            "num_blocks", "n_layer",
            "hidden_size", "d_model",
            "expand * hidden_size", "expand * d_model",
            "state_size", "d_state",
            "conv_kernel", "d_conv",
            "time_step_rank", "dt_rank");

    private final JsonNode json;

    private ConfigFile(JsonNode json) {
        this.json = json;
    }

    /**
     * Reads a configuration.
     *
     * @param json the file's content
     * @return the model that it describes
     * @throws IllegalArgumentException naming the field that is missing, of another type, or not supported
     */
    public static Config read(JsonNode json) {
        var file = new ConfigFile(json);
        if (!json.isObject()) {
            throw new IllegalArgumentException("it holds no JSON object, and a configuration is one.");
        }
        var type = file.text("model_type", json.has("d_model") && json.has("n_layer") ? STATE_SPACES : "");
        return switch (type) {
            case STATE_SPACES -> named(STATE_SPACES_NAMES, file::stateSpaces);
            case "panamba" -> file.panamba();
            case "mamba" -> named(HUGGING_FACE, file::huggingFaceMamba);
            default ->
                throw new IllegalArgumentException("model_type is \"" + type
                        + "\"; Panamba reads \"panamba\" (its own families), \"mamba\" (Hugging Face's),"
                        + " and the config of state-spaces/mamba, which has d_model and n_layer.");
        };
    }

    /** Refusals of {@link Config} speak of Panamba's fields, and whoever has another's file looks for that one's. */
    private static Config named(Map<String, String> names, Supplier<Config> read) {
        try {
            return read.get();
        } catch (IllegalArgumentException e) {
            for (var name : names.entrySet()) {
                if (e.getMessage().startsWith(name.getKey() + " is ")) {
                    var rest = e.getMessage().substring(name.getKey().length());
                    throw new IllegalArgumentException(name.getValue() + rest, e);
                }
            }
            throw e;
        }
    }

    private Config panamba() {
        var family = text("family", null);
        int D = integer("hidden_size", null);
        var attention = family.startsWith("transformer");
        Mixer mixer = attention
                ? new Attention(integer("num_heads", null))
                : mamba(D, flag("use_bias", false), flag("use_conv_bias", true));
        Mlp mlp = switch (family) {
            case "mamba" -> new None();
            case "mamba-mlp", "transformer" -> new Dense(integer("intermediate_size", null));
            case "moe-mamba", "transformer-moe", "parallel-moe-mamba" ->
                new Switch(
                        integer("num_experts", null),
                        integer("expert_size", null),
                        number("capacity_factor", 1.0),
                        number("aux_loss", 0.01));
            default -> throw new IllegalArgumentException("There is no family \"" + family + "\".");
        };
        return new Config(
                integer("vocab_size", null),
                D,
                integer("num_blocks", null),
                mixer,
                mlp,
                family.startsWith("parallel"),
                oneOf(Norm.class, "norm", "layer"),
                number("norm_eps", 1e-5),
                flag("final_norm", false),
                flag("tie_embeddings", false),
                oneOf(Position.class, "position", attention ? "learned" : "none"),
                integer("max_positions", 0));
    }

    private Config huggingFaceMamba() {
        int D = integer("hidden_size", null);
        var act = text("hidden_act", "silu");
        // One function of two names.
        if (!act.equals("silu") && !act.equals("swish")) {
            throw new IllegalArgumentException(
                    "hidden_act is \"" + act + "\"; Panamba's Mamba has \"silu\", which is \"swish\" too, only.");
        }
        // Residuals are F32 here whatever this says, and so is all that is computed.
        flag("residual_in_fp32", true);
        return new Config(
                integer("vocab_size", null),
                D,
                integer("num_hidden_layers", null),
                mamba(D, flag("use_bias", false), flag("use_conv_bias", true)),
                new None(),
                false,
                Norm.RMS,
                number("layer_norm_epsilon", 1e-5),
                true,
                flag("tie_word_embeddings", true),
                Position.NONE,
                0);
    }

    /** What state-spaces/mamba's MambaLMHeadModel reads: its vocabulary is padded, and its norms have the default eps. */
    private Config stateSpaces() {
        int D = integer("d_model", null);
        var layers = new ConfigFile(json.has("ssm_cfg") ? json.get("ssm_cfg") : JsonNodeFactory.instance.objectNode());
        var layer = layers.text("layer", "Mamba1");
        if (!layer.equals("Mamba1")) {
            throw new IllegalArgumentException("ssm_cfg has layer \"" + layer + "\"; Panamba has \"Mamba1\" only.");
        }
        if (integer("d_intermediate", 0) != 0 || !json.path("attn_layer_idx").isEmpty()) {
            throw new IllegalArgumentException(
                    "d_intermediate or attn_layer_idx asks for layers other than Mamba's, which Panamba reads in its own"
                            + " families only.");
        }
        flag("residual_in_fp32", true);
        int multiple = integer("pad_vocab_size_multiple", 8);
        if (multiple < 1) {
            throw new IllegalArgumentException("pad_vocab_size_multiple is " + multiple + " and must be at least 1.");
        }
        long padded = Math.ceilDiv((long) integer("vocab_size", null), multiple) * multiple;
        if (padded > Integer.MAX_VALUE) {
            throw new IllegalArgumentException("vocab_size, padded to a multiple of " + multiple + ", is too large.");
        }
        return new Config(
                (int) padded,
                D,
                integer("n_layer", null),
                layers.mamba(
                        D, "d_state", "d_conv", "dt_rank", layers.flag("bias", false), layers.flag("conv_bias", true)),
                new None(),
                false,
                flag("rms_norm", true) ? Norm.RMS : Norm.LAYER,
                1e-5,
                true,
                flag("tie_embeddings", true),
                Position.NONE,
                0);
    }

    private Mamba mamba(int D, boolean projectionBias, boolean convBias) {
        return mamba(D, "state_size", "conv_kernel", "time_step_rank", projectionBias, convBias);
    }

    private Mamba mamba(int D, String n, String k, String r, boolean projectionBias, boolean convBias) {
        // Room for the rounding of a ratio that is no binary fraction.
        double E = number("expand", 2.0) * D + 1e-6;
        if (E > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(
                    "expand * hidden_size is " + E + " and must be at most " + Integer.MAX_VALUE + ".");
        }
        var auto = !json.has(r) || json.get(r).isString() && text(r, null).equals("auto");
        int R = auto ? Math.ceilDiv(D, 16) : integer(r, null);
        return new Mamba((int) E, integer(n, 16), integer(k, 4), R, projectionBias, convBias);
    }

    /**
     * Writes a configuration.
     *
     * @param config any model
     * @param type of the weights beside it
     * @return the file's content; Hugging Face's where the model is one of theirs
     */
    public static ObjectNode write(Config config, DType type) {
        var json = JsonNodeFactory.instance.objectNode();
        if (isHuggingFaceMamba(config)) {
            json.put("model_type", "mamba");
            json.putArray("architectures").add("MambaForCausalLM");
            json.put("vocab_size", config.V());
            json.put("hidden_size", config.D());
            json.put("num_hidden_layers", config.blocks());
            var mamba = (Mamba) config.mixer();
            putMamba(json, config.D(), mamba);
            json.put("intermediate_size", mamba.E());
            json.put("hidden_act", "silu");
            json.put("layer_norm_epsilon", config.normEps());
            json.put("residual_in_fp32", true);
            json.put("tie_word_embeddings", config.tieEmbeddings());
            json.put(
                    "dtype",
                    switch (type) {
                        case BF16 -> "bfloat16";
                        case F16 -> "float16";
                        case INT8 -> "int8";
                        case INT4 -> "int4";
                        default -> "float32";
                    });
            return json;
        }
        json.put("model_type", "panamba");
        json.put("family", config.family());
        json.put("vocab_size", config.V());
        json.put("hidden_size", config.D());
        json.put("num_blocks", config.blocks());
        switch (config.mixer()) {
            case Mamba mamba -> putMamba(json, config.D(), mamba);
            case Attention(var H) -> json.put("num_heads", H);
        }
        switch (config.mlp()) {
            case None _ -> {}
            case Dense(var F) -> json.put("intermediate_size", F);
            case Switch(var X, var F, var capacityFactor, var auxLoss) -> {
                json.put("num_experts", X);
                json.put("expert_size", F);
                json.put("capacity_factor", capacityFactor);
                json.put("aux_loss", auxLoss);
            }
        }
        json.put("norm", config.norm().name().toLowerCase(Locale.ROOT));
        json.put("norm_eps", config.normEps());
        json.put("final_norm", config.finalNorm());
        json.put("tie_embeddings", config.tieEmbeddings());
        json.put("position", config.position().name().toLowerCase(Locale.ROOT));
        json.put("max_positions", config.maxPositions());
        return json;
    }

    /**
     * Whether transformers' {@code MambaForCausalLM} is this model.
     *
     * @param config any model
     * @return true for Mamba layers with RMSNorm and a final norm
     */
    public static boolean isHuggingFaceMamba(Config config) {
        return config.family().equals("mamba")
                && config.norm() == Norm.RMS
                && config.finalNorm()
                && config.position() == Position.NONE;
    }

    private static void putMamba(ObjectNode json, int D, Mamba mamba) {
        json.put("state_size", mamba.N());
        json.put("conv_kernel", mamba.K());
        var expand = (double) mamba.E() / D;
        if (expand == Math.rint(expand)) {
            json.put("expand", (int) expand);
        } else {
            json.put("expand", expand);
        }
        json.put("time_step_rank", mamba.R());
        json.put("use_bias", mamba.projectionBias());
        json.put("use_conv_bias", mamba.convBias());
    }

    private int integer(String field, Integer otherwise) {
        var node = json.get(field);
        if (node == null && otherwise != null) {
            return otherwise;
        }
        if (node == null || !node.isIntegralNumber() || !node.canConvertToInt()) {
            throw wrong(field, "a whole number", node);
        }
        return node.intValue();
    }

    private double number(String field, double otherwise) {
        var node = json.get(field);
        if (node == null) {
            return otherwise;
        }
        if (!node.isNumber() || !Double.isFinite(node.doubleValue())) {
            throw wrong(field, "a number", node);
        }
        return node.doubleValue();
    }

    private boolean flag(String field, boolean otherwise) {
        var node = json.get(field);
        if (node == null) {
            return otherwise;
        }
        if (!node.isBoolean()) {
            throw wrong(field, "true or false", node);
        }
        return node.booleanValue();
    }

    private String text(String field, String otherwise) {
        var node = json.get(field);
        if (node == null && otherwise != null) {
            return otherwise;
        }
        if (node == null || !node.isString()) {
            throw wrong(field, "a text", node);
        }
        return node.stringValue();
    }

    private <E extends Enum<E>> E oneOf(Class<E> type, String field, String otherwise) {
        var text = text(field, otherwise);
        for (var constant : type.getEnumConstants()) {
            if (constant.name().toLowerCase(Locale.ROOT).equals(text)) {
                return constant;
            }
        }
        throw new IllegalArgumentException(field + " is \"" + text + "\", which Panamba does not have.");
    }

    /** A file's content in a sentence: not more than a line of it. */
    private static String shown(JsonNode node) {
        var text = node.toString();
        return text.length() <= MOST_SHOWN ? text : text.substring(0, MOST_SHOWN) + "...";
    }

    private static IllegalArgumentException wrong(String field, String wanted, JsonNode node) {
        return new IllegalArgumentException(
                node == null ? field + " is missing." : field + " is " + shown(node) + " and must be " + wanted + ".");
    }
}
