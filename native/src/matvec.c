/* Matrix times a few vectors: generating text reads every weight once per step, so memory sets the speed. ROWS rows of the
 * weights at a time come from memory once, all tokens use them while they are in the cache.
 *
 * A dot product is one vector of partial sums along I whatever the tile it is computed in, hence the same to the last bit
 * wherever the range is cut.
 */
#include "quantise.h"

enum {
    VECTORS = PB_GROUP / VL,                             /* of a step along a row */
    ROWS = 4, TOKENS = PB_VECTOR_BYTES == 64 ? 4 : 2,    /* of a tile: what its sums take of the registers */
    AHEAD = 16384,                                       /* bytes, at least, between what is multiplied and what is sent for */
};

/* PB_GROUP weights at element i, or `rest` of them: what they add to the sums. rows, tokens, the format, and whether the group is
 * whole are known to the compiler. `ahead` is the way in bytes to the rows that are wanted next: they are sent for line after line as
 * they lie in memory, which gives a fifth more that way than row beside row. Beside one token there is room for them in the first
 * cache; beside more they only come to the second, or they would push out what is used. */
PB_INLINE void add_group(vec sums[ROWS * TOKENS], const uint8_t *weight, int64_t bytes, const real *restrict x, int64_t x_stride, int64_t i, int64_t rest,
                         int64_t ahead, const int format, const int rows, const int tokens, const int whole)
{
    const int64_t left = whole ? PB_GROUP : rest;
    const uint8_t *wanted = weight + ahead + rows * row_bytes(i, format);
    for (int64_t b = 0; b < rows * row_bytes(PB_GROUP, format); b += 64) __builtin_prefetch(wanted + b, 0, tokens == 1 ? 3 : 2);
    PB_UNROLL
    for (int v = 0; v < VECTORS; v++) {
        vec w[ROWS];
        PB_UNROLL
        for (int r = 0; r < rows; r++) {
            const void *row = weight + r * bytes + row_bytes(i + v * VL, format);
            w[r] = format == PB_BF16 ? vload_bf16_part(row, left - v * VL) : vload_part(row, left - v * VL);
        }
        PB_UNROLL
        for (int j = 0; j < tokens; j++) {
            const vec part = vload_part(x + j * x_stride + i + v * VL, left - v * VL);
            PB_UNROLL
            for (int r = 0; r < rows; r++) sums[r * tokens + j] += w[r] * part;
        }
    }
}

/* y[j][r] = <row r, x row j> + bias for `rows` rows and `tokens` tokens */
PB_INLINE void tile(real *restrict y, int64_t y_stride, const uint8_t *weight, int64_t bytes, const real *restrict x, int64_t x_stride,
                    const real *restrict bias, int64_t I, int64_t ahead, const int format, const int rows, const int tokens)
{
    vec sums[ROWS * TOKENS];
    for (int r = 0; r < rows; r++)
        for (int j = 0; j < tokens; j++) sums[r * tokens + j] = vset(0);
    int64_t i = 0;
    for (; i + PB_GROUP <= I; i += PB_GROUP) add_group(sums, weight, bytes, x, x_stride, i, PB_GROUP, ahead, format, rows, tokens, 1);
    if (i < I) add_group(sums, weight, bytes, x, x_stride, i, I - i, ahead, format, rows, tokens, 0);
    if (rows * tokens == VL) {           /* all sums at once: lane r * tokens + j */
        real lanes[VL];
        vstore(lanes, vsum_each(sums));
        for (int r = 0; r < rows; r++)
            for (int j = 0; j < tokens; j++) y[j * y_stride + r] = lanes[r * tokens + j] + (bias ? bias[r] : 0);
        return;
    }
    for (int r = 0; r < rows; r++)
        for (int j = 0; j < tokens; j++) y[j * y_stride + r] = vsum(sums[r * tokens + j]) + (bias ? bias[r] : 0);
}

/* Output columns [begin, end) of the tokens [first, first + T), which share one matrix */
PB_INLINE void multiply(const struct pb_matvec_args *args, int64_t expert, int64_t first, int64_t T, int64_t begin, int64_t end,
                        const int format)
{
    const int64_t I = args->I, y_stride = args->y_stride, x_stride = args->x_stride;
    const int64_t bytes = row_bytes(I, format), distance = ROWS * ceil_div(AHEAD, ROWS * bytes);
    if (T == 0) return;
    for (int64_t o = begin, rows; o < end; o += rows) {
        const real *bias = args->bias ? args->bias + o : NULL;
        rows = end - o >= ROWS ? ROWS : 1;
        const uint8_t *weight = (const uint8_t *)args->weight + (expert * args->O + o) * bytes;
        for (int64_t t = first, tokens; t < first + T; t += tokens) {
            const real *x = args->x + t * x_stride;
            real *y = args->y + t * y_stride + o;
            const int64_t left = first + T - t;
            tokens = left >= 2 * TOKENS ? 2 * TOKENS : left >= TOKENS ? TOKENS : left >= 2 ? 2 : 1;
            /* The first tokens send for the next rows, which come from memory while the others find theirs in the cache. */
            const int64_t ahead = t == first && end - o > distance ? distance * bytes : 0;
            if (rows == 1) {
                for (int64_t j = 0; j < tokens; j++) tile(y + j * y_stride, y_stride, weight, bytes, x + j * x_stride, x_stride, bias, I, ahead, format, 1, 1);
            } else if (tokens == 2 * TOKENS) {               /* all at once, so that memory does not wait for the second half */
                for (int64_t r = 0; r < ROWS; r += ROWS / 2)
                    tile(y + r, y_stride, weight + r * bytes, bytes, x, x_stride, bias ? bias + r : NULL, I, ahead, format, ROWS / 2, 2 * TOKENS);
            } else if (tokens == TOKENS) {
                tile(y, y_stride, weight, bytes, x, x_stride, bias, I, ahead, format, ROWS, TOKENS);
            } else if (tokens == 2) {
                tile(y, y_stride, weight, bytes, x, x_stride, bias, I, ahead, format, ROWS, 2);
            } else {
                tile(y, y_stride, weight, bytes, x, x_stride, bias, I, ahead, format, ROWS, 1);
            }
        }
    }
}

PB_INLINE void all_tokens(const struct pb_matvec_args *args, int64_t begin, int64_t end, const int format)
{
    if (!args->offset) {
        multiply(args, 0, 0, args->T, begin, end, format);
        return;
    }
    for (int64_t e = 0; e < args->X; e++)
        multiply(args, e, args->offset[e], args->offset[e + 1] - args->offset[e], begin, end, format);
}

PB_KERNEL(matvec)
{
    switch (args->format) {
    case PB_AS_REAL: all_tokens(args, begin, end, PB_AS_REAL); break;
    case PB_BF16: all_tokens(args, begin, end, PB_BF16); break;
    default: return PB_SIZE_UNSUPPORTED;
    }
    return PB_OK;
}
