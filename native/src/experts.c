/* Switch routing (Fedus et al., 2021): top-1, first come first kept, grouped without padding.
 *
 *   route      logits [T, X] -> probability, and each token's expert with its gate
 *   group      expert [T]    -> which row of its expert's group a token gets; beyond the capacity it is dropped
 *   gather     x [T, D]      -> grouped rows, which the experts multiply
 *   scatter    grouped rows  -> y [T, D], weighted by the gate; a dropped token's y is 0, so the residual passes unchanged
 *
 * Argmax and the decision to keep carry no gradient; the gate does, and the balance loss reaches dropped tokens too.
 */
#include "lanes.h"

/* ---- route ---- */

/* The largest of a row; NaN is passed over, unless it comes first. */
static real largest(const real *row, int64_t n)
{
    const int64_t whole = n / VL;
    real most = vmax_lanes(vlargest(vset(row[0]), row, VL, whole));
    for (int64_t e = whole * VL; e < n; e++)
        most = row[e] > most ? row[e] : most;
    return most;
}

/* The argmax is that of the stored probabilities, so `expert`, `gate` and `probability` agree to the last bit even where
 * rounding makes a tie, which the first one wins. NaN equals nothing: a row of NaN goes to expert 0, its gate carries the NaN on. */
PB_KERNEL(route_forward)
{
    const int64_t X = args->X;
    for (int64_t t = begin; t < end; t++) {
        const real *restrict logits = args->logits + t * X;
        real *restrict probability = args->probability + t * X;
        const real highest = largest(logits, X);
        vec sums = vset(0);
        int64_t e = 0;
        for (; e + VL <= X; e += VL) {
            vec p = vexp_or_zero(vload(logits + e) - highest);
            sums += p;
            vstore(probability + e, p);
        }
        real sum = vsum(sums);
        if (e < X) {
            vstore_part(probability + e, vexp_or_zero(vload_part(logits + e, X - e) - highest), X - e);
            for (; e < X; e++)
                sum += probability[e];
        }
        for (e = 0; e < X; e++)
            probability[e] /= sum;
        const real most = largest(probability, X);
        int32_t expert = 0;
        while (expert < X && probability[expert] != most)
            expert++;
        args->expert[t] = expert < X ? expert : 0;
        args->gate[t] = probability[args->expert[t]];
    }
    return PB_OK;
}

/* dlogit_e = p_e (dp_e - sum_j p_j dp_j): the gate's share of dp stands at one expert only, the balance's at all. */
PB_KERNEL(route_backward)
{
    const int64_t X = args->X;
    const int32_t *restrict load = args->load;
    const double balance = args->dbalance * args->alpha * (double)X / ((double)args->T * (double)args->T);
    for (int64_t t = begin; t < end; t++) {
        const real *restrict probability = args->probability + t * X;
        real *restrict dlogits = args->dlogits + t * X;
        const int32_t expert = args->expert[t];
        for (int64_t e = 0; e < X; e++)
            dlogits[e] = (real)(balance * load[e]);
        dlogits[expert] += args->dgate[t];
        real mean = dot(probability, dlogits, X);
        for (int64_t e = 0; e < X; e++)
            dlogits[e] = probability[e] * (dlogits[e] - mean);
    }
    return PB_OK;
}

/* ---- group ---- */

/* One thread: a token's rank among those of its expert depends on all tokens before it. `row` holds that rank until the
 * offsets are known. */
PB_KERNEL(route_group)
{
    const int64_t T = args->T, X = args->X, C = args->C;
    const int32_t *restrict expert = args->expert;
    int32_t *restrict load = args->load, *restrict offset = args->offset;
    int32_t *restrict row = args->row, *restrict token = args->token;
    if (begin >= end)
        return PB_OK;
    for (int64_t e = 0; e < X; e++)
        load[e] = 0;
    for (int64_t t = 0; t < T; t++) {
        int32_t rank = load[expert[t]]++;
        row[t] = rank < C ? rank : -1;
    }
    offset[0] = 0;
    for (int64_t e = 0; e < X; e++)
        offset[e + 1] = offset[e] + (int32_t)min_int(load[e], C);
    for (int64_t t = 0; t < T; t++) {
        if (row[t] >= 0) {
            row[t] += offset[expert[t]];
            token[row[t]] = (int32_t)t;
        }
    }

    /* alpha X sum_e f_e P_e with f_e = load_e / T, P_e = mean_t p_te; 32 experts at a time pass down the tokens */
    enum { WIDTH = 32 };
    double balance = 0;
    for (int64_t first = 0; first < X; first += WIDTH) {
        const int64_t width = min_int(X - first, WIDTH);
        double sums[WIDTH] = {0};
        for (int64_t t = 0; t < T; t++) {
            const real *restrict probability = args->probability + t * X + first;
            for (int64_t e = 0; e < width; e++)
                sums[e] += (double)probability[e];
        }
        for (int64_t e = 0; e < width; e++)
            balance += sums[e] * load[first + e];
    }
    args->balance[0] = (real)(args->alpha * (double)X * balance / ((double)T * (double)T));
    return PB_OK;
}

/* ---- gather ---- */

PB_KERNEL(gather_forward)
{
    const int64_t D = args->D, kept = args->kept[0];
    for (int64_t i = begin; i < end && i < kept; i++)
        memcpy(args->grouped + i * D, args->x + args->token[i] * D, (size_t)D * sizeof(real));
    return PB_OK;
}

PB_KERNEL(gather_backward)
{
    const int64_t D = args->D;
    for (int64_t t = begin; t < end; t++) {
        const int64_t row = args->row[t];
        if (row < 0) {
            memset(args->dx + t * D, 0, (size_t)D * sizeof(real));
        } else {
            memcpy(args->dx + t * D, args->dgrouped + row * D, (size_t)D * sizeof(real));
        }
    }
    return PB_OK;
}

/* ---- scatter ---- */

PB_KERNEL(scatter_forward)
{
    const int64_t D = args->D;
    for (int64_t t = begin; t < end; t++) {
        const int64_t row = args->row[t];
        real *restrict y = args->y + t * D;
        if (row < 0) {
            memset(y, 0, (size_t)D * sizeof(real));
            continue;
        }
        const real *restrict grouped = args->grouped + row * D;
        const real gate = args->gate[t];
        for (int64_t d = 0; d < D; d++)
            y[d] = gate * grouped[d];
    }
    return PB_OK;
}

/* A row of dgrouped belongs to one token, so tokens may run on different threads. */
PB_KERNEL(scatter_backward)
{
    const int64_t D = args->D;
    for (int64_t t = begin; t < end; t++) {
        const int64_t row = args->row[t];
        if (row < 0) {
            args->dgate[t] = 0;
            continue;
        }
        const real *restrict dy = args->dy + t * D;
        const real *restrict grouped = args->grouped + row * D;
        real *restrict dgrouped = args->dgrouped + row * D;
        const real gate = args->gate[t];
        args->dgate[t] = dot(dy, grouped, D);
        for (int64_t d = 0; d < D; d++)
            dgrouped[d] = gate * dy[d];
    }
    return PB_OK;
}
