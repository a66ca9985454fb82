package dev.panamba.cli;

import dev.panamba.infer.LanguageModel;
import dev.panamba.infer.Sampler;
import dev.panamba.infer.Session;
import dev.panamba.infer.Snapshot;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import org.HdrHistogram.Histogram;

/**
 * How long single tokens of one session take.
 *
 * @param nanoseconds of each
 * @param collections of the garbage collector meanwhile
 */
record Latency(Histogram nanoseconds, long collections) {
    /** Measures after a warm-up. */
    static Latency of(LanguageModel model, double warmUpSeconds, int tokens) {
        try (var session = model.newSession()) {
            var begin = session.feed(0).snapshot();
            var greedy = Sampler.greedy();
            var until = System.nanoTime() + (long) (warmUpSeconds * 1e9);
            while (System.nanoTime() < until) {
                time(session, begin, greedy);
            }
            var before = collectionsSoFar();
            var histogram = new Histogram(3);
            for (int i = 0; i < tokens; i++) {
                histogram.recordValue(time(session, begin, greedy));
            }
            return new Latency(histogram, collectionsSoFar() - before);
        }
    }

    /** Nanoseconds of one token; a session that is full begins anew. */
    private static long time(Session session, Snapshot begin, Sampler greedy) {
        if (session.position() == session.model().config().longest()) {
            session.restore(begin);
        }
        var start = System.nanoTime();
        session.next(greedy);
        return System.nanoTime() - start;
    }

    private static long collectionsSoFar() {
        return ManagementFactory.getGarbageCollectorMXBeans().stream()
                .mapToLong(GarbageCollectorMXBean::getCollectionCount)
                .sum();
    }
}
