// SPDX-License-Identifier: MIT
//
// gather: rows of a table by number. The table may lie in any way: columns of a map are rows of it
// transposed, and only those asked for are read.
#include "ops/infer.h"
#include "ops/ops.h"
#include "cpu/threads.h"
#include "gather.h"

#include <string.h>

enum { TABLE, IDS };

vka_tensor vka_gather(vka_graph *g, vka_tensor table, vka_tensor ids)
{
    vka_tensor y = vka_gather_known(g, table, ids);
    vka_check_range(g, ids, 0, vka_dim(g, table, 0) - 1, "ids");
    return y;
}

vka_tensor vka_gather_known(vka_graph *g, vka_tensor table, vka_tensor ids)
{
    return vka_add_node(g, &vka_op_gather, NULL, 2, (const vka_tensor[]){table, vka_dense(g, ids)},
                        NULL);
}

static bool infer(struct vka_infer *n)
{
    if (!vka_infer_present(n, "gather", TABLE) || !vka_infer_type(n, "gather", IDS, VKA_I32))
        return false;
    const vka_shape *table = &n->in[TABLE]->shape, *ids = &n->in[IDS]->shape;
    char a[VKA_SHAPE_TEXT], b[VKA_SHAPE_TEXT];
    if (table->rank != 2 || ids->rank >= VKA_MAX_RANK || table->dim[0] > INT32_MAX) {
        vka_fail(n->g,
                 "gather: a table of shape %s and ids of shape %s: [V, E] and up to %d axes go",
                 vka_shape_text(table, a), vka_shape_text(ids, b), VKA_MAX_RANK - 1);
        return false;
    }
    n->n_out = 1;
    n->out_dtype[0] = n->in[TABLE]->dtype;
    n->out_shape[0] = *ids;
    n->out_shape[0].dim[n->out_shape[0].rank++] = table->dim[1];
    return true;
}

struct gathering {
    const uint32_t *table;
    const int32_t *ids;
    uint32_t *y;
    int64_t rows, width, count, per_piece;
    int64_t row, step; // of the table, in elements
};

static void run_piece(void *arg, int64_t piece, int thread)
{
    const struct gathering *c = arg;
    int64_t end = (piece + 1) * c->per_piece;
    (void)thread;
    for (int64_t i = piece * c->per_piece; i < end && i < c->count; i++) {
        int64_t id = c->ids[i];
        id = id < 0 ? 0 : id >= c->rows ? c->rows - 1 : id;
        const uint32_t *from = c->table + id * c->row;
        uint32_t *y = c->y + i * c->width;
        if (c->step == 1)
            memcpy(y, from, (size_t)c->width * 4);
        for (int64_t k = 0; k < c->width && c->step != 1; k++)
            y[k] = from[k * c->step];
    }
}

static void cpu(const struct vka_cpu_run *run)
{
    const struct vka_args *args = run->args;
    struct gathering c = {.table = args->in[TABLE].data,
                          .ids = args->in[IDS].data,
                          .y = args->out[0].data,
                          .rows = args->in[TABLE].dim[0],
                          .width = args->in[TABLE].dim[1],
                          .count = vka_array_count(&args->in[IDS]),
                          .row = args->in[TABLE].stride[0],
                          .step = args->in[TABLE].stride[1]};
    int64_t pieces = vka_pieces(run->threads, c.count, c.count * c.width);
    c.per_piece = (c.count + pieces - 1) / pieces;
    vka_parallel(run->threads, pieces, run_piece, &c);
}

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    const struct vka_array *table = &args->in[TABLE];
    int64_t count = vka_array_count(&args->out[0]);
    vka_launch_most(l, "elements of gather", count, UINT32_MAX);
    struct vka_dispatch d;
    vka_begin(l, &d, table->dtype == VKA_F32 ? "gather" : "gather_int", 64, 1, 1);
    struct vka_push_gather push = {.count = (uint32_t)count,
                                   .width = (uint32_t)table->dim[1],
                                   .rows = (uint32_t)table->dim[0],
                                   .row = (uint32_t)table->stride[0],
                                   .step = (uint32_t)table->stride[1]};
    push.table = vka_bind(l, &d, table, VKA_READ);
    push.ids = vka_bind(l, &d, &args->in[IDS], VKA_READ);
    push.y = vka_bind(l, &d, &args->out[0], VKA_WRITE);
    VKA_PUSH(&d, push);
    vka_no_loops(&d);
    vka_emit(l, &d, ((uint64_t)count + 63) / 64, 1, 1);
}

static const struct vka_variant variants[] = {{"baseline", NULL, launch}, {0}};

const struct vka_op vka_op_gather = {
    .name = "gather",
    .summary = "rows of a table by number",
    .flags = VKA_OP_STRIDED,
    .infer = infer,
    .cpu = cpu,
    .variants = variants,
};
