/* Formats of weights.
 *
 *   PB_AS_REAL   as computed with
 *   PB_BF16      the upper half of a float
 *   PB_INT8      groups of 34 bytes: a byte q for each weight, which is scale * q, -127 <= q <= 127, then the scale
 *   PB_INT4      groups of 18 bytes: 16 bytes, then the scale; weight j is scale * (q - 8), 0 <= q <= 15, with q in the low half
 *                of byte j, and weight 16 + j has the high half
 *
 * A group is PB_GROUP weights of a row; what is beyond the row's end in its last group is 0. A scale is the upper half of a float.
 */
#ifndef PANAMBA_QUANTISE_H
#define PANAMBA_QUANTISE_H

#include "kernel.h"

enum {
    VECTORS = PB_GROUP / VL,                                       /* of a group */
    INT8_BYTES = 2 + PB_GROUP, INT4_BYTES = 2 + PB_GROUP / 2,      /* of a group */
};

typedef uint16_t halves_vec __attribute__((vector_size(2 * VL)));
typedef uint32_t words_vec __attribute__((vector_size(4 * VL)));
typedef float floats_vec __attribute__((vector_size(4 * VL)));

PB_INLINE int64_t row_bytes(int64_t I, int64_t format)
{
    switch (format) {
    case PB_BF16: return I * 2;
    case PB_INT8: return ceil_div(I, PB_GROUP) * INT8_BYTES;
    case PB_INT4: return ceil_div(I, PB_GROUP) * INT4_BYTES;
    default: return I * (int64_t)sizeof(real);
    }
}

PB_INLINE vec vload_bf16(const uint16_t *p)
{
    halves_vec halves;
    memcpy(&halves, p, sizeof halves);
    const words_vec words = __builtin_convertvector(halves, words_vec) << 16;
    floats_vec floats;
    memcpy(&floats, &words, sizeof floats);
    return __builtin_convertvector(floats, vec);
}

/* VL bytes, as signed integers. gcc 12 takes a conversion of what was just loaded apart byte by byte, hence the instructions. */
#if defined(__x86_64__) && !PB_DOUBLE

typedef __m128i bytes_vec;

PB_INLINE bytes_vec load_bytes(const uint8_t *p)
{
    __m128i q = _mm_setzero_si128();
    memcpy(&q, p, VL);
    return q;
}

PB_INLINE bytes_vec low_half(bytes_vec q) { return _mm_sub_epi8(_mm_and_si128(q, _mm_set1_epi8(15)), _mm_set1_epi8(8)); }
PB_INLINE bytes_vec high_half(bytes_vec q) { return low_half(_mm_srli_epi16(q, 4)); }

PB_INLINE vec from_bytes(bytes_vec q)
{
#if defined(__AVX512F__)
    return (vec)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(q));
#elif defined(__AVX2__)
    return (vec)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(q));
#else
    return (vec)_mm_cvtepi32_ps(_mm_cvtepi8_epi32(q));
#endif
}

#else

typedef int8_t bytes_vec __attribute__((vector_size(VL)));

PB_INLINE bytes_vec load_bytes(const uint8_t *p)
{
    bytes_vec q;
    memcpy(&q, p, sizeof q);
    return q;
}

PB_INLINE bytes_vec low_half(bytes_vec q) { return (q & 15) - 8; }
PB_INLINE bytes_vec high_half(bytes_vec q) { return (q >> 4 & 15) - 8; }
PB_INLINE vec from_bytes(bytes_vec q) { return __builtin_convertvector(__builtin_convertvector(q, ivec), vec); }

#endif

/* The scale of a group, in every lane; 1 where the format has none. It is read with the two bytes before it, since a whole float
 * is what the processor can spread over a vector while it loads. */
PB_INLINE vec group_scale(const uint8_t *row, int64_t group, const int format)
{
    if (format != PB_INT8 && format != PB_INT4) return vset(1);
    uint32_t bits;
    memcpy(&bits, row + (group + 1) * row_bytes(PB_GROUP, format) - sizeof bits, sizeof bits);
    const words_vec words = ((words_vec){0} + bits) & 0xFFFF0000;
    floats_vec floats;
    memcpy(&floats, &words, sizeof floats);
    return __builtin_convertvector(floats, vec);
}

/* A group of a row, yet to be multiplied with its scale. `rest` weights of it are in the row; format is known to the compiler. */
PB_INLINE void unpack(vec w[VECTORS], const uint8_t *row, int64_t group, int64_t rest, const int format)
{
    for (int v = 0; v < VECTORS; v++) {
        const int64_t i = group * PB_GROUP + v * VL;
        if (format == PB_AS_REAL) {
            w[v] = vload_part((const real *)(const void *)row + i, rest - v * VL);
        } else if (format == PB_BF16) {
            const uint16_t *halves = (const uint16_t *)(const void *)row + i;
            if (__builtin_expect(rest - v * VL >= VL, 1)) {
                w[v] = vload_bf16(halves);
            } else {
                uint16_t part[VL] = {0};
                for (int64_t j = 0; j < rest - v * VL; j++) part[j] = halves[j];
                w[v] = vload_bf16(part);
            }
        } else if (format == PB_INT8) {
            w[v] = from_bytes(load_bytes(row + group * INT8_BYTES + v * VL));
#if defined(__AVX512F__) && !PB_DOUBLE
        } else if (v == 0) {             /* a table of the 16 weights, which looks at the low half of what it is given */
            const __m512 table = _mm512_setr_ps(-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7);
            const __m512i q = _mm512_cvtepu8_epi32(load_bytes(row + group * INT4_BYTES));
            w[0] = (vec)_mm512_permutexvar_ps(q, table);
            w[1] = (vec)_mm512_permutexvar_ps(_mm512_srli_epi32(q, 4), table);
#else
        } else if (v < VECTORS / 2) {
            const bytes_vec q = load_bytes(row + group * INT4_BYTES + v * VL);
            w[v] = from_bytes(low_half(q));
            w[v + VECTORS / 2] = from_bytes(high_half(q));
#endif
        }
    }
}

/* One row; format is known to the compiler. */
PB_INLINE void expand(real *w, const uint8_t *row, int64_t I, const int format)
{
    for (int64_t i = 0; i < I; i += PB_GROUP) {
        vec group[VECTORS];
        const vec scale = group_scale(row, i / PB_GROUP, format);
        unpack(group, row, i / PB_GROUP, I - i, format);
        for (int v = 0; v < VECTORS && i + v * VL < I; v++) vstore_part(w + i + v * VL, scale * group[v], I - i - v * VL);
    }
}

PB_INLINE void expand_row(real *w, const uint8_t *row, int64_t I, int64_t format)
{
    switch (format) {
    case PB_BF16: expand(w, row, I, PB_BF16); break;
    case PB_INT8: expand(w, row, I, PB_INT8); break;
    case PB_INT4: expand(w, row, I, PB_INT4); break;
    default: memcpy(w, row, (size_t)I * sizeof(real));
    }
}

#endif
