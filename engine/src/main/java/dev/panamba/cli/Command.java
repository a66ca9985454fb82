package dev.panamba.cli;

import java.util.List;

/** A command of {@code panamba}. */
interface Command {
    /** What it does, in a sentence or two. */
    String description();

    /** Its options in the order of its help. */
    List<Opt<?>> options();

    /**
     * Does it.
     *
     * @param given values of the options, checked
     * @return exit code
     * @throws Exception if it failed, with a sentence for the user
     */
    int run(Arguments given) throws Exception;
}
