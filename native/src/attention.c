/* Causal self-attention, its rotary positions and its cache of keys and values.
 *
 * Everything is computed transposed: the lanes of a vector are queries, a row of a tile is one key or one component of
 * the head. Keys and values are then scalars that are broadcast straight from memory, softmax runs down the rows without any
 * step across lanes, and all products are one small kernel (tiles.h). Scores exist only as tiles on the stack; for the widest
 * head that is 75 kB forward and 180 kB backward.
 */
#include "tiles.h"

/* ---- rotary positions ---- */

/* (a, b) at (j, j + dh/2) turns by position * 10000^(-2j/dh). Angles are double: float would lose digits at late positions. */
PB_KERNEL(rope)
{
    const int64_t L = args->L, D = args->D, dh = D / args->H, half = dh / 2;
    double frequency[PB_MAX_HEAD / 2];
    real cosine[PB_MAX_HEAD / 2], sine[PB_MAX_HEAD / 2];
    if (dh > PB_MAX_HEAD || dh % 2 != 0 || D % args->H != 0)
        return PB_SIZE_UNSUPPORTED;
    for (int64_t j = 0; j < half; j++)
        frequency[j] = pow(10000, -2 * (double)j / (double)dh);
    for (int64_t t = begin; t < end; t++) {
        const real *x = args->x + t * 3 * D; /* may be y */
        real *y = args->y + t * 3 * D;
        const int64_t position = (args->past != NULL ? args->past[t / L] : 0) + t % L;
        for (int64_t j = 0; j < half; j++) {
            const double angle = (double)position * frequency[j];
            cosine[j] = (real)cos(angle);
            sine[j] = (real)((double)args->direction * sin(angle));
        }
        for (int64_t head = 0; head < 2 * D; head += dh) { /* q's heads, then k's */
#pragma GCC ivdep
            for (int64_t j = head; j < head + half; j++) {
                const real a = x[j], b = x[j + half];
                y[j] = a * cosine[j - head] - b * sine[j - head];
                y[j + half] = b * cosine[j - head] + a * sine[j - head];
            }
        }
        if (y != x)
            memcpy(y + 2 * D, x + 2 * D, (size_t)D * sizeof(real));
    }
    return PB_OK;
}

/* ---- cache ---- */

PB_KERNEL(cache_append)
{
    const int64_t L = args->L, D = args->D, P = args->P;
    for (int64_t t = begin; t < end; t++) {
        const int64_t b = t / L, position = args->past[b] + t % L, slot = args->slot != NULL ? args->slot[b] : b;
        if (position < 0 || position >= P)
            return PB_CONTEXT_FULL;
        memcpy(args->cache + (slot * P + position) * 2 * D, args->qkv + t * 3 * D + D, (size_t)(2 * D) * sizeof(real));
    }
    return PB_OK;
}

/* ---- attention ---- y = softmax(q k^T / sqrt(dh)) v */

/* Key first + i is hidden from query j where first + i > j; positions count from the block's first query. */
static void hide(real *scores, int64_t first, int64_t keys)
{
    for (int64_t i = max_int(-first, 0); i < keys; i++) {
        for (int64_t j = 0; j < min_int(QUERIES, first + i); j++)
            scores[i * QUERIES + j] = -(real)HUGE_VAL;
    }
}

/* Block of up to QUERIES queries; the first stands at position `past`. Online softmax: each query has its highest score and its
 * sum of exponentials so far; what was summed before is scaled down when a block of keys brings a higher score. */
static void attend(real *y, int64_t y_stride, real *lse, const real *q, int64_t q_stride, const real *k, const real *v,
        int64_t kv_stride, int64_t past, int64_t queries, int64_t dh)
{
    _Alignas(PB_VECTOR_BYTES) real q_columns[PB_MAX_HEAD * QUERIES], y_columns[PB_MAX_HEAD * QUERIES], scores[KEYS * QUERIES];
    _Alignas(PB_VECTOR_BYTES) real highest[QUERIES], sum[QUERIES];
    transpose_in(q_columns, q, q_stride, queries, dh, (real)(1 / sqrt((double)dh)));
    memset(y_columns, 0, (size_t)(ceil_div(dh, VL) * VL * QUERIES) * sizeof(real));
    for (int64_t j = 0; j < QUERIES; j++) {
        highest[j] = -(real)HUGE_VAL;
        sum[j] = 0;
    }
    for (int64_t first = 0; first < past + queries; first += KEYS) {
        const int64_t keys = min_int(past + queries - first, KEYS);
        product(scores, QUERIES, k + first * kv_stride, kv_stride, 1, q_columns, QUERIES, keys, dh, 0);
        hide(scores, first - past, keys);
        for (int64_t j = 0; j < QUERIES; j += VL) {
            vec before = vload(highest + j), now = vlargest(before, scores + j, QUERIES, keys);
            vec sums = vset(0), shrink = vexp_or_zero(before - now);
            for (int64_t i = 0; i < keys; i++) {
                vec p = vexp_or_zero(vload(scores + i * QUERIES + j) - now);
                sums += p;
                vstore(scores + i * QUERIES + j, p);
            }
            for (int64_t d = 0; d < dh; d++)
                vstore(y_columns + d * QUERIES + j, vload(y_columns + d * QUERIES + j) * shrink);
            vstore(highest + j, now);
            vstore(sum + j, vload(sum + j) * shrink + sums);
        }
        product(y_columns, QUERIES, v + first * kv_stride, 1, kv_stride, scores, QUERIES, dh, keys, 1);
    }
    for (int64_t j = 0; j < queries; j++) {
        if (lse != NULL)
            lse[j] = (real)(highest[j] + log((double)sum[j]));
        sum[j] = 1 / sum[j];
    }
    transpose_out(y, y_stride, y_columns, queries, dh, sum);
}

/* One query, for text that is being generated: the same sums with vectors along dh, keys and values stream by once. */
static void attend_one(real *y, real *lse, const real *q, const real *k, const real *v, int64_t kv_stride, int64_t past,
        int64_t dh)
{
    _Alignas(PB_VECTOR_BYTES) real query[PB_MAX_HEAD], scores[KEYS];
    const real scale = (real)(1 / sqrt((double)dh));
    real highest = -(real)HUGE_VAL, sum = 0;
    for (int64_t d = 0; d < dh; d++) {
        query[d] = scale * q[d];
        y[d] = 0;
    }
    for (int64_t first = 0; first <= past; first += KEYS) {
        const int64_t keys = min_int(past + 1 - first, KEYS);
        const real *key = k + first * kv_stride, *value = v + first * kv_stride, before = highest;
        for (int64_t i = 0; i < keys; i++) {
            scores[i] = dot(query, key + i * kv_stride, dh);
            highest = scores[i] > highest ? scores[i] : highest;
        }
        for (int64_t i = keys; i < KEYS; i++)
            scores[i] = -(real)HUGE_VAL;
        vec sums = vset(0), shrink = vexp_or_zero(vset(before - highest));
        for (int64_t i = 0; i < KEYS; i += VL) {
            vec p = vexp_or_zero(vload(scores + i) - highest);
            sums += p;
            vstore(scores + i, p);
        }
        sum = sum * shrink[0] + vsum(sums);
        int64_t d = 0;
        for (; d + 4 * VL <= dh; d += 4 * VL) {
            vec part[4];
            for (int j = 0; j < 4; j++)
                part[j] = vload(y + d + j * VL) * shrink;
            for (int64_t i = 0; i < keys; i++) {
                for (int j = 0; j < 4; j++)
                    part[j] += scores[i] * vload(value + i * kv_stride + d + j * VL);
            }
            for (int j = 0; j < 4; j++)
                vstore(y + d + j * VL, part[j]);
        }
        for (; d < dh; d += VL) {
            const int64_t width = min_int(dh - d, VL);
            vec part = vload_part(y + d, width) * shrink;
            for (int64_t i = 0; i < keys; i++)
                part += scores[i] * vload_part(value + i * kv_stride + d, width);
            vstore_part(y + d, part, width);
        }
    }
    for (int64_t d = 0; d < dh; d++)
        y[d] /= sum;
    if (lse != NULL)
        *lse = (real)(highest + log((double)sum));
}

PB_KERNEL(attention_forward)
{
    enum { FEW = 4 }; /* below this many queries a block would be mostly empty */
    const int64_t L = args->L, D = args->D, H = args->H, dh = D / H, kv_stride = args->kv_stride;
    if (dh > PB_MAX_HEAD || D % H != 0)
        return PB_SIZE_UNSUPPORTED;
    for (int64_t item = begin; item < end; item++) {
        const int64_t b = item / H, head = item % H * dh;
        const int64_t past = args->past != NULL ? args->past[b] : 0, slot = args->slot != NULL ? args->slot[b] : b;
        if (past < 0 || past + L > args->kv_rows)
            return PB_CONTEXT_FULL;
        const int64_t cache = slot * args->kv_rows * kv_stride + head;
        const real *k = args->k + cache, *v = args->v + cache;
        const int64_t step = L < FEW ? 1 : QUERIES;
        for (int64_t l = 0; l < L; l += step) {
            real *y = args->y + (b * L + l) * D + head, *lse = args->lse != NULL ? args->lse + item * L + l : NULL;
            const real *q = args->q + (b * L + l) * args->q_stride + head;
            if (step == 1) {
                attend_one(y, lse, q, k, v, kv_stride, past + l, dh);
            } else {
                attend(y, D, lse, q, args->q_stride, k, v, kv_stride, past + l, min_int(L - l, QUERIES), dh);
            }
        }
    }
    return PB_OK;
}

/* Block of queries l ... of one head; pointers are at sequence and head. With p = exp(score - lse), dp = <dy, v>,
 * delta = <dy, y> and ds = p (dp - delta):
 *   dv += p^T dy,   dk += ds^T q / sqrt(dh),   dq = ds k / sqrt(dh) */
static void attend_backward(real *dq, real *dk, real *dv, const real *lse, const real *dy, const real *y, const real *q,
        const real *k, const real *v, int64_t l, int64_t queries, int64_t dh, int64_t D)
{
    _Alignas(PB_VECTOR_BYTES) real q_columns[PB_MAX_HEAD * QUERIES], dy_columns[PB_MAX_HEAD * QUERIES];
    _Alignas(PB_VECTOR_BYTES) real dq_columns[PB_MAX_HEAD * QUERIES];
    _Alignas(PB_VECTOR_BYTES) real q_rows[QUERIES * PB_MAX_HEAD], dy_rows[QUERIES * PB_MAX_HEAD];
    _Alignas(PB_VECTOR_BYTES) real p[KEYS * QUERIES], ds[KEYS * QUERIES], scales[QUERIES];
    _Alignas(PB_VECTOR_BYTES) real level[QUERIES] = {0}, delta[QUERIES] = {0};
    const int64_t stride = 3 * D, width = ceil_div(dh, 2 * VL) * 2 * VL;
    const real scale = (real)(1 / sqrt((double)dh));
    transpose_in(q_columns, q + l * stride, stride, queries, dh, scale);
    transpose_in(dy_columns, dy + l * D, D, queries, dh, 1);
    memset(dq_columns, 0, (size_t)(ceil_div(dh, VL) * VL * QUERIES) * sizeof(real));
    memset(q_rows, 0, (size_t)(width * QUERIES) * sizeof(real));
    memset(dy_rows, 0, (size_t)(width * QUERIES) * sizeof(real));
    for (int64_t j = 0; j < QUERIES; j++)
        scales[j] = scale;
    for (int64_t j = 0; j < queries; j++) {
        for (int64_t d = 0; d < dh; d++)
            q_rows[j * width + d] = scale * q[(l + j) * stride + d];
        memcpy(dy_rows + j * width, dy + (l + j) * D, (size_t)dh * sizeof(real));
        level[j] = lse[l + j];
        delta[j] = dot(dy + (l + j) * D, y + (l + j) * D, dh);
    }
    for (int64_t first = 0; first < l + queries; first += KEYS) {
        const int64_t keys = min_int(l + queries - first, KEYS);
        product(p, QUERIES, k + first * stride, stride, 1, q_columns, QUERIES, keys, dh, 0);
        product(ds, QUERIES, v + first * stride, stride, 1, dy_columns, QUERIES, keys, dh, 0);
        hide(p, first - l, keys);
        for (int64_t i = 0; i < keys * QUERIES; i += VL) {
            const int64_t j = i % QUERIES;
            vec probability = vexp_or_zero(vload(p + i) - vload(level + j));
            vstore(p + i, probability);
            vstore(ds + i, probability * (vload(ds + i) - vload(delta + j)));
        }
        product_wide(dv + first * stride, stride, p, dy_rows, width, keys, dh);
        product_wide(dk + first * stride, stride, ds, q_rows, width, keys, dh);
        product(dq_columns, QUERIES, k + first * stride, 1, stride, ds, QUERIES, dh, keys, 1);
    }
    transpose_out(dq + l * stride, stride, dq_columns, queries, dh, scales);
}

PB_KERNEL(attention_backward)
{
    const int64_t L = args->L, D = args->D, H = args->H, dh = D / H;
    if (dh > PB_MAX_HEAD || D % H != 0)
        return PB_SIZE_UNSUPPORTED;
    for (int64_t item = begin; item < end; item++) {
        const int64_t b = item / H, head = item % H * dh;
        const real *q = args->qkv + b * L * 3 * D + head;
        real *dq = args->dqkv + b * L * 3 * D + head;
        for (int64_t l = 0; l < L; l++) {
            memset(dq + l * 3 * D + D, 0, (size_t)dh * sizeof(real));
            memset(dq + l * 3 * D + 2 * D, 0, (size_t)dh * sizeof(real));
        }
        for (int64_t l = 0; l < L; l += QUERIES) {
            attend_backward(dq, dq + D, dq + 2 * D, args->lse + item * L, args->dy + b * L * D + head, args->y + b * L * D + head,
                    q, q + D, q + 2 * D, l, min_int(L - l, QUERIES), dh, D);
        }
    }
    return PB_OK;
}
