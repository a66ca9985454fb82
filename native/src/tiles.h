/* Attention's tiles: small matrices on the stack whose rows are 2 vectors wide, their product and their transposition. */
#ifndef PANAMBA_TILES_H
#define PANAMBA_TILES_H

#include "lanes.h"

enum {
    QUERIES = 2 * VL,    /* of one block: the columns of a tile */
    KEYS = 64,           /* of one block: the rows of a tile of scores */
    ROWS = PB_VECTOR_BYTES == 64 ? 8 : 6, /* of C held in registers: 16 of AVX-512's 32, 12 of AVX2's 16 */
};

/* C [rows, 2 VL] (+)= A [rows, steps] B [steps, 2 VL], rows known to the compiler; A's element (r, s) is at
 * r * a_row + s * a_step */
PB_INLINE void product_rows(real *c, int64_t c_stride, const real *a, int64_t a_row, int64_t a_step,
        const real *b, int64_t b_stride, const int rows, int64_t steps, int accumulate)
{
    vec sums[ROWS][2];
    for (int r = 0; r < rows; r++) {
        sums[r][0] = accumulate ? vload(c + r * c_stride) : vset(0);
        sums[r][1] = accumulate ? vload(c + r * c_stride + VL) : vset(0);
    }
    for (int64_t s = 0; s < steps; s++) {
        vec left = vload(b + s * b_stride), right = vload(b + s * b_stride + VL);
        for (int r = 0; r < rows; r++) {
            vec factor = vset(a[r * a_row + s * a_step]);
            sums[r][0] += factor * left;
            sums[r][1] += factor * right;
        }
    }
    for (int r = 0; r < rows; r++) {
        vstore(c + r * c_stride, sums[r][0]);
        vstore(c + r * c_stride + VL, sums[r][1]);
    }
}

static void product(real *c, int64_t c_stride, const real *a, int64_t a_row, int64_t a_step, const real *b, int64_t b_stride,
        int64_t rows, int64_t steps, int accumulate)
{
    for (; rows >= ROWS; rows -= ROWS, c += ROWS * c_stride, a += ROWS * a_row)
        product_rows(c, c_stride, a, a_row, a_step, b, b_stride, ROWS, steps, accumulate);
    for (; rows >= 4; rows -= 4, c += 4 * c_stride, a += 4 * a_row)
        product_rows(c, c_stride, a, a_row, a_step, b, b_stride, 4, steps, accumulate);
    for (; rows >= 2; rows -= 2, c += 2 * c_stride, a += 2 * a_row)
        product_rows(c, c_stride, a, a_row, a_step, b, b_stride, 2, steps, accumulate);
    if (rows > 0)
        product_rows(c, c_stride, a, a_row, a_step, b, b_stride, 1, steps, accumulate);
}

/* C [keys, dh] += A [keys, QUERIES] B [QUERIES, b_stride]. dh need not be whole vectors, b_stride is: the last columns go through
 * a tile */
static void product_wide(real *c, int64_t c_stride, const real *a, const real *b, int64_t b_stride, int64_t keys, int64_t dh)
{
    int64_t d = 0;
    for (; d + 2 * VL <= dh; d += 2 * VL)
        product(c + d, c_stride, a, QUERIES, 1, b + d, b_stride, keys, QUERIES, 1);
    if (d < dh) {
        real tile[KEYS * 2 * VL];
        product(tile, 2 * VL, a, QUERIES, 1, b + d, b_stride, keys, QUERIES, 0);
        for (int64_t i = 0; i < keys; i++) {
            for (int64_t j = d; j < dh; j++)
                c[i * c_stride + j] += tile[i * 2 * VL + j - d];
        }
    }
}

/* columns [dh, QUERIES] = scale * rows [queries, dh] transposed, a square of VL at a time; what is missing from a square is 0 */
static void transpose_in(real *restrict columns, const real *restrict rows, int64_t stride, int64_t queries, int64_t dh,
        real scale)
{
    for (int64_t d = 0; d < dh; d += VL) {
        for (int64_t j = 0; j < QUERIES; j += VL) {
            vec square[VL];
            for (int i = 0; i < VL; i++)
                square[i] = j + i < queries ? scale * vload_part(rows + (j + i) * stride + d, dh - d) : vset(0);
            transpose(square);
            for (int i = 0; i < VL; i++) vstore(columns + (d + i) * QUERIES + j, square[i]);
        }
    }
}

/* rows [queries, dh] = columns transposed * scale[query] */
static void transpose_out(real *restrict rows, int64_t stride, const real *restrict columns, int64_t queries, int64_t dh,
        const real *restrict scale)
{
    for (int64_t d = 0; d < dh; d += VL) {
        for (int64_t j = 0; j < queries; j += VL) {
            vec square[VL];
            for (int i = 0; i < VL; i++) square[i] = vload(columns + (d + i) * QUERIES + j) * vload(scale + j);
            transpose(square);
            for (int i = 0; i < VL && j + i < queries; i++)
                vstore_part(rows + (j + i) * stride + d, square[i], dh - d);
        }
    }
}

#endif
