// SPDX-License-Identifier: MIT
//
// additive: scores of a small network with one hidden layer, whose values are never stored: there
// are as many as queries times keys times its width.
#include "additive.h" // push constants
#include "cpu/activation.h"
#include "cpu/simd.h"
#include "cpu/threads.h"
#include "ops/infer.h"
#include "ops/ops.h"
#include "util/whole.h"

enum { Q, K, V, INPUTS };
struct params {
    struct vka_activation act;
    bool bias; // is v's last element
};

vka_tensor vka_additive(vka_graph *g, vka_tensor q, vka_tensor k, vka_tensor v, vka_tensor bias,
                        struct vka_activation act)
{
    struct params params = {act, bias != 0};
    if (bias)
        v = VKA_CONCAT(g, 0, v, bias);
    return vka_add_node(g, &vka_op_additive, &params, INPUTS, (const vka_tensor[]){q, k, v}, NULL);
}

static bool infer(struct vka_infer *n)
{
    const struct params *p = n->params;
    for (int i = 0; i < INPUTS; i++) {
        if (!vka_infer_type(n, "additive", i, VKA_F32))
            return false;
    }
    const vka_shape *q = &n->in[Q]->shape, *k = &n->in[K]->shape, *v = &n->in[V]->shape;
    if (q->rank != 3 || k->rank != 3 || v->rank != 1 || q->dim[0] != k->dim[0] ||
        q->dim[2] != k->dim[2] || v->dim[0] != q->dim[2] + p->bias) {
        char a[VKA_SHAPE_TEXT], b[VKA_SHAPE_TEXT], c[VKA_SHAPE_TEXT];
        vka_fail(n->g, "additive: q is %s, k %s, v %s%s: [N, Tq, A], [N, Tk, A], [A] go",
                 vka_shape_text(q, a), vka_shape_text(k, b), vka_shape_text(v, c),
                 p->bias ? " with its bias" : "");
        return false;
    }
    n->n_out = 1;
    n->out_shape[0] = VKA_SHAPE(q->dim[0], q->dim[1], k->dim[1]);
    return true;
}

static double flops(const struct vka_args *args)
{
    return 4.0 * (double)vka_array_count(&args->out[0]) * (double)args->in[Q].dim[2];
}

// --- CPU ---

enum { SPAN = 16 };

struct job {
    const struct params *p;
    const float *q, *k, *v;
    float *out;
    int64_t queries, keys, width;
    int64_t rows, pieces; // rows: of keys, under all queries
};

// Sums of every SPAN-th element each.
#define SUM(name, kind)                                                                            \
    VKA_CLONES static void name(float *sum, const float *q, const float *k, const float *v,        \
                                int64_t count)                                                     \
    {                                                                                              \
        for (int64_t a = 0; a < count; a += SPAN) {                                                \
            for (int i = 0; i < SPAN; i++)                                                         \
                sum[i] += v[a + i] * vka_activate(kind, q[a + i] + k[a + i], 0, 0);                \
        }                                                                                          \
    }
SUM(sum_tanh, VKA_ACT_TANH)
SUM(sum_relu, VKA_ACT_RELU)

static void sum_any(struct vka_activation act, float *sum, const float *q, const float *k,
                    const float *v, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        sum[i % SPAN] += v[i] * vka_activate(act.kind, q[i] + k[i], act.a, act.b);
}

static float score(const struct job *job, const float *q, const float *k)
{
    struct vka_activation act = job->p->act;
    float sum[SPAN] = {0};
    bool known = act.kind == VKA_ACT_TANH || act.kind == VKA_ACT_RELU;
    int64_t whole = known ? job->width / SPAN * SPAN : 0;
    if (known)
        (act.kind == VKA_ACT_TANH ? sum_tanh : sum_relu)(sum, q, k, job->v, whole);
    sum_any(act, sum, q + whole, k + whole, job->v + whole, job->width - whole);
    for (int half = SPAN / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; i++)
            sum[i] += sum[i + half];
    }
    return job->p->bias ? sum[0] + job->v[job->width] : sum[0];
}

static void run_piece(void *arg, int64_t piece, int thread)
{
    const struct job *job = arg;
    int64_t end = job->rows * (piece + 1) / job->pieces;
    (void)thread;
    for (int64_t i = job->rows * piece / job->pieces; i < end; i++) {
        int64_t row = i / job->keys; // of a query
        const float *k = job->k + (row / job->queries * job->keys + i % job->keys) * job->width;
        job->out[i] = score(job, job->q + row * job->width, k);
    }
}

static void cpu(const struct vka_cpu_run *run)
{
    const struct vka_args *args = run->args;
    struct job job = {.p = args->params,
                      .q = args->in[Q].data,
                      .k = args->in[K].data,
                      .v = args->in[V].data,
                      .out = args->out[0].data,
                      .queries = args->in[Q].dim[1],
                      .keys = args->in[K].dim[1],
                      .width = args->in[Q].dim[2],
                      .rows = vka_array_count(&args->out[0])};
    job.pieces = vka_pieces(run->threads, job.rows, job.rows * job.width * 16);
    vka_parallel(run->threads, job.pieces, run_piece, &job);
}

// --- Vulkan ---

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    enum { INVOCATIONS = 64, LANES = 16 };
    const struct params *p = args->params;
    // A device without a use for neighbours' reads has a lane for a score.
    uint32_t lanes = vka_launch_limits(l)->is_cpu ? 1 : LANES;
    uint32_t scores = lanes == 1 ? 8 : INVOCATIONS / LANES;
    int64_t count = vka_array_count(&args->out[0]);
    vka_launch_most(l, "scores of additive", count, UINT32_MAX / 2);
    struct vka_dispatch d;
    vka_begin(l, &d, "additive", scores, lanes, 1);
    vka_constant_u32(&d, (uint32_t)p->act.kind);
    vka_constant_f32(&d, p->act.a);
    vka_constant_f32(&d, p->act.b);
    vka_constant_u32(&d, p->bias);
    struct vka_push_additive push = {.count = (uint)count,
                                     .queries = (uint)args->in[Q].dim[1],
                                     .keys = (uint)args->in[K].dim[1],
                                     .width = (uint)args->in[Q].dim[2]};
    push.q = vka_bind(l, &d, &args->in[Q], VKA_READ);
    push.k = vka_bind(l, &d, &args->in[K], VKA_READ);
    push.v = vka_bind(l, &d, &args->in[V], VKA_READ);
    push.out_offset = vka_bind(l, &d, &args->out[0], VKA_WRITE);
    VKA_PUSH(&d, push);
    vka_turns(&d, vka_divide_up(push.width, lanes), "the width");
    vka_emit(l, &d, ((uint64_t)count + scores - 1) / scores, 1, 1);
}

static const struct vka_variant variants[] = {{"baseline", NULL, launch}, {0}};

// --- in other operations ---

static void expand(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    const struct params *p = node->params;
    int64_t width = vka_dim(g, node->in[Q], 2);
    vka_tensor q = vka_unsqueeze(g, node->in[Q], 2), k = vka_unsqueeze(g, node->in[K], 1);
    vka_tensor hidden = vka_binary_act(g, VKA_ADD, k, q, p->act); // [N, Tq, Tk, A]
    struct vka_matmul m = {0};
    if (p->bias)
        m.bias = vka_slice(g, node->in[V], 0, width, 1);
    vka_tensor v = vka_unsqueeze(g, vka_slice(g, node->in[V], 0, 0, width), 1);
    out[0] = vka_squeeze(g, vka_matmul(g, hidden, v, &m), 3);
}

const struct vka_op vka_op_additive = {
    .name = "additive",
    .summary = "additive scores: v . act(q + k) for each query and key",
    .params_size = sizeof(struct params),
    .flags = VKA_OP_FUSED,
    .infer = infer,
    .cpu = cpu,
    .flops = flops,
    .variants = variants,
    .expand = expand,
};
