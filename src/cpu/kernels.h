// SPDX-License-Identifier: MIT
//
// The innermost loops of products, compiled once per instruction set (vector.h) and chosen when the
// program runs. Sums use fused multiply-adds where the machine has them.
#ifndef VKA_CPU_KERNELS_H
#define VKA_CPU_KERNELS_H

#include "ops/ops.h"

enum {
    VKA_TILE_ROWS = 14, // at most
    VKA_TILE_COLS = 32,
    VKA_WIDE_ROWS = 6,
    VKA_WIDE_COLS = 64,
    VKA_DOT_ROWS = 4,
    VKA_DOT_COLS = 4,
    VKA_STRIP_ROWS = 4,
    VKA_STRIP_COLS = 96,
    VKA_LANEWISE_COLS = 4,
};

// c[i * c_row + j] (+)= the sum over kk < k and t < taps of
//     a[(kk * taps + t) * a_step + i] * b[kk * b_step + tap[t] + j].
struct vka_tile {
    int64_t k;
    int taps; // 1, and tap {0}, for a plain product
    const int32_t *tap;
    const float *a, *b;
    int64_t a_step, b_step;
    int64_t a_row;      // of `wide` alone: a[kk * a_step + i * a_row], and no taps;
    const float *scale; // where it adds, c[i * c_row + j] is multiplied with scale[j] before
    float *c;
    int64_t c_row;
    bool add;
};
extern const int32_t vka_one_tap[1]; // {0}

// A vector of products of their own; w < lanes, j < cols:
// c[i * c_row + j * c_col + w] (+)= the sum over kk < k of
//     a[i * a_row + kk * a_step + w] * b[kk * b_step + j * LANES + w].
struct vka_lanewise {
    int64_t k, rows;
    int cols, lanes; // up to VKA_LANEWISE_COLS, LANES: of a and b, all are read
    const float *a, *b;
    int64_t a_row, a_step, b_step;
    float *c;
    int64_t c_row, c_col;
    bool add;
};

// Lines of an output, each a vector at a time: for i < rows and j < length of a line
// c[i * c_row + j] = f(bias[i * bias_step] + the sum over kk < k and t < taps of
//     a[(kk * taps + t) * a_step + i] * b[kk * b_step + tap[t] + j]).
struct vka_lines {
    int64_t k;
    int taps;
    const int32_t *tap;
    const float *a, *b;
    int64_t a_step, b_step;
    float *c;
    int64_t c_row;
    int64_t lines, length;
    int64_t b_line, c_line; // from line to line
    const float *bias;      // NULL: 0
    int64_t bias_step;
    bool relu;
};

// Lines of `size` floats that lie together: `count` of them from line `top` on have `inside` floats
// of x from place `left` on; all others are 0.
struct vka_pad {
    float *to;
    int64_t lines, size;
    int64_t top, left, count, inside;
    const float *x;
    int64_t x_line;
};

struct vka_corners;

// Tiles for convolutions by Winograd's way (cpu/winograd.h). A place and a tile's value at a point
// are LANES channels each; tiles follow each other.
enum { VKA_WINO_IN = 6, VKA_WINO_OUT = 4 }; // places of a tile along an axis
struct vka_wino_tiles {
    float *points, *places; // of the first tile
    int64_t point;          // from point to point
    int64_t line, step;     // from place to place, down and along
};

// Places of LANES channels each that follow each other, one vector of channels after the other:
// c[j][i] (+)= the sum over kk < k of a[i][kk] * b[kk][j]: i places, j a vector of channels.
struct vka_places_product {
    int64_t k;
    const float *a, *b; // b: vectors side by side
    float *c;
    int64_t a_block, c_block; // from one vector of channels to the next
    bool add;
};

// Places of LANES channels each, of a box in a map; `line` floats from row to row.
struct vka_box_of_places {
    const float *places;
    int64_t line, rows, columns;
};

// Windows that slide over a map: taps at offset[j] of lines, `plane` floats a channel.
struct vka_taps {
    int count;
    const int32_t *offset;
    int64_t channels, plane;
    int64_t table_step; // of the table, a channel
};

// What becomes of a sum of likenesses x: ((inside ? scale * x + extra : outside) + bias) * unit.
struct vka_tap_finish {
    float scale, outside, unit;
    const float *extra, *inside; // planes; NULL: nothing, always
    const float *bias;           // a tap; NULL: 0
};

// Rows of at most VKA_SOFTMAX_COLS columns. Arrays of one element a column have room for that many.
enum { VKA_SOFTMAX_COLS = 64 };
struct vka_columns {
    int64_t rows;
    int count;
    const float *x;
    float *y; // may be x, or NULL
    int64_t x_row, y_row;
};

struct vka_kernels {
    const char *name;
    int lanes;
    int tile_rows, tile_cols; // of the register tile
    int wide_cols;            // of a tile of at most VKA_WIDE_ROWS rows
    int strip_cols;           // for at most VKA_STRIP_ROWS rows, a longer one

    // i < rows, j < cols: up to tile_rows x tile_cols or VKA_STRIP_ROWS x strip_cols. Reads whole
    // vectors of b.
    void (*tile)(int rows, int cols, const struct vka_tile *t);
    // Up to VKA_WIDE_ROWS x wide_cols, from rows of a that may lie apart.
    void (*wide)(int rows, int cols, const struct vka_tile *t);
    // As `tile` for up to VKA_STRIP_ROWS rows and fewer than `lanes` columns; reads none past them.
    void (*edge)(int rows, int cols, const struct vka_tile *t);
    // Up to VKA_STRIP_ROWS rows. Reads whole vectors of b.
    void (*lines)(int rows, const struct vka_lines *t);
    // Writes up to a vector more than the lines.
    void (*pad)(const struct vka_pad *p);
    // c[i * c_row + j * c_col] = sum over kk of a[i * a_row + kk] * b[j * b_row + kk], for i up to
    // VKA_DOT_ROWS and j up to VKA_DOT_COLS.
    void (*dot)(int rows, int cols, int64_t k, const float *a, int64_t a_row, const float *b,
                int64_t b_row, float *c, int64_t c_row, int64_t c_col);
    // dst[kk * width + w] = src[w * along + kk * step] for w < width and kk < k, the next `width`
    // columns of src in a panel after it (at dst + width * k), and so on; 0 for w past `count`.
    // Writes nothing else.
    void (*pack)(float *dst, int width, const float *src, int64_t along, int64_t step, int count,
                 int64_t k);

    void (*lanewise)(const struct vka_lanewise *t);

    // From places to points, and from points to places + bias.
    void (*wino_enter)(const struct vka_wino_tiles *t, int64_t count);
    void (*wino_leave)(const struct vka_wino_tiles *t, int64_t count, const float *bias);
    // `rows` places up to tile_rows, `vectors` 1 or 2.
    void (*multiply_places)(int rows, int vectors, const struct vka_places_product *t);
    // dst[i * dst_line + k] = src[k * lanes + i] for i < channels, k < count.
    void (*turn_places)(float *dst, int64_t dst_line, const float *src, int channels,
                        int64_t count);
    // The four corners of place i in a map of places, `map_block` from vector to vector, whose
    // place `nowhere` is 0, for i < count: to dst[vector * dst_block + i * lanes].
    void (*blend_places)(float *dst, int64_t dst_block, const float *map, int64_t map_block,
                         int32_t nowhere, const struct vka_corners *c, int count, int vectors);

    // The largest place or NaN, and the sum, to y[lanes]: rows are summed one by one.
    void (*max_of_box)(const struct vka_box_of_places *b, float *y);
    void (*sum_of_box)(const struct vka_box_of_places *b, float *y);

    // Attention. Logits s[key][query], `width` queries (a multiple of lanes), in units of log 2:
    // see attention_kernel.h. `count` is keys * width.
    void (*add_bias)(float *s, const float *bias, int64_t count, float unit);
    void (*apply_mask)(float *s, const int32_t *mask, int64_t count, bool removes);
    void (*apply_last)(float *s, int width, int64_t keys, const float *last);
    bool (*soften)(float *s, int width, int64_t keys, float *max, float *sum, float *factor);
    void (*give_queries)(float *dst, int64_t step, const float *src, int width, int count,
                         int64_t columns, const float *factor);
    void (*scale_queries)(float *x, int width, int64_t rows, const float *factor);

    // Spans: see cpu/spans.h.
    float (*span_sum)(const float *x, int64_t count);
    float (*span_squares)(const float *x, int64_t count);
    void (*span_deviations)(const float *x, int64_t count, float shift, float *sum, float *squares);
    void (*span_sum_max)(const float *x, int64_t count, float scale, float *sum, float *max);

    // Softmax: see softmax_kernel.h.
    float (*sum_exp)(float *y, const float *x, int64_t count, float shift);
    void (*max_columns)(const struct vka_columns *c, float *most);
    void (*exp_columns)(const struct vka_columns *c, const float *most, double *sum);

    // dst[i] (+)= the sum of the four corners of place i, for i < count (cpu/sample.h).
    void (*blend)(float *dst, int count, const float *x, const struct vka_corners *c, bool add);

    // Sliding windows, `width` of them (a multiple of lanes): see sliding_kernel.h. Logits and
    // weights are s[tap][width], q[channel][width], y[channel][width], table[channel][tap].
    void (*tap_logits)(const struct vka_taps *t, int relation, float *s, int width, const float *q,
                       const float *k, const float *table);
    void (*tap_finish)(const struct vka_taps *t, float *s, int width,
                       const struct vka_tap_finish *f);
    // y += the taps of v times s
    void (*tap_sums)(const struct vka_taps *t, float *y, int width, const float *s, const float *v);
};

// The best ones that this machine has. VKATTN_ISA=avx512, avx2 or plain asks for others (tests).
const struct vka_kernels *vka_kernels(void);
// Warns of a VKATTN_ISA that isn't known, or not to this processor.
void vka_kernels_check(vka_context *context);

// Those of one instruction set by name, NULL where the machine hasn't it.
const struct vka_kernels *vka_kernels_of(const char *name);

#endif
