// SPDX-License-Identifier: MIT
//
// Rows: what reduce, mean_max, softmax, norm and argmax work on. The axes of an array fall into
// those that a row runs along and those that tell rows apart; both are collapsed (ops/strided.h).
#ifndef VKA_OPS_ROWS_H
#define VKA_OPS_ROWS_H

#include "ops/strided.h"

struct vka_rows {
    struct vka_strided kept;    // an element is a row
    struct vka_strided reduced; // the elements of a row
    int64_t rows, columns;
};

// Over the shape of arrays[0], along the axes of the mask; the other arrays broadcast to it. Rows
// are in row-major order of the kept axes. The reduced axes are sorted: the one with the smallest
// steps in arrays[0] is the last, unless `in_order`.
struct vka_rows vka_rows_of(unsigned axes, bool in_order, int n,
                            const struct vka_array *const *arrays);

// A result whose reduced axes may be gone, seen as one where they have size 1.
struct vka_array vka_rows_keep(const struct vka_array *result, const struct vka_array *x,
                               unsigned axes);

// Rows lie side by side: a step along the last kept axis is to the next element, one along a row
// isn't.
bool vka_rows_side_by_side(const struct vka_rows *r);

// A workgroup of `rows` x `lanes` for rows of that kind.
struct vka_row_group {
    uint32_t rows, lanes;
};
struct vka_row_group vka_rows_group(const struct vka_limits *limits, const struct vka_rows *r);

// Four elements at a time, where the device is a program (see vka_strided_fours): along a row, or
// of four rows side by side. Results, one a row, are dense, or the caller looks.
enum vka_rows_fours { VKA_FOURS_NONE, VKA_FOURS_ALONG, VKA_FOURS_ACROSS };
enum vka_rows_fours vka_rows_fours(const struct vka_limits *limits, const struct vka_rows *r,
                                   const struct vka_array *x);

// --- rows that are too long for the lanes of one workgroup ---

// Turns of a lane's loops, of which `passes` run along the row.
double vka_rows_turns(const struct vka_rows *r, uint32_t lanes, int passes);
bool vka_rows_fit(const struct vka_limits *limits, const struct vka_rows *r, int passes);

// An axis cut into `count` parts of `length` elements, and a tail shorter than they are.
struct vka_parts {
    int64_t length, count, tail;
};
// `columns`: elements of a row, over all its axes. A length of 1 where the axis is short.
struct vka_parts vka_parts_of(int64_t size, int64_t columns);
// The parts as an axis more: [..., count, length, ...]; x has fewer than VKA_MAX_RANK axes.
vka_tensor vka_parts_view(vka_graph *g, vka_tensor x, int axis, const struct vka_parts *parts);
vka_tensor vka_parts_tail(vka_graph *g, vka_tensor x, int axis, const struct vka_parts *parts);
// x as three axes, of which `axis` is the second.
vka_tensor vka_rows_three_axes(vka_graph *g, vka_tensor x, int axis);

#endif
