/* Panamba's C library: the whole ABI.
 *
 * Glossary, the same letters in C, Java, tests and documents:
 *   B batch   L length   T = B*L tokens   D model width   E inner width   N state   R dt rank   K conv width
 *   X experts   F expert width   C capacity   V vocabulary   H heads
 *
 * One call shape:  int pb_<kernel>(const struct pb_<kernel>_args *args, int64_t begin, int64_t end)
 *   runs the items [begin, end) of the kernel's range (stated at each kernel) and returns PB_OK or an error. Disjoint ranges
 *   may run on different threads at once; the result does not depend on how the range is cut.
 *   A block is filled once; kernels never write to it, but for pb_pages_map.
 *
 * `real` is float in the shipped library and double in the one for gradient checks. Scalars are double in both, so both share
 * one layout. Matrices are row-major; `_stride` is the distance between rows in elements, no stride means dense rows.
 * Field order: outputs, saved values, inputs, sizes. Gradients are `d` + name. Gradients of parameters (weight, bias, table,
 * a_log, ...) accumulate; gradients of activations are assigned unless a kernel says otherwise.
 * "or NULL" marks the only pointers that may be NULL. No kernel allocates, starts threads, or keeps state; pages.c maps memory.
 */
#ifndef PANAMBA_H
#define PANAMBA_H

#include <stdint.h>

#ifndef PB_REAL
#define PB_REAL float
#endif
typedef PB_REAL real;

#define PB_API __attribute__((visibility("default")))

#define PB_ABI_VERSION 5

#define PB_OK 0
#define PB_TOKEN_OUT_OF_RANGE 1    /* a token id is negative or not below V */
#define PB_CONTEXT_FULL 2          /* more positions than the cache or the position table holds */
#define PB_SIZE_UNSUPPORTED 3      /* a size beyond PB_MAX_* */

#define PB_LANES 16                /* channels that the scan and the convolution take together: their range's unit */
#define PB_BLOCK 64                /* channels of one item of the scan's range */
#define PB_CHUNK 16                /* tokens between two kept states of the scan */
#define PB_NORM_BLOCK 65536        /* elements of one partial sum of pb_squared_norm */
#define PB_GEMM_SCRATCH 163840     /* numbers of one share of pb_gemm */
#define PB_MAX_STATE 256           /* N */
#define PB_MAX_CONV 16             /* K */
#define PB_MAX_HEAD 256            /* D / H */

#define PB_AS_REAL 0                  /* formats of weights, see quantise.h: as computed with, */
#define PB_BF16 1                  /* the upper half of a float, */
#define PB_INT8 2                  /* tiles: a byte, and a scale for each group of a row, */
#define PB_INT4 3                  /* tiles: half a byte, and a scale for each group of a row */
#define PB_INT8_ZERO 128              /* the byte that stands for 0 */
#define PB_INT4_ZERO 8
#define PB_GROUP 32                /* weights of a row, and numbers of a token, that share a scale */
#define PB_TILE 16                 /* rows of a matrix of int8 or int4 whose groups stand together */

PB_API extern const int pb_abi_version;
PB_API extern const int pb_real_bytes;   /* 4 or 8 */
PB_API const char *pb_level(void);       /* "x86-64-v2", "x86-64-v3", "x86-64-v4", "x86-64-v4+vnni", "x86-64-v4+vnni+bf16" or "generic": chosen by cpuid when the library is
                                            loaded; the environment variable PANAMBA_CPU_LEVEL (v2, v3, v4, vnni) may only lower it */

/* ---- pages.c ---- memory of the system; what is returned is errno */

/* range: as many bytes; nothing costs before it is touched */
struct pb_pages_map_args {
    int64_t pages;           /* written: the address of fresh pages, all zero */
};
PB_API int pb_pages_map(struct pb_pages_map_args *args, int64_t begin, int64_t end);

/* range: the addresses of pages, from the start of one on; args is not read */
PB_API int pb_pages_unmap(const void *args, int64_t begin, int64_t end);
PB_API int pb_pages_forbid(const void *args, int64_t begin, int64_t end);       /* a touch kills the process */
PB_API int pb_pages_join(const void *args, int64_t begin, int64_t end);         /* to huge pages, if it can be */
PB_API int pb_pages_read_ahead(const void *args, int64_t begin, int64_t end);   /* of a mapped file, if it can be */

/* ---- embedding.c ---- x[t] = table[token[t]] (+ position[past[b] + t mod L]) */

/* range: tokens T */
struct pb_embedding_forward_args {
    real *x;                 /* [T, D] */
    const int32_t *token;    /* [T] */
    const void *table;       /* [V, D] in a format */
    const real *position;    /* [P, D] or NULL */
    const int32_t *past;     /* [B] tokens each sequence has read before, or NULL for zeros */
    int64_t L, D, V, P;
    int64_t format;
};
PB_API int pb_embedding_forward(const struct pb_embedding_forward_args *args, int64_t begin, int64_t end);

/* range: columns D */
struct pb_embedding_backward_args {
    real *dtable;            /* [V, D] */
    real *dposition;         /* [P, D] or NULL */
    const real *dx;          /* [T, D] */
    const int32_t *token;    /* [T] */
    int64_t T, L, D;
};
PB_API int pb_embedding_backward(const struct pb_embedding_backward_args *args, int64_t begin, int64_t end);

/* ---- norm.c ---- y = (x - mean) * rstd * weight + bias;  RMS: y = x * rstd * weight, rstd = 1/sqrt(mean(x^2) + eps) */

/* range: rows T */
struct pb_layer_norm_forward_args {
    real *y;                 /* [T, D] */
    real *mean, *rstd;       /* [T] */
    const real *x;           /* [T, D] */
    const real *weight, *bias; /* [D] */
    int64_t D;
    double eps;
};
PB_API int pb_layer_norm_forward(const struct pb_layer_norm_forward_args *args, int64_t begin, int64_t end);

/* range: rows T */
struct pb_layer_norm_backward_args {
    real *dx;                /* [T, D] */
    const real *mean, *rstd; /* [T] */
    const real *dy, *x;      /* [T, D] */
    const real *weight;      /* [D] */
    int64_t D;
    int64_t accumulate;      /* dx: 0 assigned, 1 added to (the residual's gradient is already there) */
};
PB_API int pb_layer_norm_backward(const struct pb_layer_norm_backward_args *args, int64_t begin, int64_t end);

/* range: columns D */
struct pb_layer_norm_backward_weights_args {
    real *dweight, *dbias;   /* [D] */
    const real *mean, *rstd; /* [T] */
    const real *dy, *x;      /* [T, D] */
    int64_t T, D;
};
PB_API int pb_layer_norm_backward_weights(const struct pb_layer_norm_backward_weights_args *args, int64_t begin, int64_t end);

/* range: rows T */
struct pb_rms_norm_forward_args {
    real *y;                 /* [T, D] */
    real *rstd;              /* [T] */
    const real *x;           /* [T, D] */
    const real *weight;      /* [D] */
    int64_t D;
    double eps;
};
PB_API int pb_rms_norm_forward(const struct pb_rms_norm_forward_args *args, int64_t begin, int64_t end);

/* range: rows T */
struct pb_rms_norm_backward_args {
    real *dx;                /* [T, D] */
    const real *rstd;        /* [T] */
    const real *dy, *x;      /* [T, D] */
    const real *weight;      /* [D] */
    int64_t D;
    int64_t accumulate;      /* dx: 0 assigned, 1 added to */
};
PB_API int pb_rms_norm_backward(const struct pb_rms_norm_backward_args *args, int64_t begin, int64_t end);

/* range: columns D */
struct pb_rms_norm_backward_weights_args {
    real *dweight;           /* [D] */
    const real *rstd;        /* [T] */
    const real *dy, *x;      /* [T, D] */
    int64_t T, D;
};
PB_API int pb_rms_norm_backward_weights(const struct pb_rms_norm_backward_weights_args *args, int64_t begin, int64_t end);

/* ---- conv.c ---- causal depthwise convolution and SiLU: c[t] = bias + sum_k weight[k] x[t-K+1+k],  u = c * sigmoid(c) */

/* range: groups of PB_LANES channels, ceil(E / PB_LANES) */
struct pb_conv_forward_args {
    real *u;                 /* [B*L, E] */
    real *after;             /* [slots, K-1, E] the last K-1 inputs, oldest first, or NULL; may be the same memory as `before` */
    const real *x;           /* [B*L, E], x_stride */
    const real *weight;      /* [E, K] */
    const real *bias;        /* [E] or NULL */
    const real *before;      /* [slots, K-1, E] inputs before the first, or NULL for zeros */
    const int32_t *slot;     /* [B] which state belongs to sequence b, or NULL for slot b */
    int64_t x_stride;
    int64_t B, L, E, K;
};
PB_API int pb_conv_forward(const struct pb_conv_forward_args *args, int64_t begin, int64_t end);

/* range: groups of PB_LANES channels */
struct pb_conv_backward_args {
    real *dx;                /* [B*L, E], dx_stride */
    real *dweight;           /* [E, K] accumulates */
    real *dbias;             /* [E] accumulates, or NULL */
    real *dbefore;           /* [B, K-1, E] assigned, or NULL */
    const real *du;          /* [B*L, E] */
    const real *x;           /* [B*L, E], x_stride; c is computed again */
    const real *weight, *bias; /* as forward */
    const real *before;      /* [B, K-1, E] or NULL for zeros */
    int64_t dx_stride, x_stride;
    int64_t B, L, E, K;
};
PB_API int pb_conv_backward(const struct pb_conv_backward_args *args, int64_t begin, int64_t end);

/* ---- scan.c ---- the selective scan with softplus, skip and gate
 *   delta = softplus(r + dt_bias);  A = -exp(a_log)
 *   h_t = exp(delta_t A) h_{t-1} + delta_t B_t u_t;   y_t = sum_n C_t[n] h_t[n] + skip u_t;   g_t = y_t silu(z_t)
 * States are [N, E]: the channels of one state index are neighbours, so a vector is PB_LANES channels of one n. */

/* range: ceil(E / PB_BLOCK) blocks. A as forward wants it, for weights that do not change */
struct pb_scan_a_args {
    real *a;                 /* [blocks, N in whole PB_LANES, PB_BLOCK] */
    const real *a_log;       /* [E, N] */
    int64_t E, N;
};
PB_API int pb_scan_a(const struct pb_scan_a_args *args, int64_t begin, int64_t end);

/* range: B * ceil(E / PB_BLOCK) items, item = b * blocks + block */
struct pb_scan_forward_args {
    real *g;                 /* [B*L, E] */
    real *after;             /* [slots, N, E] or NULL; may be the same memory as `before` */
    real *chunks;            /* [B, ceil(L / PB_CHUNK), N, E] the state before each chunk, or NULL */
    const real *u, *r;       /* [B*L, E] */
    const real *z;           /* [B*L, E], z_stride */
    const real *b, *c;       /* [B*L, N], bc_stride */
    const real *a_log;       /* [E, N] */
    const real *a;           /* what pb_scan_a made of it, or NULL */
    const real *skip;        /* [E], D in the paper */
    const real *dt_bias;     /* [E] */
    const real *before;      /* [slots, N, E] or NULL for zeros */
    const int32_t *slot;     /* [B] which state belongs to sequence b, or NULL for slot b */
    int64_t z_stride, bc_stride;
    int64_t B, L, E, N;
};
PB_API int pb_scan_forward(const struct pb_scan_forward_args *args, int64_t begin, int64_t end);

/* range: as forward. What is summed over channels or over sequences leaves as parts; the two kernels below add them up in a
 * fixed order, so the result does not depend on the number of threads. */
struct pb_scan_backward_args {
    real *du, *dr;           /* [B*L, E] */
    real *dz;                /* [B*L, E], dz_stride */
    real *dbc_parts;         /* [blocks, B*L, 2N] rows dB | dC */
    real *da_log_parts;      /* [B, N, E] */
    real *dskip_parts;       /* [B, E] */
    real *ddt_bias_parts;    /* [B, E] */
    real *dbefore;           /* [B, N, E] assigned, or NULL */
    const real *chunks;      /* saved by forward */
    const real *dg;          /* [B*L, E] */
    const real *u, *r;       /* [B*L, E] */
    const real *z;           /* [B*L, E], z_stride */
    const real *b, *c;       /* [B*L, N], bc_stride */
    const real *a_log;       /* [E, N] */
    const real *skip, *dt_bias; /* [E] */
    int64_t dz_stride, z_stride, bc_stride;
    int64_t B, L, E, N;
};
PB_API int pb_scan_backward(const struct pb_scan_backward_args *args, int64_t begin, int64_t end);

/* range: tokens T. Adds up the blocks of dB and dC. */
struct pb_scan_backward_tokens_args {
    real *db, *dc;           /* [T, N], dbc_stride, assigned */
    const real *dbc_parts;   /* [blocks, T, 2N] */
    int64_t dbc_stride;
    int64_t T, E, N;
};
PB_API int pb_scan_backward_tokens(const struct pb_scan_backward_tokens_args *args, int64_t begin, int64_t end);

/* range: channels E. Adds up the sequences of the parameters' gradients. */
struct pb_scan_backward_weights_args {
    real *da_log;            /* [E, N] */
    real *dskip, *ddt_bias;  /* [E] */
    const real *da_log_parts;   /* [B, N, E] */
    const real *dskip_parts, *ddt_bias_parts; /* [B, E] */
    int64_t B, E, N;
};
PB_API int pb_scan_backward_weights(const struct pb_scan_backward_weights_args *args, int64_t begin, int64_t end);

/* ---- attention.c ---- causal softmax(q k^T / sqrt(D/H)) v; heads are column groups of width D/H */

/* range: tokens T. Rotates q and k: pairs (j, j + dh/2), angle position * 10000^(-2j/dh); direction -1 is the backward.
 * y may be x (in place). */
struct pb_rope_args {
    real *y;                 /* [T, 3D] rows q | k | v */
    const real *x;           /* [T, 3D] */
    const int32_t *past;     /* [B] or NULL for zeros */
    int64_t L, D, H;
    int64_t direction;       /* +1 forward, -1 backward */
};
PB_API int pb_rope(const struct pb_rope_args *args, int64_t begin, int64_t end);

/* range: tokens T. Writes k and v of new tokens behind the `past` ones of their sequence's cache. */
struct pb_cache_append_args {
    real *cache;             /* [slots, P, 2D] rows k | v */
    const real *qkv;         /* [T, 3D] */
    const int32_t *past;     /* [B] */
    const int32_t *slot;     /* [B] or NULL for slot b */
    int64_t L, D, P;
};
PB_API int pb_cache_append(const struct pb_cache_append_args *args, int64_t begin, int64_t end);

/* range: B * H items, item = b * H + head. Query l of sequence b sees the keys 0 .. past[b] + l. */
struct pb_attention_forward_args {
    real *y;                 /* [B*L, D] */
    real *lse;               /* [B, H, L] log-sum-exp of the scores, or NULL */
    const real *q;           /* [B*L, D], q_stride */
    const real *k, *v;       /* row i of sequence b stands at (slot[b] * kv_rows + i) * kv_stride */
    const int32_t *past;     /* [B] or NULL for zeros */
    const int32_t *slot;     /* [B] or NULL for slot b */
    int64_t q_stride, kv_stride, kv_rows;
    int64_t B, L, D, H;
};
PB_API int pb_attention_forward(const struct pb_attention_forward_args *args, int64_t begin, int64_t end);

/* range: B * H items */
struct pb_attention_backward_args {
    real *dqkv;              /* [B*L, 3D] rows dq | dk | dv */
    const real *lse;         /* [B, H, L] */
    const real *dy, *y;      /* [B*L, D] */
    const real *qkv;         /* [B*L, 3D] */
    int64_t B, L, D, H;
};
PB_API int pb_attention_backward(const struct pb_attention_backward_args *args, int64_t begin, int64_t end);

/* ---- experts.c ---- Switch routing: top-1, first come first kept, grouped without padding */

/* range: tokens T. probability = softmax(logits); expert = first argmax; gate = its probability. */
struct pb_route_forward_args {
    real *probability;       /* [T, X] */
    real *gate;              /* [T] */
    int32_t *expert;         /* [T] */
    const real *logits;      /* [T, X] */
    int64_t X;
};
PB_API int pb_route_forward(const struct pb_route_forward_args *args, int64_t begin, int64_t end);

/* range: [0, 1). Counts, groups and truncates; balance[0] = alpha X sum_e (load_e / T) mean_t probability_te. */
struct pb_route_group_args {
    int32_t *load;           /* [X] tokens that chose e, before dropping */
    int32_t *offset;         /* [X + 1] first grouped row of e; offset[X] = tokens kept */
    int32_t *row;            /* [T] grouped row of a token, -1 where dropped */
    int32_t *token;          /* [T] token of a grouped row; rows from offset[X] on are not written */
    real *balance;           /* [1] */
    const int32_t *expert;   /* [T] */
    const real *probability; /* [T, X] */
    int64_t T, X, C;
    double alpha;
};
PB_API int pb_route_group(const struct pb_route_group_args *args, int64_t begin, int64_t end);

/* range: tokens T. dp_te = [e = expert_t] dgate_t + dbalance alpha X load_e / T^2, then through the softmax. */
struct pb_route_backward_args {
    real *dlogits;           /* [T, X] */
    const real *probability; /* [T, X] */
    const int32_t *expert;   /* [T] */
    const int32_t *load;     /* [X] */
    const real *dgate;       /* [T] */
    int64_t T, X;
    double alpha, dbalance;
};
PB_API int pb_route_backward(const struct pb_route_backward_args *args, int64_t begin, int64_t end);

/* range: grouped rows T; rows from kept[0] on are left alone. grouped[i] = x[token[i]] */
struct pb_gather_forward_args {
    real *grouped;           /* [T, D] */
    const real *x;           /* [T, D] */
    const int32_t *token;    /* [T] */
    const int32_t *kept;     /* [1] */
    int64_t D;
};
PB_API int pb_gather_forward(const struct pb_gather_forward_args *args, int64_t begin, int64_t end);

/* range: tokens T. dx[t] = dgrouped[row[t]], 0 where dropped */
struct pb_gather_backward_args {
    real *dx;                /* [T, D] */
    const real *dgrouped;    /* [T, D] */
    const int32_t *row;      /* [T] */
    int64_t D;
};
PB_API int pb_gather_backward(const struct pb_gather_backward_args *args, int64_t begin, int64_t end);

/* range: tokens T. y[t] = gate[t] grouped[row[t]], 0 where dropped */
struct pb_scatter_forward_args {
    real *y;                 /* [T, D] */
    const real *grouped;     /* [T, D] */
    const real *gate;        /* [T] */
    const int32_t *row;      /* [T] */
    int64_t D;
};
PB_API int pb_scatter_forward(const struct pb_scatter_forward_args *args, int64_t begin, int64_t end);

/* range: tokens T. dgrouped[row[t]] = gate[t] dy[t];  dgate[t] = <dy[t], grouped[row[t]]>, 0 where dropped */
struct pb_scatter_backward_args {
    real *dgrouped;          /* [T, D]; rows from offset[X] on are not written */
    real *dgate;             /* [T] */
    const real *dy;          /* [T, D] */
    const real *grouped;     /* [T, D] */
    const real *gate;        /* [T] */
    const int32_t *row;      /* [T] */
    int64_t D;
};
PB_API int pb_scatter_backward(const struct pb_scatter_backward_args *args, int64_t begin, int64_t end);

/* ---- pointwise.c ---- */

/* range: rows. y = max(x, 0); y may be x. Rows from rows[0] on are left alone. */
struct pb_relu_forward_args {
    real *y;                 /* [T, F] */
    const real *x;           /* [T, F] */
    const int32_t *rows;     /* [1] or NULL for all */
    int64_t F;
};
PB_API int pb_relu_forward(const struct pb_relu_forward_args *args, int64_t begin, int64_t end);

/* range: rows. dx = dy where y > 0, else 0; dx may be dy. */
struct pb_relu_backward_args {
    real *dx;                /* [T, F] */
    const real *dy, *y;      /* [T, F] */
    const int32_t *rows;     /* [1] or NULL for all */
    int64_t F;
};
PB_API int pb_relu_backward(const struct pb_relu_backward_args *args, int64_t begin, int64_t end);

/* range: elements. y = a + b; y may be a or b. */
struct pb_add_args {
    real *y;
    const real *a, *b;
};
PB_API int pb_add(const struct pb_add_args *args, int64_t begin, int64_t end);

/* range: rows T. y[t] = bias: what a matrix product with bias starts from. */
struct pb_broadcast_args {
    real *y;                 /* [T, F] */
    const real *bias;        /* [F] */
    int64_t F;
};
PB_API int pb_broadcast(const struct pb_broadcast_args *args, int64_t begin, int64_t end);

/* range: columns F. dbias += sum_t dy[t] */
struct pb_column_sum_args {
    real *dbias;             /* [F] */
    const real *dy;          /* [T, F] */
    int64_t T, F;
};
PB_API int pb_column_sum(const struct pb_column_sum_args *args, int64_t begin, int64_t end);

/* ---- gemm.c ---- c = a b, or c += a b; op(x) is x, or x as it lies transposed */

/* range: shares, one for each thread; whatever their number, the result is the same. With offset the rows of a and c are cut and
 * each part meets a matrix b of its own, or, for sums, k is cut (the rows of a and b) and each part has a matrix c of its own. */
struct pb_gemm_args {
    real *c;                 /* [m, n] or, for sums, [X, m, n], c_stride */
    real *scratch;           /* [shares, PB_GEMM_SCRATCH] */
    const real *a;           /* [m, k] or, transposed, [k, m], a_stride */
    const void *b;           /* [k, n] or, transposed, [n, k], or X of them, b_stride; in PB_BF16 only transposed */
    const int32_t *offset;   /* [X + 1] first row of each expert, or NULL */
    int64_t c_stride, a_stride, b_stride;
    int64_t m, n, k, X, shares;
    int64_t trans_a, trans_b, accumulate, sums;
    int64_t format;          /* of b: PB_AS_REAL or PB_BF16 */
    int64_t bf16;            /* 1 to round what is multiplied to bf16; sums are kept in `real` */
};
PB_API int pb_gemm(const struct pb_gemm_args *args, int64_t begin, int64_t end);

/* ---- matvec.c ---- y[t] = W[expert of t] x[t] (+ bias): few tokens, memory bound */

/* range: output columns O */
struct pb_matvec_args {
    real *y;                 /* [T, O], y_stride */
    const real *x;           /* [T, I], x_stride */
    const void *weight;      /* [O, I], or [X, O, I] where offset is given, PB_AS_REAL or PB_BF16 */
    const real *bias;        /* [O] or NULL */
    const int32_t *offset;   /* [X + 1] first row of each expert, or NULL where all rows have the same matrix */
    int64_t y_stride, x_stride;
    int64_t T, O, I, X;
    int64_t format;
};
PB_API int pb_matvec(const struct pb_matvec_args *args, int64_t begin, int64_t end);

/* ---- product.c ---- y[t] = W[expert of t] x[t] (+ bias) in whole numbers, any number of tokens */

/* range: blocks of PB_TILE output columns */
struct pb_product_args {
    real *y;                             /* [T, O], y_stride */
    const struct pb_token_group *x;      /* [T, ceil(I / PB_GROUP)] */
    const void *weight;                  /* [O, I], or [X, O, I] where offset is given, PB_INT8 or PB_INT4 */
    const real *bias;                    /* [O] or NULL */
    const int32_t *offset;               /* [X + 1] first row of each expert, or NULL where all rows have the same matrix */
    int64_t y_stride;
    int64_t T, O, I, X;
    int64_t format;
};
PB_API int pb_product(const struct pb_product_args *args, int64_t begin, int64_t end);

/* ---- quantise.c ---- numbers from and to the formats */

/* range: blocks of PB_TILE rows of all matrices. format is not PB_AS_REAL. */
struct pb_quantise_args {
    void *weight;            /* [X, O, I] in the format */
    const real *w;           /* [X, O, I] */
    int64_t O, I, format;
};
PB_API int pb_quantise(const struct pb_quantise_args *args, int64_t begin, int64_t end);

/* A group of a token: scale * q, and what the sum of its products with weights of one format starts with: -zero * sum of q */
struct pb_token_group {
    int8_t q[PB_GROUP];
    float scale;
    int32_t start;
};

/* range: tokens */
struct pb_quantise_tokens_args {
    struct pb_token_group *groups;       /* [T, ceil(I / PB_GROUP)] */
    const real *x;                       /* [T, I], x_stride */
    int64_t x_stride, I;
    int32_t zero;                        /* of the weights' format */
};
PB_API int pb_quantise_tokens(const struct pb_quantise_tokens_args *args, int64_t begin, int64_t end);

/* range: rows of weight; the first of them goes to the first of w */
struct pb_dequantise_args {
    real *w;                 /* [end - begin, I] */
    const void *weight;      /* [rows, I] PB_BF16 */
    int64_t I;
};
PB_API int pb_dequantise(const struct pb_dequantise_args *args, int64_t begin, int64_t end);

/* ---- loss.c ---- cross entropy in nats */

/* range: tokens T. A target of -1 is no target: loss 0, gradient 0. */
struct pb_cross_entropy_forward_args {
    real *loss;              /* [T] */
    real *lse;               /* [T] log-sum-exp of the logits */
    const real *logits;      /* [T, V] */
    const int32_t *target;   /* [T] */
    int64_t V;
};
PB_API int pb_cross_entropy_forward(const struct pb_cross_entropy_forward_args *args, int64_t begin, int64_t end);

/* range: tokens T. dlogits = scale (exp(logits - lse) - onehot(target)); may be the same memory as logits. */
struct pb_cross_entropy_backward_args {
    real *dlogits;           /* [T, V] */
    const real *lse;         /* [T] */
    const real *logits;      /* [T, V] */
    const int32_t *target;   /* [T] */
    int64_t V;
    double scale;
};
PB_API int pb_cross_entropy_backward(const struct pb_cross_entropy_backward_args *args, int64_t begin, int64_t end);

/* range: [0, 1). mean[0] = sum(x) / count, added up in double */
struct pb_mean_args {
    real *mean;              /* [1] */
    const real *x;           /* [count] */
    int64_t count;
};
PB_API int pb_mean(const struct pb_mean_args *args, int64_t begin, int64_t end);

/* ---- optimiser.c ---- */

/* range: blocks of PB_NORM_BLOCK elements. parts[i] = sum of squares of block i */
struct pb_squared_norm_args {
    double *parts;           /* [ceil(count / PB_NORM_BLOCK)] */
    const real *x;           /* [count] */
    int64_t count;
};
PB_API int pb_squared_norm(const struct pb_squared_norm_args *args, int64_t begin, int64_t end);

/* What changes from step to step; the fields of AdamW (Loshchilov and Hutter, 2019). */
struct pb_adamw_step {
    double lr, beta1, beta2, eps;
    double correction1, correction2;   /* 1 - beta^step */
    double scale;                      /* what gradients are multiplied with: clipping */
};

/* range: elements of one expert, those of the others with them. m, v, parameter are updated and the gradient is set to zero, for
 * sums to come, unless what comes assigns it.
 * parameter -= lr (decay parameter + m/correction1 / (sqrt(v/correction2) + eps)) */
struct pb_adamw_args {
    real *parameter, *m, *v;           /* [X, count] */
    real *gradient;                    /* [X, count] */
    const struct pb_adamw_step *step;
    const int32_t *kept;               /* [X] tokens that an expert took; one without any stays as it is. Or NULL: none rests */
    int64_t X;                         /* 1 where there are no experts */
    int64_t count;
    int64_t assigned;                  /* 1 to leave the gradient as it is */
    double decay;
};
PB_API int pb_adamw(const struct pb_adamw_args *args, int64_t begin, int64_t end);

#endif
