package dev.panamba.graph;

/** What a value is for; it decides who owns its memory. */
public enum Role {
    /** A weight: the model's memory. */
    PARAMETER,
    /** What backward adds to for a weight: the trainer's memory. */
    GRADIENT,
    /** A moment of the optimiser: the trainer's memory. */
    MOMENT,
    /** Recurrent state or a key-value cache, one slot a session: the pool's memory. */
    STATE,
    /** Written by the caller before a run: the executable's memory, for the whole run. */
    INPUT,
    /** Everything between: the executable's memory, planned by its life. */
    ACTIVATION;

    /**
     * Whether the executable owns the memory.
     *
     * @return true for inputs and activations
     */
    public boolean planned() {
        return this == INPUT || this == ACTIVATION;
    }
}
