/* LayerNorm and RMSNorm.
 *   y = (x - mean) * rstd * weight + bias      rstd = 1 / sqrt(mean((x - mean)^2) + eps)
 *   y = x * rstd * weight                      rstd = 1 / sqrt(mean(x^2) + eps)
 * Both are one code: RMSNorm's mean is 0. Sums over a row run in the lanes of a vector and are folded once at the end.
 *
 * With g = dy * weight and xhat = (x - mean) * rstd, averages over the row:
 *   dx = rstd * (g - mean(g) - xhat * mean(g * xhat))      RMSNorm has no mean(g)
 *   dweight = sum_t dy * xhat,  dbias = sum_t dy
 */

#include "kernel.h"

/* ---- one row ---- */

static real row_mean(const real *x, int64_t D)
{
    vec sum = vset(0);
    for (int64_t d = 0; d < D; d += VL) sum += vload_part(x + d, D - d);
    return vsum(sum) / (real)D;
}

/* Two passes: sum(x^2) - sum(x)^2 / D would lose everything where the mean is large. */
static real row_rstd(const real *x, real mean, int64_t D, double eps)
{
    vec sum = vset(0);
    for (int64_t d = 0; d < D; d += VL) {
        const vec away = vload_part_or(x + d, D - d, mean) - mean;
        sum += away * away;
    }
    return (real)(1 / sqrt((double)vsum(sum) / (double)D + eps));
}

/* bias may be NULL */
static void row_forward(real *restrict y, const real *restrict x, const real *restrict weight, const real *restrict bias, real mean,
                        real rstd, int64_t D)
{
    for (int64_t d = 0; d < D; d += VL) {
        vec v = (vload_part(x + d, D - d) - mean) * rstd * vload_part(weight + d, D - d);
        if (bias) v += vload_part(bias + d, D - d);
        vstore_part(y + d, v, D - d);
    }
}

PB_INLINE void row_backward(real *restrict dx, const real *restrict dy, const real *restrict x, const real *restrict weight, real mean,
                            real rstd, int64_t D, int centred, int accumulate)
{
    vec sum = vset(0), product = vset(0);
    for (int64_t d = 0; d < D; d += VL) {
        const vec g = vload_part(dy + d, D - d) * vload_part(weight + d, D - d);
        sum += g;
        product += g * ((vload_part(x + d, D - d) - mean) * rstd);
    }
    const real mean_g = centred ? vsum(sum) / (real)D : 0, mean_gx = vsum(product) / (real)D;
    for (int64_t d = 0; d < D; d += VL) {
        const vec g = vload_part(dy + d, D - d) * vload_part(weight + d, D - d);
        const vec xhat = (vload_part(x + d, D - d) - mean) * rstd;
        vec v = rstd * (g - mean_g - xhat * mean_gx);
        if (accumulate) v += vload_part(dx + d, D - d);
        vstore_part(dx + d, v, D - d);
    }
}

/* ---- some columns, all rows ---- */

/* mean and dbias are NULL for RMSNorm. The columns' sums stay in registers while time runs. */
PB_INLINE void columns_backward(real *restrict dweight, real *restrict dbias, const real *mean, const real *rstd, const real *dy,
                                const real *x, int64_t T, int64_t D, int64_t vectors, int64_t width)
{
    vec dw[4], db[4];
    for (int64_t j = 0; j < vectors; j++) dw[j] = db[j] = vset(0);
    for (int64_t t = 0; t < T; t++) {
        const real m = mean ? mean[t] : 0;
        for (int64_t j = 0; j < vectors; j++) {
            const vec g = vload_part(dy + t * D + j * VL, width - j * VL);
            dw[j] += g * ((vload_part(x + t * D + j * VL, width - j * VL) - m) * rstd[t]);
            db[j] += g;
        }
    }
    for (int64_t j = 0; j < vectors; j++) {
        real *dwj = dweight + j * VL;
        vstore_part(dwj, vload_part(dwj, width - j * VL) + dw[j], width - j * VL);
        if (!dbias) continue;
        real *dbj = dbias + j * VL;
        vstore_part(dbj, vload_part(dbj, width - j * VL) + db[j], width - j * VL);
    }
}

static void weights_backward(real *dweight, real *dbias, const real *mean, const real *rstd, const real *dy, const real *x, int64_t T,
                             int64_t D, int64_t begin, int64_t end)
{
    int64_t d = begin;
    for (; d + 4 * VL <= end; d += 4 * VL)
        columns_backward(dweight + d, dbias ? dbias + d : NULL, mean, rstd, dy + d, x + d, T, D, 4, 4 * VL);
    for (; d < end; d += VL)
        columns_backward(dweight + d, dbias ? dbias + d : NULL, mean, rstd, dy + d, x + d, T, D, 1, end - d);
}

/* ---- LayerNorm ---- */

PB_KERNEL(layer_norm_forward)
{
    const int64_t D = args->D;
    for (int64_t t = begin; t < end; t++) {
        const real *x = args->x + t * D;
        const real mean = row_mean(x, D), rstd = row_rstd(x, mean, D, args->eps);
        row_forward(args->y + t * D, x, args->weight, args->bias, mean, rstd, D);
        args->mean[t] = mean;
        args->rstd[t] = rstd;
    }
    return PB_OK;
}

PB_KERNEL(layer_norm_backward)
{
    const int64_t D = args->D;
    for (int64_t t = begin; t < end; t++)
        row_backward(args->dx + t * D, args->dy + t * D, args->x + t * D, args->weight, args->mean[t], args->rstd[t], D, 1,
                     args->accumulate != 0);
    return PB_OK;
}

PB_KERNEL(layer_norm_backward_weights)
{
    weights_backward(args->dweight, args->dbias, args->mean, args->rstd, args->dy, args->x, args->T, args->D, begin, end);
    return PB_OK;
}

/* ---- RMSNorm ---- */

PB_KERNEL(rms_norm_forward)
{
    const int64_t D = args->D;
    for (int64_t t = begin; t < end; t++) {
        const real *x = args->x + t * D;
        const real rstd = row_rstd(x, 0, D, args->eps);
        row_forward(args->y + t * D, x, args->weight, NULL, 0, rstd, D);
        args->rstd[t] = rstd;
    }
    return PB_OK;
}

PB_KERNEL(rms_norm_backward)
{
    const int64_t D = args->D;
    for (int64_t t = begin; t < end; t++)
        row_backward(args->dx + t * D, args->dy + t * D, args->x + t * D, args->weight, 0, args->rstd[t], D, 0, args->accumulate != 0);
    return PB_OK;
}

PB_KERNEL(rms_norm_backward_weights)
{
    weights_backward(args->dweight, NULL, NULL, args->rstd, args->dy, args->x, args->T, args->D, begin, end);
    return PB_OK;
}
