/* Products of matrices, c [m, n] = a [m, k] b [k, n], or added to c; a and b may lie transposed. With experts, offset cuts the rows
 * of a and c and each part meets a matrix b of its own, or it cuts the common dimension k and each part makes a matrix c of its own.
 *
 * b is packed WIDE columns and DEPTH steps at a time, a TALL rows; a tile of ROWS x WIDTH of c then stays in registers for DEPTH steps
 * (Goto and van de Geijn, Anatomy of high-performance matrix multiplication, 2008). A step is one k, or two in bf16: a lane then holds
 * both, which an instruction multiplies and adds. Where there is no such instruction the same numbers are rounded and go one by one.
 * An element's sum runs in the order of k, whatever is cut.
 */
#include "quantise.h"

enum {
    WIDTH = 2 * VL, ROWS = PB_VECTOR_BYTES == 64 ? 14 : 6,    /* 28 of 32 registers hold sums, or 12 of 16 */
    DEPTH = 256, STRIDE = DEPTH + 16,                         /* lanes of a packed row of a; not a power of 2, for the cache's sake */
    TALL = 8 * ROWS, WIDE = 16 * WIDTH,
    AHEAD = 8,                                                /* rows of b sent for before they are packed */
};

_Static_assert(TALL * STRIDE + WIDE * DEPTH <= PB_GEMM_SCRATCH, "what is packed fits");

#if defined(__AVX512BF16__) && !PB_DOUBLE
#define PAIRS 1                           /* a lane holds two numbers in bf16 */
#else
#define PAIRS 0
#endif

/* Numbers along k that a lane holds */
PB_INLINE int64_t step_of(const int bf16) { return PAIRS && bf16 ? 2 : 1; }

PB_INLINE vec rounded(vec x)              /* to bf16, ties to even */
{
#if PB_DOUBLE
    for (int i = 0; i < VL; i++) {
        float f = (float)x[i];
        uint32_t bits;
        memcpy(&bits, &f, sizeof bits);
        bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000;
        memcpy(&f, &bits, sizeof f);
        x[i] = x[i] == x[i] ? (real)f : x[i];
    }
    return x;
#else
    const ivec bits = (ivec)x;
    return vselect(x == x, (vec)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16 << 16), x);
#endif
}

/* Steps side by side: VL lanes from a line along k, of whose numbers n are left; what is missing is 0. */
PB_INLINE vec load_along(const real *line, int64_t n, const int bf16)
{
#if PAIRS
    if (bf16) return (vec)_mm512_cvtne2ps_pbh((__m512)vload_part(line + VL, n - VL), (__m512)vload_part(line, n));
#endif
    return bf16 ? rounded(vload_part(line, n)) : vload_part(line, n);
}

/* One step: VL lanes from a line across k, of whose numbers n are left, and from the next one where a lane holds two. */
PB_INLINE vec load_across(const real *line, int64_t stride, int64_t n, int64_t k, const int bf16)
{
#if PAIRS
    if (bf16) {
        const __m512i pairs = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18,
                                               2, 17, 1, 16, 0);
        const vec second = vload_part(k > 1 ? line + stride : line, k > 1 ? n : 0);
        return (vec)_mm512_permutexvar_epi16(pairs, (__m512i)_mm512_cvtne2ps_pbh((__m512)second, (__m512)vload_part(line, n)));
    }
#endif
    (void)stride, (void)k;
    return bf16 ? rounded(vload_part(line, n)) : vload_part(line, n);
}

/* Rows of a, each step after step: where it lies transposed, squares of VL are turned. */
PB_INLINE void pack_a(real *packed, const real *a, int64_t stride, int64_t rows, int64_t k, const int transposed, const int bf16)
{
    const int64_t step = step_of(bf16), steps = ceil_div(k, step);
    for (int64_t s = 0; s < steps; s += VL)
        for (int64_t r = 0; r < rows; r += transposed ? VL : 1) {
            const int64_t left = k - s * step;
            if (!transposed) {
                vstore(packed + r * STRIDE + s, load_along(a + r * stride + s * step, left, bf16));
                continue;
            }
            vec v[VL];
            PB_UNROLL
            for (int i = 0; i < VL; i++) v[i] = load_across(a + (s + i) * step * stride + r, stride, s + i < steps ? rows - r : 0, left - i * step, bf16);
            vtranspose(v);
            for (int64_t i = 0; i < min_int(VL, rows - r); i++) vstore(packed + (r + i) * STRIDE + s, v[i]);
        }
}

/* The same from a line of halves. */
PB_INLINE vec load_halves(const uint16_t *line, int64_t n, const int bf16)
{
    if (!PAIRS || !bf16) return vload_bf16_part(line, n);
    uint16_t halves[2 * VL] = {0};                       /* they are lanes of two as they lie */
    memcpy(halves, line, (size_t)min_int(2 * VL, max_int(n, 0)) * sizeof *halves);
    vec v;
    memcpy(&v, halves, sizeof v);
    return v;
}

/* Columns of b in panels of WIDTH, step after step: where it lies transposed, squares of VL are turned. A weight is often read but
 * once, so it is sent for a while before it is packed. */
PB_INLINE void pack_b(real *packed, const void *b, int64_t stride, int64_t columns, int64_t k, const int transposed, const int halves, const int bf16)
{
    const int64_t step = step_of(bf16), steps = ceil_div(k, step);
    for (int64_t s = 0; !transposed && s < steps; s++)
        for (int64_t c = 0; c < columns; c += VL) {
            const real *from = (const real *)b + s * step * stride + c;
            for (int64_t i = 0; i < step; i++) __builtin_prefetch(from + (AHEAD + i) * stride);
            vstore(packed + c / WIDTH * (WIDTH * DEPTH) + s * WIDTH + c % WIDTH, load_across(from, stride, columns - c, k - s * step, bf16));
        }
    for (int64_t c = 0; transposed && c < columns; c += VL)
        for (int64_t s = 0; s < steps; s += VL) {
            vec v[VL];
            PB_UNROLL
            for (int i = 0; i < VL; i++) {
                const int64_t at = (c + i) * stride + s * step, left = c + i < columns ? k - s * step : 0;
                if (halves) {
                    __builtin_prefetch((const uint16_t *)b + at + VL * stride);
                    v[i] = load_halves((const uint16_t *)b + at, left, bf16);
                } else {
                    for (int64_t l = 0; l < step * VL; l += VL) __builtin_prefetch((const real *)b + at + VL * stride + l);
                    v[i] = load_along((const real *)b + at, left, bf16);
                }
            }
            vtranspose(v);
            PB_UNROLL
            for (int i = 0; i < VL; i++) vstore(packed + c / WIDTH * (WIDTH * DEPTH) + (s + i) * WIDTH + c % WIDTH, v[i]);
        }
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

/* `rows` x `vectors` of c, of which `high` rows and `wide` columns are there */
PB_INLINE void tile(real *c, int64_t c_stride, const real *a, const real *b, int64_t steps, int64_t high, int64_t wide, int add, const int rows,
                    const int vectors, const int bf16)
{
    vec sums[ROWS][2];
    PB_UNROLL
    for (int r = 0; r < rows; r++) {
        sums[r][0] = sums[r][1] = vset(0);
        for (int v = 0; v < vectors && r < high; v++) __builtin_prefetch(c + r * c_stride + v * VL, 1);
    }
    for (int64_t s = 0; s < steps; s++) {
        const vec left = vload(b + s * WIDTH), right = vectors > 1 ? vload(b + s * WIDTH + VL) : left;
        PB_UNROLL
        for (int r = 0; r < rows; r++) {
            sums[r][0] = multiply_add(sums[r][0], a + r * STRIDE + s, left, bf16);
            if (vectors > 1) sums[r][1] = multiply_add(sums[r][1], a + r * STRIDE + s, right, bf16);
        }
    }
    PB_UNROLL
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors && r < high; v++) {
            real *row = c + r * c_stride + v * VL;
            vstore_part(row, add ? vload_part(row, wide - v * VL) + sums[r][v] : sums[r][v], wide - v * VL);
        }
}

PB_INLINE void tile_of(real *c, int64_t c_stride, const real *a, const real *b, int64_t steps, int64_t high, int64_t wide, int add, const int vectors,
                       const int bf16)
{
    switch (ceil_div(high, 2)) {
#if PB_VECTOR_BYTES == 64
    case 7: tile(c, c_stride, a, b, steps, high, wide, add, 14, vectors, bf16); break;
    case 6: tile(c, c_stride, a, b, steps, high, wide, add, 12, vectors, bf16); break;
    case 5: tile(c, c_stride, a, b, steps, high, wide, add, 10, vectors, bf16); break;
    case 4: tile(c, c_stride, a, b, steps, high, wide, add, 8, vectors, bf16); break;
#endif
    case 3: tile(c, c_stride, a, b, steps, high, wide, add, 6, vectors, bf16); break;
    case 2: tile(c, c_stride, a, b, steps, high, wide, add, 4, vectors, bf16); break;
    default: tile(c, c_stride, a, b, steps, high, wide, add, 2, vectors, bf16); break;
    }
}

/* A part of a length that is cut into the fewest parts of at most `most`, all about as long */
PB_INLINE int64_t even_part(int64_t length, int64_t most, int64_t unit)
{
    return ceil_div(ceil_div(length, ceil_div(length, most)), unit) * unit;
}

/* Where an element of b stands */
PB_INLINE const void *b_at(const struct pb_gemm_args *args, const void *b, int64_t element)
{
    return (const char *)b + element * (int64_t)(args->format == PB_BF16 ? sizeof(uint16_t) : sizeof(real));
}

PB_INLINE void pack_block(const struct pb_gemm_args *args, real *packed, const void *b, int64_t s, int64_t j, int64_t columns, int64_t depth,
                          const int bf16)
{
    const int64_t stride = args->b_stride;
    if (!args->trans_b) pack_b(packed, b_at(args, b, s * stride + j), stride, columns, depth, 0, 0, bf16);
    else if (args->format == PB_BF16) pack_b(packed, b_at(args, b, j * stride + s), stride, columns, depth, 1, 1, bf16);
    else pack_b(packed, b_at(args, b, j * stride + s), stride, columns, depth, 1, 0, bf16);
}

PB_INLINE void packed(const struct pb_gemm_args *args, real *scratch, real *c, const real *a, const void *b, int64_t m, int64_t n, int64_t k,
                     const int bf16)
{
    real *packed_a = scratch, *packed_b = scratch + TALL * STRIDE;
    const int64_t deep = DEPTH * step_of(bf16);
    for (int64_t r = 0; k == 0 && !args->accumulate && r < m; r++) memset(c + r * args->c_stride, 0, (size_t)n * sizeof(real));
    for (int64_t s = 0; s < k; s += deep)
        for (int64_t j = 0; j < n; j += WIDE) {
            const int64_t depth = min_int(deep, k - s), columns = min_int(WIDE, n - j), steps = ceil_div(depth, step_of(bf16));
            const int add = s > 0 || args->accumulate;
            pack_block(args, packed_b, b, s, j, columns, depth, bf16);
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
                        if (wide > VL) tile_of(at, args->c_stride, of_a, of_b, steps, high, wide, add, 2, bf16);
                        else tile_of(at, args->c_stride, of_a, of_b, steps, high, wide, add, 1, bf16);
                    }
            }
        }
}

__attribute__((noinline)) static void multiply(const struct pb_gemm_args *args, real *scratch, real *c, const real *a, const void *b, int64_t m,
                                               int64_t n, int64_t k)
{
    if (args->bf16) packed(args, scratch, c, a, b, m, n, k, 1);
    else packed(args, scratch, c, a, b, m, n, k, 0);
}

/* One product, cut between rows where it is taller than wide, else between columns */
static void one_product(const struct pb_gemm_args *args, real *scratch, int64_t share)
{
    const int64_t m = args->m, n = args->n, shares = args->shares;
    const int64_t unit = m >= n ? ROWS : WIDTH, side = m >= n ? m : n, units = ceil_div(side, unit);
    const int64_t from = min_int(side, units * share / shares * unit), to = min_int(side, units * (share + 1) / shares * unit);
    if (m >= n)
        multiply(args, scratch, args->c + from * args->c_stride, args->a + from * (args->trans_a ? 1 : args->a_stride), args->b, to - from, n,
                 args->k);
    else
        multiply(args, scratch, args->c + from, args->a, b_at(args, args->b, from * (args->trans_b ? args->b_stride : 1)), m, to - from, args->k);
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
            if (args->sums && e % args->shares == share) multiply(args, scratch, args->c + e * m * args->c_stride, args->a, args->b, m, n, 0);
            continue;
        }
        const int64_t from = min_int(n, ceil_div(max_int(0, begin - first * blocks), tokens) * WIDTH);
        const int64_t to = min_int(n, ceil_div(max_int(0, end - first * blocks), tokens) * WIDTH);
        if (from >= to) continue;
        if (args->sums)
            multiply(args, scratch, args->c + e * m * args->c_stride + from, args->a + first * args->a_stride,
                     b_at(args, args->b, first * args->b_stride + from), m, to - from, tokens);
        else
            multiply(args, scratch, args->c + first * args->c_stride + from, args->a + first * args->a_stride,
                     b_at(args, args->b, e * (args->trans_b ? n : args->k) * args->b_stride + from * (args->trans_b ? args->b_stride : 1)), tokens,
                     to - from, args->k);
    }
}

PB_KERNEL(gemm)
{
    for (int64_t share = begin; share < end; share++) {
        real *scratch = args->scratch + share * PB_GEMM_SCRATCH;
        if (args->offset) all_experts(args, scratch, share);
        else one_product(args, scratch, share);
    }
    return PB_OK;
}
