/* Products of tiles and tokens, both in whole numbers: y[t][o] = sum over groups of scale_w scale_x (sum of w x) (+ bias). The sum
 * of a group is exact, the same at every level, and groups are added in their order, so the cut of a range does not change a bit.
 *
 * A lane is a row of the weights. Four columns of PB_TILE rows meet the same four numbers of a token; a byte of a weight has no
 * sign, and what that adds (its zero for each) is what a group's sum starts with.
 */
#include "quantise.h"

enum {
    INTS = PB_VECTOR_BYTES / 4, PARTS = PB_TILE / INTS,      /* lanes; vectors of a tile's rows */
    TOKENS = PB_VECTOR_BYTES == 64 ? 8 : 2,                  /* that a tile meets at once: what their sums take of the registers */
    AHEAD = 8192,                                            /* bytes between what is multiplied and what is sent for */
};

typedef int32_t ints __attribute__((vector_size(PB_VECTOR_BYTES)));
typedef struct {
    real lane[INTS];
} reals;

/* sum += four bytes of w without sign times four of x with sign, in each lane */
PB_INLINE ints dot4(ints sum, ints w, const int8_t *x)
{
    int32_t four;
    memcpy(&four, x, sizeof four);
#if defined(__AVX512VNNI__)
    return (ints)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)w, _mm512_set1_epi32(four));
#elif defined(__AVX512BW__)
    const __m512i xs = _mm512_set1_epi32(four), low = _mm512_set1_epi32(0x00FF00FF);
    const __m512i even = _mm512_madd_epi16(_mm512_and_si512((__m512i)w, low), _mm512_srai_epi16(_mm512_slli_epi16(xs, 8), 8));
    const __m512i odd = _mm512_madd_epi16(_mm512_srli_epi16((__m512i)w, 8), _mm512_srai_epi16(xs, 8));
    return sum + (ints)even + (ints)odd;
#elif defined(__AVX2__)
    const __m256i xs = _mm256_set1_epi32(four), low = _mm256_set1_epi32(0x00FF00FF);
    const __m256i even = _mm256_madd_epi16(_mm256_and_si256((__m256i)w, low), _mm256_srai_epi16(_mm256_slli_epi16(xs, 8), 8));
    const __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16((__m256i)w, 8), _mm256_srai_epi16(xs, 8));
    return sum + (ints)even + (ints)odd;
#else
    for (int j = 0; j < 4; j++) sum += (w >> 8 * j & 255) * x[j];
    return sum;
#endif
}

/* sum += whole * scale_w * scale_x, in each lane */
PB_INLINE void add_scaled(reals *sum, ints whole, const reals *scale_w, float scale_x)
{
#if PB_DOUBLE
    for (int l = 0; l < INTS; l++) sum->lane[l] += whole[l] * (scale_w->lane[l] * (double)scale_x);
#else
    vstore(sum->lane, vload(sum->lane) + __builtin_convertvector(whole, vec) * (vload(scale_w->lane) * scale_x));
#endif
}

/* Four columns of a tile's rows, from lane `first` on */
PB_INLINE ints load_quad(const uint8_t *tile, int64_t quad, int64_t first, const int format)
{
    ints w;
    memcpy(&w, tile + quad % (format == PB_INT4 ? QUADS / 2 : QUADS) * (4 * PB_TILE) + first * 4, sizeof w);
    if (format == PB_INT8) return w;
    return (quad < QUADS / 2 ? w : w >> 4) & 0x0F0F0F0F;
}

/* The tokens' groups meet a tile; format and tokens are known to the compiler. */
PB_INLINE void add_tile(reals sums[TOKENS * PARTS], const uint8_t *tile, const struct pb_token_group *group, int64_t groups, const int format,
                        const int tokens)
{
    PB_UNROLL
    for (int p = 0; p < PARTS; p++) {
        ints w[QUADS];
        reals scale;
        PB_UNROLL
        for (int k = 0; k < QUADS; k++) w[k] = load_quad(tile, k, p * INTS, format);
        for (int l = 0; l < INTS; l++) scale.lane[l] = (real)from_bf16(tile + scales_at(format) + 2 * (p * INTS + l));
        PB_UNROLL
        for (int j = 0; j < tokens; j++) {
            const struct pb_token_group *x = group + j * groups;
            ints sum = (ints){0} + x->start;
            PB_UNROLL
            for (int k = 0; k < QUADS; k++) sum = dot4(sum, w[k], x->q + 4 * k);
            add_scaled(&sums[j * PARTS + p], sum, &scale, x->scale);
        }
    }
}

/* PB_TILE columns of y, or `width` of them, for some tokens */
PB_INLINE void columns(real *restrict y, int64_t y_stride, const uint8_t *tiles, const struct pb_token_group *group, const real *bias, int64_t width,
                       int64_t groups, int64_t ahead, const int format, const int tokens)
{
    reals sums[TOKENS * PARTS];
    memset(sums, 0, sizeof sums);
    for (int64_t g = 0; g < groups; g++, tiles += tile_bytes(format)) {
        for (int64_t b = 0; b < tile_bytes(format); b += 64) __builtin_prefetch(tiles + b + ahead);
        add_tile(sums, tiles, group + g, groups, format, tokens);
    }
    for (int j = 0; j < tokens; j++)
        for (int64_t o = 0; o < width; o++) y[j * y_stride + o] = sums[j * PARTS + o / INTS].lane[o % INTS] + (bias ? bias[o] : 0);
}

/* Blocks of columns [begin, end) of the tokens [first, first + T), which share one matrix */
PB_INLINE void multiply(const struct pb_product_args *args, int64_t expert, int64_t first, int64_t T, int64_t begin, int64_t end, const int format)
{
    const int64_t O = args->O, groups = ceil_div(args->I, PB_GROUP), bytes = row_bytes(args->I, format);
    const uint8_t *matrix = (const uint8_t *)args->weight + expert * ceil_div(O, PB_TILE) * bytes;
    for (int64_t block = begin; block < end && T > 0; block++) {
        const int64_t o = block * PB_TILE, width = min_int(PB_TILE, O - o);
        const real *bias = args->bias ? args->bias + o : NULL;
        for (int64_t t = first, tokens; t < first + T; t += tokens) {
            real *y = args->y + t * args->y_stride + o;
            const struct pb_token_group *group = args->x + t * groups;
            /* Later tokens find the tiles in the cache. */
            const int64_t ahead = t == first ? AHEAD : 0, left = first + T - t;
            tokens = left >= TOKENS ? TOKENS : 1;
            if (tokens == TOKENS) columns(y, args->y_stride, matrix + block * bytes, group, bias, width, groups, ahead, format, TOKENS);
            else columns(y, args->y_stride, matrix + block * bytes, group, bias, width, groups, ahead, format, 1);
        }
    }
}

PB_INLINE void all_tokens(const struct pb_product_args *args, int64_t begin, int64_t end, const int format)
{
    if (!args->offset) {
        multiply(args, 0, 0, args->T, begin, end, format);
        return;
    }
    for (int64_t e = 0; e < args->X; e++)
        multiply(args, e, args->offset[e], args->offset[e + 1] - args->offset[e], begin, end, format);
}

PB_KERNEL(product)
{
    if (args->format == PB_INT8) all_tokens(args, begin, end, PB_INT8);
    else if (args->format == PB_INT4) all_tokens(args, begin, end, PB_INT4);
    else return PB_SIZE_UNSUPPORTED;
    return PB_OK;
}
