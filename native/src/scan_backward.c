/* The derivatives of scan.c: an item is the PB_BLOCK channels from e on of one sequence, as there. */

#include "scan.h"

/* ---- backward ----
 * Chunks from the last to the first. The states are computed again from the kept one, then time runs backwards with the
 * adjoint q = dL/dh; carry is a_{t+1} q_{t+1}, m_t = a_t h_{t-1} (so neither h_{t-1} nor a division is needed):
 *   q_t = dy_t C_t + carry    dC += dy h    dB += q input    dA += delta q m
 *   du = skip dy + delta sum_n q B    ddelta = u sum_n q B + sum_n q m A
 */

struct backward_chunk {
    row delta[PB_CHUNK], input[PB_CHUNK], y[PB_CHUNK], dy[PB_CHUNK];
    row slope[PB_CHUNK], gate[PB_CHUNK];         /* softplus' and sigmoid(z) */
    row qb[PB_CHUNK], qma[PB_CHUNK];             /* sum_n q B and sum_n q m A */
    real b[PB_CHUNK][SLAB], c[PB_CHUNK][SLAB];
    vec dbc[PB_CHUNK][2 * SLAB];                 /* dB | dC, summed over the vectors of the block, not yet over lanes */
};

static void backward_tokens(struct backward_chunk *chunk, const struct pb_scan_backward_args *args, int64_t at, int64_t e, int64_t width,
                            int64_t tokens)
{
    for (int64_t i = 0; i < width; i += VL) {
        const int64_t w = width - i;
        const vec dt_bias = vload_part(args->dt_bias + e + i, w), skip = vload_part(args->skip + e + i, w);
        for (int64_t t = 0; t < tokens; t++) {
            const int64_t here = (at + t) * args->E + e + i;
            const vec u = vload_part(args->u + here, w), s = vload_part(args->r + here, w) + dt_bias, delta = vsoftplus(s);
            const vec z = vload_part(args->z + (at + t) * args->z_stride + e + i, w), gate = vsigmoid(z);
            vstore(chunk->delta[t] + i, delta);
            vstore(chunk->input[t] + i, delta * u);
            vstore(chunk->y[t] + i, skip * u);
            vstore(chunk->dy[t] + i, vload_part(args->dg + here, w) * z * gate);
            vstore(chunk->slope[t] + i, vselect(s > 20, vset(1), vsigmoid(s)));
            vstore(chunk->gate[t] + i, gate);
        }
    }
    memset(chunk->qb, 0, sizeof chunk->qb);
    memset(chunk->qma, 0, sizeof chunk->qma);
}

/* As forward_ahead; the next chunk is the one before. */
PB_INLINE void backward_ahead(const struct pb_scan_backward_args *args, int64_t t, int64_t e, int64_t n)
{
    if (n == 0) {
        __builtin_prefetch(args->u + (t - PB_CHUNK) * args->E + e);
        __builtin_prefetch(args->r + (t - PB_CHUNK) * args->E + e);
        __builtin_prefetch(args->du + t * args->E + e, 1);
        __builtin_prefetch(args->dr + t * args->E + e, 1);
    } else {
        __builtin_prefetch(args->dg + (t - PB_CHUNK) * args->E + e);
        __builtin_prefetch(args->z + (t - PB_CHUNK) * args->z_stride + e);
        __builtin_prefetch(args->dz + t * args->dz_stride + e, 1);
    }
}

static void backward_states(struct backward_chunk *chunk, const struct pb_scan_backward_args *args, row *carry, row *da, const real *h,
                            const row *a, int64_t at, int64_t e, int64_t n0, int64_t i, int64_t width, int64_t states, int64_t tokens)
{
    const int64_t E = args->E;
    vec as[PB_CHUNK][SLAB], ms[PB_CHUNK][SLAB], state[SLAB], sum[SLAB];
    PB_UNROLL
    for (int n = 0; n < SLAB; n++) state[n] = vload_part(h + n * E, n < states ? width : 0);
    for (int64_t t = 0; t < tokens; t++) {
        backward_ahead(args, at + t, e + i, n0);
        if (t < SLAB) __builtin_prefetch(h + (t - args->N) * E);
        const vec delta = vload(chunk->delta[t] + i), input = vload(chunk->input[t] + i), dy = vload(chunk->dy[t] + i);
        vec y = vload(chunk->y[t] + i);
        PB_UNROLL
        for (int n = 0; n < SLAB; n++) {
            as[t][n] = decay(delta, vload(a[n] + i));
            ms[t][n] = as[t][n] * state[n];
            state[n] = ms[t][n] + input * chunk->b[t][n];
            y += state[n] * chunk->c[t][n];
            chunk->dbc[t][SLAB + n] += dy * state[n];
        }
        vstore(chunk->y[t] + i, y);
    }
    PB_UNROLL
    for (int n = 0; n < SLAB; n++) {
        state[n] = vload(carry[n] + i);
        sum[n] = vload(da[n] + i);
    }
    for (int64_t t = tokens - 1; t >= 0; t--) {
        const vec delta = vload(chunk->delta[t] + i), input = vload(chunk->input[t] + i), dy = vload(chunk->dy[t] + i);
        vec qb = vload(chunk->qb[t] + i), qma = vload(chunk->qma[t] + i);
        PB_UNROLL
        for (int n = 0; n < SLAB; n++) {
            const vec q = dy * chunk->c[t][n] + state[n], qm = q * ms[t][n];
            chunk->dbc[t][n] += q * input;
            qb += q * chunk->b[t][n];
            qma += qm * vload(a[n] + i);
            sum[n] += delta * qm;
            state[n] = as[t][n] * q;
        }
        vstore(chunk->qb[t] + i, qb);
        vstore(chunk->qma[t] + i, qma);
    }
    PB_UNROLL
    for (int n = 0; n < SLAB; n++) {
        vstore(carry[n] + i, state[n]);
        vstore(da[n] + i, sum[n]);
    }
}

/* Rows dB | dC of a chunk, from one state on */
static void backward_lanes(struct backward_chunk *chunk, real *dbc, int64_t N, int64_t states, int64_t tokens)
{
    for (int64_t t = 0; t < tokens; t++) {
        real sums[2 * SLAB];
        for (int n = 0; n < 2 * SLAB; n += VL) vstore(sums + n, vsum_each(chunk->dbc[t] + n));
        memcpy(dbc + t * 2 * N, sums, (size_t)states * sizeof(real));
        memcpy(dbc + t * 2 * N + N, sums + SLAB, (size_t)states * sizeof(real));
    }
}

static void backward_gate(const struct backward_chunk *chunk, const struct pb_scan_backward_args *args, real *dskip, real *ddt_bias,
                          int64_t at, int64_t e, int64_t width, int64_t tokens)
{
    for (int64_t i = 0; i < width; i += VL) {
        const int64_t w = width - i;
        const vec skip = vload_part(args->skip + e + i, w);
        vec skip_sum = vload(dskip + i), bias_sum = vload(ddt_bias + i);
        for (int64_t t = 0; t < tokens; t++) {
            const int64_t here = (at + t) * args->E + e + i;
            const vec u = vload_part(args->u + here, w), dy = vload(chunk->dy[t] + i), qb = vload(chunk->qb[t] + i);
            const vec z = vload_part(args->z + (at + t) * args->z_stride + e + i, w), gate = vload(chunk->gate[t] + i);
            const vec dz = vload_part(args->dg + here, w) * vload(chunk->y[t] + i) * gate * (1 + z * (1 - gate));
            const vec ds = (u * qb + UNIT * vload(chunk->qma[t] + i)) * vload(chunk->slope[t] + i);
            vstore_part(args->du + here, skip * dy + vload(chunk->delta[t] + i) * qb, w);
            vstore_part(args->dr + here, ds, w);
            vstore_part(args->dz + (at + t) * args->dz_stride + e + i, dz, w);
            skip_sum += dy * u;
            bias_sum += ds;
        }
        vstore(dskip + i, skip_sum);
        vstore(ddt_bias + i, bias_sum);
    }
}

static void backward_item(const struct pb_scan_backward_args *args, int64_t sequence, int64_t block)
{
    const int64_t L = args->L, E = args->E, N = args->N, chunks = ceil_div(L, PB_CHUNK);
    const int64_t e = block * PB_BLOCK, width = min_int(PB_BLOCK, E - e);
    const size_t used = (size_t)(ceil_div(N, SLAB) * SLAB) * sizeof(row);
    row a[rows_of(N)], carry[rows_of(N)], da[rows_of(N)], dskip = {0}, ddt_bias = {0};
    struct backward_chunk chunk;
    load_a(a, args->a_log + e * N, width, N);
    memset(carry, 0, used);
    memset(da, 0, used);
    for (int64_t k = chunks - 1; k >= 0; k--) {
        const int64_t at = sequence * L + k * PB_CHUNK, tokens = min_int(PB_CHUNK, L - k * PB_CHUNK);
        backward_tokens(&chunk, args, at, e, width, tokens);
        for (int64_t n = 0; n < N; n += SLAB) {
            const int64_t states = min_int(SLAB, N - n);
            const real *h = args->chunks + ((sequence * chunks + k) * N + n) * E + e;
            load_slab(chunk.b, args->b + at * args->bc_stride + n, args->bc_stride, tokens, states);
            load_slab(chunk.c, args->c + at * args->bc_stride + n, args->bc_stride, tokens, states);
            memset(chunk.dbc, 0, sizeof chunk.dbc);
            for (int64_t i = 0; i < width; i += VL)
                backward_states(&chunk, args, carry + n, da + n, h + i, a + n, at, e, n, i, width - i, states, tokens);
            backward_lanes(&chunk, args->dbc_parts + (block * args->B * L + at) * 2 * N + n, N, states, tokens);
        }
        backward_gate(&chunk, args, dskip, ddt_bias, at, e, width, tokens);
    }
    for (int64_t n = 0; n < N; n++)
        for (int64_t i = 0; i < width; i += VL) vstore(da[n] + i, vload(da[n] + i) * vload(a[n] + i) * UNIT);
    store_rows(args->da_log_parts + sequence * N * E + e, da, E, width, N);
    store_rows(args->dskip_parts + sequence * E + e, &dskip, E, width, 1);
    store_rows(args->ddt_bias_parts + sequence * E + e, &ddt_bias, E, width, 1);
    if (args->dbefore) store_rows(args->dbefore + sequence * N * E + e, carry, E, width, N);
}

PB_KERNEL(scan_backward)
{
    const int64_t blocks = ceil_div(args->E, PB_BLOCK);
    if (args->N < 1 || args->N > PB_MAX_STATE) return PB_SIZE_UNSUPPORTED;
    for (int64_t item = begin; item < end; item++) backward_item(args, item / blocks, item % blocks);
    return PB_OK;
}

/* ---- the sums of parts, in the order of blocks and of sequences ---- */

PB_KERNEL(scan_backward_tokens)
{
    const int64_t N = args->N, blocks = ceil_div(args->E, PB_BLOCK);
    for (int64_t t = begin; t < end; t++)
        for (int64_t n = 0; n < N; n += VL) {
            vec db = vset(0), dc = vset(0);
            for (int64_t block = 0; block < blocks; block++) {
                const real *part = args->dbc_parts + (block * args->T + t) * 2 * N + n;
                db += vload_part(part, N - n);
                dc += vload_part(part + N, N - n);
            }
            vstore_part(args->db + t * args->dbc_stride + n, db, N - n);
            vstore_part(args->dc + t * args->dbc_stride + n, dc, N - n);
        }
    return PB_OK;
}

PB_KERNEL(scan_backward_weights)
{
    const int64_t B = args->B, E = args->E, N = args->N;
    for (int64_t e = begin; e < end; e++) {
        real dskip = 0, ddt_bias = 0;
        for (int64_t b = 0; b < B; b++) {
            dskip += args->dskip_parts[b * E + e];
            ddt_bias += args->ddt_bias_parts[b * E + e];
        }
        args->dskip[e] += dskip;
        args->ddt_bias[e] += ddt_bias;
    }
    for (int64_t n = 0; n < N; n++)
        for (int64_t e = begin; e < end; e++) {
            real da_log = 0;
            for (int64_t b = 0; b < B; b++) da_log += args->da_log_parts[(b * N + n) * E + e];
            args->da_log[e * N + n] += da_log;
        }
    return PB_OK;
}
