package dev.panamba.jmh;

/**
 * Elementary functions out of multiplications, additions, {@code min}, {@code max} and {@code abs} alone, so that C2 turns loops
 * over them into vector instructions; a call of {@link Math#exp}, a branch, or {@code intBitsToFloat} (on JDK 25) would stop it.
 */
final class Elementary {
    private static final float HALVINGS = 256;

    private Elementary() {}

    /** {@code e^x - 1} for {@code -90 <= x <= 0}: a series at {@code x / 256}, then eight times {@code (1 + p)^2 - 1}. */
    private static float expm1(float x) {
        float f = x * (1 / HALVINGS);
        float p = f * Math.fma(Math.fma(Math.fma(f, 1f / 24, 1f / 6), f, 0.5f), f, 1);
        p *= p + 2;
        p *= p + 2;
        p *= p + 2;
        p *= p + 2;
        p *= p + 2;
        p *= p + 2;
        p *= p + 2;
        p *= p + 2;
        return p;
    }

    /** {@code e^x} for {@code -90 <= x <= 0}; the absolute error is about 1e-7. */
    static float exp(float x) {
        return expm1(x) + 1;
    }

    /** {@code log(1 + e^x)}: with {@code s = w / (2 + w)} it is {@code log(1 + w) = 2 (s + s^3/3 + s^5/5 + ...)}. */
    static float softplus(float x) {
        float w = exp(-Math.abs(x));
        float s = w / (2 + w);
        float q = s * s;
        float p = Math.fma(q, 1f / 13, 1f / 11);
        p = Math.fma(Math.fma(Math.fma(Math.fma(p, q, 1f / 9), q, 1f / 7), q, 1f / 5), q, 1f / 3);
        return Math.max(x, 0) + 2 * Math.fma(p * q, s, s);
    }

    /** {@code x / (1 + e^-x)}, without a choice between the two signs of x. */
    static float silu(float x) {
        return x * exp(Math.min(x, 0)) / (1 + exp(-Math.abs(x)));
    }
}
