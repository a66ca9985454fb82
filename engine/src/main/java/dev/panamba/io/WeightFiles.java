package dev.panamba.io;

import dev.panamba.io.MalformedFileException.Fault;
import dev.panamba.memory.Slab;
import dev.panamba.tensor.DType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
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
    private static final long MOST_BYTES = 64 << 20;
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
        if (Files.isDirectory(file)) {
            throw new IOException(file + " is a directory, and not a JSON file.");
        }
        if (Files.size(file) > MOST_BYTES) {
            throw new IOException(
                    file + " is too large for what it should be: " + Files.size(file) + " bytes of JSON.");
        }
        try {
            return STRICT.readTree(Files.readAllBytes(file));
        } catch (JacksonException e) {
            throw new IOException(
                    file + " is no JSON: " + e.getOriginalMessage().replaceAll("\\p{Cntrl}", " "), e);
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
                weights.add(directory.resolve(SINGLE));
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
            // A bare name that ends like a weight file is neither a path nor "." nor "..".
            if (!name.endsWith(".safetensors") || !name.matches("[^/\\\\\\p{Cntrl}]+")) {
                throw new MalformedFileException(index, Fault.SHARD_OUTSIDE, name);
            }
            names.add(name);
        }
        for (var name : names) {
            add(directory.resolve(name));
        }
    }

    private void add(Path path) throws IOException {
        var file = SafeTensors.open(path);
        files.add(file);
        for (var entry : file.tensors()) {
            if (weights.put(entry.name(), new Weight(file, entry)) != null) {
                throw new MalformedFileException(path, Fault.DUPLICATE_KEY, entry.name() + " is in another shard too");
            }
        }
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
     * Tensors that stand in mapped files.
     *
     * @param slab owns the mappings
     * @param segments the tensors' bytes, read-only, by name
     */
    public record Mapping(Slab slab, Map<String, MemorySegment> segments) {}

    /**
     * Maps all files; the mapping outlives these open files. A file that is truncated under it ends the process.
     *
     * @return all tensors
     * @throws IOException if a file cannot be mapped, or a tensor is not F32
     */
    public Mapping map() throws IOException {
        var arena = Arena.ofShared();
        try {
            var data = new HashMap<SafeTensors, MemorySegment>();
            for (var file : files) {
                data.put(file, file.map(arena));
            }
            var segments = new LinkedHashMap<String, MemorySegment>();
            for (var weight : weights.values()) {
                var entry = weight.entry();
                if (entry.type() != DType.F32) {
                    throw new IOException(weight.file() + " has " + entry.name() + " as " + entry.type()
                            + ", and only F32 can be mapped: load it without --map.");
                }
                segments.put(entry.name(), data.get(weight.file()).asSlice(entry.begin(), entry.end() - entry.begin()));
            }
            return new Mapping(Slab.adopt("the mapped weights", arena, MemorySegment.NULL), segments);
        } catch (IOException | RuntimeException e) {
            arena.close();
            throw e;
        }
    }

    @Override
    public void close() throws IOException {
        for (var file : files) {
            file.close();
        }
    }
}
