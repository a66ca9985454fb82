package dev.panamba.model;

import dev.panamba.graph.Executable;
import dev.panamba.graph.Graph;
import dev.panamba.graph.Role;
import dev.panamba.graph.Store;
import dev.panamba.graph.Team;
import dev.panamba.graph.UpdateOp.Quantise;
import dev.panamba.graph.UpdateOp.SquaredNorm;
import dev.panamba.graph.Value;
import dev.panamba.io.Digests;
import dev.panamba.memory.Placement;
import dev.panamba.tensor.DType;
import dev.panamba.tensor.Shape;
import dev.panamba.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A model's parameters in memory, with the names and shapes of its configuration: F32, or for inference with the large matrices
 * in a narrower format.
 */
public final class Weights implements AutoCloseable {
    /** Parts of a parameter that its fingerprint is taken of, and bytes of each. */
    private static final int SAMPLES = 8;

    private static final long SAMPLE = 512;

    private final Config config;
    private final List<Value> parameters;
    private final Store store;
    private final DType format;
    private final DType stored;
    private final SpecialTokens special;

    Weights(Config config, List<Value> parameters, Store store, DType format, DType stored, SpecialTokens special) {
        this.config = config;
        this.parameters = parameters;
        this.store = store;
        this.format = format;
        this.stored = stored;
        this.special = special;
    }

    /**
     * All zero.
     *
     * @param config the model
     * @param format type of the large matrices: F32, BF16, INT8 or INT4
     * @param stored type of the file that they will come from
     * @param special what the model's files say of its tokens
     * @return weights in memory of their own
     */
    static Weights zero(Config config, DType format, DType stored, SpecialTokens special) {
        var parameters = Network.parameters(config, format);
        return new Weights(config, parameters, Store.allocate("the weights", parameters), format, stored, special);
    }

    /**
     * First weights, drawn as the paper's authors do.
     *
     * @param config the model
     * @param seed the same seed gives the same weights
     * @return weights in memory of their own
     */
    public static Weights random(Config config, long seed) {
        var weights = zero(config, DType.F32, DType.F32, SpecialTokens.NONE);
        Initialisation.draw(weights.parameters, weights.store, seed);
        return weights;
    }

    /**
     * What the model is.
     *
     * @return its configuration
     */
    public Config config() {
        return config;
    }

    /**
     * The tokens that end a text, as the files say that the weights come from; they stay with the model where it is saved.
     *
     * @return eos_token_id of {@code generation_config.json}, else of {@code config.json}; empty where neither has it
     */
    public Set<Integer> endTokens() {
        return Collections.unmodifiableSet(special.ends());
    }

    SpecialTokens special() {
        return special;
    }

    /**
     * The type of the large matrices.
     *
     * @return F32, BF16, INT8 or INT4
     */
    public DType format() {
        return format;
    }

    /**
     * These weights, which are F32, in another format.
     *
     * @param format BF16, INT8 or INT4
     * @param team who converts
     * @return weights in memory of their own
     * @throws UncheckedIOException naming the first parameter that holds a NaN or an infinity, which have no place in it
     */
    public Weights in(DType format, Team team) {
        var narrow = zero(config, format, format, special);
        try {
            for (var parameter : narrow.parameters) {
                narrow.fill("The model", parameter, team, segment -> segment.copyFrom(store.at(parameter.name())));
            }
            return narrow;
        } catch (RuntimeException | IOException e) {
            narrow.close();
            throw e instanceof RuntimeException r ? r : new UncheckedIOException((IOException) e);
        }
    }

    /** Writes F32 numbers into memory. */
    @FunctionalInterface
    interface Source {
        void write(MemorySegment f32) throws IOException;
    }

    /**
     * Fills a parameter, rounding to its type.
     *
     * @param model its name, for messages
     * @param parameter one of these weights
     * @param team who rounds
     * @param source of its numbers
     * @throws IOException if the source cannot be read, or if a number is to be rounded that is none
     */
    void fill(String model, Value parameter, Team team, Source source) throws IOException {
        if (parameter.type() == DType.F32) {
            source.write(store.at(parameter.name()));
            return;
        }
        var graph = new Graph(DType.F32);
        var target = graph.matrix(
                parameter.name(), parameter.type(), parameter.shape().dims());
        var w = graph.input("w", DType.F32, parameter.shape().dims());
        var squares = graph.output(graph.value(
                "squares",
                DType.F64,
                Role.ACTIVATION,
                Shape.of(SquaredNorm.parts(parameter.shape().elements()))));
        graph.add(new SquaredNorm(squares, w));
        graph.add(new Quantise(target, w));
        try (var quantise =
                Executable.bind(graph.program(), DType.F32, team, Map.of(Role.PARAMETER, store), Placement.PACKED)) {
            source.write(quantise.at(w));
            quantise.run();
            // A sum of squares in double precision is finite if all numbers are, and the kernel has it while memory
            // brings them.
            var sums = quantise.at(squares);
            for (long i = 0; i < sums.byteSize() / Double.BYTES; i++) {
                if (!Double.isFinite(sums.getAtIndex(ValueLayout.JAVA_DOUBLE, i))) {
                    checkFinite(model, parameter, quantise.at(w));
                }
            }
        }
    }

    /** Refuses what no longer is in a narrower format: a NaN would vanish in it, and an infinity take its whole group along. */
    void checkFinite(String model, Value parameter, MemorySegment f32) throws IOException {
        for (long i = 0; i < f32.byteSize() / Float.BYTES; i++) {
            float x = f32.getAtIndex(ValueLayout.JAVA_FLOAT, i);
            if (!Float.isFinite(x)) {
                throw new IOException(model + " has " + x + " in " + parameter.name() + " (element " + i
                        + "), and is not converted to " + format
                        + ": its weights are damaged, or its training diverged.");
            }
        }
    }

    /**
     * The narrowest type that holds these weights exactly, as far as the file that they come from says.
     *
     * @return F32, BF16 or F16
     */
    public DType stored() {
        return stored;
    }

    /**
     * Where the parameters stand.
     *
     * @return the store, owned by this
     */
    public Store store() {
        return store;
    }

    /**
     * The parameters as they go into a file: wide elements first, so that all are aligned in it, and in the order of the network.
     *
     * @return tensors; of a type of groups their bytes
     */
    public List<Tensor> tensors() {
        return parameters.stream()
                .map(p -> new Tensor(p.name(), fileType(p.type()), fileShape(p), store.at(p.name())))
                .sorted(Comparator.comparingInt(t -> -t.type().bytes()))
                .toList();
    }

    /**
     * What tells these weights from others, without reading all of them: SHA-256 over configuration, names, types and shapes of all
     * parameters, all bytes of small ones and some parts of large ones. Two trainings differ in it, two steps of one training, and
     * two formats of one model; a change of some bytes in the middle of a large matrix does not show.
     *
     * @return 64 hexadecimal digits
     */
    public String fingerprint() {
        var digest = Digests.sha256();
        digest.update(ConfigFile.write(config, DType.F32).toString().getBytes(StandardCharsets.UTF_8));
        for (var tensor : tensors()) {
            digest.update((tensor.name() + tensor.type() + tensor.shape()).getBytes(StandardCharsets.UTF_8));
            long size = tensor.data().byteSize();
            long last = Math.max(0, size - SAMPLE);
            for (int i = 0; i < SAMPLES; i++) {
                long at = last * i / (SAMPLES - 1);
                digest.update(tensor.data().asSlice(at, Math.min(SAMPLE, size)).asByteBuffer());
            }
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    /** The type of a parameter in a file. */
    static DType fileType(DType type) {
        return type.isGrouped() ? DType.U8 : type;
    }

    /** The shape of a parameter in a file. */
    static Shape fileShape(Value parameter) {
        return parameter.type().stored(parameter.shape());
    }

    @Override
    public void close() {
        store.close();
    }
}
