/* The causal depthwise convolution before the scan, with its SiLU:
 *   c[t] = bias + sum_k weight[k] x[t-K+1+k],  u = c * sigmoid(c)
 * CHANNELS channels walk through time together, row by row, so memory is read and written in long pieces. Rows before the first
 * token come from the state of the sequence, or are zeros.
 */

#include "kernel.h"

enum { CHANNELS = 256, AHEAD = 2 };

static const real zeros[CHANNELS];

/* Input t of one sequence, t >= -(K - 1); before [K-1, E] or NULL */
static const real *input(const real *x, int64_t x_stride, const real *before, int64_t E, int64_t K, int64_t t)
{
    if (t >= 0) return x + t * x_stride;
    return before ? before + (t + K - 1) * E : zeros;
}

/* weight [width, K] becomes taps [K, CHANNELS]: channels are neighbours. What is beyond width is filled with zeros. */
PB_INLINE void turn_weight(real *taps, const real *weight, int64_t width, int64_t K)
{
    for (int64_t k = 0; k < K; k++)
        for (int64_t i = 0; i < CHANNELS; i++) taps[k * CHANNELS + i] = i < width ? weight[i * K + k] : 0;
}

/* c at channels i .. i + VL; x[k] is the row that meets tap k */
PB_INLINE vec convolve(const real *const *x, const real *taps, const real *bias, int64_t i, int64_t width, int64_t K)
{
    vec c = vload_part(bias + i, width - i);
    for (int64_t k = 0; k < K; k++) c += vload(taps + k * CHANNELS + i) * vload_part(x[k] + i, width - i);
    return c;
}

/* ---- forward ----
 * A range has some channels of each row, and the processor does not foresee where those of the next row are: rows `ahead`
 * are asked for, here and below.
 */

PB_INLINE void forward_row(real *u, const real *const *x, const real *taps, const real *bias, int64_t ahead_u, int64_t ahead_x,
                           int64_t width, int64_t K)
{
    for (int64_t i = 0; i < width; i += VL) {
        __builtin_prefetch(u + ahead_u + i, 1);
        __builtin_prefetch(x[K - 1] + ahead_x + i);
        const vec c = convolve(x, taps, bias, i, width, K);
        vstore_part(u + i, c * vsigmoid(c), width - i);
    }
}

PB_KERNEL(conv_forward)
{
    const int64_t B = args->B, L = args->L, E = args->E, K = args->K, last = min_int(end * PB_LANES, E);
    if (K < 1 || K > PB_MAX_CONV) return PB_SIZE_UNSUPPORTED;
    real taps[PB_MAX_CONV * CHANNELS];
    for (int64_t e = begin * PB_LANES; e < last; e += CHANNELS) {
        const int64_t width = min_int(CHANNELS, last - e);
        const real *bias = args->bias ? args->bias + e : zeros;
        if (K == 4) turn_weight(taps, args->weight + e * K, width, 4);
        else turn_weight(taps, args->weight + e * K, width, K);
        for (int64_t b = 0; b < B; b++) {
            const int64_t state = (args->slot ? args->slot[b] : b) * (K - 1) * E + e;
            const real *before = args->before ? args->before + state : NULL;
            const real *x = args->x + b * L * args->x_stride + e;
            for (int64_t t = 0; t < L; t++) {
                const real *rows[PB_MAX_CONV];
                for (int64_t k = 0; k < K; k++) rows[k] = input(x, args->x_stride, before, E, K, t - K + 1 + k);
                real *u = args->u + (b * L + t) * E + e;
                if (K == 4) forward_row(u, rows, taps, bias, AHEAD * E, AHEAD * args->x_stride, width, 4);
                else forward_row(u, rows, taps, bias, AHEAD * E, AHEAD * args->x_stride, width, K);
            }
            /* Oldest first: where `after` is `before` and L < K - 1, a row moves to a place that has been read. */
            for (int64_t j = 0; args->after && j < K - 1; j++)
                memcpy(args->after + state + j * E, input(x, args->x_stride, before, E, K, L - K + 1 + j), (size_t)width * sizeof(real));
        }
    }
    return PB_OK;
}

/* ---- backward ---- time runs backwards */

/* dc of one row, and its share of dtaps and dbias */
PB_INLINE void gradient_row(real *restrict dc, real *restrict dtaps, real *restrict dbias, const real *du, const real *const *x,
                            const real *taps, const real *bias, int64_t ahead_du, int64_t ahead_x, int64_t width, int64_t K)
{
    for (int64_t i = 0; i < width; i += VL) {
        __builtin_prefetch(du + ahead_du + i);
        __builtin_prefetch(x[0] + ahead_x + i);
        const vec c = convolve(x, taps, bias, i, width, K), s = vsigmoid(c);
        const vec d = vload_part(du + i, width - i) * s * (1 + c * (1 - s));
        vstore(dc + i, d);
        vstore(dbias + i, vload(dbias + i) + d);
        for (int64_t k = 0; k < K; k++) {
            real *dtap = dtaps + k * CHANNELS + i;
            vstore(dtap, vload(dtap) + d * vload_part(x[k] + i, width - i));
        }
    }
}

/* dx[t] = sum_k weight[k] dc[t+K-1-k]; dc[j] is the row of t + j */
PB_INLINE void spread_row(real *restrict dx, const real *const *dc, const real *taps, int64_t ahead_dx, int64_t width, int64_t K)
{
    for (int64_t i = 0; i < width; i += VL) {
        __builtin_prefetch(dx + ahead_dx + i, 1);
        vec sum = vset(0);
        for (int64_t k = 0; k < K; k++) sum += vload(taps + k * CHANNELS + i) * vload(dc[K - 1 - k] + i);
        vstore_part(dx + i, sum, width - i);
    }
}

PB_KERNEL(conv_backward)
{
    const int64_t B = args->B, L = args->L, E = args->E, K = args->K, last = min_int(end * PB_LANES, E);
    if (K < 1 || K > PB_MAX_CONV) return PB_SIZE_UNSUPPORTED;
    real taps[PB_MAX_CONV * CHANNELS], dtaps[PB_MAX_CONV * CHANNELS], dbias[CHANNELS];
    real ring[PB_MAX_CONV][CHANNELS];                  /* dc of the last K rows, at t mod K */
    for (int64_t e = begin * PB_LANES; e < last; e += CHANNELS) {
        const int64_t width = min_int(CHANNELS, last - e);
        const real *bias = args->bias ? args->bias + e : zeros;
        if (K == 4) turn_weight(taps, args->weight + e * K, width, 4);
        else turn_weight(taps, args->weight + e * K, width, K);
        memset(dtaps, 0, (size_t)(K * CHANNELS) * sizeof(real));
        memset(dbias, 0, sizeof dbias);
        for (int64_t b = 0; b < B; b++) {
            const real *before = args->before ? args->before + b * (K - 1) * E + e : NULL;
            const real *x = args->x + b * L * args->x_stride + e;
            const real *dc[PB_MAX_CONV];
            for (int64_t j = 0; j < K; j++) dc[j] = zeros;
            for (int64_t t = L - 1; t >= (args->dbefore ? 1 - K : 0); t--) {
                for (int64_t j = K - 1; j > 0; j--) dc[j] = dc[j - 1];
                dc[0] = zeros;
                real *dx = t >= 0 ? args->dx + (b * L + t) * args->dx_stride + e : args->dbefore + (b * (K - 1) + t + K - 1) * E + e;
                if (t >= 0) {
                    const real *rows[PB_MAX_CONV], *du = args->du + (b * L + t) * E + e;
                    for (int64_t k = 0; k < K; k++) rows[k] = input(x, args->x_stride, before, E, K, t - K + 1 + k);
                    if (K == 4) gradient_row(ring[t % K], dtaps, dbias, du, rows, taps, bias, -AHEAD * E, -AHEAD * args->x_stride, width, 4);
                    else gradient_row(ring[t % K], dtaps, dbias, du, rows, taps, bias, -AHEAD * E, -AHEAD * args->x_stride, width, K);
                    dc[0] = ring[t % K];
                }
                if (K == 4) spread_row(dx, dc, taps, -AHEAD * args->dx_stride, width, 4);
                else spread_row(dx, dc, taps, -AHEAD * args->dx_stride, width, K);
            }
        }
        for (int64_t i = 0; i < width; i++) {
            for (int64_t k = 0; k < K; k++) args->dweight[(e + i) * K + k] += dtaps[k * CHANNELS + i];
            if (args->dbias) args->dbias[e + i] += dbias[i];
        }
    }
    return PB_OK;
}
