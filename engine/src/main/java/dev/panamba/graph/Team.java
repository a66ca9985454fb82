package dev.panamba.graph;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The threads that run programs: the caller is worker 0, the others are platform threads that exist as long as the team. They
 * meet at a barrier after every step; who waits spins for some microseconds and then parks, so an idle team uses no CPU.
 */
public final class Team implements AutoCloseable {
    /** Some tens of microseconds of waiting, above the gap between two steps of uneven shares. */
    private static final int SPINS = 2_000;

    /** Workers, at most. */
    public static final int MOST = 1024;

    private static final long STACK_BYTES = 4L << 20;

    private final int size;
    private final Gemm gemm;
    private final int spins;
    private final Thread[] threads;
    private final boolean[] parked;
    private final AtomicInteger arrived = new AtomicInteger();
    private final ReentrantLock turn = new ReentrantLock();
    private volatile int phase;
    private Work work;
    private Profile profile;
    private boolean closed;

    /** What every worker of a team runs at the same time. */
    @FunctionalInterface
    public interface Work {
        /**
         * Runs one worker's share; must not throw.
         *
         * @param worker 0 .. size - 1
         */
        void run(int worker);
    }

    /**
     * Starts a team.
     *
     * @param size workers, the caller included, 1 to {@link #MOST}. More than there are cores make every step slower
     * @throws IllegalArgumentException if there are fewer or more
     */
    public Team(int size) {
        this(size, Gemm.FASTEST);
    }

    /**
     * Starts a team whose dense matrix products are done by one library, so that two can be compared.
     *
     * @param size workers, the caller included, 1 to {@link #MOST}
     * @param gemm who multiplies in the programs that are bound to this team
     * @throws IllegalArgumentException if there are fewer or more
     */
    public Team(int size, Gemm gemm) {
        if (size < 1 || size > MOST) {
            throw new IllegalArgumentException("A team has 1 to " + MOST + " threads, not " + size + ".");
        }
        this.size = size;
        this.gemm = gemm;
        // Where the cores are fewer than the workers, one who spins holds a core that another is waiting for.
        // Thread.yield
        // is no help: beside other busy processes it gives away a whole turn.
        this.spins = size > Runtime.getRuntime().availableProcessors() ? 0 : SPINS;
        this.threads = new Thread[size];
        this.parked = new boolean[size];
        for (int i = 1; i < size; i++) {
            int worker = i;
            threads[i] = new Thread(null, () -> loop(worker), "panamba-" + worker, STACK_BYTES);
            threads[i].setDaemon(true);
            threads[i].start();
        }
    }

    /**
     * A team with one worker for each core that this process may use.
     *
     * @return a team of its own
     */
    public static Team ofAllCores() {
        return new Team(Runtime.getRuntime().availableProcessors());
    }

    /**
     * Number of workers.
     *
     * @return at least 1
     */
    public int size() {
        return size;
    }

    Gemm gemm() {
        return gemm;
    }

    /**
     * Measures what is run from now on.
     *
     * @param profile where the times go, or null for no more
     */
    public void measure(Profile profile) {
        turn.lock();
        try {
            this.profile = profile;
        } finally {
            turn.unlock();
        }
    }

    Profile profile() {
        return profile;
    }

    /**
     * Runs work on all workers and waits for them. Callers on several threads take turns.
     *
     * @param work what each worker runs
     * @throws IllegalStateException if the team is closed
     */
    public void run(Work work) {
        turn.lock();
        try {
            if (closed) {
                throw new IllegalStateException("The team is closed.");
            }
            threads[0] = Thread.currentThread();
            this.work = work;
            barrier(0);
            work.run(0);
            barrier(0);
        } finally {
            turn.unlock();
        }
    }

    private void loop(int worker) {
        while (true) {
            barrier(worker);
            if (closed) {
                return;
            }
            work.run(worker);
            barrier(worker);
        }
    }

    /**
     * Waits until all workers are here. Called by each worker equally often during {@link Work#run}.
     *
     * @param worker the caller's number
     */
    public void barrier(int worker) {
        if (size == 1) {
            return;
        }
        int now = phase;
        if (arrived.incrementAndGet() == size) {
            arrived.set(0);
            synchronized (parked) {
                phase = now + 1;
                for (int i = 0; i < size; i++) {
                    if (parked[i]) {
                        LockSupport.unpark(threads[i]);
                    }
                }
            }
            return;
        }
        for (int i = 0; i < spins; i++) {
            if (phase != now) {
                return;
            }
            Thread.onSpinWait();
        }
        park(worker, now);
    }

    private void park(int worker, int now) {
        synchronized (parked) {
            parked[worker] = phase == now;
        }
        while (phase == now) {
            LockSupport.park(this);
        }
        parked[worker] = false;
    }

    /** Ends the threads; waits for the run in progress. */
    @Override
    public void close() {
        turn.lock();
        try {
            if (!closed) {
                closed = true;
                threads[0] = Thread.currentThread();
                barrier(0);
            }
        } finally {
            turn.unlock();
        }
    }
}
