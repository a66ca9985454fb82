/* How the factors of a product of matrices are laid out for its tiles (gemm.c): by the step, which is one k, or two in bf16, where a
 * lane then holds both for an instruction that multiplies and adds. Where there is none the same numbers are rounded and go one by one.
 */
#ifndef PANAMBA_PACK_H
#define PANAMBA_PACK_H

#include "quantise.h"

enum {
    WIDTH = 2 * VL, ROWS = PB_VECTOR_BYTES == 64 ? 14 : 6,    /* 28 of 32 registers hold sums, or 12 of 16 */
    DEPTH = 256, STRIDE = DEPTH + 16,                         /* lanes of a packed row of a; not a power of 2, for the cache's sake */
    TALL = 8 * ROWS, WIDE = 16 * WIDTH,
    AHEAD = 8,                                                /* rows of b sent for before they are packed */
};

_Static_assert(TALL * STRIDE + WIDE * DEPTH <= PB_GEMM_SCRATCH, "what is packed fits");

#if defined(__AVX512BF16__) && !PB_DOUBLE
#define PAIRS 1                           /* a lane holds two numbers in bf16 */
#else
#define PAIRS 0
#endif

/* Numbers along k that a lane holds */
PB_INLINE int64_t step_of(const int bf16) { return PAIRS && bf16 ? 2 : 1; }

PB_INLINE vec rounded(vec x)              /* to bf16, ties to even */
{
#if PB_DOUBLE
    for (int i = 0; i < VL; i++) {
        float f = (float)x[i];
        uint32_t bits;
        memcpy(&bits, &f, sizeof bits);
        bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000;
        memcpy(&f, &bits, sizeof f);
        x[i] = x[i] == x[i] ? (real)f : x[i];
    }
    return x;
#else
    const ivec bits = (ivec)x;
    return vselect(x == x, (vec)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16 << 16), x);
#endif
}

/* Steps side by side: VL lanes from a line along k, of whose numbers n are left; what is missing is 0. */
PB_INLINE vec load_along(const real *line, int64_t n, const int bf16)
{
#if PAIRS
    if (bf16) return (vec)_mm512_cvtne2ps_pbh((__m512)vload_part(line + VL, n - VL), (__m512)vload_part(line, n));
#endif
    return bf16 ? rounded(vload_part(line, n)) : vload_part(line, n);
}

/* One step: VL lanes from a line across k, of whose numbers n are left, and from the next one where a lane holds two. */
PB_INLINE vec load_across(const real *line, int64_t stride, int64_t n, int64_t k, const int bf16)
{
#if PAIRS
    if (bf16) {
        const __m512i pairs = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18,
                                               2, 17, 1, 16, 0);
        const vec second = vload_part(k > 1 ? line + stride : line, k > 1 ? n : 0);
        return (vec)_mm512_permutexvar_epi16(pairs, (__m512i)_mm512_cvtne2ps_pbh((__m512)second, (__m512)vload_part(line, n)));
    }
#endif
    (void)stride, (void)k;
    return bf16 ? rounded(vload_part(line, n)) : vload_part(line, n);
}

/* Rows of a, each step after step: where it lies transposed, squares of VL are turned. */
PB_INLINE void pack_a(real *packed, const real *a, int64_t stride, int64_t rows, int64_t k, const int transposed, const int bf16)
{
    const int64_t step = step_of(bf16), steps = ceil_div(k, step);
    for (int64_t s = 0; s < steps; s += VL)
        for (int64_t r = 0; r < rows; r += transposed ? VL : 1) {
            const int64_t left = k - s * step;
            if (!transposed) {
                vstore(packed + r * STRIDE + s, load_along(a + r * stride + s * step, left, bf16));
                continue;
            }
            vec v[VL];
            PB_UNROLL
            for (int i = 0; i < VL; i++) v[i] = load_across(a + (s + i) * step * stride + r, stride, s + i < steps ? rows - r : 0, left - i * step, bf16);
            vtranspose(v);
            for (int64_t i = 0; i < min_int(VL, rows - r); i++) vstore(packed + (r + i) * STRIDE + s, v[i]);
        }
}

/* The same from a line of halves. */
PB_INLINE vec load_halves(const uint16_t *line, int64_t n, const int bf16)
{
    if (!PAIRS || !bf16) return vload_bf16_part(line, n);
    uint16_t halves[2 * VL] = {0};                       /* they are lanes of two as they lie */
    memcpy(halves, line, (size_t)min_int(2 * VL, max_int(n, 0)) * sizeof *halves);
    vec v;
    memcpy(&v, halves, sizeof v);
    return v;
}

/* Columns of b in panels of WIDTH, step after step: where it lies transposed, squares of VL are turned. A weight is often read but
 * once, so it is sent for a while before it is packed. */
PB_INLINE void pack_b(real *packed, const void *b, int64_t stride, int64_t columns, int64_t k, const int transposed, const int halves, const int bf16)
{
    const int64_t step = step_of(bf16), steps = ceil_div(k, step);
    for (int64_t s = 0; !transposed && s < steps; s++)
        for (int64_t c = 0; c < columns; c += VL) {
            const real *from = (const real *)b + s * step * stride + c;
            for (int64_t i = 0; i < step; i++) __builtin_prefetch(from + (AHEAD + i) * stride);
            vstore(packed + c / WIDTH * (WIDTH * DEPTH) + s * WIDTH + c % WIDTH, load_across(from, stride, columns - c, k - s * step, bf16));
        }
    for (int64_t c = 0; transposed && c < columns; c += VL)
        for (int64_t s = 0; s < steps; s += VL) {
            vec v[VL];
            PB_UNROLL
            for (int i = 0; i < VL; i++) {
                const int64_t at = (c + i) * stride + s * step, left = c + i < columns ? k - s * step : 0;
                if (halves) {
                    __builtin_prefetch((const uint16_t *)b + at + VL * stride);
                    v[i] = load_halves((const uint16_t *)b + at, left, bf16);
                } else {
                    for (int64_t l = 0; l < step * VL; l += VL) __builtin_prefetch((const real *)b + at + VL * stride + l);
                    v[i] = load_along((const real *)b + at, left, bf16);
                }
            }
            vtranspose(v);
            PB_UNROLL
            for (int i = 0; i < VL; i++) vstore(packed + c / WIDTH * (WIDTH * DEPTH) + (s + i) * WIDTH + c % WIDTH, v[i]);
        }
}

#endif
