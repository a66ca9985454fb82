package dev.panamba.infer;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.panamba.graph.Executable;
import dev.panamba.graph.Graph;
import dev.panamba.graph.Role;
import dev.panamba.graph.Store;
import dev.panamba.graph.Team;
import dev.panamba.graph.Value;
import dev.panamba.memory.Placement;
import dev.panamba.model.Network;
import dev.panamba.model.Weights;
import dev.panamba.nn.Pass;
import dev.panamba.tensor.DType;
import dev.panamba.tensor.Shape;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.Stream;

/**
 * The states of up to a fixed number of sessions, and the programs that advance them. A slot that was never used costs no
 * memory. Closing a shared arena stops every thread for a moment, so sessions come and go as slots, not as arenas.
 */
final class SessionPool implements AutoCloseable {
    /** Programs exist for these numbers of tokens; any other number is read in parts, which gives the same states. */
    private static final int[] CHUNKS = {512, 256, 64, 16, 8, 4, 2, 1};

    private static final DType REAL = DType.F32;
    private static final String LOGITS = "logits";

    private final Weights weights;
    private final DType compute;
    private final Team team;
    private final int slots;
    private final Store parameters;
    private final Store states;
    private final Store logits;
    private final List<Value> stateValues;
    /** Of one session, by index of CHUNKS. */
    private final Body[] chunks = new Body[CHUNKS.length];
    /** Of one token of each of several sessions, by their number. */
    private final Body[] batches;
    /** By the number of sessions. */
    private final Head[] heads;

    private final BitSet taken = new BitSet();
    private final ReentrantLock turn = new ReentrantLock();
    private boolean closed;

    /** Reads the next tokens of B sessions; last [B, D] is what the head makes logits of. */
    private record Body(
            Executable executable, MemorySegment token, MemorySegment past, MemorySegment slot, MemorySegment last) {
        void run() {
            executable.run();
        }
    }

    /** Makes logits [B, V] of last [B, D]. A program of its own: of a long prompt only the last chunk needs it. */
    private record Head(Executable executable, MemorySegment last, MemorySegment logits) {
        MemorySegment run(Body body) {
            last.copyFrom(body.last);
            executable.run();
            return logits;
        }
    }

    SessionPool(Weights weights, DType compute, Team team, int slots) {
        this.weights = weights;
        this.compute = compute;
        this.team = team;
        this.slots = slots;
        this.parameters = weights.store().asReadOnly();
        this.batches = new Body[slots + 1];
        this.heads = new Head[slots + 1];
        this.stateValues = List.copyOf(new BodyGraph(1, 1).graph.states());
        this.states = Store.allocateSparse("the sessions' states", stateValues);
        this.logits = Store.allocateSparse(
                "the sessions' logits",
                List.of(new Graph(REAL)
                        .value(
                                LOGITS,
                                REAL,
                                Role.STATE,
                                Shape.of(slots, weights.config().V()))));
    }

    private final class BodyGraph {
        final Graph graph = new Graph(REAL, compute);
        final Pass pass;
        final Value token;
        final Value x;

        BodyGraph(int B, int L) {
            var config = weights.config();
            pass = Pass.next(graph, B, L, slots, config.maxPositions(), weights.format());
            token = graph.input("token", DType.I32, pass.T());
            x = graph.output(Network.body(config, pass, token));
        }
    }

    private Body body(int B, int L) {
        var built = new BodyGraph(B, L);
        var executable = bind(built.graph);
        var x = executable.at(built.x);
        // Of one session the last row is wanted; where there are several, each reads one token.
        long bytes = x.byteSize() / L;
        return new Body(
                executable,
                executable.at(built.token),
                executable.at(built.pass.past()),
                executable.at(built.pass.slot()),
                x.asSlice(x.byteSize() - bytes));
    }

    private Head head(int B) {
        if (heads[B] == null) {
            var config = weights.config();
            var graph = new Graph(REAL, compute);
            var last = graph.input("last", REAL, B, config.D());
            var pass = Pass.whole(graph, B, 1, true, weights.format());
            var logits = graph.output(Network.head(config, pass, last));
            var executable = bind(graph);
            heads[B] = new Head(executable, executable.at(last), executable.at(logits));
        }
        return heads[B];
    }

    private Executable bind(Graph graph) {
        var stores = Map.of(Role.PARAMETER, parameters, Role.STATE, states);
        return Executable.bind(graph.program(), REAL, team, stores, Placement.PACKED);
    }

    int take() {
        turn.lock();
        try {
            check();
            var slot = taken.nextClearBit(0);
            if (slot >= slots) {
                throw new IllegalStateException(
                        "All " + slots + " sessions that a model can have are open: close one first.");
            }
            taken.set(slot);
            return slot;
        } finally {
            turn.unlock();
        }
    }

    void giveBack(int slot) {
        turn.lock();
        try {
            taken.clear(slot);
        } finally {
            turn.unlock();
        }
    }

    /**
     * Reads tokens into a session's state.
     *
     * @param slot the session's
     * @param past tokens that it has read before
     * @param tokens what it reads, at least one
     * @param from first token to read
     * @param to behind the last
     * @param logits where those after the last token go, V floats
     */
    void feed(int slot, int past, int[] tokens, int from, int to, MemorySegment logits) {
        turn.lock();
        try {
            check();
            int index = 0;
            while (from < to) {
                while (CHUNKS[index] > to - from) {
                    index++;
                }
                int L = CHUNKS[index];
                if (chunks[index] == null) {
                    chunks[index] = body(1, L);
                }
                var chunk = chunks[index];
                MemorySegment.copy(tokens, from, chunk.token, JAVA_INT, 0, L);
                chunk.past.set(JAVA_INT, 0, past);
                chunk.slot.set(JAVA_INT, 0, slot);
                chunk.run();
                from += L;
                past += L;
                if (from == to) {
                    logits.copyFrom(head(1).run(chunk));
                }
            }
        } finally {
            turn.unlock();
        }
    }

    /**
     * Reads one token into each of several sessions' states: every weight is read once for all.
     *
     * @param sessions their slots, all different
     * @param past tokens that each has read before
     * @param tokens what each reads
     * @param logits where those after the token go, V floats each
     */
    void feed(int[] sessions, int[] past, int[] tokens, MemorySegment[] logits) {
        turn.lock();
        try {
            check();
            int B = sessions.length;
            if (batches[B] == null) {
                batches[B] = body(B, 1);
            }
            var batch = batches[B];
            MemorySegment.copy(tokens, 0, batch.token, JAVA_INT, 0, B);
            MemorySegment.copy(past, 0, batch.past, JAVA_INT, 0, B);
            MemorySegment.copy(sessions, 0, batch.slot, JAVA_INT, 0, B);
            batch.run();
            var all = head(B).run(batch);
            long bytes = all.byteSize() / B;
            for (int b = 0; b < B; b++) {
                MemorySegment.copy(all, b * bytes, logits[b], 0, bytes);
            }
        } finally {
            turn.unlock();
        }
    }

    /**
     * What a session's state consists of, in the order of the network: all of the recurrent states, and of caches the rows that
     * have been written.
     */
    List<MemorySegment> parts(int slot, int position) {
        check();
        var parts = new ArrayList<MemorySegment>();
        for (var value : stateValues) {
            var bytes = value.bytes() / slots;
            var rows = value.shape().dim(1);
            var used = value.name().endsWith(".cache") ? bytes / rows * Math.min(rows, position) : bytes;
            parts.add(states.at(value.name()).asSlice(slot * bytes, used));
        }
        return parts;
    }

    /** Where the logits of a session stand, V floats. */
    MemorySegment logits(int slot) {
        var all = logits.at(LOGITS);
        return all.asSlice(all.byteSize() / slots * slot, all.byteSize() / slots);
    }

    private void check() {
        if (closed) {
            throw new IllegalStateException("The model is closed.");
        }
    }

    @Override
    public void close() {
        turn.lock();
        try {
            if (!taken.isEmpty()) {
                throw new IllegalStateException(
                        taken.cardinality() == 1
                                ? "A session of this model is open: close it before the model."
                                : taken.cardinality()
                                        + " sessions of this model are open: close them before the model.");
            }
            if (!closed) {
                closed = true;
                Stream.concat(Arrays.stream(chunks), Arrays.stream(batches))
                        .filter(Objects::nonNull)
                        .forEach(body -> body.executable.close());
                Arrays.stream(heads).filter(Objects::nonNull).forEach(head -> head.executable.close());
                states.close();
                logits.close();
            }
        } finally {
            turn.unlock();
        }
    }
}
