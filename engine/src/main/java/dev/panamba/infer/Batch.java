package dev.panamba.infer;

import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * Several sessions of one model that write their next tokens together: every weight is read once for all, so together they are
 * several times as fast as one after the other. The sessions stay what they are: in between each may be fed, copied or used
 * alone. One thread at a time; a session that another thread uses meanwhile is refused.
 */
public final class Batch {
    private final List<Session> sessions;
    private final SessionPool pool;
    private final int[] slots;
    private final int[] past;
    private final int[] tokens;
    private final MemorySegment[] logits;

    Batch(SessionPool pool, List<Session> sessions) {
        this.pool = pool;
        this.sessions = List.copyOf(sessions);
        this.slots = sessions.stream().mapToInt(Session::slot).toArray();
        this.logits = sessions.stream().map(Session::memory).toArray(MemorySegment[]::new);
        this.past = new int[slots.length];
        this.tokens = new int[slots.length];
    }

    /**
     * Samples one token for each session and reads it. Allocates nothing.
     *
     * @param sampler chooses them, in the order of the sessions
     * @return their ids, overwritten by the next call
     * @throws IllegalStateException if a session is closed, used by another thread, or has read nothing yet
     * @throws IllegalArgumentException if a session has no position left
     */
    public int[] next(Sampler sampler) {
        int entered = 0;
        try {
            for (; entered < slots.length; entered++) {
                sessions.get(entered).enter();
            }
            for (int b = 0; b < slots.length; b++) {
                past[b] = sessions.get(b).checkHasRoom(1);
                sessions.get(b).checkHasRead();
            }
            for (int b = 0; b < slots.length; b++) {
                tokens[b] = sessions.get(b).checkIsKnown(sampler.sample(logits[b]));
            }
            pool.feed(slots, past, tokens, logits);
            for (int b = 0; b < slots.length; b++) {
                sessions.get(b).advance(tokens[b]);
            }
            return tokens;
        } finally {
            for (int b = 0; b < entered; b++) {
                sessions.get(b).leave();
            }
        }
    }
}
