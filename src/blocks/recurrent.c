// SPDX-License-Identifier: MIT
#include "blocks/recurrent.h"
#include "blocks/select.h"

// --- steps ---

static vka_tensor times(vka_graph *g, vka_tensor x, vka_tensor weight, struct vka_matmul m)
{
    return vka_matmul(g, x, vka_transpose(g, weight, -2, -1), &m);
}

// torch's GRU needs the bias of its product inside of its step; with the others it enters with the
// inputs.
static struct vka_recurrent recurrent_of(const struct vka_cell *cell, struct vka_cell_state state)
{
    return (struct vka_recurrent){.kind = cell->kind,
                                  .weight_hh = cell->weight_hh,
                                  .bias_hh = cell->kind == VKA_CELL_GRU ? cell->bias_hh : 0,
                                  .weight_hr = cell->weight_hr,
                                  .h = state.h,
                                  .c = state.c};
}

struct vka_cell_state vka_cell_step(vka_graph *g, const struct vka_cell *cell, vka_tensor inputs,
                                    struct vka_cell_state state)
{
    struct vka_recurrent p = recurrent_of(cell, state);
    vka_recurrent_step(g, inputs, &p);
    return (struct vka_cell_state){p.h, p.c};
}

vka_tensor vka_cell_inputs(vka_graph *g, const struct vka_cell *cell, vka_tensor x)
{
    vka_tensor bias = cell->bias_ih;
    if (bias && cell->bias_hh && cell->kind != VKA_CELL_GRU)
        bias = vka_add(g, bias, cell->bias_hh);
    return times(g, x, cell->weight_ih, (struct vka_matmul){.bias = bias});
}

// --- a layer ---

bool vka_steps_fit(struct vka_scope *s, int64_t steps)
{
    if (!vka_failed(s->g) && steps > VKA_MAX_STEPS)
        vka_scope_fail(s, "%lld steps are more than %d", (long long)steps, VKA_MAX_STEPS);
    return !vka_failed(s->g);
}

vka_tensor vka_zeros(vka_graph *g, vka_shape shape)
{
    return vka_broadcast_to(g, vka_constant_scalar(g, 0), shape);
}

vka_tensor vka_int(vka_graph *g, int64_t value)
{
    vka_shape shape = {0};
    return vka_constant(g, VKA_I32, &shape, &(int32_t){(int32_t)value});
}

vka_tensor vka_valid_steps(struct vka_scope *s, const char *name, vka_tensor lengths, int64_t n,
                           int64_t steps)
{
    vka_graph *g = s->g;
    if (!lengths || !vka_expect(s, name, lengths, VKA_SHAPE(n)) || !vka_steps_fit(s, steps))
        return 0;
    vka_check_range(g, lengths, 1, steps, name);
    vka_tensor place = vka_numbers(g, 0, 1, steps);
    return vka_binary(g, VKA_LT, place, vka_unsqueeze(g, lengths, 1));
}

vka_tensor vka_cell_run(struct vka_scope *s, const struct vka_cell *cell, vka_tensor x,
                        vka_tensor valid, struct vka_cell_state *state)
{
    vka_graph *g = s->g;
    int64_t n = vka_dim(g, x, 0), steps = vka_dim(g, x, 1), d = vka_dim(g, cell->weight_ih, 0);
    vka_tensor inputs = vka_cell_inputs(g, cell, vka_flatten(g, x, 0, 1));
    inputs = vka_reshape(g, inputs, VKA_SHAPE(d, n, steps, vka_dim(g, inputs, -1)));
    if (!vka_steps_fit(s, steps))
        return 0;
    struct vka_recurrent p = recurrent_of(cell, *state);
    p.valid = valid;
    vka_tensor y = vka_recurrent(g, inputs, &p);
    *state = (struct vka_cell_state){p.h, p.c};
    return y;
}

vka_tensor vka_join_steps(struct vka_scope *s, const vka_tensor *step, int64_t steps)
{
    vka_tensor *all = vka_pool_alloc(s->g, (size_t)steps * sizeof *all);
    for (int64_t t = 0; t < steps && !vka_failed(s->g); t++)
        all[t] = vka_unsqueeze(s->g, step[t], 1);
    return vka_failed(s->g) ? 0 : vka_concat(s->g, 1, (int)steps, all);
}

// --- layers ---

// Both directions' weights of a name one on the other, [D, ...].
static vka_tensor both(struct vka_scope *s, const struct vka_stack *p, const char *name, int layer,
                       vka_shape shape)
{
    vka_graph *g = s->g;
    vka_tensor w[2];
    for (int d = 0; d < p->directions; d++) {
        const char *full = vka_name(s, "%s%s_l%d%s", p->prefix, name, layer, d ? "_reverse" : "");
        w[d] = vka_unsqueeze(g, vka_weight(s, full, shape), 0);
    }
    return vka_concat(g, 0, (int)p->directions, w);
}

static vka_tensor both_biases(struct vka_scope *s, const struct vka_stack *p, const char *name,
                              int layer)
{
    if (!p->bias)
        return 0;
    vka_shape shape = VKA_SHAPE(vka_cell_gates(p->kind) * p->hidden);
    return vka_unsqueeze(s->g, both(s, p, name, layer, shape), 1);
}

static int64_t out_width(const struct vka_stack *p)
{
    return p->proj ? p->proj : p->hidden;
}

struct vka_cell vka_stack_cell(struct vka_scope *s, const struct vka_stack *p, int layer,
                               int64_t width)
{
    int64_t rows = vka_cell_gates(p->kind) * p->hidden;
    struct vka_cell cell = {
        .kind = p->kind,
        .weight_ih = both(s, p, "weight_ih", layer, VKA_SHAPE(rows, width)),
        .weight_hh = both(s, p, "weight_hh", layer, VKA_SHAPE(rows, out_width(p))),
        .bias_ih = both_biases(s, p, "bias_ih", layer),
        .bias_hh = both_biases(s, p, "bias_hh", layer),
    };
    if (p->proj)
        cell.weight_hr = both(s, p, "weight_hr", layer, VKA_SHAPE(p->proj, p->hidden));
    return cell;
}

static vka_tensor start_of(struct vka_scope *s, const struct vka_stack *p, const char *name,
                           vka_tensor all, int64_t n, int64_t width)
{
    vka_shape shape = VKA_SHAPE(p->layers * p->directions, n, width);
    if (!all)
        return vka_zeros(s->g, shape);
    vka_expect(s, name, all, shape);
    return all;
}

vka_tensor vka_stack_run(struct vka_scope *s, struct vka_stack *p, vka_tensor x)
{
    vka_graph *g = s->g;
    bool lstm = p->kind == VKA_CELL_LSTM;
    int64_t n = vka_dim(g, x, 0), d = p->directions;
    vka_tensor h0 = start_of(s, p, "h0", p->h, n, out_width(p));
    vka_tensor c0 = lstm ? start_of(s, p, "c0", p->c, n, p->hidden) : 0;
    vka_tensor h[VKA_MAX_LAYERS], c[VKA_MAX_LAYERS];
    vka_tensor valid = p->valid ? vka_unsqueeze(g, p->valid, 2) : 0;
    for (int l = 0; l < p->layers && !vka_failed(g); l++) {
        struct vka_cell cell = vka_stack_cell(s, p, l, vka_dim(g, x, -1));
        struct vka_cell_state state = {.h = vka_slice(g, h0, 0, l * d, d),
                                       .c = lstm ? vka_slice(g, c0, 0, l * d, d) : 0};
        x = vka_cell_run(s, &cell, x, p->valid, &state);
        if (valid)
            x = vka_where(g, valid, x, vka_constant_scalar(g, 0));
        h[l] = state.h;
        c[l] = state.c;
    }
    if (vka_failed(g))
        return 0;
    p->h = vka_concat(g, 0, (int)p->layers, h);
    p->c = lstm ? vka_concat(g, 0, (int)p->layers, c) : 0;
    return x;
}
