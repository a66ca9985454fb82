package dev.panamba.cli;

import dev.panamba.io.AtomicFiles;
import dev.panamba.io.WeightFiles;
import dev.panamba.model.Presets.Preset;
import dev.panamba.train.Curve;
import dev.panamba.train.History;
import dev.panamba.train.Options;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.JsonNodeFactory;

/** Short trainings at several learning rates, and {@code sweep.json} with what came of them: the loss by preset and rate. */
final class Sweep {
    /** A training of a sweep has this part of the steps: in much shorter ones the highest rate wins that does not diverge. */
    static final int PART = 3;

    private static final String FILE = "sweep.json";
    /** Of the loss that a short training without held-out text is judged by. */
    private static final double SMOOTHING = 0.02;

    private final Path folder;
    /** By preset and rate; a training that diverged has an infinite loss. */
    private final Map<String, Map<Double, Double>> losses = new TreeMap<>();

    private Sweep(Path folder) {
        this.folder = folder;
    }

    /** What a folder knows, which may be nothing. */
    static Sweep of(Path folder) throws IOException {
        var sweep = new Sweep(folder);
        var file = folder.resolve(FILE);
        if (Files.exists(file)) {
            var presets = WeightFiles.json(file).path("presets");
            for (var preset : presets.propertyNames()) {
                for (var one : presets.path(preset).path("rates")) {
                    sweep.put(preset, one.path("lr").asDouble(), loss(one.path("loss")));
                }
            }
        }
        return sweep;
    }

    private static double loss(JsonNode loss) {
        return loss.isNumber() ? loss.asDouble() : Double.POSITIVE_INFINITY;
    }

    private void put(String preset, double lr, double loss) {
        losses.computeIfAbsent(preset, _ -> new TreeMap<>()).put(lr, loss);
    }

    /** The learning rates of an option's value. */
    static List<Double> rates(String words) {
        var rates = new ArrayList<Double>();
        try {
            if (words.startsWith("lr=")) {
                for (var word : words.substring(3).split(",", -1)) {
                    rates.add(Double.valueOf(word));
                }
            }
        } catch (NumberFormatException e) {
            rates.clear();
        }
        if (rates.size() < 2) {
            throw new IllegalArgumentException(
                    "--sweep is '" + words + "' and must be two or more learning rates, as in lr=1e-3,2e-3.");
        }
        return rates;
    }

    /** A preset with the best rate that is known of it, or with its own. */
    Preset best(Preset preset) {
        return losses.getOrDefault(preset.name(), Map.of()).entrySet().stream()
                .filter(one -> Double.isFinite(one.getValue()))
                .min(Map.Entry.comparingByValue())
                .map(one -> preset.withLr(one.getKey()))
                .orElse(preset);
    }

    /**
     * Trains a preset at one rate, if that was not done before.
     *
     * @param preset what
     * @param whole options of the whole training
     * @param lr the rate
     * @return false if somebody stopped it
     */
    boolean run(Preset preset, Options whole, double lr, PresetTraining.Shop shop) throws IOException {
        if (losses.getOrDefault(preset.name(), Map.of()).containsKey(lr)) {
            return true;
        }
        var options = whole.shortened(PART, lr);
        var training = new PresetTraining(
                preset, options, folder.resolve("sweep").resolve(preset.name()).resolve("lr-" + lr));
        training.check(shop);
        System.err.println(preset.name() + " at lr " + lr + ", " + options.steps() + " steps");
        double loss;
        try {
            if (!training.run(shop)) {
                return false;
            }
            var history = History.read(training.directory(), (long) options.batch() * options.context());
            loss = history.whole()
                    .orElse(Curve.smoothed(history.loss(), SMOOTHING).last());
        } catch (ArithmeticException e) {
            System.err.println(e.getMessage());
            loss = Double.POSITIVE_INFINITY;
        }
        put(preset.name(), lr, loss);
        write(options.steps());
        return true;
    }

    private void write(int steps) throws IOException {
        var json = JsonNodeFactory.instance.objectNode();
        json.put("steps", steps);
        var presets = json.putObject("presets");
        losses.forEach((name, rates) -> {
            var preset = presets.putObject(name);
            var array = preset.putArray("rates");
            rates.forEach((lr, loss) -> {
                var one = array.addObject().put("lr", lr);
                if (Double.isFinite(loss)) {
                    one.put("loss", loss);
                } else {
                    one.putNull("loss");
                }
            });
        });
        AtomicFiles.file(folder.resolve(FILE), AtomicFiles.Content.of(json.toPrettyString() + "\n"));
    }

    /** The losses of a preset by rate, and which is the best, in a line. */
    String words(Preset preset) {
        var line = new StringBuilder(preset.name());
        var best = best(preset).lr();
        losses.getOrDefault(preset.name(), Map.of())
                .forEach((lr, loss) -> line.append(String.format(
                        "  %s: %s%s",
                        lr, Double.isFinite(loss) ? "%.4f".formatted(loss) : "diverged", lr == best ? " *" : "")));
        return line.toString();
    }
}
