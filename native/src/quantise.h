/* Formats of weights.
 *
 *   PB_AS_REAL   as computed with, row after row
 *   PB_BF16      the upper half of a float, row after row
 *   PB_INT8, PB_INT4   tiles of PB_TILE rows and PB_GROUP columns, the tiles of the same rows one after the other
 *
 * A tile holds, for every four columns, four bytes of each row, so that a vector of 32-bit lanes has a row in each lane; then the
 * scale of each row, the upper half of a float. In an int8 tile a byte b stands for scale * (b - 128). An int4 tile has half as
 * many bytes: the low halves are the first 16 columns, the high ones the others, and a half b stands for scale * (b - 8). What is
 * beyond the matrix is 0.
 */
#ifndef PANAMBA_QUANTISE_H
#define PANAMBA_QUANTISE_H

#include "kernel.h"

enum {
    INT8_TILE = PB_TILE * PB_GROUP, INT4_TILE = INT8_TILE / 2,     /* bytes before the scales */
    SCALES = 2 * PB_TILE,                                          /* bytes */
    QUADS = PB_GROUP / 4,                                          /* of columns of a tile */
};

typedef uint16_t halves_vec __attribute__((vector_size(2 * VL)));
typedef uint32_t words_vec __attribute__((vector_size(4 * VL)));
typedef float floats_vec __attribute__((vector_size(4 * VL)));

PB_INLINE int is_tiled(int64_t format) { return format == PB_INT8 || format == PB_INT4; }
PB_INLINE int zero_of(int64_t format) { return format == PB_INT8 ? PB_INT8_ZERO : PB_INT4_ZERO; }
PB_INLINE int64_t scales_at(int64_t format) { return format == PB_INT8 ? INT8_TILE : INT4_TILE; }
PB_INLINE int64_t tile_bytes(int64_t format) { return scales_at(format) + SCALES; }

/* Bytes of a row, or of PB_TILE rows where there are tiles */
PB_INLINE int64_t row_bytes(int64_t I, int64_t format)
{
    switch (format) {
    case PB_BF16: return I * 2;
    case PB_INT8:
    case PB_INT4: return ceil_div(I, PB_GROUP) * tile_bytes(format);
    default: return I * (int64_t)sizeof(real);
    }
}

/* Where column i of a tile's row r stands, and by how much it is shifted */
PB_INLINE int64_t byte_of(int64_t r, int64_t i, int64_t format)
{
    const int64_t column = format == PB_INT4 ? i % (PB_GROUP / 2) : i;
    return column / 4 * (4 * PB_TILE) + r * 4 + column % 4;
}
PB_INLINE int shift_of(int64_t i, int64_t format) { return format == PB_INT4 && i >= PB_GROUP / 2 ? 4 : 0; }

PB_INLINE float from_bf16(const uint8_t *half)
{
    uint16_t upper;
    memcpy(&upper, half, sizeof upper);
    const uint32_t bits = (uint32_t)upper << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

PB_INLINE vec vload_bf16(const uint16_t *p)
{
    halves_vec halves;
    memcpy(&halves, p, sizeof halves);
    const words_vec words = __builtin_convertvector(halves, words_vec) << 16;
    floats_vec floats;
    memcpy(&floats, &words, sizeof floats);
    return __builtin_convertvector(floats, vec);
}

/* The first n halves of a row, n < VL; zeros behind */
PB_INLINE vec vload_bf16_part(const uint16_t *p, int64_t n)
{
    if (__builtin_expect(n >= VL, 1)) return vload_bf16(p);
    uint16_t part[VL] = {0};
    for (int64_t j = 0; j < n; j++) part[j] = p[j];
    return vload_bf16(part);
}

/* Row `row` of a matrix [rows, I] */
PB_INLINE void expand_row(real *w, const uint8_t *matrix, int64_t row, int64_t I, int64_t format)
{
    const uint8_t *bytes = matrix + (is_tiled(format) ? row / PB_TILE : row) * row_bytes(I, format);
    if (format == PB_AS_REAL) {
        memcpy(w, bytes, (size_t)I * sizeof(real));
    } else if (format == PB_BF16) {
        for (int64_t i = 0; i < I; i += VL) vstore_part(w + i, vload_bf16_part((const uint16_t *)(const void *)bytes + i, I - i), I - i);
    } else {
        const int64_t r = row % PB_TILE;
        for (int64_t i = 0; i < I; i++) {
            const uint8_t *tile = bytes + i / PB_GROUP * tile_bytes(format);
            const int q = tile[byte_of(r, i % PB_GROUP, format)] >> shift_of(i % PB_GROUP, format) & (format == PB_INT4 ? 15 : 255);
            w[i] = (real)from_bf16(tile + scales_at(format) + 2 * r) * (real)(q - zero_of(format));
        }
    }
}

#endif
