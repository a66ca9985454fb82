/* The selective scan with softplus, skip and gate:
 *   delta = softplus(r + dt_bias);  A = -exp(a_log)
 *   h_t = exp(delta_t A) h_{t-1} + delta_t B_t u_t;   y_t = sum_n C_t[n] h_t[n] + skip u_t;   g_t = y_t silu(z_t)
 *
 * Channels are independent: a vector holds VL neighbours, B_t[n] and C_t[n] are broadcast. An item is the PB_BLOCK channels from
 * e on of one sequence. It goes through time in chunks of PB_CHUNK tokens, three passes a chunk: what belongs to a token alone
 * (delta, delta u); the states, SLAB of them at a time, in registers; the gate. What passes need of each other lies on the stack
 * in rows of PB_BLOCK channels. Lanes beyond the last channel and states beyond the last state are computed too: from zeros.
 */

#include "scan.h"

/* ---- forward ---- */

struct forward_chunk {
    row delta[PB_CHUNK], input[PB_CHUNK], y[PB_CHUNK];
    real b[PB_CHUNK][SLAB], c[PB_CHUNK][SLAB];
};

/* B or C of a slab where they stand, unless there are states beyond N */
static const real *slab_rows(real slab[PB_CHUNK][SLAB], const real *b, int64_t bc_stride, int64_t tokens, int64_t states)
{
    if (states >= SLAB) return b;
    load_slab(slab, b, bc_stride, tokens, states);
    return slab[0];
}

/* States in memory, [N, E], to rows */
static void load_rows(row *rows, const real *memory, int64_t E, int64_t width, int64_t N)
{
    for (int64_t n = 0; n < N; n++) memcpy(rows[n], memory + n * E, (size_t)width * sizeof(real));
}

/* `at` is the chunk's first token */
static void forward_tokens(struct forward_chunk *chunk, const struct pb_scan_forward_args *args, int64_t at, int64_t e, int64_t width,
                           int64_t tokens)
{
    for (int64_t i = 0; i < width; i += VL) {
        const int64_t w = width - i;
        const vec dt_bias = vload_part(args->dt_bias + e + i, w), skip = vload_part(args->skip + e + i, w);
        for (int64_t t = 0; t < tokens; t++) {
            const int64_t here = (at + t) * args->E + e + i;
            const vec u = vload_part(args->u + here, w), delta = vsoftplus(vload_part(args->r + here, w) + dt_bias);
            vstore(chunk->delta[t] + i, delta);
            vstore(chunk->input[t] + i, delta * u);
            vstore(chunk->y[t] + i, skip * u);
        }
    }
}

/* Asks for what the next chunk reads and this one writes, a token and a vector at a time while states are computed: a block's
 * channels of the next token are a row of E away, and the processor does not foresee them. */
PB_INLINE void forward_ahead(const struct pb_scan_forward_args *args, int64_t t, int64_t e, int64_t n)
{
    if (n == 0) {
        __builtin_prefetch(args->u + (t + PB_CHUNK) * args->E + e);
        __builtin_prefetch(args->r + (t + PB_CHUNK) * args->E + e);
    } else {
        __builtin_prefetch(args->z + (t + PB_CHUNK) * args->z_stride + e);
        __builtin_prefetch(args->g + t * args->E + e, 1);
    }
}

/* The slab from n0 on, VL channels from i on: h moves through the chunk, y gets its share. b and c have a row for each token,
 * `stride` apart. */
static void forward_states(struct forward_chunk *chunk, const struct pb_scan_forward_args *args, row *h, const row *a, const real *b,
                           const real *c, int64_t stride, int64_t at, int64_t e, int64_t n0, int64_t i, int64_t tokens)
{
    vec state[SLAB];
    PB_UNROLL
    for (int n = 0; n < SLAB; n++) state[n] = vload(h[n0 + n] + i);
    for (int64_t t = 0; t < tokens; t++) {
        forward_ahead(args, at + t, e + i, n0);
        const vec delta = vload(chunk->delta[t] + i), input = vload(chunk->input[t] + i);
        vec y = vload(chunk->y[t] + i);
        PB_UNROLL
        for (int n = 0; n < SLAB; n++) {
            state[n] = decay(delta, vload(a[n0 + n] + i)) * state[n] + input * b[t * stride + n];
            y += state[n] * c[t * stride + n];
        }
        vstore(chunk->y[t] + i, y);
    }
    PB_UNROLL
    for (int n = 0; n < SLAB; n++) vstore(h[n0 + n] + i, state[n]);
}

static void forward_gate(const struct forward_chunk *chunk, const struct pb_scan_forward_args *args, int64_t at, int64_t e, int64_t width,
                         int64_t tokens)
{
    for (int64_t t = 0; t < tokens; t++)
        for (int64_t i = 0; i < width; i += VL) {
            const vec z = vload_part(args->z + (at + t) * args->z_stride + e + i, width - i);
            vstore_part(args->g + (at + t) * args->E + e + i, vload(chunk->y[t] + i) * z * vsigmoid(z), width - i);
        }
}

static void forward_item(const struct pb_scan_forward_args *args, int64_t sequence, int64_t e)
{
    const int64_t L = args->L, E = args->E, N = args->N, width = min_int(PB_BLOCK, E - e), chunks = ceil_div(L, PB_CHUNK);
    const int64_t slot = args->slot ? args->slot[sequence] : sequence;
    row h[rows_of(N)], own[rows_of(N)];
    const row *a = args->a ? (const row *)args->a + e / PB_BLOCK * rows_of(N) : own;
    struct forward_chunk chunk;
    if (!args->a) load_a(own, args->a_log + e * N, width, N);
    memset(h, 0, (size_t)(ceil_div(N, SLAB) * SLAB) * sizeof(row));
    if (args->before) load_rows(h, args->before + slot * N * E + e, E, width, N);
    for (int64_t k = 0; k < chunks; k++) {
        const int64_t at = sequence * L + k * PB_CHUNK, tokens = min_int(PB_CHUNK, L - k * PB_CHUNK);
        if (args->chunks) store_rows(args->chunks + (sequence * chunks + k) * N * E + e, h, E, width, N);
        forward_tokens(&chunk, args, at, e, width, tokens);
        for (int64_t n = 0; n < N; n += SLAB) {
            const int64_t bc_stride = args->bc_stride, stride = N - n < SLAB ? SLAB : bc_stride;
            const real *b = slab_rows(chunk.b, args->b + at * bc_stride + n, bc_stride, tokens, N - n);
            const real *c = slab_rows(chunk.c, args->c + at * bc_stride + n, bc_stride, tokens, N - n);
            for (int64_t i = 0; i < width; i += VL) forward_states(&chunk, args, h, a, b, c, stride, at, e, n, i, tokens);
        }
        forward_gate(&chunk, args, at, e, width, tokens);
    }
    if (args->after) store_rows(args->after + slot * N * E + e, h, E, width, N);
}

PB_KERNEL(scan_forward)
{
    const int64_t blocks = ceil_div(args->E, PB_BLOCK);
    if (args->N < 1 || args->N > PB_MAX_STATE) return PB_SIZE_UNSUPPORTED;
    for (int64_t item = begin; item < end; item++) forward_item(args, item / blocks, item % blocks * PB_BLOCK);
    return PB_OK;
}

/* What forward needs of weights that do not change; at few tokens it would take as long as all else. */
PB_KERNEL(scan_a)
{
    const int64_t N = args->N;
    if (N < 1 || N > PB_MAX_STATE) return PB_SIZE_UNSUPPORTED;
    for (int64_t block = begin; block < end; block++) {
        const int64_t e = block * PB_BLOCK;
        load_a((row *)args->a + block * rows_of(N), args->a_log + e * N, min_int(PB_BLOCK, args->E - e), N);
    }
    return PB_OK;
}
