package dev.panamba.model;

import dev.panamba.graph.Store;
import dev.panamba.graph.Team;
import dev.panamba.graph.Value;
import dev.panamba.io.AtomicFiles.Content;
import dev.panamba.io.SafeTensors;
import dev.panamba.io.WeightFiles;
import dev.panamba.tensor.DType;
import dev.panamba.tensor.Shape;
import dev.panamba.text.Tokenizer;
import dev.panamba.text.Tokenizers;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A model as a directory: {@code config.json}, {@code model.safetensors} (or shards with an index) and {@code tokenizer.json},
 * which is missing where tokens are bytes.
 */
public final class ModelFiles {
    /** The configuration's file. */
    public static final String CONFIG = "config.json";
    /** The weights' file. */
    public static final String WEIGHTS = "model.safetensors";
    /** The tokenizer's file. */
    public static final String TOKENIZER = "tokenizer.json";

    private static final String EMBEDDINGS = "backbone.embeddings.weight";
    // What state-spaces/mamba calls it.
    private static final String EMBEDDING = "backbone.embedding.weight";
    // What state-spaces/mamba, and older versions of transformers, write for a tied model beside the parameters.
    private static final String HEAD = "lm_head.weight";

    private ModelFiles() {}

    /**
     * Reads the configuration.
     *
     * @param directory of a model
     * @return what the model is
     * @throws IOException if it is missing or wrong
     */
    public static Config config(Path directory) throws IOException {
        if (Files.exists(directory) && !Files.isDirectory(directory)) {
            throw new NotDirectoryException(
                    directory + " is a file, and a model is a directory with " + CONFIG + " and " + WEIGHTS + ".");
        }
        return readConfig(directory.resolve(CONFIG));
    }

    /**
     * Reads a configuration file.
     *
     * @param file as {@code config.json}
     * @return what the model is
     * @throws IOException if it is missing or wrong
     */
    public static Config readConfig(Path file) throws IOException {
        if (!Files.exists(file)) {
            throw new NoSuchFileException(file.toString());
        }
        try {
            return ConfigFile.read(WeightFiles.json(file));
        } catch (IllegalArgumentException e) {
            throw new IOException(file + ": " + e.getMessage(), e);
        }
    }

    /**
     * Opens the tokenizer.
     *
     * @param directory of a model
     * @return what {@code tokenizer.json} says; where there is none, bytes for a vocabulary of 256, and otherwise one that refuses
     *     text
     * @throws IOException if it is wrong
     */
    public static Tokenizer tokenizer(Path directory) throws IOException {
        var file = directory.resolve(TOKENIZER);
        if (Files.exists(file)) {
            return Tokenizers.open(file);
        }
        int vocabulary = config(directory).V();
        return vocabulary == Tokenizers.bytes().vocabulary()
                ? Tokenizers.bytes()
                : Tokenizers.none(
                        vocabulary,
                        directory + " has no " + TOKENIZER + ", and with a vocabulary of " + vocabulary
                                + " its tokens need not be bytes: give --tokenizer the file that the model was made for, or"
                                + " --tokenizer bytes.");
    }

    /**
     * Loads the weights as F32.
     *
     * @param directory of a model
     * @param map whether to map the file instead of copying it; needs weights of F32
     * @return the weights, read-only where mapped
     * @throws IOException if a file is missing, wrong, or of another model
     */
    public static Weights weights(Path directory, boolean map) throws IOException {
        return weights(directory, map, DType.F32);
    }

    /**
     * Loads the weights, with the large matrices in a format of inference.
     *
     * @param directory of a model
     * @param map whether to map the file instead of copying it; needs a file of that format
     * @param format F32, BF16, INT8 or INT4, or null for what the file has
     * @return the weights, read-only where mapped
     * @throws IOException if a file is missing, wrong, of another model, or of a narrower format
     */
    public static Weights weights(Path directory, boolean map, DType format) throws IOException {
        var config = config(directory);
        try (var files = WeightFiles.open(directory)) {
            files.rename(EMBEDDING, EMBEDDINGS);
            var stored = stored(config, files);
            var wanted = format != null ? format : format(stored, files);
            if (stored.isGrouped() && wanted != stored) {
                throw new IOException(directory + " has its weights as " + stored + ", which do not become " + wanted
                        + " again: use the model that it was converted from.");
            }
            var parameters = Network.parameters(config, wanted);
            var names = new HashSet<String>();
            for (var parameter : parameters) {
                check(directory, parameter, files.weights().get(parameter.name()));
                names.add(parameter.name());
            }
            for (var name : files.weights().keySet()) {
                if (config.tieEmbeddings() && name.equals(HEAD)) {
                    checkTied(
                            directory,
                            files.weights().get(HEAD),
                            files.weights().get(EMBEDDINGS));
                } else if (!names.contains(name)) {
                    throw new IOException(directory + " has weights named " + name + ", which a model of its " + CONFIG
                            + " has not.");
                }
            }
            return map
                    ? mapped(directory, config, parameters, files, wanted)
                    : copied(config, parameters, files, wanted, stored);
        }
    }

    /** The type that a model computes with unless it is told another. */
    private static DType format(DType stored, WeightFiles files) {
        var embeddings = files.weights().get(EMBEDDINGS);
        var half = embeddings != null && embeddings.entry().type() == DType.BF16;
        return stored.isGrouped() ? stored : half ? DType.BF16 : DType.F32;
    }

    /** The narrowest type that holds all weights of a file exactly; of groups, if the large matrices are. */
    private static DType stored(Config config, WeightFiles files) {
        var embeddings = files.weights().get(EMBEDDINGS);
        for (var format : List.of(DType.INT8, DType.INT4)) {
            var tiles = format.stored(Shape.of(config.V(), config.D()));
            if (embeddings != null
                    && embeddings.entry().type() == DType.U8
                    && embeddings.entry().shape().equals(tiles)) {
                return format;
            }
        }
        var types = files.weights().values().stream()
                .map(weight -> weight.entry().type())
                .distinct()
                .toList();
        var half = types.size() == 1 && (types.contains(DType.BF16) || types.contains(DType.F16));
        return half ? types.getFirst() : DType.F32;
    }

    private static void check(Path directory, Value parameter, WeightFiles.Weight weight) throws IOException {
        if (weight == null) {
            throw new IOException(
                    directory + " has no weights named " + parameter.name() + ", which its " + CONFIG + " asks for.");
        }
        var groups = parameter.type().isGrouped() && weight.entry().type() == DType.U8;
        var expected = groups ? Weights.fileShape(parameter) : parameter.shape();
        if (!weight.entry().shape().equals(expected)) {
            throw new IOException(directory + " has " + parameter.name() + " as "
                    + weight.entry().shape() + ", and its " + CONFIG + " asks for " + expected + ".");
        }
    }

    private static void checkTied(Path directory, WeightFiles.Weight head, WeightFiles.Weight embeddings)
            throws IOException {
        if (!head.hasBytesOf(embeddings)) {
            throw new IOException(directory + " has a " + HEAD + " that differs from " + EMBEDDINGS + ", and its "
                    + CONFIG + " says that the two are tied: set tie_word_embeddings (tie_embeddings) to false there.");
        }
    }

    private static Weights mapped(
            Path directory, Config config, List<Value> parameters, WeightFiles files, DType format) throws IOException {
        for (var parameter : parameters) {
            var type = files.weights().get(parameter.name()).entry().type();
            if (type != Weights.fileType(parameter.type())) {
                throw new IOException(directory + " has " + parameter.name() + " as " + type + ", and a map needs "
                        + Weights.fileType(parameter.type()) + ": load it without --map, or convert the model.");
            }
        }
        var mapping = files.map();
        // A token goes through few of the experts, and of them only what is used is to be read.
        mapping.readAhead(parameters.stream()
                .filter(parameter -> !Size.isExperts(parameter))
                .map(Value::name)
                .toList());
        var store = Store.mapped("the weights", mapping.slab(), mapping.segments());
        return new Weights(config, parameters, store, format, format);
    }

    private static Weights copied(Config config, List<Value> parameters, WeightFiles files, DType format, DType stored)
            throws IOException {
        var weights = Weights.zero(config, format, stored);
        // Only rounding is work that is worth threads.
        try (var team = format == DType.F32 ? new Team(1) : Team.ofAllCores()) {
            for (var parameter : parameters) {
                var weight = files.weights().get(parameter.name());
                if (weight.entry().type() == Weights.fileType(parameter.type())) {
                    weight.file().copy(weight.entry(), weights.store().at(parameter.name()));
                } else {
                    weights.fill(parameter, team, w -> weight.file().read(weight.entry(), w));
                }
            }
            return weights;
        } catch (IOException | RuntimeException e) {
            weights.close();
            throw e;
        }
    }

    /**
     * What a model's directory holds.
     *
     * @param weights the model
     * @param type of the weights in the file: F32, BF16 or F16, or the format that they have already
     * @param tokenizer a {@code tokenizer.json} to copy, or null for bytes
     * @return contents by file name
     */
    public static Map<String, Content> contents(Weights weights, DType type, Path tokenizer) {
        // Beside narrow matrices what is small stays F32, so that the file can be mapped.
        var floats = weights.format() == DType.F32 ? type : DType.F32;
        var files = new LinkedHashMap<String, Content>();
        files.put(CONFIG, Content.of(ConfigFile.write(weights.config(), type).toPrettyString() + "\n"));
        files.put(WEIGHTS, channel -> SafeTensors.write(channel, Map.of("format", "pt"), weights.tensors(), floats));
        if (tokenizer != null) {
            files.put(TOKENIZER, Content.copyOf(tokenizer));
        }
        return files;
    }
}
