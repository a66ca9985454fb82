package dev.panamba.infer;

import dev.panamba.bindings.Natives;
import dev.panamba.graph.Gemm;
import dev.panamba.graph.Profile;
import dev.panamba.graph.Team;
import dev.panamba.model.Config;
import dev.panamba.model.ModelFiles;
import dev.panamba.model.Weights;
import dev.panamba.tensor.DType;
import dev.panamba.text.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/**
 * A model ready to read and write text. It owns its weights, the states of its sessions, and the team of threads that works for
 * them; any number of threads may use it, each with a session of its own.
 *
 * <pre>{@code
 * try (var model = LanguageModel.load(Path.of("model")); var session = model.newSession()) {
 *     session.feed(model.tokenizer().encode("public final class "));
 *     for (var token : session.generate(Sampler.topP(0.9f, 42), 100)) {
 *         System.out.print(token.text());
 *     }
 * }
 * }</pre>
 */
public final class LanguageModel implements AutoCloseable {
    /** Sessions that can be open at once; a slot that was never used costs no memory. */
    private static final int SLOTS = 64;

    /** What the large matrices can be. */
    private static final Set<DType> FORMATS = EnumSet.of(DType.F32, DType.BF16, DType.INT8, DType.INT4);

    private final Weights weights;
    private final Tokenizer tokenizer;
    private final Set<Integer> endTokens;
    private final Team team;
    private final SessionPool pool;
    /** Of the weights; taken when the first session is kept. */
    private String fingerprint;

    private LanguageModel(Weights weights, Tokenizer tokenizer, DType compute, Team team) {
        this.weights = weights;
        this.tokenizer = tokenizer;
        var end = tokenizer.endOfText();
        this.endTokens =
                weights.endTokens().isEmpty() && end.isPresent() ? Set.of(end.getAsInt()) : weights.endTokens();
        this.team = team;
        this.pool = new SessionPool(weights, compute, team, SLOTS);
    }

    /**
     * Loads a model: the weights are copied into memory of its own.
     *
     * @param directory with {@code config.json}, {@code model.safetensors} and, unless its tokens are bytes, {@code
     *     tokenizer.json}; or the {@code --out} directory of a training. A {@code generation_config.json} may say which tokens end
     *     a text
     * @return the model, to be closed after its sessions
     * @throws IOException if a file is missing or wrong, with the file's name and what is wrong
     */
    public static LanguageModel load(Path directory) throws IOException {
        return load(directory, null, DType.F32, false, Runtime.getRuntime().availableProcessors());
    }

    /**
     * Loads a model.
     *
     * @param directory as for {@link #load(Path)}
     * @param weights type of the large matrices: F32, BF16, INT8 or INT4, converted while they are loaded; null for that of the file
     * @param compute F32, or BF16: what products of more than a few tokens round their factors to, which reads a prompt faster where
     *     the processor has instructions for it, and gives slightly different numbers when it comes in other pieces
     * @param map whether to map the weights instead of copying them: the start costs nothing and of experts only those are read that are used, but
     *     the file must have the type of weights, and must not be truncated while the model is open, since that ends the process
     * @param threads that work for the model, the caller's included
     * @return the model, to be closed after its sessions
     * @throws IOException if a file is missing or wrong, with the file's name and what is wrong
     * @throws IllegalArgumentException for another type, or threads that are not 1 to {@link Team#MOST}
     */
    public static LanguageModel load(Path directory, DType weights, DType compute, boolean map, int threads)
            throws IOException {
        check(weights, compute, threads);
        Natives.loadAhead();
        var tokenizer = ModelFiles.tokenizer(directory);
        return of(ModelFiles.weights(directory, map, weights), tokenizer, compute, threads);
    }

    /**
     * A model around weights that are in memory already.
     *
     * @param weights the model takes them over and closes them, also if it cannot be made
     * @param tokenizer of its texts
     * @param compute F32 or BF16, as for {@link #load(Path, DType, DType, boolean, int)}
     * @param threads that work for the model, the caller's included
     * @return the model
     * @throws IllegalArgumentException for another type, or threads that are not 1 to {@link Team#MOST}
     */
    public static LanguageModel of(Weights weights, Tokenizer tokenizer, DType compute, int threads) {
        return of(weights, tokenizer, compute, threads, Gemm.FASTEST);
    }

    /**
     * {@link #of(Weights, Tokenizer, DType, int)} with dense matrix products done by one library, so that two can be compared.
     *
     * @param weights the model takes them over and closes them, also if it cannot be made
     * @param tokenizer of its texts
     * @param compute F32 or BF16
     * @param threads that work for the model, the caller's included
     * @param gemm who multiplies
     * @return the model
     */
    public static LanguageModel of(Weights weights, Tokenizer tokenizer, DType compute, int threads, Gemm gemm) {
        Team team = null;
        try {
            check(null, compute, threads);
            team = new Team(threads, gemm);
            return new LanguageModel(weights, tokenizer, compute, team);
        } catch (RuntimeException e) {
            if (team != null) {
                team.close();
            }
            weights.close();
            throw e;
        }
    }

    private static void check(DType weights, DType compute, int threads) {
        if (weights != null && !FORMATS.contains(weights)) {
            throw new IllegalArgumentException(
                    "weights is " + weights + " and must be one of " + FORMATS + ", or null.");
        }
        if (compute != DType.F32 && compute != DType.BF16) {
            throw new IllegalArgumentException("compute is " + compute + " and must be F32 or BF16.");
        }
        if (threads < 1 || threads > Team.MOST) {
            throw new IllegalArgumentException("threads is " + threads + " and must be 1 to " + Team.MOST + ".");
        }
    }

    /**
     * What the model is.
     *
     * @return its configuration
     */
    public Config config() {
        return weights.config();
    }

    /** What tells its weights from others. */
    synchronized String fingerprint() {
        if (fingerprint == null) {
            fingerprint = weights.fingerprint();
        }
        return fingerprint;
    }

    /**
     * How its texts become tokens.
     *
     * @return the tokenizer; for a directory without one, bytes if the vocabulary is 256, else one that refuses text
     */
    public Tokenizer tokenizer() {
        return tokenizer;
    }

    /**
     * The tokens at which {@link Session#generate} ends.
     *
     * @return eos_token_id of {@code generation_config.json}, else of {@code config.json}, else the tokenizer's end of text, else none
     */
    public Set<Integer> endTokens() {
        return endTokens;
    }

    /**
     * Opens a session with an empty state.
     *
     * @return the session
     * @throws IllegalStateException if the model is closed or has no slot left
     */
    public Session newSession() {
        return new Session(this, pool);
    }

    /**
     * Lets sessions write their next tokens together.
     *
     * @param sessions open sessions of this model, each once
     * @return the batch, which owns nothing
     * @throws IllegalArgumentException if there is none, one twice, or one of another model
     */
    public Batch batch(List<Session> sessions) {
        if (sessions.isEmpty()
                || sessions.stream().distinct().count() < sessions.size()
                || sessions.stream().anyMatch(session -> session.model() != this)) {
            throw new IllegalArgumentException("A batch is one or more sessions of this model, each of them once.");
        }
        return new Batch(pool, sessions);
    }

    /**
     * Measures where the time goes from now on.
     *
     * @param profile where the times go, or null for no more
     */
    public void measure(Profile profile) {
        team.measure(profile);
    }

    /**
     * Closes the model.
     *
     * @throws IllegalStateException if a session is open
     */
    @Override
    public void close() {
        pool.close();
        team.close();
        weights.close();
    }
}
