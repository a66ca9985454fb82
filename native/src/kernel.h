/* What every kernel file is written in: vectors of `real` as wide as the CPU level being compiled, and the functions on them.
 *
 * Each file is compiled once per CPU level; PB_KERNEL gives its functions a name per level, dispatch.c chooses one of them.
 * Everything else in a kernel file is static. A value must not depend on where it stands in a vector, so that a range can be
 * cut anywhere: ends of rows go through the same vector code, filled up by vload_part and cut by vstore_part.
 */
#ifndef PANAMBA_KERNEL_H
#define PANAMBA_KERNEL_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "panamba.h"

/* The head of a kernel: PB_KERNEL(add) { ... return PB_OK; } */
#define PB_KERNEL(name) PB_KERNEL_(name, PB_LEVEL)
#define PB_KERNEL_(name, level) PB_KERNEL__(name, level)
#define PB_KERNEL__(name, level) \
    int pb_##name##_##level(const struct pb_##name##_args *args, int64_t begin, int64_t end)

#define PB_INLINE static inline __attribute__((always_inline))
#define PB_UNROLL _Pragma("GCC unroll 16")

/* ---- vectors ---- */

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#if defined(__AVX512F__)
#define PB_VECTOR_BYTES 64
#define PB_X86(op, type) _mm512_##op##_##type
#elif defined(__AVX2__)
#define PB_VECTOR_BYTES 32
#define PB_X86(op, type) _mm256_##op##_##type
#else
#define PB_VECTOR_BYTES 16
#define PB_X86(op, type) _mm_##op##_##type
#endif

/* PB_DOUBLE is 1 in the library for gradient checks: there exp and log1p are libm's, lane by lane, accurate and slow. */
#if PB_DOUBLE
typedef int64_t lane_int;
#else
typedef int32_t lane_int;
#endif

typedef real vec __attribute__((vector_size(PB_VECTOR_BYTES)));
typedef lane_int ivec __attribute__((vector_size(PB_VECTOR_BYTES)));     /* comparisons of vec give it: 0 or -1 a lane */

enum { VL = PB_VECTOR_BYTES / sizeof(real) };

PB_INLINE int64_t min_int(int64_t a, int64_t b) { return a < b ? a : b; }
PB_INLINE int64_t max_int(int64_t a, int64_t b) { return a > b ? a : b; }
PB_INLINE int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

PB_INLINE vec vset(real x) { return x - (vec){0}; }      /* minus, because -0 + 0 is +0 */

PB_INLINE vec vload(const real *p)
{
    vec v;
    memcpy(&v, p, sizeof v);
    return v;
}

PB_INLINE void vstore(real *p, vec v) { memcpy(p, &v, sizeof v); }

/* To an address that is a multiple of a vector's size, past the caches: ordinary stores read a line before they change it. It pays
 * for what fills lines and comes to be read when no cache would hold it any more; vfence() stands before others may read it. */
#if defined(__AVX512F__)
PB_INLINE void vstream(real *p, vec v) { _mm512_stream_si512((__m512i *)(void *)p, (__m512i)v); }
#elif defined(__AVX2__)
PB_INLINE void vstream(real *p, vec v) { _mm256_stream_si256((__m256i *)(void *)p, (__m256i)v); }
#else
PB_INLINE void vstream(real *p, vec v) { vstore(p, v); }
#endif
#if defined(__AVX2__)
PB_INLINE void vfence(void) { _mm_sfence(); }
#else
PB_INLINE void vfence(void) {}
#endif

/* The first n lanes of a row, n < VL and perhaps below 0; the other lanes are `fill`, and what is behind the row is not
 * touched. */
#if defined(__AVX512F__)
#define PB_FIRST(n) ((1u << max_int(n, 0)) - 1)
#if PB_DOUBLE
PB_INLINE vec vload_end(const real *p, int64_t n, real fill) { return (vec)_mm512_mask_loadu_pd((__m512d)vset(fill), (__mmask8)PB_FIRST(n), p); }
PB_INLINE void vstore_end(real *p, vec v, int64_t n) { _mm512_mask_storeu_pd(p, (__mmask8)PB_FIRST(n), (__m512d)v); }
#else
PB_INLINE vec vload_end(const real *p, int64_t n, real fill) { return (vec)_mm512_mask_loadu_ps((__m512)vset(fill), (__mmask16)PB_FIRST(n), p); }
PB_INLINE void vstore_end(real *p, vec v, int64_t n) { _mm512_mask_storeu_ps(p, (__mmask16)PB_FIRST(n), (__m512)v); }
#endif
#else
__attribute__((noinline, cold, unused)) static vec vload_end(const real *p, int64_t n, real fill)
{
    real lanes[VL];
    for (int64_t i = 0; i < VL; i++) lanes[i] = i < n ? p[i] : fill;
    return vload(lanes);
}

__attribute__((noinline, cold, unused)) static void vstore_end(real *p, vec v, int64_t n)
{
    real lanes[VL];
    vstore(lanes, v);
    for (int64_t i = 0; i < n; i++) p[i] = lanes[i];
}
#endif

PB_INLINE vec vload_part_or(const real *p, int64_t n, real fill)
{
    return __builtin_expect(n >= VL, 1) ? vload(p) : vload_end(p, n, fill);
}

PB_INLINE vec vload_part(const real *p, int64_t n) { return vload_part_or(p, n, 0); }

PB_INLINE void vstore_part(real *p, vec v, int64_t n)
{
    if (__builtin_expect(n >= VL, 1)) vstore(p, v);
    else vstore_end(p, v, n);
}

PB_INLINE vec vselect(ivec mask, vec a, vec b) { return (vec)((mask & (ivec)a) | (~mask & (ivec)b)); }

/* a > b ? a : b and so on: b where either is NaN. gcc 12 knows the instruction, but finds it in no portable form of this. */
#if defined(__x86_64__) && PB_DOUBLE
PB_INLINE vec vmax(vec a, vec b) { return PB_X86(max, pd)(a, b); }
PB_INLINE vec vmin(vec a, vec b) { return PB_X86(min, pd)(a, b); }
PB_INLINE vec vsqrt(vec a) { return PB_X86(sqrt, pd)(a); }
#elif defined(__x86_64__)
PB_INLINE vec vmax(vec a, vec b) { return PB_X86(max, ps)(a, b); }
PB_INLINE vec vmin(vec a, vec b) { return PB_X86(min, ps)(a, b); }
PB_INLINE vec vsqrt(vec a) { return PB_X86(sqrt, ps)(a); }
#else
PB_INLINE vec vmax(vec a, vec b) { return vselect(a > b, a, b); }
PB_INLINE vec vmin(vec a, vec b) { return vselect(a < b, a, b); }
PB_INLINE vec vsqrt(vec a)
{
    for (int i = 0; i < VL; i++) a[i] = (real)sqrt((double)a[i]);
    return a;
}
#endif

PB_INLINE vec vabs(vec a) { return (vec)((ivec)a & ~(ivec)vset((real)-0.0)); }

#if PB_VECTOR_BYTES == 64 && !PB_DOUBLE
#define PB_IOTA ((ivec){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})
#elif PB_VECTOR_BYTES == 64 || PB_VECTOR_BYTES == 32 && !PB_DOUBLE
#define PB_IOTA ((ivec){0, 1, 2, 3, 4, 5, 6, 7})
#elif PB_VECTOR_BYTES == 32 || !PB_DOUBLE
#define PB_IOTA ((ivec){0, 1, 2, 3})
#else
#define PB_IOTA ((ivec){0, 1})
#endif

/* Lanes i and i ^ by change places; by is a power of 2 below VL, known to the compiler. */
PB_INLINE vec vswap(vec v, int by) { return __builtin_shuffle(v, PB_IOTA ^ by); }

/* Sum and maximum of the lanes, halves upon halves. */
PB_INLINE real vsum(vec v)
{
    for (int half = VL / 2; half > 0; half /= 2) v += vswap(v, half);
    return v[0];
}

PB_INLINE real vmax_lanes(vec v)
{
    for (int half = VL / 2; half > 0; half /= 2) v = vmax(v, vswap(v, half));
    return v[0];
}

/* Two vectors, lanes where lane & half is 0 and lanes where it is not: [a0 a1], [b0 b1] become [a0 b0], [a1 b1]. */
PB_INLINE void vexchange(vec *a, vec *b, int half)
{
    const ivec from = PB_IOTA + (PB_IOTA & half) / half * (VL - half);
    const vec first = __builtin_shuffle(*a, *b, from), second = __builtin_shuffle(*a, *b, from + half);
    *a = first;
    *b = second;
}

/* Lane i of the result is the sum of v[i]'s lanes; v is used up. */
PB_INLINE vec vsum_each(vec v[VL])
{
    PB_UNROLL
    for (int half = VL / 2; half > 0; half /= 2) {
        PB_UNROLL
        for (int i = 0; i < half; i++) {
            vexchange(&v[i], &v[i + half], half);
            v[i] += v[i + half];
        }
    }
    return v[0];
}

/* Lane j of v[i] and lane i of v[j] change places. */
PB_INLINE void vtranspose(vec v[VL])
{
    PB_UNROLL
    for (int half = VL / 2; half > 0; half /= 2) {
        PB_UNROLL
        for (int i = 0; i < VL; i++)
            if ((i & half) == 0) vexchange(&v[i], &v[i + half], half);
    }
}

/* ---- functions ---- */

#if PB_DOUBLE

PB_INLINE vec vexp(vec x)
{
    for (int i = 0; i < VL; i++) x[i] = (real)exp(x[i]);
    return x;
}

/* log(1 + x), 0 <= x <= 1 */
PB_INLINE vec vlog1p(vec x)
{
    for (int i = 0; i < VL; i++) x[i] = (real)log1p(x[i]);
    return x;
}

#else

/* exp(x) within 1 ulp: x = n ln 2 + r, |r| <= ln(2)/2, exp(x) = 2^n exp(r). Results may be infinite, subnormal or 0, NaN stays NaN:
 * AVX-512 has an instruction for 2^n, elsewhere it is applied in two steps. */
PB_INLINE vec vexp(vec x)
{
    x = vmax(vset(-104), vmin(vset(89), x));
#if defined(__AVX512F__)
    const vec n = (vec)_mm512_roundscale_ps((__m512)(x * 0x1.715476p+0f), 0);
#else
    const vec magic = vset(0x1.8p23f);               /* adding it rounds to an integer, which then stands in the low bits */
    const vec t = x * 0x1.715476p+0f + magic, n = t - magic;
#endif
    vec r = x - n * 0.693115234375f;                 /* ln 2 in two pieces: n times the first is exact */
    r = r - n * 3.194618329871446e-05f;
    vec p = 0.0013814172707498074f * r + 0.008368921466171741f;
    p = p * r + 0.04166840761899948f;
    p = p * r + 0.1666651964187622f;
    p = p * r + 0.4999999403953552f;
    p = p * (r * r) + r;
    p = p + 1;
#if defined(__AVX512F__)
    return (vec)_mm512_scalef_ps((__m512)p, (__m512)n);
#else
    const ivec whole = (ivec)t - (ivec)magic, half = whole >> 1;
    return p * (vec)((half + 127) << 23) * (vec)((whole - half + 127) << 23);
#endif
}

/* log(1 + x), 0 <= x <= 1, within 2 ulp */
PB_INLINE vec vlog1p(vec x)
{
    vec p = 0.0053648273460567f * x - 0.030065806582570076f;
    p = p * x + 0.07920456677675247f;
    p = p * x - 0.13753804564476013f;
    p = p * x + 0.1915365606546402f;
    p = p * x - 0.24857164919376373f;
    p = p * x + 0.3332132399082184f;
    p = p * x - 0.49999648332595825f;
    return x + x * x * p;
}

#endif

/* 1 / (1 + exp(-x)); far out exp is infinite and the quotient 0 */
PB_INLINE vec vsigmoid(vec x) { return 1 / (1 + vexp(-x)); }

/* log(1 + exp(x)) as max(x, 0) + log(1 + exp(-|x|)): nothing overflows and small values keep their digits. x itself above 20,
 * as in PyTorch. */
PB_INLINE vec vsoftplus(vec x)
{
    vec y = vmax(vset(0), x) + vlog1p(vexp(-vabs(x)));
    return vselect(x > 20, x, y);
}

#endif
