package dev.panamba.cli;

import dev.panamba.memory.Placement;
import picocli.CommandLine.Option;

/** {@code --check-finite}, for commands that compute. */
final class FiniteOption {
    @Option(
            names = "--check-finite",
            description = "Search the results of every op, slowly, and name the first that holds a NaN or an infinity.")
    private boolean checked;

    /** How programs are bound. */
    Placement placement() {
        return checked ? Placement.CHECKED : Placement.PACKED;
    }
}
