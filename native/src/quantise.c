/* Weights from and to the formats of quantise.h. */
#include "quantise.h"

static uint16_t to_bf16(real x)              /* to the nearest, ties to even */
{
    const float f = (float)x;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    if (f != f) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

static real from_bf16(uint16_t half)
{
    const uint32_t bits = (uint32_t)half << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

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
        const real scale = from_bf16(half), inverse = 1 / scale;
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
    const real scale = from_bf16(half), inverse = scale == 0 ? 0 : 1 / scale;
    for (int j = 0; j < PB_GROUP; j++) {
        real quotient = w[j] * inverse;
        quotient = quotient < -127 ? -127 : quotient > 127 ? 127 : quotient;
        q[j] = (int8_t)(quotient + (quotient < 0 ? (real)-0.5 : (real)0.5));
    }
    return half;
}

PB_KERNEL(quantise)
{
    const int64_t I = args->I, format = args->format, groups = ceil_div(I, PB_GROUP);
    for (int64_t o = begin; o < end; o++) {
        const real *w = args->w + o * I;
        uint8_t *row = (uint8_t *)args->weight + o * row_bytes(I, format);
        if (format == PB_BF16) {
            for (int64_t i = 0; i < I; i++) ((uint16_t *)(void *)row)[i] = to_bf16(w[i]);
            continue;
        }
        if (format != PB_INT8 && format != PB_INT4) return PB_SIZE_UNSUPPORTED;
        for (int64_t group = 0; group < groups; group++) {
            real part[PB_GROUP] = {0};
            int8_t q[PB_GROUP];
            memcpy(part, w + group * PB_GROUP, (size_t)min_int(PB_GROUP, I - group * PB_GROUP) * sizeof(real));
            uint8_t *bytes = row + row_bytes(PB_GROUP, format) * group;
            const uint16_t scale = format == PB_INT8 ? fit_int8(q, part) : fit_int4(q, part);
            memcpy(bytes + row_bytes(PB_GROUP, format) - sizeof scale, &scale, sizeof scale);
            for (int j = 0; format == PB_INT8 && j < PB_GROUP; j++) bytes[j] = (uint8_t)q[j];
            for (int j = 0; format == PB_INT4 && j < PB_GROUP / 2; j++)
                bytes[j] = (uint8_t)((q[j] + 8) | (q[j + PB_GROUP / 2] + 8) << 4);
        }
    }
    return PB_OK;
}

PB_KERNEL(dequantise)
{
    const int64_t I = args->I, format = args->format;
    for (int64_t o = begin; o < end; o++) {
        real *w = args->w + (o - begin) * I;
        const uint8_t *row = (const uint8_t *)args->weight + o * row_bytes(I, format);
        if (format < PB_BF16 || format > PB_INT4) return PB_SIZE_UNSUPPORTED;
        expand_row(w, row, I, format);
    }
    return PB_OK;
}
