/* Token embedding, with learned positions where a model has them. */

#include "quantise.h"

/* x[t] = table[token[t]] (+ position[past[b] + t mod L]). Nothing is read before the token and the position are checked. */
PB_KERNEL(embedding_forward)
{
    const int64_t L = args->L, D = args->D;
    for (int64_t t = begin; t < end; t++) {
        const int64_t token = args->token[t];
        if (token < 0 || token >= args->V) return PB_TOKEN_OUT_OF_RANGE;
        real *x = args->x + t * D;
        expand_row(x, args->table, token, D, args->format);
        if (args->position == NULL) continue;
        const int64_t place = (args->past ? args->past[t / L] : 0) + t % L;
        if (place < 0 || place >= args->P) return PB_CONTEXT_FULL;
        const real *position = args->position + place * D;
        for (int64_t d = 0; d < D; d++) x[d] += position[d];
    }
    return PB_OK;
}

/* A worker owns columns, not tokens: the same token may occur anywhere, and each element is summed in the order of time. */
PB_KERNEL(embedding_backward)
{
    const int64_t L = args->L, D = args->D;
    for (int64_t t = 0; t < args->T; t++) {
        const real *dx = args->dx + t * D;
        real *drow = args->dtable + args->token[t] * D;
        for (int64_t d = begin; d < end; d++) drow[d] += dx[d];
        if (args->dposition == NULL) continue;
        real *dposition = args->dposition + t % L * D;
        for (int64_t d = begin; d < end; d++) dposition[d] += dx[d];
    }
    return PB_OK;
}
