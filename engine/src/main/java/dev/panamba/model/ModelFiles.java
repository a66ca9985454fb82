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
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.JsonNode;

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

    /** What transformers says of generating, of which the tokens that end a text are used and the rest is kept. */
    public static final String GENERATION = "generation_config.json";

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
        return readConfig(configFile(directory));
    }

    private static Path configFile(Path directory) throws IOException {
        if (Files.exists(directory) && !Files.isDirectory(directory)) {
            throw new NotDirectoryException(
                    directory + " is a file, and a model is a directory with " + CONFIG + " and " + WEIGHTS + ".");
        }
        return directory.resolve(CONFIG);
    }

    /**
     * Reads a configuration file.
     *
     * @param file as {@code config.json}
     * @return what the model is
     * @throws IOException if it is missing or wrong
     */
    public static Config readConfig(Path file) throws IOException {
        return config(file, WeightFiles.json(file));
    }

    private static Config config(Path file, JsonNode json) throws IOException {
        try {
            return ConfigFile.read(json);
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
        var file = configFile(directory);
        var json = WeightFiles.json(file);
        var config = config(file, json);
        var special = SpecialTokens.read(directory, json);
        try (var files = WeightFiles.open(directory)) {
            files.rename(EMBEDDING, EMBEDDINGS);
            var stored = stored(config, files);
            var wanted = format != null ? format : format(stored, files);
            var parameters = checked(directory, config, files, stored, wanted);
            return map
                    ? mapped(directory, config, parameters, files, wanted, special)
                    : copied(directory, zero(directory, config, wanted, stored, special), parameters, files);
        }
    }

    /**
     * Compares a directory's files with each other as {@link #weights} does, and loads nothing.
     *
     * @param directory of a model
     * @return remarks: what is missing and may be, and what nobody reads
     * @throws IOException if a file is missing that another one names, wrong, or of another model
     */
    public static List<String> check(Path directory) throws IOException {
        var file = configFile(directory);
        var json = WeightFiles.json(file);
        var config = config(file, json);
        SpecialTokens.read(directory, json);
        var remarks = new ArrayList<String>();
        if (!WeightFiles.exist(directory)) {
            remarks.add(directory + " has no " + WEIGHTS + ", so this is what its " + CONFIG + " describes.");
            return remarks;
        }
        try (var files = WeightFiles.open(directory)) {
            files.rename(EMBEDDING, EMBEDDINGS);
            var stored = stored(config, files);
            checked(directory, config, files, stored, format(stored, files));
            var unread = files.unread(directory);
            if (!unread.isEmpty()) {
                remarks.add(directory + " has files that are not read: " + String.join(", ", unread) + ".");
            }
        }
        return remarks;
    }

    /** The parameters of a model, which are the weights of its files and have their shapes. */
    private static List<Value> checked(Path directory, Config config, WeightFiles files, DType stored, DType wanted)
            throws IOException {
        if (stored.isGrouped() && wanted != stored) {
            throw new IOException(directory + " has its weights as " + stored + ", which do not become " + wanted
                    + " again: use the model that it was converted from.");
        }
        var parameters = parameters(directory.resolve(CONFIG), config, wanted);
        var names = new HashSet<String>();
        for (var parameter : parameters) {
            check(directory, parameter, files.weights().get(parameter.name()));
            names.add(parameter.name());
        }
        for (var name : files.weights().keySet()) {
            if (config.tieEmbeddings() && name.equals(HEAD)) {
                checkTied(directory, files.weights().get(HEAD), files.weights().get(EMBEDDINGS));
            } else if (!names.contains(name)) {
                throw new IOException(
                        directory + " has weights named " + name + ", which a model of its " + CONFIG + " has not.");
            }
        }
        return parameters;
    }

    private static List<Value> parameters(Path file, Config config, DType format) throws IOException {
        try {
            return Network.parameters(config, format);
        } catch (ArithmeticException e) {
            throw new IOException(file + " describes a model that is too large: " + e.getMessage(), e);
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
            Path directory,
            Config config,
            List<Value> parameters,
            WeightFiles files,
            DType format,
            SpecialTokens special)
            throws IOException {
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
        return new Weights(config, parameters, store, format, format, special);
    }

    private static Weights zero(Path directory, Config config, DType format, DType stored, SpecialTokens special)
            throws IOException {
        try {
            return Weights.zero(config, format, stored, special);
        } catch (IllegalStateException e) {
            throw new IOException(directory + ": " + e.getMessage(), e);
        }
    }

    private static Weights copied(Path directory, Weights weights, List<Value> parameters, WeightFiles files)
            throws IOException {
        var converts = weights.format() != DType.F32 && weights.format() != weights.stored();
        // Only rounding is work that is worth threads.
        try (var team = weights.format() == DType.F32 ? new Team(1) : Team.ofAllCores()) {
            for (var parameter : parameters) {
                var weight = files.weights().get(parameter.name());
                if (weight.entry().type() == Weights.fileType(parameter.type())) {
                    weight.file().copy(weight.entry(), weights.store().at(parameter.name()));
                } else {
                    weights.fill(
                            directory.toString(),
                            parameter,
                            team,
                            w -> weight.file().read(weight.entry(), w));
                }
                // What is rounded was checked meanwhile.
                if (converts && parameter.type() == DType.F32) {
                    weights.checkFinite(
                            directory.toString(), parameter, weights.store().at(parameter.name()));
                }
            }
            return weights;
        } catch (IOException | RuntimeException e) {
            weights.close();
            throw e;
        }
    }

    /**
     * What a model's directory holds: what it needs, and what the files that the weights come from say of special tokens.
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
        var special = weights.special();
        var config = ConfigFile.write(weights.config(), type).setAll(special.ids());
        files.put(CONFIG, Content.of(config.toPrettyString() + "\n"));
        files.put(WEIGHTS, channel -> SafeTensors.write(channel, Map.of("format", "pt"), weights.tensors(), floats));
        if (tokenizer != null) {
            files.put(TOKENIZER, Content.copyOf(tokenizer));
        }
        if (special.generation() != null) {
            files.put(GENERATION, Content.of(special.generation()));
        }
        return files;
    }
}
