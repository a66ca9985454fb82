/* Weights from and to the formats of quantise.h, and tokens for products with them. */
#include "quantise.h"

static uint16_t to_bf16(real x)              /* to the nearest, ties to even */
{
    const float f = (float)x;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    if (f != f) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

static real to_scale(uint16_t half) { return (real)from_bf16((const uint8_t *)&half); }

/* The scale that leaves the smallest sum of squared errors among some near the one that the largest weight asks for; the
 * weight of largest size goes to the end of the range that has one step more. q are quotients, -8 to 7. */
static uint16_t fit_int4(int8_t q[PB_GROUP], const real w[PB_GROUP])
{
    enum { TRIES = 13 };
    real largest = 0, unit[PB_GROUP];                         /* the group in units of its largest weight */
    for (int j = 0; j < PB_GROUP; j++) largest = fabs((double)w[j]) > fabs((double)largest) ? w[j] : largest;
    for (int j = 0; j < PB_GROUP; j++) unit[j] = w[j] / largest;
    uint16_t best = 0;
    real least = (real)HUGE_VAL;
    memset(q, 0, PB_GROUP);
    for (int try = 0; try < TRIES && largest != 0; try++) {
        const uint16_t half = to_bf16(largest / ((real)-9.2 + (real)0.2 * (real)try));
        const real scale = to_scale(half), inverse = 1 / scale;
        int8_t quotients[PB_GROUP];
        real error = 0;
        if (scale == 0 || !(fabs((double)inverse) < HUGE_VAL)) continue;
        for (int j = 0; j < PB_GROUP; j++) {
            real quotient = w[j] * inverse;
            quotient = quotient < -8 ? -8 : quotient > 7 ? 7 : quotient;
            quotients[j] = (int8_t)(quotient + (quotient < 0 ? (real)-0.5 : (real)0.5));
            const real away = unit[j] - scale / largest * quotients[j];
            error += away * away;
        }
        if (error < least) {
            least = error;
            best = half;
            memcpy(q, quotients, PB_GROUP);
        }
    }
    return best;
}

static uint16_t fit_int8(int8_t q[PB_GROUP], const real w[PB_GROUP])
{
    real largest = 0;
    for (int j = 0; j < PB_GROUP; j++) largest = (real)fabs((double)w[j]) > largest ? (real)fabs((double)w[j]) : largest;
    const uint16_t half = to_bf16(largest / 127);
    const real scale = to_scale(half), inverse = scale == 0 ? 0 : 1 / scale;
    for (int j = 0; j < PB_GROUP; j++) {
        real quotient = w[j] * inverse;
        quotient = quotient < -127 ? -127 : quotient > 127 ? 127 : quotient;
        q[j] = (int8_t)(quotient + (quotient < 0 ? (real)-0.5 : (real)0.5));
    }
    return half;
}

/* Rows [row, row + rows) of a matrix, rows <= PB_TILE, into the tiles of these rows */
static void fill_tiles(uint8_t *tiles, const real *w, int64_t rows, int64_t I, int64_t format)
{
    memset(tiles, format == PB_INT8 ? PB_INT8_ZERO : PB_INT4_ZERO << 4 | PB_INT4_ZERO, (size_t)row_bytes(I, format));
    for (int64_t i = 0; i < I; i += PB_GROUP, tiles += tile_bytes(format)) {
        memset(tiles + scales_at(format), 0, SCALES);
        for (int64_t r = 0; r < rows; r++) {
            real group[PB_GROUP] = {0};
            int8_t q[PB_GROUP];
            memcpy(group, w + r * I + i, (size_t)min_int(PB_GROUP, I - i) * sizeof(real));
            const uint16_t scale = format == PB_INT8 ? fit_int8(q, group) : fit_int4(q, group);
            memcpy(tiles + scales_at(format) + 2 * r, &scale, sizeof scale);
            for (int64_t j = 0; j < PB_GROUP; j++) {
                uint8_t *byte = tiles + byte_of(r, j, format);
                const int shift = shift_of(j, format), mask = format == PB_INT4 ? 15 << shift : 255;
                *byte = (uint8_t)((*byte & ~mask) | (q[j] + zero_of(format)) << shift);
            }
        }
    }
}

PB_KERNEL(quantise)
{
    const int64_t I = args->I, O = args->O, format = args->format, blocks = ceil_div(O, PB_TILE);
    if (format < PB_BF16 || format > PB_INT4) return PB_SIZE_UNSUPPORTED;
    for (int64_t item = begin; item < end; item++) {
        const int64_t matrix = item / blocks, row = item % blocks * PB_TILE, rows = min_int(PB_TILE, O - row);
        const real *w = args->w + (matrix * O + row) * I;
        if (is_tiled(format)) {
            fill_tiles((uint8_t *)args->weight + item * row_bytes(I, format), w, rows, I, format);
        } else {
            uint16_t *halves = (uint16_t *)args->weight + (matrix * O + row) * I;
            for (int64_t i = 0; i < rows * I; i++) halves[i] = to_bf16(w[i]);
        }
    }
    return PB_OK;
}

PB_KERNEL(dequantise)
{
    for (int64_t o = begin; o < end; o++) expand_row(args->w + (o - begin) * args->I, args->weight, o, args->I, PB_BF16);
    return PB_OK;
}

/* VL numbers, at most 127 in size, to the nearest whole ones; returns their sum */
PB_INLINE int32_t to_bytes(int8_t *q, vec x)
{
#if defined(__AVX512F__) && !PB_DOUBLE
    const __m512i whole = _mm512_cvtps_epi32((__m512)x);
    const __m128i bytes = _mm512_cvtepi32_epi8(whole);
    memcpy(q, &bytes, sizeof bytes);
    return _mm512_reduce_add_epi32(whole);
#else
    const vec magic = vset((real)(PB_DOUBLE ? 0x1.8p52 : 0x1.8p23));     /* adding it rounds to an integer, see vexp */
    const ivec whole = (ivec)(x + magic) - (ivec)magic;
    int32_t sum = 0;
    for (int j = 0; j < VL; j++) {
        q[j] = (int8_t)whole[j];
        sum += (int32_t)whole[j];
    }
    return sum;
#endif
}

/* The largest number of a group becomes 127. A group that is not finite has a scale that is not either, and zeros. */
PB_KERNEL(quantise_tokens)
{
    const int64_t I = args->I, groups = ceil_div(I, PB_GROUP);
    for (int64_t t = begin; t < end; t++) {
        struct pb_token_group *group = args->groups + t * groups;
        for (int64_t i = 0; i < I; i += PB_GROUP, group++) {
            const real *x = args->x + t * args->x_stride + i;
            vec part[PB_GROUP / VL], largest = vset(0), wrong = vset(0);
            for (int v = 0; v < PB_GROUP / VL; v++) {
                part[v] = vload_part(x + v * VL, I - i - v * VL);
                largest = vmax(vabs(part[v]), largest);
                wrong += part[v] * 0;
            }
            const real most = vmax_lanes(largest), not_finite = vsum(wrong);
            const real inverse = most > (real)1e-30 ? 127 / most : 0;     /* a smaller group is lost */
            int32_t sum = 0;
            for (int v = 0; v < PB_GROUP / VL; v++) sum += to_bytes(group->q + v * VL, not_finite == 0 ? part[v] * inverse : vset(0));
            group->scale = (float)(most / 127 + not_finite);
            group->start = -args->zero * sum;
        }
    }
    return PB_OK;
}
