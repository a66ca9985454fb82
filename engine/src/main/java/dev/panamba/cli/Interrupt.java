package dev.panamba.cli;

import dev.panamba.train.TrainingRun;

/** While it is open, whoever ends the process ends a training behind its present step, and it is saved. */
final class Interrupt implements AutoCloseable {
    private final Thread hook;

    /**
     * Begins to listen.
     *
     * @param run what is saved
     * @param further how to go on with it
     */
    Interrupt(TrainingRun run, String further) {
        hook = new Thread(
                () -> System.err.println(
                        run.stop() ? "stopped and saved; " + further : "stopped, and what is new is not saved"),
                "panamba-stop");
        Runtime.getRuntime().addShutdownHook(hook);
    }

    @Override
    public void close() {
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            // The process is ending already.
        }
    }
}
