// SPDX-License-Identifier: MIT
#include "cpu/activation.h"
#include "cpu/gemm.h"
#include "cpu/simd.h"

VKA_CLONES static void scale(float *out, int64_t n, float alpha)
{
    for (int64_t j = 0; j < n; j++)
        out[j] *= alpha;
}

VKA_CLONES static void add(float *out, int64_t n, const float *added, int64_t step)
{
    if (step == 1) {
        for (int64_t j = 0; j < n; j++)
            out[j] += added[j];
    } else if (step == 0) {
        const float one = *added;
        for (int64_t j = 0; j < n; j++)
            out[j] += one;
    } else {
        for (int64_t j = 0; j < n; j++)
            out[j] += added[j * step];
    }
}

static void swap(int64_t *a, int64_t *b)
{
    int64_t t = *a;
    *a = *b;
    *b = t;
}

// Rows that follow each other in every matrix are one row.
static void join_rows(const struct vka_epilogue *e, int64_t *rows, int64_t *cols, int64_t out_row)
{
    bool joins = *rows == 1 || out_row == *cols;
    for (int i = 0; i < 2; i++)
        joins = joins && (!e->added[i] || *rows == 1 || e->row[i] == *cols * e->col[i]);
    if (joins) {
        *cols *= *rows;
        *rows = 1;
    }
}

void vka_epilogue_run(const struct vka_epilogue *given, float *out, int64_t rows, int64_t cols,
                      int64_t out_row, int64_t out_col)
{
    struct vka_epilogue e = *given;
    if (out_col != 1) { // one of the two is 1: the outputs are dense
        swap(&rows, &cols);
        swap(&out_row, &out_col);
        swap(&e.row[0], &e.col[0]);
        swap(&e.row[1], &e.col[1]);
    }
    join_rows(&e, &rows, &cols, out_row);
    for (int64_t i = 0; i < rows; i++) {
        float *line = out + i * out_row;
        if (e.alpha != 1)
            scale(line, cols, e.alpha);
        for (int s = 0; s < 2; s++) {
            if (e.added[s])
                add(line, cols, e.added[s] + i * e.row[s], e.col[s]);
        }
        if (e.act.kind != VKA_ACT_NONE)
            vka_activate_span(e.act, line, line, cols);
    }
}
