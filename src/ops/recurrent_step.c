// SPDX-License-Identifier: MIT
//
// One step of a recurrent cell: its products, then the op `cell`. For decoders, whose next input
// hangs on the step before, and for the expansion of `recurrent`.
#include "ops/ops.h"

static vka_tensor times(vka_graph *g, vka_tensor x, vka_tensor weight, struct vka_matmul m)
{
    return vka_matmul(g, x, vka_transpose(g, weight, -2, -1), &m);
}

static void cho_step(vka_graph *g, vka_tensor a, struct vka_recurrent *p)
{
    int64_t hidden = vka_dim(g, p->h, -1);
    struct vka_matmul of_gates = {.residual = vka_slice(g, a, 2, 0, 2 * hidden),
                                  .act = {VKA_ACT_SIGMOID, 0, 0}};
    struct vka_matmul of_new = {.residual = vka_slice(g, a, 2, 2 * hidden, hidden),
                                .act = {VKA_ACT_TANH, 0, 0}};
    vka_tensor rz = times(g, p->h, vka_slice(g, p->weight_hh, 1, 0, 2 * hidden), of_gates);
    vka_tensor kept = vka_mul(g, vka_slice(g, rz, 2, 0, hidden), p->h);
    vka_tensor weight = vka_slice(g, p->weight_hh, 1, 2 * hidden, hidden);
    p->h = vka_cell(g, VKA_CELL_CHO, times(g, kept, weight, of_new), rz, p->h, NULL);
}

void vka_recurrent_step(vka_graph *g, vka_tensor inputs, struct vka_recurrent *p)
{
    if (p->kind == VKA_CELL_CHO) {
        cho_step(g, inputs, p);
    } else if (p->kind == VKA_CELL_GRU) {
        vka_tensor b = times(g, p->h, p->weight_hh, (struct vka_matmul){.bias = p->bias_hh});
        p->h = vka_cell(g, p->kind, inputs, b, p->h, NULL);
    } else {
        vka_tensor sum = times(g, p->h, p->weight_hh, (struct vka_matmul){.residual = inputs});
        p->h = vka_cell(g, p->kind, sum, p->c, 0, &p->c);
        if (p->weight_hr)
            p->h = times(g, p->h, p->weight_hr, (struct vka_matmul){0});
    }
}
