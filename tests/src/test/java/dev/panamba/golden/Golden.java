package dev.panamba.golden;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.io.AtomicFiles;
import dev.panamba.io.AtomicFiles.Content;
import dev.panamba.io.SafeTensors;
import dev.panamba.model.Config;
import dev.panamba.model.ConfigFile;
import dev.panamba.model.ModelFiles;
import dev.panamba.tensor.DType;
import dev.panamba.tensor.Shape;
import dev.panamba.tensor.Tensor;
import dev.panamba.train.Batches;
import dev.panamba.train.Options;
import dev.panamba.train.Schedule;
import dev.panamba.train.Windows;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A file of numbers that PyTorch computed (tools/golden): tensors in double precision, and what they belong to. */
public final class Golden {
    private static final String WEIGHTS = "weights/";

    public final String name;
    private final Map<String, String> metadata;
    private final Map<String, double[]> tensors = new LinkedHashMap<>();
    private final Map<String, Shape> shapes = new LinkedHashMap<>();

    private Golden(Path file) throws IOException {
        name = file.getFileName().toString().replace(".safetensors", "");
        try (var safeTensors = SafeTensors.open(file);
                var arena = Arena.ofConfined()) {
            metadata = safeTensors.metadata();
            var data = safeTensors.map(arena);
            for (var entry : safeTensors.tensors()) {
                shapes.put(entry.name(), entry.shape());
                tensors.put(
                        entry.name(), numbers(data.asSlice(entry.begin(), entry.end() - entry.begin()), entry.type()));
            }
        }
    }

    public static double[] numbers(MemorySegment data, DType type) {
        var numbers = new double[Math.toIntExact(data.byteSize() / type.bytes())];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = switch (type) {
                case F64 -> data.getAtIndex(JAVA_DOUBLE_UNALIGNED, i);
                case F32 -> data.getAtIndex(JAVA_FLOAT_UNALIGNED, i);
                case I32 -> data.getAtIndex(JAVA_INT_UNALIGNED, i);
                default -> throw new IllegalArgumentException(type.name());
            };
        }
        return numbers;
    }

    public static Golden read(Path file) {
        try {
            return new Golden(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A folder of the golden files. */
    public static Path folder(String name) {
        try {
            return Path.of(Golden.class.getResource("/golden/" + name).toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    /** What stands in a folder of golden files, by name. */
    public static Stream<Path> list(String folder) throws IOException {
        var entries = new ArrayList<Path>();
        try (var files = Files.list(folder(folder))) {
            files.sorted().forEach(entries::add);
        }
        assertTrue(entries.size() > 2, "golden files of " + folder);
        return entries.stream();
    }

    public double[] get(String tensor) {
        var numbers = tensors.get(tensor);
        assertTrue(numbers != null, () -> name + " has no " + tensor);
        return numbers;
    }

    public int[] integers(String tensor) {
        var numbers = get(tensor);
        var integers = new int[numbers.length];
        for (int i = 0; i < integers.length; i++) {
            integers[i] = (int) numbers[i];
        }
        return integers;
    }

    public Config config() {
        return ConfigFile.read(json("config"));
    }

    public Options options() {
        var json = json("options");
        var schedule = new Schedule(
                json.get("lr").doubleValue(),
                json.get("warmup").intValue(),
                json.get("steps").intValue(),
                Schedule.Shape.COSINE,
                json.get("min_lr_ratio").doubleValue());
        assertEquals("cosine", json.get("schedule").stringValue());
        return new Options(
                json.get("steps").intValue(),
                json.get("batch").intValue(),
                json.get("context").intValue(),
                json.get("batch").intValue(),
                1,
                schedule,
                json.get("weight_decay").doubleValue(),
                json.get("decay").stringValue().equals("all") ? Options.Decay.ALL : Options.Decay.MATRICES,
                json.get("clip").doubleValue(),
                json.get("beta1").doubleValue(),
                json.get("beta2").doubleValue(),
                json.get("eps").doubleValue(),
                Windows.Order.SEQUENTIAL,
                false,
                DType.F32);
    }

    private JsonNode json(String field) {
        return new JsonMapper().readTree(metadata.get(field));
    }

    /** Sequence s is the window s of the text. */
    public Batches batches() {
        var tokens = integers("tokens");
        int L = options().context();
        return (sequence, inputs, targets, at) -> {
            for (int i = 0; i < L; i++) {
                inputs.setAtIndex(JAVA_INT_UNALIGNED, at + i, tokens[(int) sequence * L + i]);
                targets.setAtIndex(JAVA_INT_UNALIGNED, at + i, tokens[(int) sequence * L + i + 1]);
            }
        };
    }

    /** Writes the model's directory. */
    public Path write(Path directory) throws IOException {
        try (var arena = Arena.ofConfined()) {
            var weights = new ArrayList<Tensor>();
            for (var entry : tensors.entrySet()) {
                if (entry.getKey().startsWith(WEIGHTS)) {
                    var data = arena.allocate(4L * entry.getValue().length);
                    for (int i = 0; i < entry.getValue().length; i++) {
                        data.setAtIndex(JAVA_FLOAT_UNALIGNED, i, (float) entry.getValue()[i]);
                    }
                    weights.add(new Tensor(
                            entry.getKey().substring(WEIGHTS.length()), DType.F32, shapes.get(entry.getKey()), data));
                }
            }
            AtomicFiles.directory(
                    directory,
                    Map.of(
                            ModelFiles.CONFIG,
                            Content.of(metadata.get("config")),
                            ModelFiles.WEIGHTS,
                            channel -> SafeTensors.write(channel, Map.of(), List.copyOf(weights))));
            return directory;
        }
    }

    @Override
    public String toString() {
        return name;
    }
}
