package dev.panamba.io;

import dev.panamba.io.MalformedFileException.Fault;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The weights of a model directory: {@code model.safetensors}, or the shards that {@code model.safetensors.index.json} names. */
public final class WeightFiles implements AutoCloseable {
    private static final String SINGLE = "model.safetensors";
    private static final String INDEX = "model.safetensors.index.json";
    private static final JsonMapper STRICT = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private final List<SafeTensors> files = new ArrayList<>();
    private final Map<String, Weight> weights = new LinkedHashMap<>();

    /**
     * A tensor and the file that it stands in.
     *
     * @param file open as long as the weight files are
     * @param entry its place
     */
    public record Weight(SafeTensors file, SafeTensors.Entry entry) {}

    private WeightFiles() {}

    /**
     * Reads a JSON file strictly: no name twice, nothing behind the value.
     *
     * @param file JSON
     * @return its value
     * @throws IOException if it cannot be read or is no JSON, with the place
     */
    public static JsonNode json(Path file) throws IOException {
        try {
            return STRICT.readTree(Files.readAllBytes(file));
        } catch (JacksonException e) {
            throw new IOException(file + " is no JSON: " + e.getOriginalMessage(), e);
        }
    }

    /**
     * Opens all weight files of a directory.
     *
     * @param directory of a model
     * @return the open files
     * @throws IOException if one is missing or wrong
     */
    public static WeightFiles open(Path directory) throws IOException {
        var weights = new WeightFiles();
        try {
            if (Files.exists(directory.resolve(SINGLE))) {
                weights.add(SafeTensors.open(directory.resolve(SINGLE)));
            } else if (Files.exists(directory.resolve(INDEX))) {
                weights.shards(directory);
            } else {
                throw new NoSuchFileException(directory.resolve(SINGLE).toString());
            }
            return weights;
        } catch (IOException | RuntimeException e) {
            weights.close();
            throw e;
        }
    }

    private void shards(Path directory) throws IOException {
        var index = directory.resolve(INDEX);
        var map = json(index).path("weight_map");
        if (!map.isObject()) {
            throw new MalformedFileException(index, Fault.BAD_INDEX, "it has no weight_map");
        }
        var names = new TreeSet<String>();
        for (var entry : map.properties()) {
            var name = entry.getValue().asString("");
            if (name.isEmpty() || !Path.of(name).equals(Path.of(name).getFileName()) || name.equals("..")) {
                throw new MalformedFileException(index, Fault.SHARD_OUTSIDE, name);
            }
            names.add(name);
        }
        for (var name : names) {
            add(SafeTensors.open(directory.resolve(name)));
        }
    }

    private void add(SafeTensors file) {
        files.add(file);
        file.tensors().forEach(entry -> weights.put(entry.name(), new Weight(file, entry)));
    }

    /**
     * All tensors of all files.
     *
     * @return by name
     */
    public Map<String, Weight> weights() {
        return weights;
    }

    /**
     * The open files.
     *
     * @return in the order of their names
     */
    public List<SafeTensors> files() {
        return files;
    }

    @Override
    public void close() throws IOException {
        for (var file : files) {
            file.close();
        }
    }
}
