package dev.panamba.nn;

import dev.panamba.graph.Value;

/**
 * Causal multi-head attention without biases.
 *
 * @param name of the parameters {@code qkv.weight} [3D, D] (all heads' q, then k, then v) and {@code out.weight} [D, D]
 * @param D width
 * @param H heads
 * @param rope whether q and k are rotated by position
 */
public record Attention(String name, long D, long H, boolean rope) implements Layer {
    @Override
    public Value emit(Pass pass, Value x) {
        var graph = pass.graph();
        var qkv = new Linear(name + ".qkv", D, 3 * D, false).emit(pass, x);
        if (rope) {
            qkv = graph.rope(qkv, pass.past(), pass.L(), H);
        }
        var cache = pass.state(name + ".cache", pass.context(), 2 * D);
        var y = pass.recurrent()
                ? graph.cachedAttention(qkv, cache, pass.past(), pass.slot(), pass.B(), H)
                : graph.attention(qkv, pass.B(), H);
        return new Linear(name + ".out", D, D, false).emit(pass, y);
    }
}
