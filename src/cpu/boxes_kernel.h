// SPDX-License-Identifier: MIT
//
// Kernels of boxes in a map of places, for the instruction set of the file that includes this. A
// place is LANES channels side by side. Rows are taken up to four at a time, each with a result of
// its own: none waits for another.
#include "cpu/kernels.h"
#include "cpu/vector.h"

enum { BOX_ROWS = 4 };

INLINE vec box_joined(bool max, vec all, vec v)
{
    if (max)
        return v_max_or_nan(all, v);
    return all + v;
}

// Results of up to BOX_ROWS rows; `rows` and `max` are constants where this is called.
INLINE void box_rows(const struct vka_box_of_places *b, const float *first, int rows, bool max,
                     vec result[BOX_ROWS])
{
    UNROLL for (int i = 0; i < rows; i++)
    {
        result[i] = v_set(max ? -__builtin_inff() : 0);
    }
    for (int64_t at = 0; at < b->columns * LANES; at += LANES) {
        UNROLL for (int i = 0; i < rows; i++)
        {
            vec v = v_load(first + i * b->line + at);
            result[i] = box_joined(max, result[i], v);
        }
    }
}

INLINE void box_of(const struct vka_box_of_places *b, bool max, float *y)
{
    const vec start = v_set(max ? -__builtin_inff() : 0);
    vec all = start, result[BOX_ROWS] = {start};
    int64_t row = 0;
    for (; row + BOX_ROWS <= b->rows; row += BOX_ROWS) {
        box_rows(b, b->places + row * b->line, BOX_ROWS, max, result);
        UNROLL for (int i = 0; i < BOX_ROWS; i++)
        {
            all = box_joined(max, all, result[i]);
        }
    }
    for (; row < b->rows; row++) {
        box_rows(b, b->places + row * b->line, 1, max, result);
        all = box_joined(max, all, result[0]);
    }
    v_store(y, all);
}

KERNEL static void max_of_box(const struct vka_box_of_places *b, float *y)
{
    box_of(b, true, y);
}

KERNEL static void sum_of_box(const struct vka_box_of_places *b, float *y)
{
    box_of(b, false, y);
}
