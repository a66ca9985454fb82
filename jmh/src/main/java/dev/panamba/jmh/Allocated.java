package dev.panamba.jmh;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/**
 * Counts the heap that the caller and the engine's team take between {@link #begin} and {@link #end}: exact, where JMH's own
 * {@code -prof gc} divides everything that happens in an iteration, JMH's bookkeeping included, by the number of operations.
 */
@AuxCounters(AuxCounters.Type.EVENTS)
@State(Scope.Thread)
public class Allocated {
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    private static final int SPIN_NANOS = 1_000_000;

    /** Bytes of all measured runs together. */
    public long allocatedBytes;

    /** The number of these runs. */
    public long countedRuns;

    private long[] team;
    private long before;

    /** The team's threads exist by the first iteration and stay. */
    @Setup(Level.Iteration)
    public void findTeam() {
        team = Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().startsWith("panamba-"))
                .mapToLong(Thread::threadId)
                .toArray();
    }

    void begin() {
        // The order keeps what this reading allocates out of the count, here and below.
        before = ofTeam();
        before += THREADS.getCurrentThreadAllocatedBytes();
    }

    void end() {
        long after = THREADS.getCurrentThreadAllocatedBytes();
        allocatedBytes += after + ofTeam() - before;
        countedRuns++;
    }

    private long ofTeam() {
        if (team.length == 0) {
            return 0;
        }
        long sum = 0;
        for (long bytes : THREADS.getThreadAllocatedBytes(team)) {
            sum += bytes;
        }
        return sum;
    }

    /** Waits for a millisecond without allocating: what is counted while nothing is done. */
    void countNothing() {
        begin();
        var start = System.nanoTime();
        while (System.nanoTime() - start < SPIN_NANOS) {
            Thread.onSpinWait();
        }
        end();
    }
}
