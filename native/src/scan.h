/* What both directions of the scan share. */
#ifndef PANAMBA_SCAN_H
#define PANAMBA_SCAN_H

#include "kernel.h"

enum { SLAB = 8 };                       /* states that go through a chunk together */

typedef real row[PB_BLOCK];

_Static_assert(PB_BLOCK % VL == 0 && 2 * SLAB % VL == 0, "blocks and rows of dB | dC are whole vectors");

/* Rows for N states: what is beyond the last one fits in. Arrays of them are as long as N needs, for callers of small stacks. */
PB_INLINE int64_t rows_of(int64_t N) { return ceil_div(N, PB_LANES) * PB_LANES; }

/* ---- exp(delta A), the bulk of the work ----
 * In single precision A is kept in units of ln 2: 2^(delta A) needs no other reduction than taking the whole part off. Where
 * |delta A| < 1/2, in the long memories, the error is that of rounding; elsewhere it is 1e-7. Below 2^-126 it is 0.
 */
#if PB_DOUBLE

#define UNIT 1.0
PB_INLINE vec decay(vec delta, vec a) { return vexp(delta * a); }

#else

#define UNIT 0.693147180559945309f

PB_INLINE vec power_of_2(vec f)          /* |f| <= 1/2 */
{
    vec p = 0.001330026425421238f * f + 0.009669708088040352f;
    p = p * f + 0.055505599826574326f;
    p = p * f + 0.24022281169891357f;
    p = p * f + 0.6931471824645996f;
    return p * f + 1;
}

PB_INLINE vec decay(vec delta, vec a)
{
#if defined(__AVX512DQ__)
    const vec x = delta * a, f = (vec)_mm512_reduce_ps((__m512)x, 0);
    return (vec)_mm512_scalef_ps((__m512)power_of_2(f), (__m512)(x - f));
#else
    const vec magic = vset(0x1.8p23f + 127);     /* see vexp; 127 makes the low bits an exponent */
    const vec x = vmax(vset(-127), delta * a), t = x + magic;
    return power_of_2(x - (t - magic)) * (vec)((ivec)t << 23);
#endif
}

#endif

/* A = -exp(a_log) in UNITs, [width, N] into rows of states; kept finite, so that 0 * A is 0. What is beyond N or width is finite
 * too, and multiplied with zeros. */
static void load_a(row *a, const real *a_log, int64_t width, int64_t N)
{
    for (int64_t i = 0; i < width; i += VL)
        for (int64_t n = 0; n < ceil_div(N, SLAB) * SLAB; n += VL) {
            vec v[VL];
            PB_UNROLL
            for (int j = 0; j < VL; j++) v[j] = vload_part(a_log + (i + j) * N + n, i + j < width ? N - n : 0);
            vtranspose(v);
            PB_UNROLL
            for (int j = 0; j < VL; j++) vstore(a[n + j] + i, vmax(vset((real)-1e30), -vexp(v[j])) * (real)(1 / UNIT));
        }
}

/* B or C of a chunk's tokens and a slab's states; those beyond N have none. */
static void load_slab(real slab[PB_CHUNK][SLAB], const real *b, int64_t bc_stride, int64_t tokens, int64_t states)
{
    for (int64_t t = 0; t < tokens; t++)
        for (int64_t n = 0; n < SLAB; n++) slab[t][n] = n < states ? b[t * bc_stride + n] : 0;
}

/* States in memory, [N, E], from rows */
static void store_rows(real *memory, const row *rows, int64_t E, int64_t width, int64_t N)
{
    for (int64_t n = 0; n < N; n++) memcpy(memory + n * E, rows[n], (size_t)width * sizeof(real));
}

#endif
