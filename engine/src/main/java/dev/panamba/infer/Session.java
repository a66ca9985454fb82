package dev.panamba.infer;

import dev.panamba.graph.Graph;
import dev.panamba.graph.Value;
import dev.panamba.model.Config;
import dev.panamba.model.Network;
import dev.panamba.nn.Pass;
import dev.panamba.tensor.DType;
import dev.panamba.text.Tokenizer;
import java.lang.foreign.MemorySegment;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * One conversation with a model. Its state has a constant size for the Mamba families and room for the model's positions for
 * the Transformers. It is a value: {@link #snapshot} copies it, {@link #restore} puts a copy back, {@link #fork} opens a
 * session that goes on from here. One thread at a time; another one at the same time is refused.
 */
public final class Session implements AutoCloseable {
    private final LanguageModel model;
    private final SessionPool pool;
    private final int slot;
    private final MemorySegment logits;
    /** The last token that was sampled. */
    private final int[] sampled = new int[1];

    private final AtomicBoolean busy = new AtomicBoolean();
    /** The last tokens, in a ring, behind which what is generated is decoded. */
    private final int[] recent = new int[16];

    private int remembered;
    private int position;
    /** Whether what was sampled is still to be read: a token is there for its reader before the time that the next one takes. */
    private boolean unread;

    private boolean closed;

    Session(LanguageModel model, SessionPool pool) {
        this.model = model;
        this.pool = pool;
        this.slot = pool.take();
        this.logits = pool.logits(slot);
        pool.parts(slot, 0).forEach(part -> part.fill((byte) 0));
    }

    /**
     * Reads tokens. The state afterwards does not depend on how a text is cut into calls.
     *
     * @param tokens ids below the vocabulary's size, at least one
     * @return this
     * @throws IllegalArgumentException for no tokens, an id out of the vocabulary, or more than the model's positions; the state
     *     is then as before
     */
    public Session feed(int... tokens) {
        enter();
        try {
            read(tokens);
            return this;
        } finally {
            busy.set(false);
        }
    }

    private void read(int[] tokens) {
        if (tokens.length == 0) {
            throw new IllegalArgumentException("There is nothing to read: give at least one token.");
        }
        for (int token : tokens) {
            checkIsKnown(token);
        }
        checkHasRoom(tokens.length);
        pool.feed(slot, position, tokens, 0, tokens.length, logits);
        for (int i = Math.max(0, tokens.length - recent.length); i < tokens.length; i++) {
            remember(tokens[i]);
        }
        position += tokens.length;
    }

    private void remember(int token) {
        recent[remembered++ & recent.length - 1] = token;
        // Only its last bits and whether the ring is full count.
        remembered = remembered < 2 * recent.length ? remembered : recent.length;
    }

    private int[] recent() {
        int count = Math.min(remembered, recent.length);
        var tokens = new int[count];
        for (int i = 0; i < count; i++) {
            tokens[i] = recent[remembered - count + i & recent.length - 1];
        }
        return tokens;
    }

    /** Gives the token. */
    int checkIsKnown(int token) {
        if (token < 0 || token >= model.config().V()) {
            throw new IllegalArgumentException("Token " + token + " is not in the vocabulary of "
                    + model.config().V() + " (0 to " + (model.config().V() - 1) + ").");
        }
        return token;
    }

    /** Gives the tokens read so far. */
    int checkHasRoom(int more) {
        if (more > model.config().longest() - position) {
            throw new IllegalArgumentException("The model has " + model.config().longest() + " positions; after "
                    + position + " tokens there is no room for " + more + " more.");
        }
        return position;
    }

    /** Notes a token that a batch has read. */
    void advance(int token) {
        remember(token);
        position++;
    }

    int slot() {
        return slot;
    }

    MemorySegment memory() {
        return logits;
    }

    /**
     * The model that this is a session of.
     *
     * @return the model
     */
    public LanguageModel model() {
        return model;
    }

    void leave() {
        busy.set(false);
    }

    /**
     * The logits after the last token read.
     *
     * @return V floats, overwritten by the next token, and another session's when this one is closed; read-only
     * @throws IllegalStateException before the first token
     */
    public MemorySegment logits() {
        enter();
        try {
            checkHasRead();
            return logits.asReadOnly();
        } finally {
            busy.set(false);
        }
    }

    /**
     * Samples one token. The session goes on behind it; the work of reading it is done when something asks for what follows.
     * Allocates nothing.
     *
     * @param sampler chooses it
     * @return its id
     */
    public int next(Sampler sampler) {
        enter();
        try {
            checkHasRead();
            checkHasRoom(1);
            int token = sampler.sample(logits);
            checkIsKnown(token);
            sampled[0] = token;
            remember(token);
            unread = true;
            position++;
            return token;
        } finally {
            busy.set(false);
        }
    }

    void checkHasRead() {
        if (position == 0) {
            throw new IllegalStateException(
                    "The session has read nothing yet: feed it a prompt of at least one token.");
        }
    }

    /**
     * Generates tokens while it is iterated over, and ends behind the first of the model's {@link LanguageModel#endTokens()}.
     *
     * @param sampler chooses them
     * @param count how many at most
     * @return tokens with their text, in whole characters; a token that ends the text is the last one, and has none
     */
    public Iterable<Token> generate(Sampler sampler, int count) {
        if (count < 0) {
            throw new IllegalArgumentException("The number of tokens is " + count + " and must not be negative.");
        }
        return () -> new Generation(sampler, count);
    }

    private final class Generation implements Iterator<Token> {
        private final Sampler sampler;
        private final Tokenizer.Decoder decoder = model.tokenizer().decoderBehind(recent());
        private int left;

        Generation(Sampler sampler, int count) {
            this.sampler = sampler;
            this.left = count;
        }

        @Override
        public boolean hasNext() {
            return left > 0 && position < model.config().longest();
        }

        @Override
        public Token next() {
            if (!hasNext()) {
                throw new NoSuchElementException();
            }
            int id = Session.this.next(sampler);
            if (model.endTokens().contains(id)) {
                left = 0;
                return new Token(id, "");
            }
            left--;
            return new Token(id, decoder.append(id));
        }
    }

    /**
     * Tokens read so far.
     *
     * @return a count
     */
    public int position() {
        return position;
    }

    /**
     * A copy of the state.
     *
     * @return the value of this moment, usable with any session of the same model
     */
    public Snapshot snapshot() {
        enter();
        try {
            return Snapshot.of(model.config(), model.fingerprint(), pool.parts(slot, position), position, logits);
        } finally {
            busy.set(false);
        }
    }

    /**
     * Goes back, or over, to a snapshot's state.
     *
     * @param snapshot of a session of the same model
     * @return this
     * @throws IllegalArgumentException if it comes from another kind of model
     */
    public Session restore(Snapshot snapshot) {
        enter();
        try {
            if (!snapshot.config().equals(model.config())) {
                throw new IllegalArgumentException("The snapshot comes from another kind of model than this one.");
            }
            if (!snapshot.fingerprint().equals(model.fingerprint())) {
                throw new IllegalArgumentException(
                        "The snapshot comes from other weights than this model's, or from the same in another format.");
            }
            snapshot.copyTo(pool.parts(slot, snapshot.position()), logits);
            position = snapshot.position();
            remembered = 0;
            return this;
        } finally {
            busy.set(false);
        }
    }

    /**
     * Opens a session that goes on from here.
     *
     * @return a session of its own
     */
    public Session fork() {
        var snapshot = snapshot();
        var fork = model.newSession().restore(snapshot);
        for (int token : recent()) {
            fork.remember(token);
        }
        return fork;
    }

    /**
     * Size of the state: the same at every length for the Mamba families, with a full cache for the Transformers.
     *
     * @return bytes of one session
     */
    public long stateBytes() {
        return pool.parts(slot, model.config().longest()).stream()
                .mapToLong(MemorySegment::byteSize)
                .sum();
    }

    /**
     * Size of the state of any session of a model.
     *
     * @param config the model
     * @return bytes, as {@link #stateBytes()} has them
     */
    public static long stateBytes(Config config) {
        var graph = new Graph(DType.F32);
        Network.body(
                config,
                Pass.next(graph, 1, 1, 1, config.maxPositions(), DType.F32),
                graph.input("token", DType.I32, 1));
        return graph.states().stream().mapToLong(Value::bytes).sum();
    }

    void enter() {
        if (!busy.compareAndSet(false, true)) {
            throw new IllegalStateException(
                    "The session is in use by another thread: give each thread a session of its own.");
        }
        if (closed) {
            busy.set(false);
            throw new IllegalStateException("The session is closed.");
        }
        if (unread) {
            readSampled();
        }
    }

    private void readSampled() {
        try {
            pool.feed(slot, position - 1, sampled, 0, 1, logits);
            unread = false;
        } catch (RuntimeException e) {
            busy.set(false);
            throw e;
        }
    }

    @Override
    public void close() {
        if (!busy.compareAndSet(false, true)) {
            throw new IllegalStateException(
                    "The session is in use by another thread, which is to end before it closes.");
        }
        if (!closed) {
            closed = true;
            pool.giveBack(slot);
        }
        busy.set(false);
    }
}
