package dev.panamba.cli;

import dev.panamba.io.AtomicFiles;
import dev.panamba.io.WeightFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * What the folder of a comparison remembers.
 *
 * @param presets the baseline, then the others
 * @param seeds of weights and order
 * @param smoothing factor of the moving average
 * @param settings that all its trainings share, text and tokenizer included; they stay as they are
 */
record ComparePlan(List<String> presets, List<Long> seeds, double smoothing, ObjectNode settings) {
    private static final String FILE = "compare.json";

    /** The plan of a folder, if it has one. */
    static Optional<ComparePlan> of(Path folder) throws IOException {
        var file = folder.resolve(FILE);
        if (!Files.exists(file)) {
            return Optional.empty();
        }
        var json = WeightFiles.json(file);
        if (!(json.path("settings") instanceof ObjectNode settings)
                || json.path("presets").isEmpty()
                || json.path("seeds").isEmpty()) {
            throw new IOException(file + " is no plan of a comparison: choose another --out.");
        }
        return Optional.of(new ComparePlan(
                elements(json.path("presets")).map(JsonNode::asString).toList(),
                elements(json.path("seeds")).map(JsonNode::asLong).toList(),
                json.path("smoothing").asDouble(),
                settings));
    }

    private static Stream<JsonNode> elements(JsonNode array) {
        return StreamSupport.stream(array.spliterator(), false);
    }

    void write(Path folder) throws IOException {
        var json = JsonNodeFactory.instance.objectNode();
        presets.forEach(json.putArray("presets")::add);
        seeds.forEach(json.putArray("seeds")::add);
        json.put("smoothing", smoothing);
        json.set("settings", settings);
        AtomicFiles.file(folder.resolve(FILE), AtomicFiles.Content.of(json.toPrettyString() + "\n"));
    }

    /** The same with what an earlier plan of the folder had besides. */
    ComparePlan with(ComparePlan before) {
        return new ComparePlan(
                Stream.concat(presets.stream(), before.presets.stream())
                        .distinct()
                        .toList(),
                Stream.concat(seeds.stream(), before.seeds.stream()).distinct().toList(),
                smoothing,
                settings);
    }

    /**
     * Refuses settings of two that are not the same.
     *
     * @param one who has the first
     * @param had those
     * @param other who has the second
     * @param wanted those, which may lack some of the first
     */
    static void same(String one, JsonNode had, String other, JsonNode wanted) {
        for (var name : wanted.propertyNames()) {
            var first = had.path(name).asString("");
            var second = wanted.path(name).asString("");
            if (!first.equals(second)) {
                throw new IllegalArgumentException(one + " has " + option(name, first) + ", and " + other + " has "
                        + option(name, second) + ": in one comparison they are the same.");
            }
        }
    }

    private static String option(String name, String value) {
        var option = "--" + name.replace('_', '-');
        return value.isEmpty() ? "no " + option : option + " " + value;
    }
}
