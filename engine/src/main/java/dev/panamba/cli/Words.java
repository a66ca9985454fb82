package dev.panamba.cli;

import dev.panamba.infer.Session;
import dev.panamba.model.Config;
import java.util.Locale;

/** Numbers for people. */
final class Words {
    private Words() {}

    /** A size with the unit that leaves one to three digits before the point. */
    static String bytes(long bytes) {
        if (bytes < 1024) {
            return bytes + " B";
        }
        int unit = (63 - Long.numberOfLeadingZeros(bytes)) / 10;
        return String.format(Locale.ROOT, "%.1f %ciB", (double) bytes / (1L << 10 * unit), " KMGTPE".charAt(unit));
    }

    /** What one session remembers. */
    static String state(Config config) {
        return String.format(
                Locale.ROOT,
                "%,d bytes of state a session, %s",
                Session.stateBytes(config),
                config.constantState() ? "at every length" : "room for " + config.maxPositions() + " tokens");
    }

    /** A constant's name as it is written elsewhere. */
    static String lower(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT);
    }

    /** A duration as m:ss. */
    static String time(double seconds) {
        long whole = Math.max(0, Math.round(seconds));
        return String.format(Locale.ROOT, "%d:%02d", whole / 60, whole % 60);
    }
}
