package dev.panamba.memory;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicLong;

/**
 * What the machine can hold. The system gives addresses for more than it has memory, and ends the process when they are used; so
 * whoever asks for more is refused before.
 */
final class Machine {
    private static final Path MEMORY = Path.of("/proc/meminfo");
    private static final Path CONTAINER = Path.of("/sys/fs/cgroup/memory.max");
    /** What any machine has; less is not worth a look at its files. */
    private static final long SMALL = 1L << 28;

    private static final AtomicLong TAKEN = new AtomicLong();

    private Machine() {}

    /**
     * Counts memory that is about to be used.
     *
     * @param name what it holds, for the message
     * @param bytes how many
     * @throws IllegalStateException if all that was taken would be more than there is; then nothing is
     */
    static void take(String name, long bytes) {
        long before = TAKEN.getAndAdd(bytes);
        if (before + bytes < SMALL) {
            return;
        }
        long all = bytes();
        if (bytes > all - before) {
            TAKEN.addAndGet(-bytes);
            throw new IllegalStateException(String.format(
                    "There is no room for %s: %,d bytes, where this machine has %,d bytes of memory, of which Panamba has taken %,d.",
                    name, bytes, all, before));
        }
    }

    static void giveBack(long bytes) {
        TAKEN.addAndGet(-bytes);
    }

    /** Of the container where it has less than the machine; without limit where nobody says. */
    private static long bytes() {
        try {
            var total = Files.readString(MEMORY).lines().findFirst().orElse("").replaceAll("\\D", "");
            long bytes = total.isEmpty() ? Long.MAX_VALUE : Long.parseLong(total) << 10;
            var limit = Files.exists(CONTAINER) ? Files.readString(CONTAINER).strip() : "";
            return limit.matches("\\d{1,18}") ? Math.min(bytes, Long.parseLong(limit)) : bytes;
        } catch (IOException e) {
            return Long.MAX_VALUE;
        }
    }
}
