package dev.panamba.jmh;

import java.util.Arrays;

/**
 * The selective scan over arrays. A row is an array of its own, because C2 (JDK 25) gives up on a loop over several arrays as
 * soon as one of them is read from an offset. A is computed beforehand, where the C kernel does it in every call.
 */
final class ArrayScan {
    private final float[][] u;
    private final float[][] r;
    private final float[][] z;
    private final float[][] b;
    private final float[][] c;
    private final float[][] a;
    private final float[] skip;
    private final float[] dtBias;
    private final float[][] g;
    private final float[][] h;
    private final float[] delta;
    private final float[] input;
    private final float[] y;

    ArrayScan(
            int L,
            int E,
            int N,
            float[] u,
            float[] r,
            float[] z,
            float[] b,
            float[] c,
            float[] aLog,
            float[] skip,
            float[] dtBias) {
        this.u = rows(u, L);
        this.r = rows(r, L);
        this.z = rows(z, L);
        this.b = rows(b, L);
        this.c = rows(c, L);
        this.skip = skip;
        this.dtBias = dtBias;
        this.g = new float[L][E];
        this.h = new float[N][E];
        this.a = new float[N][E];
        this.delta = new float[E];
        this.input = new float[E];
        this.y = new float[E];
        for (int i = 0; i < E * N; i++) {
            a[i % N][i / N] = (float) -Math.exp(aLog[i]);
        }
    }

    private static float[][] rows(float[] all, int count) {
        var rows = new float[count][all.length / count];
        for (int i = 0; i < count; i++) {
            System.arraycopy(all, i * rows[i].length, rows[i], 0, rows[i].length);
        }
        return rows;
    }

    /** [L, E] the gated outputs. */
    float[][] run() {
        for (var row : h) {
            Arrays.fill(row, 0);
        }
        for (int t = 0; t < g.length; t++) {
            token(u[t], r[t], delta, input, y, skip, dtBias);
            for (int n = 0; n < h.length; n++) {
                state(h[n], a[n], delta, input, y, b[t][n], c[t][n]);
            }
            gate(g[t], y, z[t]);
        }
        return g;
    }

    private static void token(
            float[] u, float[] r, float[] delta, float[] input, float[] y, float[] skip, float[] dtBias) {
        for (int e = 0; e < u.length; e++) {
            float d = Elementary.softplus(r[e] + dtBias[e]);
            delta[e] = d;
            input[e] = d * u[e];
            y[e] = skip[e] * u[e];
        }
    }

    private static void state(float[] h, float[] a, float[] delta, float[] input, float[] y, float b, float c) {
        for (int e = 0; e < h.length; e++) {
            float next = Elementary.exp(delta[e] * a[e]) * h[e] + input[e] * b;
            h[e] = next;
            y[e] += next * c;
        }
    }

    private static void gate(float[] g, float[] y, float[] z) {
        for (int e = 0; e < g.length; e++) {
            g[e] = y[e] * Elementary.silu(z[e]);
        }
    }

    /** The same with the functions of {@link Math}. */
    float[][] runMathExp() {
        for (var row : h) {
            Arrays.fill(row, 0);
        }
        for (int t = 0; t < g.length; t++) {
            for (int e = 0; e < y.length; e++) {
                float s = r[t][e] + dtBias[e];
                delta[e] = s > 20 ? s : (float) Math.log1p(Math.exp(s));
                input[e] = delta[e] * u[t][e];
                y[e] = skip[e] * u[t][e];
            }
            for (int n = 0; n < h.length; n++) {
                stateMathExp(h[n], a[n], delta, input, y, b[t][n], c[t][n]);
            }
            for (int e = 0; e < y.length; e++) {
                g[t][e] = y[e] * z[t][e] / (float) (1 + Math.exp(-z[t][e]));
            }
        }
        return g;
    }

    private static void stateMathExp(float[] h, float[] a, float[] delta, float[] input, float[] y, float b, float c) {
        for (int e = 0; e < h.length; e++) {
            float next = (float) Math.exp(delta[e] * a[e]) * h[e] + input[e] * b;
            h[e] = next;
            y[e] += next * c;
        }
    }
}
