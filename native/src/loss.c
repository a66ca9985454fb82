/* Cross entropy in nats over logits [T, V], and the mean of a vector. */
#include "lanes.h"

/* ---- cross entropy ---- loss = lse - logit[target],  lse = log sum_v exp(logit[v]) */

/* All targets of the range are looked at before anything is written. */
static int check(const int32_t *target, int64_t V, int64_t begin, int64_t end)
{
    for (int64_t t = begin; t < end; t++) {
        if (target[t] < -1 || target[t] >= V)
            return PB_TOKEN_OUT_OF_RANGE;
    }
    return PB_OK;
}

/* The row is read from memory once, in pieces that stay in the first cache between their two passes. The sum of
 * exp(logit - highest) is kept in double and scaled down when a piece brings a higher logit. Maxima skip NaN, the exponentials
 * do not. */
PB_KERNEL(cross_entropy_forward)
{
    enum { PIECE = 1024 };
    const int64_t V = args->V;
    const int status = check(args->target, V, begin, end);
    if (status != PB_OK)
        return status;
    for (int64_t t = begin; t < end; t++) {
        const real *restrict logits = args->logits + t * V;
        const int32_t target = args->target[t];
        double highest = -HUGE_VAL, sum = 0;
        for (int64_t first = 0; first < V; first += PIECE) {
            const int64_t last = min_int(first + PIECE, V), whole = last - (last - first) % VL;
            const vec rest = vload_part_or(logits + whole, last - whole, -(real)HUGE_VAL); /* -inf adds nothing */
            const vec high = vlargest(rest, logits + first, VL, (whole - first) / VL);
            const double now = vmax_lanes(high);
            if (now > highest) {
                sum *= exp(highest - now);
                highest = now;
            }
            const real shift = highest == -HUGE_VAL ? 0 : (real)highest; /* -inf - -inf would be NaN */
            vec sums = vexp_or_zero(rest - shift);
            for (int64_t v = first; v < whole; v += VL)
                sums += vexp_or_zero(vload(logits + v) - shift);
            sum += (double)vsum(sums);
        }
        args->lse[t] = (real)(log(sum) + highest);
        args->loss[t] = target < 0 ? 0 : (real)(log(sum) + (highest - (double)logits[target]));
    }
    return PB_OK;
}

PB_KERNEL(cross_entropy_backward)
{
    const int64_t V = args->V;
    const real scale = (real)args->scale;
    const int status = check(args->target, V, begin, end);
    if (status != PB_OK)
        return status;
    for (int64_t t = begin; t < end; t++) {
        const real *logits = args->logits + t * V; /* may be dlogits */
        real *dlogits = args->dlogits + t * V;
        const real lse = args->lse[t];
        const int32_t target = args->target[t];
        if (target < 0) {
            memset(dlogits, 0, (size_t)V * sizeof(real));
            continue;
        }
        int64_t v = 0;
        for (; v + VL <= V; v += VL)
            vstore(dlogits + v, scale * vexp_or_zero(vload(logits + v) - lse));
        if (v < V)
            vstore_part(dlogits + v, scale * vexp_or_zero(vload_part(logits + v, V - v) - lse), V - v);
        dlogits[target] -= scale;
    }
    return PB_OK;
}

/* ---- mean ---- */

PB_KERNEL(mean)
{
    if (begin >= end)
        return PB_OK;
    double sum = 0;
    for (int64_t i = 0; i < args->count; i++)
        sum += (double)args->x[i];
    args->mean[0] = (real)(sum / (double)args->count);
    return PB_OK;
}
