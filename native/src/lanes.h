/* What the kernels around a softmax share, and a transposition in registers. */
#ifndef PANAMBA_LANES_H
#define PANAMBA_LANES_H

#include "kernel.h"

/* The largest of `most` and n vectors, `stride` apart, in each lane; NaN is passed over. Four maxima run side by side because
 * each comparison waits for the one before it. */
PB_INLINE vec vlargest(vec most, const real *p, int64_t stride, int64_t n)
{
    vec high[4] = {most, most, most, most};
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        PB_UNROLL
        for (int j = 0; j < 4; j++) high[j] = vmax(vload(p + (i + j) * stride), high[j]);
    }
    for (; i < n; i++) high[0] = vmax(vload(p + i * stride), high[0]);
    return vmax(vmax(high[0], high[1]), vmax(high[2], high[3]));
}

/* One step of a transposition: of each square of 2 * distance rows and lanes, the two off-diagonal quarters change places. */
PB_INLINE void exchange(vec *rows, const int distance)
{
    ivec low, high;
    for (int j = 0; j < VL; j++) {
        low[j] = j & distance ? VL + j - distance : j;
        high[j] = j & distance ? VL + j : j + distance;
    }
    PB_UNROLL
    for (int i = 0; i < VL; i++) {
        if (i & distance) continue;
        vec a = rows[i], b = rows[i + distance];
        rows[i] = __builtin_shuffle(a, b, low);
        rows[i + distance] = __builtin_shuffle(a, b, high);
    }
}

/* VL vectors as a square matrix, transposed in registers */
PB_INLINE void transpose(vec *rows)
{
    if (VL > 8) exchange(rows, 8);
    if (VL > 4) exchange(rows, 4);
    if (VL > 2) exchange(rows, 2);
    exchange(rows, 1);
}

PB_INLINE real dot(const real *a, const real *b, int64_t n)
{
    vec sums = vset(0);
    int64_t i = 0;
    for (; i + VL <= n; i += VL) sums += vload(a + i) * vload(b + i);
    if (i < n) sums += vload_part(a + i, n - i) * vload_part(b + i, n - i);
    return vsum(sums);
}

/* exp(x), and 0 where that is less than 1e-21. Beside the 1 that a softmax always holds it is nothing, but a gradient is made of it
 * times a scale, weights and other small numbers, and where a product becomes subnormal the processor takes ten to a hundred
 * times as long, in every product behind it. */
PB_INLINE vec vexp_or_zero(vec x)
{
    const ivec none = x < (real)(PB_DOUBLE ? -708 : -48);
    return vselect(none, vset(0), vexp(vselect(none, vset(0), x)));
}

#endif
