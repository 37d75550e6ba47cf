// SPDX-License-Identifier: MIT
//
// recurrent: all steps of a layer of recurrent cells. A step is small and waits for the one before
// it: what counts is that it costs one dispatch (or one meeting of the threads), and that the
// weights are read as they lie. So they are packed, once a plan: see cpu/recurrent.h.
#include "cpu/recurrent.h"
#include "ops/infer.h"
#include "ops/move.h"
#include "ops/ops.h"
#include "util/whole.h"
#include "recurrent.h" // push constants

// CARRY: [slots, D, N, H], c of an LSTM in its first slot; the other slots are for work.
enum { X, WEIGHT, PROJ, H0, C0, VALID, INPUTS };
enum { Y, CARRY };

struct params {
    int kind;
    int64_t hidden, out;
    bool bias; // is the last k of the weight
};

static const char *const names[INPUTS] = {"inputs", "weight", "projection", "h", "c", "valid"};

static int slots_of(const struct params *p, bool proj)
{
    if (p->kind == VKA_CELL_GRU)
        return 0;
    return p->kind == VKA_CELL_CHO || proj ? 2 : 1;
}

// --- packed weights ---

// [D, G R, K] to [D, panels, K, G, UNITS].
static vka_tensor pack(vka_graph *g, vka_tensor w, int64_t gates)
{
    vka_shape s = vka_shape_of(g, w);
    int64_t rows = s.dim[1] / gates, panels = vka_panels(rows);
    w = vka_reshape(g, w, VKA_SHAPE(s.dim[0], gates, rows, s.dim[2]));
    const int64_t before[4] = {0}, after[4] = {0, 0, panels * VKA_UNITS - rows, 0};
    if (after[2])
        w = vka_pad(g, w, VKA_PAD_ZEROS, before, after, 0);
    w = vka_reshape(g, w, VKA_SHAPE(s.dim[0], gates, panels, VKA_UNITS, s.dim[2]));
    return vka_copy(g, vka_permute(g, w, (const int[]){0, 2, 4, 1, 3}));
}

// And back, as [D, G, R, K].
static vka_tensor unpack(vka_graph *g, vka_tensor w, int64_t rows)
{
    vka_shape s = vka_shape_of(g, w);
    w = vka_copy(g, vka_permute(g, w, (const int[]){0, 3, 1, 4, 2}));
    w = vka_reshape(g, w, VKA_SHAPE(s.dim[0], s.dim[3], s.dim[1] * VKA_UNITS, s.dim[2]));
    return vka_slice(g, w, 2, 0, rows);
}

// --- the constructor ---

static bool fail_weight(vka_graph *g, const char *what, vka_tensor w, vka_tensor inputs)
{
    char a[VKA_SHAPE_TEXT], b[VKA_SHAPE_TEXT];
    vka_shape sw = vka_shape_of(g, w), si = vka_shape_of(g, inputs);
    vka_fail(g, "recurrent: the %s is %s, which doesn't fit the inputs %s", what,
             vka_shape_text(&sw, a), vka_shape_text(&si, b));
    return false;
}

// What has to hold before weights can be packed; the rest is infer's.
static bool weights_fit(vka_graph *g, vka_tensor inputs, const struct vka_recurrent *p)
{
    int gates = vka_cell_gates(p->kind);
    if (vka_failed(g))
        return false;
    if (vka_rank(g, inputs) != 4 || vka_dim(g, inputs, 3) % gates != 0)
        return fail_weight(g, "weight", p->weight_hh, inputs);
    int64_t d = vka_dim(g, inputs, 0), rows = vka_dim(g, inputs, 3);
    if (vka_rank(g, p->weight_hh) != 3 || vka_dim(g, p->weight_hh, 0) != d ||
        vka_dim(g, p->weight_hh, 1) != rows)
        return fail_weight(g, "weight", p->weight_hh, inputs);
    if (p->bias_hh && (vka_dim(g, p->bias_hh, 0) != d || vka_dim(g, p->bias_hh, -1) != rows ||
                       vka_elements(g, p->bias_hh) != d * rows))
        return fail_weight(g, "bias", p->bias_hh, inputs);
    if (p->weight_hr && (vka_rank(g, p->weight_hr) != 3 || vka_dim(g, p->weight_hr, 0) != d ||
                         vka_dim(g, p->weight_hr, 2) != rows / gates ||
                         vka_dim(g, p->weight_hr, 1) != vka_dim(g, p->weight_hh, 2)))
        return fail_weight(g, "projection", p->weight_hr, inputs);
    return true;
}

// h at each direction's last place, [D, N, Ho]: a view of y.
static vka_tensor last_of(vka_graph *g, vka_tensor y, int64_t directions)
{
    int64_t n = vka_dim(g, y, 0), steps = vka_dim(g, y, 1), width = vka_dim(g, y, 2);
    int64_t out = width / directions, last = (steps - 1) * width;
    const int64_t stride[] = {out - last, steps * width, 1};
    return vka_strided(g, y, VKA_SHAPE(directions, n, out), stride, last);
}

vka_tensor vka_recurrent(vka_graph *g, vka_tensor inputs, struct vka_recurrent *p)
{
    if (!weights_fit(g, inputs, p))
        return 0;
    int gates = vka_cell_gates(p->kind);
    vka_tensor weight = p->weight_hh;
    int64_t d = vka_dim(g, inputs, 0), rows = vka_dim(g, inputs, 3);
    struct params params = {.kind = (int)p->kind,
                            .hidden = rows / gates,
                            .out = vka_dim(g, weight, 2),
                            .bias = p->bias_hh != 0};
    if (p->bias_hh)
        weight = VKA_CONCAT(g, 2, weight, vka_reshape(g, p->bias_hh, VKA_SHAPE(d, rows, 1)));
    vka_tensor out[VKA_MAX_OUT] = {0},
               in[INPUTS] = {[X] = inputs,          [WEIGHT] = pack(g, weight, gates),
                             [PROJ] = p->weight_hr, [H0] = p->h,
                             [C0] = p->c,           [VALID] = p->valid};
    if (p->weight_hr)
        in[PROJ] = pack(g, p->weight_hr, 1);
    vka_tensor y = vka_add_node(g, &vka_op_recurrent, &params, INPUTS, in, out);
    if (vka_failed(g))
        return 0;
    p->h = last_of(g, y, d);
    if (p->kind == VKA_CELL_LSTM)
        p->c = vka_squeeze(g, vka_slice(g, out[CARRY], 0, 0, 1), 0);
    return y;
}

// --- shapes ---

static bool infer_shape(struct vka_infer *n, int role, vka_dtype dtype, vka_shape want)
{
    char a[VKA_SHAPE_TEXT], b[VKA_SHAPE_TEXT];
    if (!vka_infer_type(n, "recurrent", role, dtype))
        return false;
    const vka_shape *own = &n->in[role]->shape;
    bool same = own->rank == want.rank;
    for (int i = 0; same && i < own->rank; i++)
        same = own->dim[i] == want.dim[i];
    if (!same)
        vka_fail(n->g, "recurrent: %s is %s, but must be %s", names[role], vka_shape_text(own, a),
                 vka_shape_text(&want, b));
    return same;
}

static bool infer(struct vka_infer *n)
{
    const struct params *p = n->params;
    if (!vka_infer_type(n, "recurrent", X, VKA_F32))
        return false;
    const int64_t *x = n->in[X]->shape.dim;
    int gates = vka_cell_gates((enum vka_cell_kind)p->kind), proj = n->in[PROJ] != NULL;
    bool lstm = p->kind == VKA_CELL_LSTM;
    if (p->out != p->hidden && !(lstm && proj))
        return vka_fail(n->g, "recurrent: states are %lld wide, cells %lld, without a projection",
                        (long long)p->out, (long long)p->hidden),
               false;
    if ((proj || n->in[C0]) && !lstm)
        return vka_fail(n->g, "recurrent: only an LSTM has a projection and c"), false;
    if (p->bias && p->kind != VKA_CELL_GRU)
        return vka_fail(n->g, "recurrent: a bias of its own is for the GRU"), false;
    int slots = slots_of(p, proj);
    n->n_out = slots ? 2 : 1;
    n->out_shape[Y] = VKA_SHAPE(x[1], x[2], x[0] * p->out);
    n->out_shape[CARRY] = VKA_SHAPE(slots ? slots : 1, x[0], x[1], p->hidden);
    int64_t panels = vka_panels(p->hidden);
    return infer_shape(n, X, VKA_F32, VKA_SHAPE(x[0], x[1], x[2], gates * p->hidden)) &&
           infer_shape(n, WEIGHT, VKA_F32,
                       VKA_SHAPE(x[0], panels, p->out + p->bias, gates, VKA_UNITS)) &&
           (!proj || infer_shape(n, PROJ, VKA_F32,
                                 VKA_SHAPE(x[0], vka_panels(p->out), p->hidden, 1, VKA_UNITS))) &&
           infer_shape(n, H0, VKA_F32, VKA_SHAPE(x[0], x[1], p->out)) &&
           (!lstm || infer_shape(n, C0, VKA_F32, VKA_SHAPE(x[0], x[1], p->hidden))) &&
           (!n->in[VALID] || infer_shape(n, VALID, VKA_BOOL, VKA_SHAPE(x[1], x[2])));
}

static double flops(const struct vka_args *args)
{
    const struct params *p = args->params;
    const struct vka_array *x = &args->in[X];
    double states = (double)vka_array_count(x) / (double)x->dim[3]; // by direction, row and step
    int64_t gates = vka_cell_gates((enum vka_cell_kind)p->kind) + vka_present(&args->in[PROJ]);
    return 2 * states * (double)(p->hidden * p->out) * (double)gates;
}

// --- CPU ---

static void job_of(const struct vka_args *args, struct vka_recurrent_job *job)
{
    const struct params *p = args->params;
    const struct vka_array *in = args->in;
    bool lstm = p->kind == VKA_CELL_LSTM;
    *job = (struct vka_recurrent_job){.kind = (enum vka_cell_kind)p->kind,
                                      .directions = in[X].dim[0],
                                      .rows = in[X].dim[1],
                                      .steps = in[X].dim[2],
                                      .hidden = p->hidden,
                                      .out = p->out,
                                      .has_bias = p->bias,
                                      .has_proj = vka_present(&in[PROJ]),
                                      .inputs = in[X].data,
                                      .weight = in[WEIGHT].data,
                                      .h = in[H0].data,
                                      .y = args->out[Y].data};
    if (job->has_proj)
        job->proj = in[PROJ].data;
    if (vka_present(&in[VALID]))
        job->valid = in[VALID].data;
    if (lstm) {
        job->c = in[C0].data;
        job->c_last = args->out[CARRY].data;
    }
}

static size_t cpu_scratch(const struct vka_args *args, int threads)
{
    struct vka_recurrent_job job;
    (void)threads;
    job_of(args, &job);
    return vka_recurrent_scratch(&job);
}

static void cpu(const struct vka_cpu_run *run)
{
    struct vka_recurrent_job job;
    job_of(run->args, &job);
    vka_recurrent_run(&job, run->threads, run->scratch);
}

// --- Vulkan: a dispatch a phase of a step ---

// Invocations of a workgroup; of them, on devices that have shared memory, so many units and the
// rest slices of k.
enum { GROUP = 128, GROUP_UNITS = 8, LANES = 8, ROWS = 4, LANE_ROWS = 8 };

struct form {
    bool lanes; // no shared memory: a lane sums up alone
    bool fours; // of units a lane
};

static bool by_four(const struct vka_array *a)
{
    return !vka_present(a) || a->offset % 4 == 0;
}

static struct form form_of(const struct vka_limits *limits, const struct vka_args *args)
{
    const struct params *p = args->params;
    bool fours = limits->is_cpu && p->hidden % 4 == 0 && p->out % 4 == 0;
    for (int i = 0; i < args->n_in; i++)
        fours = fours && (i == VALID || by_four(&args->in[i]));
    return (struct form){limits->is_cpu, fours};
}

// An array of h as step `step` of each direction finds or leaves it in y, [D, N, Ho].
static struct vka_array at_step(const struct vka_args *args, int64_t step)
{
    const struct params *p = args->params;
    struct vka_array a = args->out[Y];
    int64_t d = args->in[X].dim[0], n = a.dim[0], steps = a.dim[1], width = a.dim[2];
    a.rank = 3;
    a.dim[0] = d;
    a.dim[1] = n;
    a.dim[2] = p->out;
    a.stride[0] = p->out + (steps - 1 - 2 * step) * width;
    a.stride[1] = steps * width;
    a.stride[2] = 1;
    a.offset += step * width;
    return a;
}

// The first step finds h where the second one will put its own.
static void launch_start(struct vka_launch *l, const struct vka_args *args)
{
    struct vka_array h = at_step(args, 1);
    vka_copy_launch(l, &args->in[H0], &h);
    if (!vka_present(&args->in[C0]))
        return;
    struct vka_array c = args->out[CARRY];
    c.rank = 3;
    for (int i = 0; i < 3; i++) {
        c.dim[i] = c.dim[i + 1];
        c.stride[i] = c.stride[i + 1];
    }
    vka_copy_launch(l, &args->in[C0], &c);
}

// What a phase multiplies, and by how many gates of the panels.
static struct vka_push_recurrent push_of(const struct vka_args *args, int mode)
{
    const struct params *p = args->params;
    const struct vka_array *w = &args->in[mode == VKA_RECURRENT_PROJECT ? PROJ : WEIGHT];
    bool second = mode == VKA_RECURRENT_PROJECT || mode == VKA_RECURRENT_CANDIDATE;
    return (struct vka_push_recurrent){
        .rows = (uint)args->in[X].dim[1],
        .steps = (uint)args->in[X].dim[2],
        .directions = (uint)args->in[X].dim[0],
        .hidden = (uint)p->hidden,
        .out_width = (uint)p->out,
        .width = (uint)(mode == VKA_RECURRENT_PROJECT ? p->out : p->hidden),
        .k = (uint)(second ? p->hidden : p->out),
        .panels = (uint)w->dim[1],
        .panel_k = (uint)w->dim[2],
    };
}

static const char *module_of(struct form form, bool valid)
{
    if (form.fours)
        return valid ? "recurrent_fours_valid" : "recurrent_fours";
    return valid ? "recurrent_valid" : "recurrent";
}

static void launch_phase(struct vka_launch *l, const struct vka_args *args, struct form form,
                         int64_t step, int mode)
{
    const struct params *p = args->params;
    const struct vka_array *in = args->in;
    bool valid = vka_present(&in[VALID]);
    struct vka_push_recurrent push = push_of(args, mode);
    uint32_t units = form.lanes ? LANES : GROUP_UNITS, slices = form.lanes ? 1 : GROUP / units;
    uint32_t rows = form.lanes ? LANE_ROWS : ROWS;
    while (rows > 1 && rows / 2 >= push.rows)
        rows /= 2;
    struct vka_dispatch d;
    vka_begin(l, &d, module_of(form, valid), units * slices, 1, 1);
    vka_constant_u32(&d, (uint32_t)mode);
    vka_constant_u32(&d, rows);
    vka_constant_u32(&d, units);
    vka_constant_u32(&d, p->bias);
    int64_t from = step > 0 ? step - 1 : 1, last = (int64_t)push.steps - 1;
    push.place[0] = (uint)step;
    push.place[1] = (uint)(last - step);
    push.from[0] = (uint)from;
    push.from[1] = (uint)(last - from);
    push.inputs = vka_bind(l, &d, &in[X], VKA_READ);
    push.weight = vka_bind(l, &d, &in[mode == VKA_RECURRENT_PROJECT ? PROJ : WEIGHT], VKA_READ);
    push.y = vka_bind(l, &d, &args->out[Y], VKA_READ_WRITE);
    const struct vka_array none = {.rank = -1};
    push.carry = vka_bind(l, &d, args->n_out > CARRY ? &args->out[CARRY] : &none, VKA_READ_WRITE);
    if (valid)
        push.valid = vka_bind(l, &d, &in[VALID], VKA_READ);
    uint64_t lanes = ((uint64_t)push.panels * VKA_UNITS) / (form.fours ? 4 : 1);
    uint64_t blocks = (lanes + units - 1) / units;
    push.blocks = (uint)blocks;
    uint64_t groups = blocks * ((push.rows + rows - 1) / rows) * push.directions;
    push.groups = (uint)groups;
    VKA_PUSH(&d, push);
    vka_turns(&d, (double)vka_divide_up(push.k, form.fours ? 4 : slices) + rows, "the states");
    vka_emit(l, &d, groups, 1, 1);
}

// A single step has no second one whose place could hold the start.
static bool fits(const struct vka_limits *limits, const struct vka_args *args)
{
    return args->in[X].dim[2] > 1 &&
           (!vka_present(&args->in[VALID]) || limits->storage_buffers > 4);
}

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    const struct params *p = args->params;
    struct form form = form_of(vka_launch_limits(l), args);
    bool proj = vka_present(&args->in[PROJ]);
    static const int modes[][2] = {
        [VKA_CELL_LSTM] = {VKA_RECURRENT_LSTM, -1},
        [VKA_CELL_GRU] = {VKA_RECURRENT_GRU, -1},
        [VKA_CELL_CHO] = {VKA_RECURRENT_RESET, VKA_RECURRENT_CANDIDATE},
    };
    static const int projected[] = {VKA_RECURRENT_INNER, VKA_RECURRENT_PROJECT};
    const int *mode = proj ? projected : modes[p->kind];
    launch_start(l, args);
    for (int64_t step = 0; step < args->in[X].dim[2]; step++) {
        for (int i = 0; i < 2 && mode[i] >= 0; i++)
            launch_phase(l, args, form, step, mode[i]);
    }
}

static const struct vka_variant variants[] = {{"baseline", fits, launch}, {0}};

// --- in other operations ---

// Step k of [D, N, T, W] (or [N, T], of which both directions take their part) as [D, N, W].
static vka_tensor step_of(vka_graph *g, vka_tensor t, int64_t directions, int64_t k)
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

static void unpack_weights(vka_graph *g, const struct params *p, const vka_tensor *in,
                           struct vka_recurrent *cell)
{
    int gates = vka_cell_gates(cell->kind);
    vka_tensor w = unpack(g, in[WEIGHT], p->hidden);
    int64_t d = vka_dim(g, w, 0), rows = gates * p->hidden;
    w = vka_reshape(g, w, VKA_SHAPE(d, rows, vka_dim(g, w, 3)));
    cell->weight_hh = vka_slice(g, w, 2, 0, p->out);
    if (p->bias)
        cell->bias_hh = vka_transpose(g, vka_slice(g, w, 2, p->out, 1), 1, 2);
    if (in[PROJ])
        cell->weight_hr = vka_squeeze(g, unpack(g, in[PROJ], p->out), 1);
}

static void expand(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    const struct params *p = node->params;
    const vka_tensor *in = node->in;
    struct vka_recurrent cell = {.kind = (enum vka_cell_kind)p->kind, .h = in[H0], .c = in[C0]};
    int64_t d = vka_dim(g, in[X], 0), steps = vka_dim(g, in[X], 2);
    unpack_weights(g, p, in, &cell);
    vka_tensor *h = vka_pool_alloc(g, (size_t)steps * sizeof *h);
    for (int64_t k = 0; k < steps && !vka_failed(g); k++) {
        vka_tensor old_h = cell.h, old_c = cell.c;
        vka_recurrent_step(g, step_of(g, in[X], d, k), &cell);
        if (in[VALID]) {
            vka_tensor valid = step_of(g, in[VALID], d, k);
            cell.h = vka_where(g, valid, cell.h, old_h);
            cell.c = old_c ? vka_where(g, valid, cell.c, old_c) : 0;
        }
        h[k] = cell.h;
    }
    if (vka_failed(g))
        return;
    out[Y] = by_place(g, h, steps);
    if (!node->out[CARRY])
        return;
    vka_shape carry = vka_shape_of(g, node->out[CARRY]), slot = carry;
    slot.dim[0] = 1;
    vka_tensor work = vka_broadcast_to(g, vka_constant_scalar(g, 0), slot);
    vka_tensor first = cell.c ? vka_unsqueeze(g, cell.c, 0) : work;
    out[CARRY] = carry.dim[0] == 1 ? first : VKA_CONCAT(g, 0, first, work);
}

const struct vka_op vka_op_recurrent = {
    .name = "recurrent",
    .summary = "all steps of a layer of LSTM or GRU cells, one or both directions",
    .params_size = sizeof(struct params),
    .flags = VKA_OP_FUSED | VKA_OP_WHOLE,
    .infer = infer,
    .cpu = cpu,
    .flops = flops,
    .cpu_scratch = cpu_scratch,
    .variants = variants,
    .expand = expand,
};
