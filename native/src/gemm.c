/* Products of matrices that BLAS has no form for (experts, bf16) or is slower at (small and narrow ones), and all where OpenBLAS is
 * not there: c [m, n] = a [m, k] b [k, n], or added to c; a and b may lie transposed. With experts, offset cuts the rows
 * of a and c and each part meets a matrix b of its own, or it cuts the common dimension k and each part makes a matrix c of its own.
 *
 * b is packed WIDE columns and DEPTH steps at a time, a TALL rows; a tile of ROWS x WIDTH of c then stays in registers for DEPTH steps
 * (Goto and van de Geijn, Anatomy of high-performance matrix multiplication, 2008). An element's sum runs in the order of k, whatever
 * is cut.
 */
#include "pack.h"

enum { LINE = 64, STREAMED = 8 << 20 };   /* bytes; a gradient of so many is written past the caches, if it can be */

enum how { ASSIGN, ADD, STREAM };         /* what becomes of a tile's sums */

/* The block of b that is packed next: while one is multiplied the lines of the other come to the cache, one at each step, two in bf16. */
struct ahead {
    const char *from;
    int64_t stride, shift;                /* bytes from row to row; a row has 1 << shift lines */
    int64_t line, lines;
};

PB_INLINE void send_for(const struct ahead *next, int64_t line)
{
    const int64_t row = line >> next->shift, in_row = line - (row << next->shift);
    __builtin_prefetch(next->from + row * next->stride + in_row * LINE, 0, 2);
}

PB_INLINE vec multiply_add(vec sum, const real *a, vec b, const int bf16)
{
    (void)bf16;
#if PAIRS
    if (bf16) {
        int32_t pair;
        memcpy(&pair, a, sizeof pair);
        return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32(pair), (__m512bh)b);
    }
#endif
    return sum + vset(*a) * b;
}

PB_INLINE void step(vec sums[ROWS][2], const real *a, const real *b, const int rows, const int vectors, const int bf16)
{
    const vec left = vload(b), right = vectors > 1 ? vload(b + VL) : left;
    PB_UNROLL
    for (int r = 0; r < rows; r++) {
        sums[r][0] = multiply_add(sums[r][0], a + r * STRIDE, left, bf16);
        if (vectors > 1) sums[r][1] = multiply_add(sums[r][1], a + r * STRIDE, right, bf16);
    }
}

/* `rows` x `vectors` of c, of which `high` rows and `wide` columns are there */
PB_INLINE void tile(real *c, int64_t c_stride, const real *a, const real *b, int64_t steps, struct ahead *next, int64_t high,
                    int64_t wide, enum how how, const int rows, const int vectors, const int bf16)
{
    const int64_t each = step_of(bf16), sent = min_int(steps, (next->lines - next->line) / each);
    vec sums[ROWS][2];
    PB_UNROLL
    for (int r = 0; r < rows; r++) {
        sums[r][0] = sums[r][1] = vset(0);
        for (int v = 0; v < vectors && r < high && how != STREAM; v++) __builtin_prefetch(c + r * c_stride + v * VL, 1);
    }
    for (int64_t s = 0; s < sent; s++) {
        for (int64_t i = 0; i < each; i++) send_for(next, next->line + s * each + i);
        step(sums, a + s, b + s * WIDTH, rows, vectors, bf16);
    }
    for (int64_t s = sent; s < steps; s++) step(sums, a + s, b + s * WIDTH, rows, vectors, bf16);
    next->line += sent * each;
    PB_UNROLL
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors && r < high; v++) {
            real *row = c + r * c_stride + v * VL;
            if (how == STREAM) vstream(row, sums[r][v]);
            else vstore_part(row, how == ADD ? vload_part(row, wide - v * VL) + sums[r][v] : sums[r][v], wide - v * VL);
        }
}

PB_INLINE void tile_of(real *c, int64_t c_stride, const real *a, const real *b, int64_t steps, struct ahead *next, int64_t high,
                       int64_t wide, enum how how, const int vectors, const int bf16)
{
    switch (ceil_div(high, 2)) {
#if PB_VECTOR_BYTES == 64
    case 7: tile(c, c_stride, a, b, steps, next, high, wide, how, 14, vectors, bf16); break;
    case 6: tile(c, c_stride, a, b, steps, next, high, wide, how, 12, vectors, bf16); break;
    case 5: tile(c, c_stride, a, b, steps, next, high, wide, how, 10, vectors, bf16); break;
    case 4: tile(c, c_stride, a, b, steps, next, high, wide, how, 8, vectors, bf16); break;
#endif
    case 3: tile(c, c_stride, a, b, steps, next, high, wide, how, 6, vectors, bf16); break;
    case 2: tile(c, c_stride, a, b, steps, next, high, wide, how, 4, vectors, bf16); break;
    default: tile(c, c_stride, a, b, steps, next, high, wide, how, 2, vectors, bf16); break;
    }
}

/* A part of a length that is cut into the fewest parts of at most `most`, all about as long */
PB_INLINE int64_t even_part(int64_t length, int64_t most, int64_t unit)
{
    return ceil_div(ceil_div(length, ceil_div(length, most)), unit) * unit;
}

/* Bytes of an element of b */
PB_INLINE int64_t bytes_of(const struct pb_gemm_args *args) { return args->format == PB_BF16 ? sizeof(uint16_t) : sizeof(real); }

/* Step s of column j of b */
PB_INLINE const void *b_at(const struct pb_gemm_args *args, const void *b, int64_t s, int64_t j)
{
    return (const char *)b + (args->trans_b ? j * args->b_stride + s : s * args->b_stride + j) * bytes_of(args);
}

PB_INLINE void pack_block(const struct pb_gemm_args *args, real *packed, const void *from, int64_t columns, int64_t depth, const int bf16)
{
    if (!args->trans_b) pack_b(packed, from, args->b_stride, columns, depth, 0, 0, bf16);
    else if (args->format == PB_BF16) pack_b(packed, from, args->b_stride, columns, depth, 1, 1, bf16);
    else pack_b(packed, from, args->b_stride, columns, depth, 1, 0, bf16);
}

/* `from` is NULL where nothing is packed any more */
PB_INLINE struct ahead ahead_of(const struct pb_gemm_args *args, const void *from, int64_t columns, int64_t depth)
{
    const int64_t rows = args->trans_b ? columns : depth, length = (args->trans_b ? depth : columns) * bytes_of(args);
    struct ahead next = {.from = from, .stride = args->b_stride * bytes_of(args)};
    while (LINE << next.shift < length) next.shift++;
    next.lines = from ? rows << next.shift : 0;
    return next;
}

/* Whether c is a weight's gradient, which nobody reads for long, of rows of whole lines: then all its vectors are whole too */
PB_INLINE int streamed(const struct pb_gemm_args *args)
{
    const int64_t rows = args->sums ? args->X * args->m : args->m, bytes = (int64_t)sizeof(real);
    const uintptr_t lengths = (uintptr_t)(args->c_stride * bytes) | (uintptr_t)(args->n * bytes);
    return args->trans_a && rows * args->n * bytes >= STREAMED && ((uintptr_t)args->c | lengths) % LINE == 0;
}

/* m x n of c; `after` is what is packed behind them, or NULL */
PB_INLINE void packed(const struct pb_gemm_args *args, real *scratch, real *c, const real *a, const void *b, const void *after, int64_t m, int64_t n,
                      int64_t k, const int bf16)
{
    real *packed_a = scratch, *packed_b = scratch + TALL * STRIDE;
    const int64_t deep = DEPTH * step_of(bf16);
    const int streams = streamed(args);
    for (int64_t r = 0; k == 0 && !args->accumulate && r < m; r++) memset(c + r * args->c_stride, 0, (size_t)n * sizeof(real));
    for (int64_t s = 0; s < k; s += deep)
        for (int64_t j = 0; j < n; j += WIDE) {
            const int64_t depth = min_int(deep, k - s), columns = min_int(WIDE, n - j), steps = ceil_div(depth, step_of(bf16));
            const enum how how = s > 0 || args->accumulate ? ADD : streams && k <= deep ? STREAM : ASSIGN;
            const void *behind = j + WIDE < n ? b_at(args, b, s, j + WIDE) : s + deep < k ? b_at(args, b, s + deep, 0) : after;
            struct ahead next = ahead_of(args, behind, columns, depth);
            pack_block(args, packed_b, b_at(args, b, s, j), columns, depth, bf16);
            for (int64_t i = 0, tall; i < m; i += tall) {
                tall = min_int(even_part(m, TALL, 1), m - i);
                if (args->trans_a) pack_a(packed_a, a + s * args->a_stride + i, args->a_stride, tall, depth, 1, bf16);
                else pack_a(packed_a, a + i * args->a_stride + s, args->a_stride, tall, depth, 0, bf16);
                const int64_t rows = even_part(tall, ROWS, 2);
                for (int64_t r = 0; r < tall; r += rows)
                    for (int64_t q = 0; q < columns; q += WIDTH) {
                        real *at = c + (i + r) * args->c_stride + j + q;
                        const real *of_a = packed_a + r * STRIDE, *of_b = packed_b + q * DEPTH;
                        const int64_t high = min_int(rows, tall - r), wide = columns - q;
                        if (wide > VL) tile_of(at, args->c_stride, of_a, of_b, steps, &next, high, wide, how, 2, bf16);
                        else tile_of(at, args->c_stride, of_a, of_b, steps, &next, high, wide, how, 1, bf16);
                    }
            }
        }
}

__attribute__((noinline)) static void multiply(const struct pb_gemm_args *args, real *scratch, real *c, const real *a, const void *b,
                                               const void *after, int64_t m, int64_t n, int64_t k)
{
    if (args->bf16) packed(args, scratch, c, a, b, after, m, n, k, 1);
    else packed(args, scratch, c, a, b, after, m, n, k, 0);
}

/* One product, cut between rows where it is taller than wide, else between columns */
static void one_product(const struct pb_gemm_args *args, real *scratch, int64_t share)
{
    const int64_t m = args->m, n = args->n, shares = args->shares;
    const int64_t unit = m >= n ? ROWS : WIDTH, side = m >= n ? m : n, units = ceil_div(side, unit);
    const int64_t from = min_int(side, units * share / shares * unit), to = min_int(side, units * (share + 1) / shares * unit);
    const real *a = args->a + from * (args->trans_a ? 1 : args->a_stride);
    const void *b = b_at(args, args->b, 0, from);
    if (m >= n) multiply(args, scratch, args->c + from * args->c_stride, a, args->b, NULL, to - from, n, args->k);
    else multiply(args, scratch, args->c + from, args->a, b, NULL, m, to - from, args->k);
}

/* The matrix of an expert */
PB_INLINE const void *expert_of(const struct pb_gemm_args *args, int64_t e)
{
    return (const char *)args->b + e * (args->trans_b ? args->n : args->k) * args->b_stride * bytes_of(args);
}

/* The experts' products stand in a line, each as long as its columns times its tokens, and it is the line that is cut, between
 * columns: whatever the load, shares are even, and few experts are packed twice. */
static void all_experts(const struct pb_gemm_args *args, real *scratch, int64_t share)
{
    const int64_t m = args->m, n = args->n, blocks = ceil_div(n, WIDTH), all = blocks * args->offset[args->X];
    const int64_t begin = all * share / args->shares, end = all * (share + 1) / args->shares;
    for (int64_t e = 0; e < args->X; e++) {
        const int64_t first = args->offset[e], tokens = args->offset[e + 1] - first;
        if (tokens == 0) {
            if (args->sums && e % args->shares == share) multiply(args, scratch, args->c + e * m * args->c_stride, args->a, args->b, NULL, m, n, 0);
            continue;
        }
        const int64_t from = min_int(n, ceil_div(max_int(0, begin - first * blocks), tokens) * WIDTH);
        const int64_t to = min_int(n, ceil_div(max_int(0, end - first * blocks), tokens) * WIDTH);
        if (from >= to) continue;
        if (args->sums) {
            multiply(args, scratch, args->c + e * m * args->c_stride + from, args->a + first * args->a_stride,
                     b_at(args, args->b, first, from), NULL, m, to - from, tokens);
        } else {
            int64_t other = e + 1;
            while (other < args->X && args->offset[other + 1] == args->offset[other]) other++;
            const void *after = other < args->X && to == n ? expert_of(args, other) : NULL;
            multiply(args, scratch, args->c + first * args->c_stride + from, args->a + first * args->a_stride,
                     b_at(args, expert_of(args, e), 0, from), after, tokens, to - from, args->k);
        }
    }
}

PB_KERNEL(gemm)
{
    for (int64_t share = begin; share < end; share++) {
        real *scratch = args->scratch + share * PB_GEMM_SCRATCH;
        if (args->offset) all_experts(args, scratch, share);
        else one_product(args, scratch, share);
    }
    vfence();
    return PB_OK;
}
