package dev.panamba.train;

import dev.panamba.io.AtomicFiles;
import dev.panamba.io.AtomicFiles.Content;
import dev.panamba.io.Digests;
import dev.panamba.io.SafeTensors;
import dev.panamba.io.WeightFiles;
import dev.panamba.model.ModelFiles;
import dev.panamba.tensor.DType;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * A training as it lasts: the directory {@code step-N} holds the model after N steps, {@code trainer.safetensors} with the
 * moments, {@code trainer.json} with how it is trained, and {@code SHA256SUMS} with the digests of all of them. It appears by one
 * rename; then the links beside it, which make the training's own directory a model, are turned to it. The newest and the one
 * before it are kept: where the newest turns out to be damaged, {@link #lastGood} goes back to the other.
 *
 * <p>Whoever goes on from a checkpoint has its files compared with their digests. Whoever only loads the model does not, since that
 * would take longer than the loading; {@code sha256sum -c SHA256SUMS} does it by hand.
 */
public final class Checkpoint {
    private static final String PREFIX = "step-";
    private static final String DAMAGED = "damaged-";
    private static final String TRAINER = "trainer.json";
    private static final String MOMENTS = "trainer.safetensors";
    /** What makes the training's own directory a model. */
    private static final List<String> MODEL =
            List.of(ModelFiles.CONFIG, ModelFiles.WEIGHTS, ModelFiles.TOKENIZER, ModelFiles.GENERATION);

    private static final List<String> FILES =
            Stream.concat(MODEL.stream(), Stream.of(MOMENTS, TRAINER)).toList();
    /** In {@code trainer.json}; a checkpoint that has no format was made before there were digests. */
    private static final int FORMAT = 2;

    private final Path directory;
    private final int step;
    private boolean checked;

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
        return all(training).stream().findFirst();
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
        all.sort(Comparator.comparingInt(Checkpoint::step).reversed());
        return all;
    }

    /**
     * The newest checkpoint of a training that is as it was saved. Newer ones are renamed, so that they are kept and in nobody's
     * way; if there is no good one, nothing is changed.
     *
     * @param training its directory
     * @param said hears a sentence about each that is damaged, and about one that is too old to have digests
     * @return the checkpoint, if there is any
     * @throws IOException if none is good, saying what is wrong with the newest, or if one cannot be read
     */
    public static Optional<Checkpoint> lastGood(Path training, Consumer<String> said) throws IOException {
        var damaged = new LinkedHashMap<Checkpoint, IOException>();
        for (var checkpoint : all(training)) {
            try {
                checkpoint.check(said);
            } catch (AccessDeniedException e) {
                throw e;
            } catch (IOException e) {
                damaged.put(checkpoint, e);
                continue;
            }
            checkpoint.link();
            for (var bad : damaged.entrySet()) {
                var kept = bad.getKey().setAside();
                said.accept(bad.getValue().getMessage() + " It is kept as " + kept.getFileName()
                        + ", and the training goes on from step " + checkpoint.step + ".");
            }
            return Optional.of(checkpoint);
        }
        for (var e : damaged.values()) {
            throw e;
        }
        return Optional.empty();
    }

    /** Compares the files with their digests, and searches them for what would end the training. */
    private void check(Consumer<String> said) throws IOException {
        if (checked) {
            return;
        }
        var digests = Files.exists(directory.resolve(Digests.FILE));
        if (digests) {
            Digests.check(directory, FILES);
        }
        for (var name : List.of(ModelFiles.CONFIG, ModelFiles.WEIGHTS, MOMENTS, TRAINER)) {
            if (!Files.isRegularFile(directory.resolve(name))) {
                throw new IOException(directory.resolve(name) + " is missing.");
            }
        }
        var trainer = WeightFiles.json(directory.resolve(TRAINER));
        if (!digests && trainer.has("format")) {
            throw new IOException(directory + " has no " + Digests.FILE + ", which was saved with it.");
        }
        var recorded = trainer.path("step");
        if (!recorded.isInt() || recorded.intValue() != step) {
            throw new IOException(directory.resolve(TRAINER) + " is of step " + recorded + ", not of " + step + ".");
        }
        for (var name : List.of(ModelFiles.WEIGHTS, MOMENTS)) {
            try (var file = SafeTensors.open(directory.resolve(name))) {
                for (var tensor : file.tensors()) {
                    if (!file.isFinite(tensor)) {
                        throw new IOException(file + " has a NaN or an infinity in " + tensor.name() + ".");
                    }
                }
            }
        }
        if (!digests) {
            said.accept(
                    directory + " was saved by an older version, without digests: if it is damaged, nobody notices.");
        }
        checked = true;
    }

    private Path setAside() throws IOException {
        var place = directory.resolveSibling(DAMAGED + directory.getFileName());
        for (int i = 2; Files.exists(place, LinkOption.NOFOLLOW_LINKS); i++) {
            place = directory.resolveSibling(DAMAGED + directory.getFileName() + "-" + i);
        }
        return Files.move(directory, place, StandardCopyOption.ATOMIC_MOVE);
    }

    /** Turns the links beside it to it. */
    private void link() throws IOException {
        for (var name : MODEL) {
            var link = directory.resolveSibling(name);
            var target = Path.of(directory.getFileName().toString(), name);
            var right =
                    Files.isSymbolicLink(link) && Files.readSymbolicLink(link).equals(target);
            if (!right && Files.exists(directory.resolve(name))) {
                AtomicFiles.link(link, target);
            }
        }
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
     * @throws IOException if a file is missing, wrong or damaged
     */
    public void restore(Trainer trainer) throws IOException {
        check(_ -> {});
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
     * Saves a training after its last step. Of earlier checkpoints the newest stays.
     *
     * @param training directory of the training
     * @param trainer what to save
     * @param tokenizer a {@code tokenizer.json} to copy, or null
     * @param settings how it is trained, for {@link #settings}
     * @return the checkpoint
     * @throws ArithmeticException if weights or moments hold a NaN or an infinity; nothing is changed
     * @throws IOException if it cannot be written; the one before is then still the newest
     */
    public static Checkpoint save(Path training, Trainer trainer, Path tokenizer, Consumer<ObjectNode> settings)
            throws IOException {
        trainer.checkFinite();
        var checkpoint = new Checkpoint(training.resolve(PREFIX + trainer.step()), trainer.step());
        var files = ModelFiles.contents(trainer.weights(), DType.F32, tokenizer);
        files.put(MOMENTS, channel -> SafeTensors.write(channel, Map.of(), trainer.momentTensors()));
        var json = JsonNodeFactory.instance.objectNode();
        json.put("format", FORMAT);
        json.put("step", trainer.step());
        settings.accept(json.putObject("settings"));
        files.put(TRAINER, Content.of(json.toPrettyString() + "\n"));
        // Before, not behind, so that there is never need for room for a third.
        var before = all(training);
        for (var old : before.subList(Math.min(1, before.size()), before.size())) {
            before.getFirst().link();
            AtomicFiles.retire(old.directory);
        }
        AtomicFiles.directory(checkpoint.directory, Digests.with(files));
        checkpoint.link();
        return checkpoint;
    }
}
