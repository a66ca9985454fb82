package dev.panamba.nn;

import dev.panamba.graph.Value;

/** A part of a network: from [T, D] to [T, D], or to another width for {@link Linear}. */
public sealed interface Layer
        permits Attention, FeedForward, LayerNorm, Linear, MambaMixer, RmsNorm, SwitchFeedForward {
    /**
     * Declares the layer's parameters and emits its ops.
     *
     * @param pass the run that this is for
     * @param x [T, D]
     * @return the layer's output, [T, D]
     */
    Value emit(Pass pass, Value x);
}
