// SPDX-License-Identifier: MIT
//
// cell: what a recurrent cell does after its products, element by element, in one step.
#include "cell.h" // push constants
#include "cpu/cell.h"
#include "cpu/threads.h"
#include "ops/infer.h"
#include "ops/ops.h"

enum { A, B, H, INPUTS };
enum { NEXT_H, NEXT_C };
struct params {
    int kind;
};

vka_tensor vka_cell(vka_graph *g, enum vka_cell_kind kind, vka_tensor a, vka_tensor b, vka_tensor h,
                    vka_tensor *c)
{
    struct params params = {(int)kind};
    vka_tensor out[VKA_MAX_OUT] = {0};
    vka_add_node(g, &vka_op_cell, &params, INPUTS, (const vka_tensor[]){a, b, h}, out);
    if (c)
        *c = out[NEXT_C];
    return out[NEXT_H];
}

// Widths of the operands, in units.
static const int widths[][INPUTS] = {
    [VKA_CELL_LSTM] = {4, 1, 0}, [VKA_CELL_GRU] = {3, 3, 1}, [VKA_CELL_CHO] = {1, 2, 1}};

static bool infer_operand(struct vka_infer *n, int role, const vka_shape *state, int width)
{
    vka_shape want = *state;
    want.dim[want.rank - 1] *= width;
    const vka_shape *own = &n->in[role]->shape;
    bool same = own->rank == want.rank;
    for (int i = 0; same && i < own->rank; i++)
        same = own->dim[i] == want.dim[i];
    char a[VKA_SHAPE_TEXT], b[VKA_SHAPE_TEXT];
    if (!same)
        vka_fail(n->g, "cell: operand %d is %s, but must be %s beside the state", role,
                 vka_shape_text(own, a), vka_shape_text(&want, b));
    return same;
}

static bool infer(struct vka_infer *n)
{
    int kind = ((const struct params *)n->params)->kind;
    bool lstm = kind == VKA_CELL_LSTM;
    for (int i = 0; i < INPUTS; i++) {
        if (widths[kind][i] && !vka_infer_type(n, "cell", i, VKA_F32))
            return false;
    }
    const vka_shape *state = &n->in[lstm ? B : H]->shape;
    if (state->rank < 1)
        return vka_fail(n->g, "cell: the state has no axis"), false;
    for (int i = 0; i < INPUTS; i++) {
        if (widths[kind][i] && !infer_operand(n, i, state, widths[kind][i]))
            return false;
    }
    n->n_out = lstm ? 2 : 1;
    n->out_shape[NEXT_H] = n->out_shape[NEXT_C] = *state;
    return true;
}

// --- CPU ---

enum { SPAN = 256 }; // units at a time

struct job {
    int kind;
    const float *a, *b, *h; // h: c of an LSTM
    float *next_h, *next_c;
    int64_t hidden, spans; // a row's
};

// Units first .. first + count - 1 of a row.
static void run_units(const struct job *job, int64_t row, int64_t first, int64_t count)
{
    int64_t hidden = job->hidden, at = row * hidden + first;
    float *next_h = job->next_h + at;
    const float *a[4] = {0}, *b[3] = {0}, *h = job->h + at;
    for (int i = 0; i < widths[job->kind][A]; i++)
        a[i] = job->a + (row * widths[job->kind][A] + i) * hidden + first;
    for (int i = 0; i < widths[job->kind][B]; i++)
        b[i] = job->b + (row * widths[job->kind][B] + i) * hidden + first;
    if (job->kind == VKA_CELL_LSTM)
        vka_lstm_span(a, h, next_h, job->next_c + at, count);
    else if (job->kind == VKA_CELL_GRU)
        vka_gru_span(a, b, h, next_h, count);
    else
        vka_cho_span(a[0], b[1], h, next_h, count);
}

struct share {
    const struct job *job;
    int64_t units, pieces; // units: spans of all rows
};

static void run_piece(void *arg, int64_t piece, int thread)
{
    const struct share *s = arg;
    const struct job *job = s->job;
    (void)thread;
    int64_t end = s->units * (piece + 1) / s->pieces;
    for (int64_t u = s->units * piece / s->pieces; u < end; u++) {
        int64_t first = u % job->spans * SPAN, left = job->hidden - first;
        run_units(job, u / job->spans, first, left < SPAN ? left : SPAN);
    }
}

static const struct vka_array *state_of(const struct vka_args *args)
{
    const struct params *p = args->params;
    return &args->in[p->kind == VKA_CELL_LSTM ? B : H];
}

static void cpu(const struct vka_cpu_run *run)
{
    const struct vka_args *args = run->args;
    const struct params *p = args->params;
    const struct vka_array *state = state_of(args);
    struct job job = {.kind = p->kind,
                      .a = args->in[A].data,
                      .b = args->in[B].data,
                      .h = state->data,
                      .next_h = args->out[NEXT_H].data,
                      .next_c = p->kind == VKA_CELL_LSTM ? args->out[NEXT_C].data : NULL,
                      .hidden = state->dim[state->rank - 1]};
    job.spans = (job.hidden + SPAN - 1) / SPAN;
    int64_t count = vka_array_count(state);
    struct share s = {.job = &job, .units = count / job.hidden * job.spans};
    s.pieces = vka_pieces(run->threads, s.units, count * 64);
    vka_parallel(run->threads, s.pieces, run_piece, &s);
}

// --- Vulkan ---

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    enum { INVOCATIONS = 64 };
    const struct params *p = args->params;
    const struct vka_array *state = state_of(args);
    bool lstm = p->kind == VKA_CELL_LSTM;
    int64_t count = vka_array_count(state), hidden = state->dim[state->rank - 1];
    vka_launch_most(l, "elements of cell", count, UINT32_MAX / 4);
    struct vka_dispatch d;
    vka_begin(l, &d, lstm ? "cell_lstm" : "cell", INVOCATIONS, 1, 1);
    vka_constant_u32(&d, (uint32_t)p->kind);
    struct vka_push_cell push = {.count = (uint)count, .hidden = (uint)hidden};
    push.a = vka_bind(l, &d, &args->in[A], VKA_READ);
    push.b = vka_bind(l, &d, &args->in[B], VKA_READ);
    // The third one is read or written: h, or the next c.
    if (lstm)
        push.h = vka_bind(l, &d, &args->out[NEXT_C], VKA_WRITE);
    else
        push.h = vka_bind(l, &d, &args->in[H], VKA_READ);
    push.next = vka_bind(l, &d, &args->out[NEXT_H], VKA_WRITE);
    VKA_PUSH(&d, push);
    vka_no_loops(&d);
    vka_emit(l, &d, ((uint64_t)count + INVOCATIONS - 1) / INVOCATIONS, 1, 1);
}

static const struct vka_variant variants[] = {{"baseline", NULL, launch}, {0}};

// --- in other operations ---

static vka_tensor gates(vka_graph *g, vka_tensor t, int64_t hidden, int first, int count)
{
    return vka_slice(g, t, vka_rank(g, t) - 1, first * hidden, count * hidden);
}

// from + by * (to - from)
static vka_tensor mix(vka_graph *g, vka_tensor from, vka_tensor to, vka_tensor by)
{
    return vka_add(g, from, vka_mul(g, by, vka_sub(g, to, from)));
}

static void expand_lstm(vka_graph *g, vka_tensor sum, vka_tensor c, vka_tensor out[VKA_MAX_OUT])
{
    int64_t hidden = vka_dim(g, c, -1);
    vka_tensor both = vka_act(g, gates(g, sum, hidden, 0, 2), VKA_ACT_SIGMOID);
    vka_tensor i = gates(g, both, hidden, 0, 1), f = gates(g, both, hidden, 1, 1);
    vka_tensor taken = vka_mul(g, i, vka_act(g, gates(g, sum, hidden, 2, 1), VKA_ACT_TANH));
    vka_tensor o = vka_act(g, gates(g, sum, hidden, 3, 1), VKA_ACT_SIGMOID);
    out[NEXT_C] = vka_add(g, vka_mul(g, f, c), taken);
    out[NEXT_H] = vka_mul(g, o, vka_act(g, out[NEXT_C], VKA_ACT_TANH));
}

static vka_tensor expand_gru(vka_graph *g, vka_tensor a, vka_tensor p, vka_tensor h)
{
    int64_t hidden = vka_dim(g, h, -1);
    vka_tensor rz = vka_binary_act(g, VKA_ADD, gates(g, a, hidden, 0, 2), gates(g, p, hidden, 0, 2),
                                   (struct vka_activation){VKA_ACT_SIGMOID, 0, 0});
    vka_tensor r = gates(g, rz, hidden, 0, 1), z = gates(g, rz, hidden, 1, 1);
    vka_tensor q = vka_binary_act(g, VKA_ADD, gates(g, a, hidden, 2, 1),
                                  vka_mul(g, r, gates(g, p, hidden, 2, 1)),
                                  (struct vka_activation){VKA_ACT_TANH, 0, 0});
    return mix(g, q, h, z);
}

static void expand(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    const struct params *p = node->params;
    vka_tensor a = node->in[A], b = node->in[B], h = node->in[H];
    if (p->kind == VKA_CELL_LSTM)
        expand_lstm(g, a, b, out);
    else if (p->kind == VKA_CELL_GRU)
        out[NEXT_H] = expand_gru(g, a, b, h);
    else
        out[NEXT_H] = mix(g, h, a, gates(g, b, vka_dim(g, h, -1), 1, 1));
}

const struct vka_op vka_op_cell = {
    .name = "cell",
    .summary = "gates and next state of a recurrent cell, element by element",
    .params_size = sizeof(struct params),
    .flags = VKA_OP_FUSED | VKA_OP_WHOLE,
    .infer = infer,
    .cpu = cpu,
    .variants = variants,
    .expand = expand,
};
