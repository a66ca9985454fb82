package dev.panamba.train;

import dev.panamba.graph.Store;
import dev.panamba.io.AtomicFiles;
import dev.panamba.io.AtomicFiles.Content;
import dev.panamba.io.SafeTensors;
import dev.panamba.io.WeightFiles;
import dev.panamba.model.ModelFiles;
import dev.panamba.model.Weights;
import dev.panamba.tensor.DType;
import dev.panamba.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * A training as it lasts: the directory {@code step-N} holds the model after N steps, {@code trainer.safetensors} with the
 * moments and {@code trainer.json} with how it is trained. It appears by one rename; then the links beside it, which make the
 * training's own directory a model, are turned to it, and the one before is removed.
 */
public final class Checkpoint {
    private static final String PREFIX = "step-";
    private static final String TRAINER = "trainer.json";
    private static final String MOMENTS = "trainer.safetensors";

    private final Path directory;
    private final int step;

    private Checkpoint(Path directory, int step) {
        this.directory = directory;
        this.step = step;
    }

    /**
     * The directory of this checkpoint, which is a model's.
     *
     * @return a path
     */
    public Path directory() {
        return directory;
    }

    /**
     * The steps that it has behind it.
     *
     * @return a count
     */
    public int step() {
        return step;
    }

    /**
     * The newest checkpoint of a training.
     *
     * @param training its directory
     * @return the checkpoint, if there is one
     * @throws IOException if the directory cannot be read
     */
    public static Optional<Checkpoint> latest(Path training) throws IOException {
        Checkpoint latest = null;
        for (var checkpoint : all(training)) {
            if (latest == null || checkpoint.step > latest.step) {
                latest = checkpoint;
            }
        }
        return Optional.ofNullable(latest);
    }

    private static List<Checkpoint> all(Path training) throws IOException {
        var all = new ArrayList<Checkpoint>();
        if (!Files.isDirectory(training)) {
            return all;
        }
        try (var directories = Files.newDirectoryStream(training, PREFIX + "*")) {
            for (var path : directories) {
                var number = path.getFileName().toString().substring(PREFIX.length());
                if (number.matches("\\d{1,9}")) {
                    all.add(new Checkpoint(path, Integer.parseInt(number)));
                }
            }
        }
        return all;
    }

    /**
     * How it is trained.
     *
     * @return what {@link #save} was given
     * @throws IOException if it cannot be read
     */
    public JsonNode settings() throws IOException {
        return WeightFiles.json(directory.resolve(TRAINER)).path("settings");
    }

    /**
     * Puts a trainer where this checkpoint was taken. Its weights are loaded by {@link ModelFiles#weights}.
     *
     * @param trainer of the same model
     * @throws IOException if a file is missing or wrong
     */
    public void restore(Trainer trainer) throws IOException {
        var recorded = WeightFiles.json(directory.resolve(TRAINER)).path("step");
        if (!recorded.isInt() || recorded.intValue() != step) {
            throw new IOException(directory.resolve(TRAINER) + " is of step " + recorded + ", not of " + step + ".");
        }
        try (var file = SafeTensors.open(directory.resolve(MOMENTS))) {
            for (var moment : trainer.moments().segments().entrySet()) {
                var entry = file.tensor(moment.getKey());
                if (entry == null
                        || entry.type() != DType.F32
                        || entry.shape().elements() * Float.BYTES
                                != moment.getValue().byteSize()) {
                    throw new IOException(directory.resolve(MOMENTS) + " has no " + moment.getKey()
                            + " of F32 and of its parameter's size.");
                }
                file.read(entry, moment.getValue());
            }
        }
        trainer.resumeAt(step);
    }

    /**
     * Saves a training after its last step.
     *
     * @param training directory of the training
     * @param trainer what to save
     * @param tokenizer a {@code tokenizer.json} to copy, or null
     * @param settings how it is trained, for {@link #settings}
     * @return the checkpoint
     * @throws IOException if it cannot be written; the one before is then still the newest
     */
    public static Checkpoint save(Path training, Trainer trainer, Path tokenizer, Consumer<ObjectNode> settings)
            throws IOException {
        var checkpoint = new Checkpoint(training.resolve(PREFIX + trainer.step()), trainer.step());
        var files = ModelFiles.contents(trainer.weights(), DType.F32, tokenizer);
        files.put(
                MOMENTS,
                channel -> SafeTensors.write(channel, Map.of(), moments(trainer.weights(), trainer.moments())));
        var json = JsonNodeFactory.instance.objectNode();
        json.put("step", trainer.step());
        settings.accept(json.putObject("settings"));
        files.put(TRAINER, Content.of(json.toPrettyString() + "\n"));
        AtomicFiles.directory(checkpoint.directory, files);
        for (var name : List.of(ModelFiles.CONFIG, ModelFiles.WEIGHTS, ModelFiles.TOKENIZER, ModelFiles.GENERATION)) {
            if (files.containsKey(name)) {
                AtomicFiles.link(
                        training.resolve(name),
                        Path.of(checkpoint.directory.getFileName().toString(), name));
            }
        }
        for (var old : all(training)) {
            if (old.step < checkpoint.step) {
                AtomicFiles.retire(old.directory);
            }
        }
        return checkpoint;
    }

    private static List<Tensor> moments(Weights weights, Store moments) {
        var tensors = new ArrayList<Tensor>();
        for (var prefix : List.of(Trainer.M, Trainer.V)) {
            for (var weight : weights.tensors()) {
                var name = prefix + weight.name();
                tensors.add(new Tensor(name, weight.type(), weight.shape(), moments.at(name)));
            }
        }
        return tensors;
    }
}
