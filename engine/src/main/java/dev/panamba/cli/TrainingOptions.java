package dev.panamba.cli;

import dev.panamba.model.Presets.Preset;
import dev.panamba.train.Options;
import dev.panamba.train.Schedule;
import dev.panamba.train.Windows;
import java.util.List;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** The options of a training: what is not given comes from the checkpoint that is resumed, else from the preset. */
final class TrainingOptions {
    private static final Opt<Integer> STEPS =
            Opt.integer("steps", "N", "Steps of the whole training; default: the preset's.");
    private static final Opt<Integer> BATCH = Opt.integer("batch", "N", "Sequences of a step; default: the preset's.");
    private static final Opt<Integer> CONTEXT =
            Opt.integer("context", "N", "Tokens of a sequence; default: the preset's.");
    private static final Opt<Integer> MICRO_BATCH = Opt.integer(
            "micro-batch",
            "N",
            "Sequences that go through the network at once; default: all. The gradient is the batch's mean all the same, but"
                    + " what an expert may take, and the balance loss, count within one micro-batch.");
    private static final Opt<Long> SEED = Opt.seed("Of weights and order");
    static final Opt<Double> LR =
            Opt.number("lr", "Highest learning rate; default: the preset's.").within(Double.MIN_VALUE, 1000);
    private static final Opt<Integer> WARMUP = Opt.integer(
                    "warmup-steps", "N", "Steps until it is reached; default: 1 % of the steps.")
            .within(0, Integer.MAX_VALUE);
    private static final Opt<Schedule.Shape> SCHEDULE =
            Opt.oneOf("schedule", "What follows the warm-up; default: the preset's.", null, Schedule.Shape.values());
    private static final Opt<Double> MIN_RATIO = Opt.number(
                    "min-lr-ratio", "Where the cosine ends, as a share of --lr", 0.1)
            .within(0, 1);
    private static final Opt<Double> WEIGHT_DECAY =
            Opt.number("weight-decay", "Decoupled weight decay", 0.1).within(0, 1000);
    private static final Opt<Options.Decay> DECAY =
            Opt.oneOf("decay", "What decays", Options.Decay.ALL, Options.Decay.values());
    private static final Opt<Double> CLIP = Opt.number("clip", "Highest norm of all gradients together", 0.5);
    private static final Opt<Double> BETA1 =
            Opt.number("beta1", "Of the first moment", 0.9).within(0, Math.nextDown(1.0));
    private static final Opt<Double> BETA2 =
            Opt.number("beta2", "Of the second moment", 0.999).within(0, Math.nextDown(1.0));
    private static final Opt<Double> EPS =
            Opt.number("eps", "Beside the root of the second moment", 1e-8).within(1e-20, 1);
    private static final Opt<Windows.Order> ORDER =
            Opt.oneOf("order", "Of the text's windows", Windows.Order.SHUFFLED, Windows.Order.values());
    private static final Opt<Boolean> LAZY_EXPERTS = Opt.flag(
            "lazy-experts",
            "An expert that took no token in a step is left as it is, which spares time: its moments and its weight decay rest"
                    + " until it takes one again, where AdamW's would go on.");

    static final List<Opt<?>> ALL = List.of(
            STEPS,
            BATCH,
            CONTEXT,
            MICRO_BATCH,
            SEED,
            LR,
            WARMUP,
            SCHEDULE,
            MIN_RATIO,
            WEIGHT_DECAY,
            DECAY,
            CLIP,
            BETA1,
            BETA2,
            EPS,
            ORDER,
            LAZY_EXPERTS,
            Shared.COMPUTE);

    /** Those of a command that has several trainings. */
    static final List<Opt<?>> WITHOUT_SEED =
            ALL.stream().filter(option -> option != SEED).toList();

    private final Arguments given;
    private final JsonNode before;

    /**
     * The options of a command.
     *
     * @param given on the command line
     * @param before settings of the checkpoint that is resumed, or null
     */
    TrainingOptions(Arguments given, JsonNode before) {
        this.given = given;
        this.before = before;
    }

    /** All options for a preset, checked. */
    Options resolve(Preset preset) {
        return resolve(preset, or(SEED));
    }

    /** The same with a seed that is no option. */
    Options resolve(Preset preset, long seed) {
        int steps = or(STEPS, preset.steps());
        int batch = or(BATCH, preset.batch());
        var schedule = new Schedule(
                or(LR, preset.lr()),
                or(WARMUP, Math.max(1, steps / 100)),
                steps,
                or(SCHEDULE, preset.decays() ? Schedule.Shape.COSINE : Schedule.Shape.CONSTANT),
                or(MIN_RATIO));
        return new Options(
                steps,
                batch,
                or(CONTEXT, preset.context()),
                or(MICRO_BATCH, batch),
                seed,
                schedule,
                or(WEIGHT_DECAY),
                or(DECAY),
                or(CLIP),
                or(BETA1),
                or(BETA2),
                or(EPS),
                or(ORDER),
                or(LAZY_EXPERTS),
                or(Shared.COMPUTE));
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
        settings.put("schedule", Words.lower(options.schedule().shape()));
        settings.put("min_lr_ratio", options.schedule().minRatio());
        settings.put("weight_decay", options.weightDecay());
        settings.put("decay", Words.lower(options.decay()));
        settings.put("clip", options.clip());
        settings.put("beta1", options.beta1());
        settings.put("beta2", options.beta2());
        settings.put("eps", options.eps());
        settings.put("order", Words.lower(options.order()));
        settings.put("lazy_experts", options.lazyExperts());
        settings.put("compute", Words.lower(options.compute()));
    }

    /**
     * What a resumed training does otherwise than before.
     *
     * @param before settings of its checkpoint
     * @param options from now on
     * @return a phrase for each
     */
    static List<String> changes(JsonNode before, Options options) {
        var now = JsonNodeFactory.instance.objectNode();
        remember(now, options);
        return now.propertyNames().stream()
                .filter(name -> before.has(name)
                        && !before.path(name).asString("").equals(now.path(name).asString("")))
                .map(name -> "--" + name.replace('_', '-') + " "
                        + now.path(name).asString("") + " instead of "
                        + before.path(name).asString(""))
                .toList();
    }

    private <T> T or(Opt<T> option) {
        return or(option, option.otherwise());
    }

    private <T> T or(Opt<T> option, T otherwise) {
        return given.has(option) ? given.get(option) : option.recall(before, otherwise);
    }
}
