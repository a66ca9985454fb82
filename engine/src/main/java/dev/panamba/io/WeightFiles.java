package dev.panamba.io;

import dev.panamba.bindings.Pages;
import dev.panamba.io.MalformedFileException.Fault;
import dev.panamba.memory.Slab;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Stream;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;

/** The weights of a model directory: {@code model.safetensors}, or the shards that {@code model.safetensors.index.json} names. */
public final class WeightFiles implements AutoCloseable {
    private static final String SINGLE = "model.safetensors";
    private static final String INDEX = "model.safetensors.index.json";
    private static final String PICKLE = "pytorch_model.bin";
    private static final int MOST_BYTES = 64 << 20;

    private final List<SafeTensors> files = new ArrayList<>();
    private final Map<String, Weight> weights = new LinkedHashMap<>();

    /**
     * A tensor and the file that it stands in.
     *
     * @param file open as long as the weight files are
     * @param entry its place
     */
    public record Weight(SafeTensors file, SafeTensors.Entry entry) {
        /**
         * Whether two tensors are the same, byte for byte.
         *
         * @param other of any file
         * @return false if type, shape or a byte differs
         * @throws IOException if one cannot be read
         */
        public boolean hasBytesOf(Weight other) throws IOException {
            return entry.type() == other.entry.type()
                    && entry.shape().equals(other.entry.shape())
                    && file.sameBytes(entry, other.file, other.entry);
        }
    }

    private WeightFiles() {}

    /**
     * Reads a JSON file strictly: no name twice, nothing behind the value.
     *
     * @param file JSON
     * @return its value
     * @throws IOException if it cannot be read or is no JSON, with the place
     */
    public static JsonNode json(Path file) throws IOException {
        var bytes = InputFiles.bytes(file, MOST_BYTES);
        try {
            return JsonTree.strict(bytes);
        } catch (JacksonException e) {
            throw new IOException(file + " is no JSON: " + whatIsWrong(bytes, e), e);
        }
    }

    private static String whatIsWrong(byte[] bytes, JacksonException e) {
        return FileType.of(Arrays.copyOf(bytes, Math.min(bytes.length, InputFiles.PROBE)))
                .map(FileType::toString)
                .orElseGet(() -> e.getOriginalMessage().replaceAll("\\p{Cntrl}", " "));
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
            } else if (Files.exists(directory.resolve(PICKLE))) {
                throw new IOException(directory.resolve(PICKLE) + " is a Python pickle, a program that Panamba does not"
                        + " run: convert it with torch.load(..., weights_only=True) and safetensors.torch.save_file to "
                        + SINGLE + ".");
            } else {
                throw new NoSuchFileException(directory.resolve(SINGLE).toString());
            }
            return weights;
        } catch (IOException | RuntimeException e) {
            weights.close();
            throw e;
        }
    }

    /**
     * Whether a directory has weights that {@link #open} would look for.
     *
     * @param directory of a model
     * @return false if it has neither of the two files, nor weights of another form
     */
    public static boolean exist(Path directory) {
        return Stream.of(SINGLE, INDEX, PICKLE).anyMatch(name -> Files.exists(directory.resolve(name)));
    }

    /**
     * Files that look like weights and are not read.
     *
     * @param directory that these files were opened from
     * @return their names, sorted
     * @throws IOException if the directory cannot be read
     */
    public List<String> unread(Path directory) throws IOException {
        var unread = new TreeSet<String>();
        try (var inside = Files.newDirectoryStream(directory, "*{.safetensors,.safetensors.index.json,.bin,.gguf}")) {
            inside.forEach(file -> unread.add(file.getFileName().toString()));
        }
        files.forEach(file -> unread.remove(file.path().getFileName().toString()));
        if (files.stream().noneMatch(file -> file.path().endsWith(SINGLE))) {
            unread.remove(INDEX);
        }
        return List.copyOf(unread);
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
        for (var entry : map.properties()) {
            var weight = weights.get(entry.getKey());
            var shard = entry.getValue().stringValue();
            if (weight == null || !weight.file().path().endsWith(shard)) {
                throw new MalformedFileException(index, Fault.SHARDS_DIFFER, entry.getKey() + " is not in " + shard);
            }
        }
        for (var name : weights.keySet()) {
            if (!map.has(name)) {
                throw new MalformedFileException(
                        index, Fault.SHARDS_DIFFER, name + " is in a shard and not in the index");
            }
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
     * Gives a tensor the name that Panamba has for it, where the files know it by another.
     *
     * @param theirs a name that may be in the files
     * @param ours the new name; if it is there too, nothing changes
     */
    public void rename(String theirs, String ours) {
        if (weights.containsKey(theirs) && !weights.containsKey(ours)) {
            weights.put(ours, weights.remove(theirs));
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
     * @param files the data of each file
     * @param segments the tensors' bytes, read-only, by name
     */
    public record Mapping(Slab slab, Collection<MemorySegment> files, Map<String, MemorySegment> segments) {
        /**
         * Says which tensors will be wanted soon, so that another thread may begin to read.
         *
         * @param names of tensors
         */
        public void readAhead(Collection<String> names) {
            Pages.readAhead(
                    names.size() == segments.size()
                            ? files
                            : names.stream().map(segments::get).toList());
        }
    }

    /**
     * Maps all files; the mapping outlives these open files. A file that is truncated under it ends the process.
     *
     * @return all tensors
     * @throws IOException if a file cannot be mapped
     */
    public Mapping map() throws IOException {
        var arena = Arena.ofShared();
        try {
            var data = new HashMap<SafeTensors, MemorySegment>();
            for (var file : files) {
                data.put(file, file.map(arena));
            }
            var segments = new LinkedHashMap<String, MemorySegment>();
            for (var name : weights.keySet()) {
                var weight = weights.get(name);
                var entry = weight.entry();
                segments.put(name, data.get(weight.file()).asSlice(entry.begin(), entry.end() - entry.begin()));
            }
            return new Mapping(Slab.adopt("the mapped weights", arena, MemorySegment.NULL), data.values(), segments);
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
