// SPDX-License-Identifier: MIT
#include "blocks/recurrent.h"

#define GATES(kind) ((kind) == VKA_CELL_LSTM ? 4 : 3)

// --- steps ---

// Gates `first` .. `first + count - 1` of [..., G H].
static vka_tensor gates(vka_graph *g, vka_tensor t, int64_t hidden, int first, int count)
{
    return vka_slice(g, t, vka_rank(g, t) - 1, first * hidden, count * hidden);
}

static vka_tensor times(vka_graph *g, vka_tensor x, vka_tensor weight, struct vka_matmul m)
{
    return vka_matmul(g, x, vka_transpose(g, weight, -2, -1), &m);
}

static vka_tensor add_act(vka_graph *g, vka_tensor a, vka_tensor b, int act)
{
    return vka_binary_act(g, VKA_ADD, a, b, (struct vka_activation){act, 0, 0});
}

// from + by * (to - from)
static vka_tensor mix(vka_graph *g, vka_tensor from, vka_tensor to, vka_tensor by)
{
    return vka_add(g, from, vka_mul(g, by, vka_sub(g, to, from)));
}

struct vka_cell_state vka_lstm_gates(vka_graph *g, vka_tensor sum, vka_tensor c)
{
    int64_t hidden = vka_dim(g, c, -1);
    vka_tensor both = vka_act(g, gates(g, sum, hidden, 0, 2), VKA_ACT_SIGMOID);
    vka_tensor i = gates(g, both, hidden, 0, 1), f = gates(g, both, hidden, 1, 1);
    vka_tensor taken = vka_mul(g, i, vka_act(g, gates(g, sum, hidden, 2, 1), VKA_ACT_TANH));
    vka_tensor o = vka_act(g, gates(g, sum, hidden, 3, 1), VKA_ACT_SIGMOID);
    struct vka_cell_state next = {.c = vka_add(g, vka_mul(g, f, c), taken)};
    next.h = vka_mul(g, o, vka_act(g, next.c, VKA_ACT_TANH));
    return next;
}

static struct vka_cell_state lstm_step(vka_graph *g, const struct vka_cell *cell, vka_tensor inputs,
                                       struct vka_cell_state s)
{
    vka_tensor sum = times(g, s.h, cell->weight_hh, (struct vka_matmul){.residual = inputs});
    s = vka_lstm_gates(g, sum, s.c);
    if (cell->weight_hr)
        s.h = times(g, s.h, cell->weight_hr, (struct vka_matmul){0});
    return s;
}

static vka_tensor gru_step(vka_graph *g, const struct vka_cell *cell, vka_tensor a, vka_tensor h)
{
    int64_t hidden = vka_dim(g, h, -1);
    vka_tensor p = times(g, h, cell->weight_hh, (struct vka_matmul){.bias = cell->bias_hh});
    vka_tensor rz =
        add_act(g, gates(g, a, hidden, 0, 2), gates(g, p, hidden, 0, 2), VKA_ACT_SIGMOID);
    vka_tensor r = gates(g, rz, hidden, 0, 1), z = gates(g, rz, hidden, 1, 1);
    vka_tensor q = add_act(g, gates(g, a, hidden, 2, 1), vka_mul(g, r, gates(g, p, hidden, 2, 1)),
                           VKA_ACT_TANH);
    return mix(g, q, h, z);
}

static vka_tensor cho_step(vka_graph *g, const struct vka_cell *cell, vka_tensor a, vka_tensor h)
{
    int64_t hidden = vka_dim(g, h, -1);
    struct vka_matmul of_gates = {.residual = gates(g, a, hidden, 0, 2),
                                  .act = {VKA_ACT_SIGMOID, 0, 0}};
    struct vka_matmul of_new = {.residual = gates(g, a, hidden, 2, 1), .act = {VKA_ACT_TANH, 0, 0}};
    vka_tensor rz = times(g, h, vka_slice(g, cell->weight_hh, 1, 0, 2 * hidden), of_gates);
    vka_tensor r = gates(g, rz, hidden, 0, 1), z = gates(g, rz, hidden, 1, 1);
    vka_tensor weight = vka_slice(g, cell->weight_hh, 1, 2 * hidden, hidden);
    return mix(g, h, times(g, vka_mul(g, r, h), weight, of_new), z);
}

struct vka_cell_state vka_cell_step(vka_graph *g, const struct vka_cell *cell, vka_tensor inputs,
                                    struct vka_cell_state s)
{
    switch (cell->kind) {
    case VKA_CELL_LSTM:
        return lstm_step(g, cell, inputs, s);
    case VKA_CELL_GRU:
        return (struct vka_cell_state){.h = gru_step(g, cell, inputs, s.h)};
    default:
        return (struct vka_cell_state){.h = cho_step(g, cell, inputs, s.h)};
    }
}

vka_tensor vka_cell_inputs(vka_graph *g, const struct vka_cell *cell, vka_tensor x)
{
    vka_tensor bias = cell->bias_ih; // torch's GRU needs the other one inside its step
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
    int32_t *places = vka_pool_alloc(g, (size_t)steps * sizeof *places);
    for (int64_t t = 0; places && t < steps; t++)
        places[t] = (int32_t)t;
    vka_shape row = VKA_SHAPE(1, steps);
    vka_tensor place = places ? vka_constant(g, VKA_I32, &row, places) : 0;
    return vka_binary(g, VKA_LT, place, vka_unsqueeze(g, lengths, 1));
}

// Step k of [D, N, T, W] (or [N, T], of which both directions take their part) as [D, N, W].
static vka_tensor at_step(vka_graph *g, vka_tensor t, int64_t directions, int64_t k)
{
    bool shared = vka_rank(g, t) == 2;
    int64_t n = vka_dim(g, t, shared ? 0 : 1), steps = vka_dim(g, t, shared ? 1 : 2);
    int64_t width = shared ? 1 : vka_dim(g, t, 3), next = shared ? 0 : n * steps * width;
    const int64_t stride[] = {next + (steps - 1 - 2 * k) * width, steps * width, 1};
    return vka_strided(g, t, VKA_SHAPE(directions, n, width), stride, k * width);
}

// The states of all steps, [D, N, Ho] each, by places: [N, T, D Ho].
static vka_tensor by_place(vka_graph *g, vka_tensor *h, int64_t steps)
{
    for (int64_t k = 0; k < steps; k++)
        h[k] = vka_unsqueeze(g, h[k], 2);
    vka_tensor all = vka_concat(g, 2, (int)steps, h); // [D, N, T, Ho]
    vka_tensor forward = vka_squeeze(g, vka_slice(g, all, 0, 0, 1), 0);
    if (vka_dim(g, all, 0) == 1)
        return forward;
    vka_tensor reverse = vka_squeeze(g, vka_slice(g, all, 0, 1, 1), 0);
    reverse = vka_slice_step(g, reverse, 1, steps - 1, steps, -1);
    return VKA_CONCAT(g, 2, forward, reverse);
}

static struct vka_cell_state keep_where(vka_graph *g, vka_tensor valid, struct vka_cell_state next,
                                        struct vka_cell_state old)
{
    next.h = vka_where(g, valid, next.h, old.h);
    if (next.c)
        next.c = vka_where(g, valid, next.c, old.c);
    return next;
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
    vka_tensor *h = vka_pool_alloc(g, (size_t)steps * sizeof *h);
    for (int64_t k = 0; k < steps && !vka_failed(g); k++) {
        struct vka_cell_state next = vka_cell_step(g, cell, at_step(g, inputs, d, k), *state);
        *state = valid ? keep_where(g, at_step(g, valid, d, k), next, *state) : next;
        h[k] = state->h;
    }
    return vka_failed(g) ? 0 : by_place(g, h, steps);
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
    vka_shape shape = VKA_SHAPE(GATES(p->kind) * p->hidden);
    return vka_unsqueeze(s->g, both(s, p, name, layer, shape), 1);
}

static int64_t out_width(const struct vka_stack *p)
{
    return p->proj ? p->proj : p->hidden;
}

struct vka_cell vka_stack_cell(struct vka_scope *s, const struct vka_stack *p, int layer,
                               int64_t width)
{
    int64_t rows = GATES(p->kind) * p->hidden;
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
