/* Matrix times a few vectors: generating text reads every weight once per step, so memory sets the speed. ROWS rows of the
 * weights at a time come from memory once, all tokens use them while they are in the cache.
 *
 * A dot product is one vector of partial sums along I whatever the tile it is computed in, hence the same to the last bit
 * wherever the range is cut.
 */
#include "lanes.h"

enum { ROWS = 4 };

/* y[j][r] = <weight row r, x row j> + bias for `rows` rows and `tokens` tokens, both known to the compiler. `ahead` is the way to
 * the weights that are wanted next. */
PB_INLINE void tile(real *restrict y, int64_t y_stride, const real *restrict weight, const real *restrict x, int64_t x_stride,
        const real *restrict bias, int64_t I, int64_t ahead, const int rows, const int tokens)
{
    vec sums[ROWS][2];
    for (int r = 0; r < rows; r++) {
        for (int j = 0; j < tokens; j++)
            sums[r][j] = vset(0);
    }
    int64_t i = 0;
    for (; i + VL <= I; i += VL) {
        for (int r = 0; r < rows; r++) {
            vec w = vload(weight + r * I + i);
            __builtin_prefetch(weight + r * I + i + ahead);
            for (int j = 0; j < tokens; j++)
                sums[r][j] += w * vload(x + j * x_stride + i);
        }
    }
    if (i < I) {
        for (int r = 0; r < rows; r++) {
            vec w = vload_part(weight + r * I + i, I - i);
            for (int j = 0; j < tokens; j++)
                sums[r][j] += w * vload_part(x + j * x_stride + i, I - i);
        }
    }
    for (int r = 0; r < rows; r++) {
        for (int j = 0; j < tokens; j++)
            y[j * y_stride + r] = vsum(sums[r][j]) + (bias != NULL ? bias[r] : 0);
    }
}

/* Output columns [begin, end) of T tokens that share one matrix. Two tokens at a time are as many as AVX2's registers hold. */
static void multiply(const struct pb_matvec_args *args, const real *weight, int64_t first, int64_t T, int64_t begin, int64_t end)
{
    const int64_t I = args->I, y_stride = args->y_stride, x_stride = args->x_stride;
    for (int64_t o = begin, rows; o < end; o += rows) {
        const real *w = weight + o * I, *bias = args->bias != NULL ? args->bias + o : NULL;
        rows = end - o >= ROWS ? ROWS : 1;
        for (int64_t t = first, tokens; t < first + T; t += tokens) {
            const real *x = args->x + t * x_stride;
            real *y = args->y + t * y_stride + o;
            tokens = first + T - t >= 2 ? 2 : 1;
            /* the last tokens find their weights in the cache: meanwhile the next rows come from memory */
            const int64_t ahead = t + tokens == first + T && end - o >= 2 * ROWS ? ROWS * I : 0;
            if (rows == ROWS && tokens == 2) {
                tile(y, y_stride, w, x, x_stride, bias, I, ahead, ROWS, 2);
            } else if (rows == ROWS) {
                tile(y, y_stride, w, x, x_stride, bias, I, ahead, ROWS, 1);
            } else if (tokens == 2) {
                tile(y, y_stride, w, x, x_stride, bias, I, ahead, 1, 2);
            } else {
                tile(y, y_stride, w, x, x_stride, bias, I, ahead, 1, 1);
            }
        }
    }
}

PB_KERNEL(matvec)
{
    if (args->expert == NULL) {
        multiply(args, args->weight, 0, args->T, begin, end);
        return PB_OK;
    }
    for (int64_t t = 0; t < args->T; t++)
        multiply(args, args->weight + args->expert[t] * args->O * args->I, t, 1, begin, end);
    return PB_OK;
}
