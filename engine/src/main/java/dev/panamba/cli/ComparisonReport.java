package dev.panamba.cli;

import dev.panamba.io.AtomicFiles;
import dev.panamba.model.ModelFiles;
import dev.panamba.model.Size;
import dev.panamba.train.Checkpoint;
import dev.panamba.train.Curve;
import dev.panamba.train.History;
import dev.panamba.train.SpeedUp;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.function.Function;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * What came of the trainings of a comparison that have come to their end.
 *
 * @param folder of the comparison
 * @param plan of it
 * @param rows of the presets that have such a training; the first is the baseline's if that has one
 */
record ComparisonReport(Path folder, ComparePlan plan, List<Row> rows) {
    static final String MARKDOWN = "report.md";
    private static final String JSON = "report.json";

    /**
     * One preset.
     *
     * @param name of the preset
     * @param size of its model
     * @param lr its learning rate
     * @param trained by seed
     */
    record Row(String name, Size size, double lr, List<Trained> trained) {}

    /**
     * One training.
     *
     * @param seed of weights and order
     * @param directory where it is
     * @param history of its losses
     * @param speedUp over the baseline of the same seed; null for the baseline itself and where that has not come to its end
     */
    record Trained(long seed, Path directory, History history, SpeedUp speedUp) {}

    /** The directory of a training. */
    static Path directory(Path folder, String preset, long seed) {
        return folder.resolve(preset).resolve("seed-" + seed);
    }

    /** Reads what there is. */
    static ComparisonReport of(Path folder, ComparePlan plan) throws IOException {
        var rows = new ArrayList<Row>();
        for (var name : plan.presets()) {
            row(folder, plan, name, rows.isEmpty() ? null : rows.getFirst()).ifPresent(rows::add);
        }
        return new ComparisonReport(folder, plan, rows);
    }

    private static Optional<Row> row(Path folder, ComparePlan plan, String name, Row first) throws IOException {
        var finished = plan.seeds().stream()
                .filter(seed -> Files.exists(directory(folder, name, seed).resolve(PresetTraining.ROUTING)))
                .toList();
        if (finished.isEmpty()) {
            return Optional.empty();
        }
        var checkpoint =
                Checkpoint.latest(directory(folder, name, finished.getFirst())).orElseThrow();
        int context = plan.settings().path("context").asInt();
        long tokens = (long) context * plan.settings().path("batch").asInt();
        var size = Size.of(ModelFiles.config(checkpoint.directory()), context);
        var baseline = first != null && first.name.equals(plan.presets().getFirst()) ? first : null;
        var trained = new ArrayList<Trained>();
        for (long seed : finished) {
            var directory = directory(folder, name, seed);
            var history = History.read(directory, tokens);
            var speedUp = baseline == null
                    ? null
                    : baseline.trained.stream()
                            .filter(same -> same.seed == seed)
                            .findFirst()
                            .map(same -> SpeedUp.of(
                                    same.history, history, plan.smoothing(), size.flops() / baseline.size.flops()))
                            .orElse(null);
            trained.add(new Trained(seed, directory, history, speedUp));
        }
        return Optional.of(new Row(name, size, checkpoint.settings().path("lr").asDouble(), trained));
    }

    double loss(Trained trained) {
        return Curve.smoothed(trained.history.loss(), plan.smoothing()).last();
    }

    /**
     * Writes {@code report.md} and {@code report.json}.
     *
     * @param pictures that the first is to show
     */
    void write(List<Path> pictures) throws IOException {
        AtomicFiles.file(folder.resolve(JSON), AtomicFiles.Content.of(json().toPrettyString() + "\n"));
        AtomicFiles.file(folder.resolve(MARKDOWN), AtomicFiles.Content.of(markdown(pictures)));
    }

    private String markdown(List<Path> pictures) {
        var settings = plan.settings();
        return """
                # How much sooner %s's loss is reached

                %s

                Trained for %s steps of %s sequences of %s tokens, the same in the same order for all; seeds %s. Mean [lowest - highest]
                over the seeds. Active parameters count the embedding whole. Work is that of matrix products and attention, forward, for
                one token; backward is about twice that for each.

                The loss is the exponential moving average of the training's cross entropy, in nats per token, with factor %s and Adam's
                correction for its start. A speed-up is the baseline's steps, seconds or floating-point operations by those of the other
                model until its loss first came down to the baseline's last, with a straight line between two steps; between trainings of
                the same seed. Held out is measured without dropping: the loss at the end on the whole text, the speed-up on a sample
                that was measured along the way.

                %s""".formatted(
                plan.presets().getFirst(),
                table(),
                settings.path("steps").asInt(),
                settings.path("batch").asInt(),
                settings.path("context").asInt(),
                String.join(", ", plan.seeds().stream().map(String::valueOf).toList()),
                plan.smoothing(),
                String.join("", pictures.stream().map(ComparisonReport::image).toList()));
    }

    private static String image(Path picture) {
        var file = picture.getFileName().toString();
        return "![" + file.replaceFirst("[.]png$", "").replace('-', ' ') + "](" + file + ")\n";
    }

    /** The table in Markdown. */
    String table() {
        var text = new StringBuilder("""
                | preset | parameters | active | MFLOP/token | lr | loss | held out | steps to the baseline's loss | speed-up over steps | over seconds | over FLOPs | held out, over steps |
                |---|---|---|---|---|---|---|---|---|---|---|---|
                """);
        for (var row : rows) {
            var cells = List.of(
                    row.name,
                    "%,d".formatted(row.size.parameters()),
                    "%,d".formatted(row.size.active()),
                    "%.3f".formatted(row.size.flops() / 1e6),
                    String.valueOf(row.lr),
                    Spread.of(row.trained.stream().map(t -> OptionalDouble.of(loss(t))))
                            .words("%.4f"),
                    Spread.of(row.trained.stream().map(t -> t.history.whole())).words("%.4f"),
                    spread(row, SpeedUp::reached).words("%,.0f"),
                    spread(row, SpeedUp::steps).words("%.2f"),
                    spread(row, SpeedUp::seconds).words("%.2f"),
                    spread(row, SpeedUp::flops).words("%.2f"),
                    spread(row, SpeedUp::heldOut).words("%.2f"));
            text.append("| ").append(String.join(" | ", cells)).append(" |\n");
        }
        return text.toString().stripTrailing();
    }

    private static Spread spread(Row row, Function<SpeedUp, OptionalDouble> of) {
        return Spread.of(row.trained.stream()
                .map(Trained::speedUp)
                .filter(s -> s != null)
                .map(of));
    }

    /**
     * Mean, lowest and highest of those values that there are.
     *
     * @param known how many there are
     * @param all how many there could be
     */
    private record Spread(double mean, double least, double most, long known, long all) {
        static Spread of(Stream<OptionalDouble> values) {
            var list = values.toList();
            var known = list.stream()
                    .filter(OptionalDouble::isPresent)
                    .mapToDouble(OptionalDouble::getAsDouble)
                    .summaryStatistics();
            return new Spread(known.getAverage(), known.getMin(), known.getMax(), known.getCount(), list.size());
        }

        String words(String format) {
            if (known == 0) {
                return all == 0 ? "" : "not reached";
            }
            var mean = String.format(Locale.ROOT, format, this.mean);
            var range = String.format(Locale.ROOT, " [" + format + " - " + format + "]", least, most);
            return mean + (all > 1 ? range : "") + (known < all ? ", " + known + " of " + all : "");
        }

        JsonNode json() {
            if (known == 0) {
                return JsonNodeFactory.instance.nullNode();
            }
            var json = JsonNodeFactory.instance.objectNode();
            return json.put("mean", mean)
                    .put("min", least)
                    .put("max", most)
                    .put("reached", known)
                    .put("seeds", all);
        }
    }

    /** All as JSON. */
    ObjectNode json() {
        var json = JsonNodeFactory.instance.objectNode();
        json.put("baseline", plan.presets().getFirst());
        json.put("smoothing", plan.smoothing());
        json.set("settings", plan.settings());
        var presets = json.putArray("presets");
        for (var row : rows) {
            var preset = presets.addObject();
            preset.put("preset", row.name);
            preset.put("parameters", row.size.parameters());
            preset.put("active", row.size.active());
            preset.put("flops", Math.round(row.size.flops()));
            preset.put("lr", row.lr);
            var speedUp = preset.putObject("speed_up");
            speedUp.set("steps", spread(row, SpeedUp::steps).json());
            speedUp.set("seconds", spread(row, SpeedUp::seconds).json());
            speedUp.set("flops", spread(row, SpeedUp::flops).json());
            speedUp.set("held_out", spread(row, SpeedUp::heldOut).json());
            var seeds = preset.putArray("seeds");
            row.trained.forEach(trained -> json(seeds.addObject(), trained));
        }
        return json;
    }

    private void json(ObjectNode json, Trained trained) {
        json.put("seed", trained.seed);
        json.put("loss", loss(trained));
        put(json, "held_out", trained.history.whole());
        json.put("seconds", trained.history.secondsTo(trained.history.steps()));
        if (trained.speedUp != null) {
            json.put("level", trained.speedUp.level());
            put(json, "steps_to_level", trained.speedUp.reached());
            var speedUp = json.putObject("speed_up");
            put(speedUp, "steps", trained.speedUp.steps());
            put(speedUp, "seconds", trained.speedUp.seconds());
            put(speedUp, "flops", trained.speedUp.flops());
            put(speedUp, "held_out", trained.speedUp.heldOut());
        }
    }

    private static void put(ObjectNode json, String name, OptionalDouble value) {
        if (value.isPresent()) {
            json.put(name, value.getAsDouble());
        } else {
            json.putNull(name);
        }
    }
}
