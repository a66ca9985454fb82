package dev.panamba.jmh;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** The selective scan over off-heap memory, element by element, as {@link ArrayScan} does it. */
final class SegmentScan {
    private final int L;
    private final int E;
    private final int N;
    private final MemorySegment u;
    private final MemorySegment r;
    private final MemorySegment z;
    private final MemorySegment b;
    private final MemorySegment c;
    private final MemorySegment skip;
    private final MemorySegment dtBias;
    private final MemorySegment a;
    private final MemorySegment h;
    private final MemorySegment delta;
    private final MemorySegment input;
    private final MemorySegment y;
    private final MemorySegment g;

    SegmentScan(
            int L,
            int E,
            int N,
            Arena arena,
            float[] u,
            float[] r,
            float[] z,
            float[] b,
            float[] c,
            float[] aLog,
            float[] skip,
            float[] dtBias) {
        this.L = L;
        this.E = E;
        this.N = N;
        this.u = Numbers.offHeap(arena, u);
        this.r = Numbers.offHeap(arena, r);
        this.z = Numbers.offHeap(arena, z);
        this.b = Numbers.offHeap(arena, b);
        this.c = Numbers.offHeap(arena, c);
        this.skip = Numbers.offHeap(arena, skip);
        this.dtBias = Numbers.offHeap(arena, dtBias);
        a = Numbers.zeros(arena, (long) N * E);
        h = Numbers.zeros(arena, (long) N * E);
        delta = Numbers.zeros(arena, E);
        input = Numbers.zeros(arena, E);
        y = Numbers.zeros(arena, E);
        g = Numbers.zeros(arena, (long) L * E);
        for (int n = 0; n < N; n++) {
            for (int e = 0; e < E; e++) {
                set(a, n * E + e, (float) -Math.exp(aLog[e * N + n]));
            }
        }
    }

    /** [L, E] the gated outputs. */
    MemorySegment run() {
        h.fill((byte) 0);
        for (int t = 0; t < L; t++) {
            token(t * E);
            for (int n = 0; n < N; n++) {
                state(n * E, get(b, t * N + n), get(c, t * N + n));
            }
            gate(t * E);
        }
        return g;
    }

    private void token(int row) {
        for (int e = 0; e < E; e++) {
            float d = Elementary.softplus(get(r, row + e) + get(dtBias, e));
            set(delta, e, d);
            set(input, e, d * get(u, row + e));
            set(y, e, get(skip, e) * get(u, row + e));
        }
    }

    private void state(int row, float b, float c) {
        for (int e = 0; e < E; e++) {
            float next = Elementary.exp(get(delta, e) * get(a, row + e)) * get(h, row + e) + get(input, e) * b;
            set(h, row + e, next);
            set(y, e, get(y, e) + next * c);
        }
    }

    private void gate(int row) {
        for (int e = 0; e < E; e++) {
            set(g, row + e, get(y, e) * Elementary.silu(get(z, row + e)));
        }
    }

    private static float get(MemorySegment floats, int index) {
        return floats.getAtIndex(JAVA_FLOAT, index);
    }

    private static void set(MemorySegment floats, int index, float value) {
        floats.setAtIndex(JAVA_FLOAT, index, value);
    }
}
