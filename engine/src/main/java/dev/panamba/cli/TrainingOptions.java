package dev.panamba.cli;

import dev.panamba.model.Presets.Preset;
import dev.panamba.train.Options;
import dev.panamba.train.Schedule;
import dev.panamba.train.Windows;
import java.util.Locale;
import java.util.function.Function;
import picocli.CommandLine.Option;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** The options of a training: what is not given comes from the checkpoint that is resumed, else from the preset. */
final class TrainingOptions {
    @Option(names = "--steps", description = "Steps of the whole training; default: the preset's.")
    private Integer steps;

    @Option(names = "--batch", description = "Sequences of a step; default: the preset's.")
    private Integer batch;

    @Option(names = "--context", description = "Tokens of a sequence; default: the preset's.")
    private Integer context;

    @Option(
            names = "--micro-batch",
            description = "Sequences that go through the network at once; default: all. Experts' capacity is theirs.")
    private Integer microBatch;

    @Option(names = "--seed", description = "Of weights and order; default: 1.")
    private Long seed;

    @Option(names = "--lr", description = "Highest learning rate; default: the preset's.")
    private Double lr;

    @Option(names = "--warmup-steps", description = "Steps until it is reached; default: 1 %% of the steps.")
    private Integer warmup;

    @Option(names = "--schedule", description = "constant or cosine; default: cosine.")
    private Schedule.Shape schedule;

    @Option(names = "--min-lr-ratio", description = "Where the cosine ends, as a share of --lr; default: 0.1.")
    private Double minRatio;

    @Option(names = "--weight-decay", description = "Decoupled weight decay; default: 0.1.")
    private Double weightDecay;

    @Option(names = "--decay", description = "What decays, all or matrices; default: all.")
    private Options.Decay decay;

    @Option(names = "--clip", description = "Highest norm of all gradients together; default: 0.5.")
    private Double clip;

    @Option(names = "--beta1", description = "Of the first moment; default: 0.9.")
    private Double beta1;

    @Option(names = "--beta2", description = "Of the second moment; default: 0.999.")
    private Double beta2;

    @Option(names = "--eps", description = "Beside the root of the second moment; default: 1e-8.")
    private Double eps;

    @Option(names = "--order", description = "Of the text's windows, shuffled or sequential; default: shuffled.")
    private Windows.Order order;

    /**
     * All options.
     *
     * @param preset what is trained
     * @param before settings of the checkpoint that is resumed, or null
     * @return checked options
     */
    Options resolve(Preset preset, JsonNode before) {
        int steps = or(this.steps, before, "steps", JsonNode::asInt, preset.steps());
        int batch = or(this.batch, before, "batch", JsonNode::asInt, preset.batch());
        double lr = or(this.lr, before, "lr", JsonNode::asDouble, preset.lr());
        int warmup = or(this.warmup, before, "warmup_steps", JsonNode::asInt, Math.max(1, steps / 100));
        var schedule = new Schedule(
                lr,
                warmup,
                steps,
                or(this.schedule, before, "schedule", n -> of(Schedule.Shape.class, n), Schedule.Shape.COSINE),
                or(minRatio, before, "min_lr_ratio", JsonNode::asDouble, 0.1));
        return new Options(
                steps,
                batch,
                or(context, before, "context", JsonNode::asInt, preset.context()),
                or(microBatch, before, "micro_batch", JsonNode::asInt, batch),
                or(seed, before, "seed", JsonNode::asLong, 1L),
                schedule,
                or(weightDecay, before, "weight_decay", JsonNode::asDouble, 0.1),
                or(decay, before, "decay", n -> of(Options.Decay.class, n), Options.Decay.ALL),
                or(clip, before, "clip", JsonNode::asDouble, 0.5),
                or(beta1, before, "beta1", JsonNode::asDouble, 0.9),
                or(beta2, before, "beta2", JsonNode::asDouble, 0.999),
                or(eps, before, "eps", JsonNode::asDouble, 1e-8),
                or(order, before, "order", n -> of(Windows.Order.class, n), Windows.Order.SHUFFLED));
    }

    /** Writes what {@link #resolve} reads. */
    static void remember(ObjectNode settings, Options options) {
        settings.put("steps", options.steps());
        settings.put("batch", options.batch());
        settings.put("context", options.context());
        settings.put("micro_batch", options.microBatch());
        settings.put("seed", options.seed());
        settings.put("lr", options.schedule().lr());
        settings.put("warmup_steps", options.schedule().warmup());
        settings.put("schedule", name(options.schedule().shape()));
        settings.put("min_lr_ratio", options.schedule().minRatio());
        settings.put("weight_decay", options.weightDecay());
        settings.put("decay", name(options.decay()));
        settings.put("clip", options.clip());
        settings.put("beta1", options.beta1());
        settings.put("beta2", options.beta2());
        settings.put("eps", options.eps());
        settings.put("order", name(options.order()));
    }

    private static <T> T or(T given, JsonNode before, String name, Function<JsonNode, T> read, T otherwise) {
        if (given != null) {
            return given;
        }
        return before != null && before.has(name) ? read.apply(before.path(name)) : otherwise;
    }

    private static <E extends Enum<E>> E of(Class<E> type, JsonNode name) {
        return Enum.valueOf(type, name.asString().toUpperCase(Locale.ROOT));
    }

    private static String name(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT);
    }
}
