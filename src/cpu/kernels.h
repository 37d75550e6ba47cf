// SPDX-License-Identifier: MIT
//
// The innermost loops of products, compiled once per instruction set (vector.h) and chosen when the
// program runs. Sums use fused multiply-adds where the machine has them.
#ifndef VKA_CPU_KERNELS_H
#define VKA_CPU_KERNELS_H

#include "util/context.h"

enum {
    VKA_TILE_ROWS = 14, // at most
    VKA_TILE_COLS = 32,
    VKA_DOT_ROWS = 4,
    VKA_DOT_COLS = 4,
    VKA_STRIP_ROWS = 4,
    VKA_STRIP_COLS = 96,
};

struct vka_kernels {
    const char *name;
    int lanes;
    int tile_rows, tile_cols; // of the register tile
    int strip_cols;

    // c[i * c_row + j] (+)= sum over kk of a[kk * a_step + i] * b[kk * b_step + j], for i < rows (1
    // to tile_rows), j < cols (1 to tile_cols). Reads whole vectors of b.
    void (*tile)(int rows, int cols, int64_t k, const float *a, int64_t a_step, const float *b,
                 int64_t b_step, float *c, int64_t c_row, bool add);
    // The same for rows up to VKA_STRIP_ROWS and cols up to strip_cols: for matrices b that are
    // read once. Reads no column of b past cols.
    void (*strip)(int rows, int cols, int64_t k, const float *a, int64_t a_step, const float *b,
                  int64_t b_step, float *c, int64_t c_row, bool add);
    // c[i * c_row + j * c_col] = sum over kk of a[i * a_row + kk] * b[j * b_row + kk], for i up to
    // VKA_DOT_ROWS and j up to VKA_DOT_COLS.
    void (*dot)(int rows, int cols, int64_t k, const float *a, int64_t a_row, const float *b,
                int64_t b_row, float *c, int64_t c_row, int64_t c_col);
    // dst[kk * width + w] = src[w * along + kk * step] for w < count and kk < k, 0 for w from count
    // to width. Writes nothing else.
    void (*pack)(float *dst, int width, const float *src, int64_t along, int64_t step, int count,
                 int64_t k);
};

// The best ones that this machine has. VKATTN_ISA=avx512, avx2 or plain asks for others (tests).
const struct vka_kernels *vka_kernels(void);

// Those of one instruction set by name, NULL where the machine hasn't it.
const struct vka_kernels *vka_kernels_of(const char *name);

#endif
