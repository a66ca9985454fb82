/* Small maps and the two halves of a bias.
 *
 * Where output and input may be the same memory, an element is read before it is written and no other is touched, which is
 * what `ivdep` tells the compiler: without it gcc falls back to one element at a time for exactly the in-place case.
 */
#include "kernel.h"

static int64_t limit(const int32_t *rows, int64_t end)
{
    return rows != NULL ? min_int(rows[0], end) : end;
}

/* ---- relu ---- */

/* NaN is not <= 0 and passes through: what went wrong before must stay visible. */
PB_KERNEL(relu_forward)
{
    real *y = args->y;
    const real *x = args->x;
    const int64_t first = begin * args->F, last = limit(args->rows, end) * args->F;
#pragma GCC ivdep
    for (int64_t i = first; i < last; i++)
        y[i] = x[i] <= 0 ? 0 : x[i];
    return PB_OK;
}

/* The output decides: y > 0 exactly where x > 0. A NaN lets dy pass. */
PB_KERNEL(relu_backward)
{
    real *dx = args->dx;
    const real *dy = args->dy, *y = args->y;
    const int64_t first = begin * args->F, last = limit(args->rows, end) * args->F;
#pragma GCC ivdep
    for (int64_t i = first; i < last; i++)
        dx[i] = y[i] <= 0 ? 0 : dy[i];
    return PB_OK;
}

/* ---- add ---- its backward is the gradient itself, for both */

PB_KERNEL(add)
{
    real *y = args->y;
    const real *a = args->a, *b = args->b;
#pragma GCC ivdep
    for (int64_t i = begin; i < end; i++)
        y[i] = a[i] + b[i];
    return PB_OK;
}

/* ---- bias ---- */

PB_KERNEL(broadcast)
{
    const int64_t F = args->F;
    for (int64_t t = begin; t < end; t++)
        memcpy(args->y + t * F, args->bias, (size_t)F * sizeof(real));
    return PB_OK;
}

/* Columns are added up 256 tokens at a time: the few partial sums keep float's error from growing with T, and the order of
 * additions within a column is the same wherever the range is cut. */
PB_KERNEL(column_sum)
{
    enum { WIDTH = 64, TOKENS = 256 };
    const int64_t T = args->T, F = args->F;
    for (int64_t first = begin; first < end; first += WIDTH) {
        const int64_t width = min_int(end - first, WIDTH);
        real *restrict dbias = args->dbias + first;
        for (int64_t chunk = 0; chunk < T; chunk += TOKENS) {
            const int64_t last = min_int(chunk + TOKENS, T);
            real sums[WIDTH] = {0};
            for (int64_t t = chunk; t < last; t++) {
                const real *restrict dy = args->dy + t * F + first;
                for (int64_t f = 0; f < width; f++)
                    sums[f] += dy[f];
            }
            for (int64_t f = 0; f < width; f++)
                dbias[f] += sums[f];
        }
    }
    return PB_OK;
}
