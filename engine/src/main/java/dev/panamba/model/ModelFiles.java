package dev.panamba.model;

import dev.panamba.graph.Store;
import dev.panamba.graph.Value;
import dev.panamba.io.AtomicFiles.Content;
import dev.panamba.io.SafeTensors;
import dev.panamba.io.WeightFiles;
import dev.panamba.tensor.DType;
import dev.panamba.text.Tokenizer;
import dev.panamba.text.Tokenizers;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
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
     * @return what {@code tokenizer.json} says, bytes where there is none
     * @throws IOException if it is wrong
     */
    public static Tokenizer tokenizer(Path directory) throws IOException {
        var file = directory.resolve(TOKENIZER);
        return Files.exists(file) ? Tokenizers.open(file) : Tokenizers.bytes();
    }

    /**
     * Loads the weights.
     *
     * @param directory of a model
     * @param map whether to map the file instead of copying it; needs weights of F32
     * @return the weights, read-only where mapped
     * @throws IOException if a file is missing, wrong, or of another model
     */
    public static Weights weights(Path directory, boolean map) throws IOException {
        var config = config(directory);
        var parameters = Network.parameters(config, DType.F32);
        try (var files = WeightFiles.open(directory)) {
            files.rename(EMBEDDING, EMBEDDINGS);
            for (var parameter : parameters) {
                check(directory, parameter, files.weights().get(parameter.name()));
            }
            for (var name : files.weights().keySet()) {
                if (config.tieEmbeddings() && name.equals(HEAD)) {
                    checkTied(
                            directory,
                            files.weights().get(HEAD),
                            files.weights().get(EMBEDDINGS));
                } else if (parameters.stream().noneMatch(p -> p.name().equals(name))) {
                    throw new IOException(directory + " has weights named " + name + ", which a model of its " + CONFIG
                            + " has not.");
                }
            }
            if (!map) {
                return copied(config, parameters, files);
            }
            var mapping = files.map();
            return new Weights(
                    config, parameters, Store.mapped("the weights", mapping.slab(), mapping.segments()), DType.F32);
        }
    }

    private static void check(Path directory, Value parameter, WeightFiles.Weight weight) throws IOException {
        if (weight == null) {
            throw new IOException(
                    directory + " has no weights named " + parameter.name() + ", which its " + CONFIG + " asks for.");
        }
        if (!weight.entry().shape().equals(parameter.shape())) {
            throw new IOException(directory + " has " + parameter.name() + " as "
                    + weight.entry().shape() + ", and its " + CONFIG + " asks for " + parameter.shape() + ".");
        }
    }

    private static void checkTied(Path directory, WeightFiles.Weight head, WeightFiles.Weight embeddings)
            throws IOException {
        if (!head.hasBytesOf(embeddings)) {
            throw new IOException(directory + " has a " + HEAD + " that differs from " + EMBEDDINGS + ", and its "
                    + CONFIG + " says that the two are tied: set tie_word_embeddings (tie_embeddings) to false there.");
        }
    }

    private static Weights copied(Config config, List<Value> parameters, WeightFiles files) throws IOException {
        var types = parameters.stream()
                .map(p -> files.weights().get(p.name()).entry().type())
                .distinct()
                .toList();
        var half = types.size() == 1 && (types.contains(DType.BF16) || types.contains(DType.F16));
        var weights = Weights.zero(config, half ? types.getFirst() : DType.F32);
        try {
            for (var parameter : parameters) {
                var weight = files.weights().get(parameter.name());
                weight.file().read(weight.entry(), weights.store().at(parameter.name()));
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
     * @param floats type of the weights in the file: F32, BF16 or F16
     * @param tokenizer a {@code tokenizer.json} to copy, or null for bytes
     * @return contents by file name
     */
    public static Map<String, Content> contents(Weights weights, DType floats, Path tokenizer) {
        var files = new LinkedHashMap<String, Content>();
        files.put(CONFIG, Content.of(ConfigFile.write(weights.config(), floats).toPrettyString() + "\n"));
        files.put(WEIGHTS, channel -> SafeTensors.write(channel, Map.of("format", "pt"), weights.tensors(), floats));
        if (tokenizer != null) {
            files.put(TOKENIZER, Content.copyOf(tokenizer));
        }
        return files;
    }
}
