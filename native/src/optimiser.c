/* AdamW (Loshchilov and Hutter, 2019) and the sum of squares that clipping needs. */
#include "kernel.h"

/* Both kernels have less to compute than to wait for. Asked for a page ahead, memory gives numbers that are only read half as fast
 * again, and those that are changed an eighth faster. */
enum { LINE = 64 / sizeof(real), AHEAD = 64 * LINE };

/* ---- squared norm ---- */

/* A block is added up as a whole by one thread, in 32 sums of double, so neither the number of threads nor float's range
 * matters. */
PB_KERNEL(squared_norm)
{
    enum { SUMS = 32 };
    for (int64_t block = begin; block < end; block++) {
        const int64_t first = block * PB_NORM_BLOCK;
        const int64_t last = min_int(first + PB_NORM_BLOCK, args->count);
        const real *restrict x = args->x;
        double sums[SUMS] = {0};
        int64_t i = first;
        for (; i + SUMS <= last; i += SUMS) {
            for (int64_t j = 0; j < SUMS; j += LINE)
                __builtin_prefetch(x + i + AHEAD + j);
            for (int64_t j = 0; j < SUMS; j++) {
                double value = (double)x[i + j];
                sums[j] += value * value;
            }
        }
        for (int64_t j = 0; i + j < last; j++) {
            double value = (double)x[i + j];
            sums[j] += value * value;
        }
        double sum = 0;
        for (int64_t j = 0; j < SUMS; j++)
            sum += sums[j];
        args->parts[block] = sum;
    }
    return PB_OK;
}

/* ---- AdamW ---- */

/* Without a gradient a moment decays until it is a denormal number, where rounding holds it for ever (0.9 * 4 units rounds to
 * 4) and every operation costs a hundred cycles: the rows of rare tokens would slow down all later steps. FLOOR lies far above
 * the denormals and far below what moves a parameter. */
#define FLOOR ((real)1e-30)

struct factors { /* one step's scalars as `real`, folded in double */
    real scale, keep1, take1, keep2, take2, root, eps, decay, rate;
};

PB_INLINE vec flush(vec x)
{
    return vselect(vabs(x) < FLOOR, vset(0), x);
}

PB_INLINE vec update(vec parameter, vec *m, vec *v, vec gradient, const struct factors *f)
{
    vec g = f->scale * gradient;
    *m = flush(f->keep1 * *m + f->take1 * g);
    *v = flush(f->keep2 * *v + f->take2 * g * g);
    vec change = f->decay * parameter + f->rate * *m / (vsqrt(*v) * f->root + f->eps);
    return parameter - change;
}

/* One pass over memory: three arrays read and written, the gradient read and, for the next step's sums, left zero. */
PB_INLINE void update_range(const struct pb_adamw_args *args, const struct factors *f, int64_t begin, int64_t end, const int assigned)
{
    real *restrict parameter = args->parameter, *restrict m = args->m, *restrict v = args->v, *restrict gradient = args->gradient;
    int64_t i = begin;
    for (; i + VL <= end; i += VL) {
        __builtin_prefetch(parameter + i + AHEAD);
        __builtin_prefetch(m + i + AHEAD);
        __builtin_prefetch(v + i + AHEAD);
        __builtin_prefetch(gradient + i + AHEAD);
        vec first = vload(m + i), second = vload(v + i);
        vstore(parameter + i, update(vload(parameter + i), &first, &second, vload(gradient + i), f));
        vstore(m + i, first);
        vstore(v + i, second);
        if (!assigned) vstore(gradient + i, vset(0));
    }
    if (i < end) {
        const int64_t rest = end - i;
        vec first = vload_part(m + i, rest), second = vload_part(v + i, rest), g = vload_part(gradient + i, rest);
        vstore_part(parameter + i, update(vload_part(parameter + i, rest), &first, &second, g, f), rest);
        vstore_part(m + i, first, rest);
        vstore_part(v + i, second, rest);
        if (!assigned) vstore_part(gradient + i, vset(0), rest);
    }
}

PB_KERNEL(adamw)
{
    const struct pb_adamw_step *step = args->step;
    const struct factors f = {
        .scale = (real)step->scale,
        .keep1 = (real)step->beta1, .take1 = (real)(1 - step->beta1),
        .keep2 = (real)step->beta2, .take2 = (real)(1 - step->beta2),
        .root = (real)(1 / sqrt(step->correction2)), .eps = (real)step->eps,
        .decay = (real)(step->lr * args->decay), .rate = (real)(step->lr / step->correction1),
    };
    for (int64_t e = 0; e < args->X; e++) {
        const int64_t first = e * args->count;
        if (args->kept != NULL && args->kept[e] == 0) continue;
        if (args->assigned) update_range(args, &f, first + begin, first + end, 1);
        else update_range(args, &f, first + begin, first + end, 0);
    }
    return PB_OK;
}
