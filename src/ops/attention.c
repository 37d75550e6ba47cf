// SPDX-License-Identifier: MIT
//
// attention: softmax(scale q k^T + bias, masked) v, with heads of k and v that several heads of q
// may share; a matrix of queries by keys is never stored.
#include "ops/attend.h"
#include "ops/ops.h"

#include <math.h>
#include <string.h>

extern const struct vka_op vka_op_attention;

static struct vka_attention_params params_of(const struct vka_attention *p)
{
    // No tensor is longer; so that nothing below overflows.
    const int64_t most = (int64_t)1 << 40;
    int64_t offset = p->causal_offset > most    ? most
                     : p->causal_offset < -most ? -most
                                                : p->causal_offset;
    return (struct vka_attention_params){p->scale, p->mask_removes, p->causal, offset, p->joined};
}

// [B, H, T, D] as [B, T, H, D], and back.
static vka_tensor turn_heads(vka_graph *g, vka_tensor t)
{
    return vka_permute(g, t, (const int[]){0, 2, 1, 3});
}

vka_tensor vka_attention(vka_graph *g, vka_tensor q, vka_tensor k, vka_tensor v,
                         const struct vka_attention *p, vka_tensor *lse)
{
    struct vka_attention_params params = params_of(p);
    vka_tensor in[INPUTS] = {q, k, v, p->bias, p->mask}, out[VKA_MAX_OUT];
    vka_add_node(g, &vka_op_attention, &params, INPUTS, in, out);
    if (lse)
        *lse = out[LSE];
    return p->joined ? turn_heads(g, out[OUT]) : out[OUT];
}

// --- shapes ---

static bool fail_shapes(struct vka_infer *n, const char *what)
{
    char q[VKA_SHAPE_TEXT], k[VKA_SHAPE_TEXT], v[VKA_SHAPE_TEXT] = "";
    vka_fail(n->g, "attention: %s: q is %s, k %s%s%s", what, vka_shape_text(&n->in[Q]->shape, q),
             vka_shape_text(&n->in[K]->shape, k), n->in[V] ? ", v " : "",
             n->in[V] ? vka_shape_text(&n->in[V]->shape, v) : "");
    return false;
}

static bool infer_logit_operand(struct vka_infer *n, int role, const char *name, vka_dtype dtype)
{
    const struct vka_value *t = n->in[role];
    if (!t)
        return true;
    const vka_shape *q = &n->in[Q]->shape, *s = &t->shape;
    vka_shape logits = {4, {q->dim[0], q->dim[1], q->dim[2], n->in[K]->shape.dim[2]}};
    bool fits = s->rank <= 4;
    for (int i = 0; fits && i < s->rank; i++)
        fits = s->dim[i] == 1 || s->dim[i] == logits.dim[4 - s->rank + i];
    char own[VKA_SHAPE_TEXT], want[VKA_SHAPE_TEXT];
    if (!fits)
        return vka_fail(n->g, "attention: the %s is %s, which doesn't broadcast to the logits %s",
                        name, vka_shape_text(s, own), vka_shape_text(&logits, want)),
               false;
    if (t->dtype != dtype)
        return vka_fail(n->g, "attention: the %s must be %s, it is %s", name, vka_dtype_name(dtype),
                        vka_dtype_name(t->dtype)),
               false;
    return true;
}

static bool infer(struct vka_infer *n)
{
    for (int i = Q; i <= V; i++) {
        if (!n->in[i])
            return vka_fail(n->g, "attention: q, k or v is missing"), false;
        if (n->in[i]->dtype != VKA_F32)
            return vka_fail(n->g, "attention: q, k and v must be F32, one is %s",
                            vka_dtype_name(n->in[i]->dtype)),
                   false;
    }
    const vka_shape *q = &n->in[Q]->shape, *k = &n->in[K]->shape, *v = &n->in[V]->shape;
    if (q->rank != 4 || k->rank != 4 || v->rank != 4)
        return fail_shapes(n, "all need 4 axes");
    if (q->dim[0] != k->dim[0] || q->dim[0] != v->dim[0])
        return fail_shapes(n, "the batch sizes differ");
    if (k->dim[1] != v->dim[1] || q->dim[1] % k->dim[1] != 0)
        return fail_shapes(n, "k and v need as many heads, a divisor of q's");
    if (q->dim[3] != k->dim[3])
        return fail_shapes(n, "the depths of q and k differ");
    if (k->dim[2] != v->dim[2])
        return fail_shapes(n, "k and v have different lengths");
    n->n_out = OUTPUTS;
    const struct vka_attention_params *p = n->params;
    bool joined = p->joined;
    n->out_shape[OUT] =
        (vka_shape){4, {q->dim[0], q->dim[1 + joined], q->dim[2 - joined], v->dim[3]}};
    n->out_shape[LSE] = *q;
    n->out_shape[LSE].rank = 3;
    return infer_logit_operand(n, BIAS, "bias", VKA_F32) &&
           infer_logit_operand(n, MASK, "mask", VKA_BOOL);
}

// --- CPU ---

// Strides over [B, H, Tq, Tk], 0 where the operand repeats.
static void logit_steps(const struct vka_array *a, int64_t step[4])
{
    for (int i = 0; i < 4; i++) {
        int axis = a->rank - 4 + i;
        step[i] = vka_present(a) && axis >= 0 && a->dim[axis] != 1 ? a->stride[axis] : 0;
    }
}

void vka_attention_job_of(const struct vka_args *args, struct vka_attention_job *job)
{
    const struct vka_attention_params *p = args->params;
    const struct vka_array *q = &args->in[Q], *k = &args->in[K], *v = &args->in[V];
    *job = (struct vka_attention_job){
        .batch = q->dim[0],
        .heads = q->dim[1],
        .kv_heads = k->dim[1],
        .queries = q->dim[2],
        .keys = k->dim[2],
        .depth = q->dim[3],
        .width = v->dim[3],
        .has_bias = vka_present(&args->in[BIAS]),
        .has_mask = vka_present(&args->in[MASK]),
        .scale = p->scale,
        .mask_removes = p->mask_removes,
        .causal = p->causal,
        .causal_offset = p->causal_offset,
    };
    for (int i = 0; i < 4; i++) {
        job->q_step[i] = q->stride[i];
        job->k_step[i] = k->stride[i];
        job->v_step[i] = v->stride[i];
    }
    job->out_step[0] = job->heads * job->queries * job->width;
    job->out_step[1] = (p->joined ? 1 : job->queries) * job->width;
    job->out_step[2] = (p->joined ? job->heads : 1) * job->width;
    logit_steps(&args->in[BIAS], job->bias_step);
    logit_steps(&args->in[MASK], job->mask_step);
}

// Of both products; half of them where the map is causal.
static double flops(const struct vka_args *args)
{
    const struct vka_attention_params *p = args->params;
    const struct vka_array *q = &args->in[Q], *k = &args->in[K], *v = &args->in[V];
    double pairs = (double)q->dim[0] * (double)q->dim[1] * (double)q->dim[2] * (double)k->dim[2];
    return 2 * pairs * (double)(k->dim[3] + v->dim[3]) * (p->causal ? 0.5 : 1);
}

static size_t cpu_scratch(const struct vka_args *args, int threads)
{
    struct vka_attention_job job;
    vka_attention_job_of(args, &job);
    return vka_attention_scratch(&job, threads);
}

static void cpu(const struct vka_cpu_run *run)
{
    const struct vka_args *args = run->args;
    struct vka_attention_job job;
    vka_attention_job_of(args, &job);
    job.q = args->in[Q].data;
    job.k = args->in[K].data;
    job.v = args->in[V].data;
    job.bias = args->in[BIAS].data;
    job.mask = args->in[MASK].data;
    job.out = vka_present(&args->out[OUT]) ? args->out[OUT].data : NULL;
    job.lse = vka_present(&args->out[LSE]) ? args->out[LSE].data : NULL;
    vka_attention_run(&job, run->threads, run->scratch);
}

// --- in other operations ---

// [B, Hkv, share, T, D]: heads of q beside the head of k that they share.
static vka_tensor split_shared(vka_graph *g, vka_tensor t, int64_t kv_heads)
{
    vka_shape s = vka_shape_of(g, t);
    int64_t share = s.dim[1] / kv_heads;
    return vka_reshape(g, t, VKA_SHAPE(s.dim[0], kv_heads, share, s.dim[2], s.dim[3]));
}

static vka_tensor make_logits(vka_graph *g, vka_tensor q, vka_tensor k, double scale)
{
    struct vka_matmul m = {.alpha = (float)scale};
    if (m.alpha == 0) // matmul's "no factor"
        q = vka_affine(g, q, 0, 0);
    vka_shape s = vka_shape_of(g, q);
    vka_tensor kt = vka_unsqueeze(g, vka_transpose(g, k, 2, 3), 2);
    vka_tensor logits = vka_matmul(g, split_shared(g, q, vka_dim(g, k, 1)), kt, &m);
    return vka_reshape(g, logits, VKA_SHAPE(s.dim[0], s.dim[1], s.dim[2], vka_dim(g, k, 2)));
}

// The mask with causality in it, in the same sense; 0 where there is neither.
static vka_tensor whole_mask(vka_graph *g, const struct vka_attention_params *p, vka_tensor mask,
                             int64_t queries, int64_t keys)
{
    if (!p->causal)
        return mask;
    vka_tensor last = vka_unsqueeze(g, vka_count_up(g, queries, p->causal_offset, 1), 1);
    vka_tensor key = vka_unsqueeze(g, vka_count_up(g, keys, 0, 1), 0);
    vka_tensor t = vka_binary(g, p->mask_removes ? VKA_GT : VKA_LE, key, last);
    return mask ? vka_binary(g, p->mask_removes ? VKA_OR : VKA_AND, mask, t) : t;
}

static vka_tensor make_map(vka_graph *g, vka_tensor logits, vka_tensor bias, vka_tensor mask,
                           bool mask_removes)
{
    struct vka_softmax s = {.axis = -1, .bias = bias, .mask = mask, .mask_removes = mask_removes};
    return vka_softmax(g, logits, &s);
}

vka_tensor vka_attention_map(vka_graph *g, vka_tensor q, vka_tensor k,
                             const struct vka_attention *p)
{
    if (vka_failed(g))
        return 0;
    vka_shape sq = vka_shape_of(g, q), sk = vka_shape_of(g, k);
    if (sq.rank != 4 || sk.rank != 4 || sq.dim[0] != sk.dim[0] || sq.dim[1] % sk.dim[1] != 0 ||
        sq.dim[3] != sk.dim[3]) {
        char a[VKA_SHAPE_TEXT], b[VKA_SHAPE_TEXT];
        return vka_fail(g, "attention map: q is %s, k %s: the shapes don't fit",
                        vka_shape_text(&sq, a), vka_shape_text(&sk, b));
    }
    struct vka_attention_params params = params_of(p);
    vka_tensor mask = whole_mask(g, &params, p->mask, sq.dim[2], sk.dim[2]);
    return make_map(g, make_logits(g, q, k, p->scale), p->bias, mask, p->mask_removes);
}

static vka_tensor make_lse(vka_graph *g, vka_tensor logits, vka_tensor bias, vka_tensor mask,
                           bool mask_removes)
{
    if (bias)
        logits = vka_add(g, logits, bias);
    if (mask) {
        vka_tensor gone = vka_constant_scalar(g, -INFINITY);
        logits = mask_removes ? vka_where(g, mask, gone, logits) : vka_where(g, mask, logits, gone);
    }
    return vka_reduce(g, VKA_REDUCE_LOGSUMEXP, logits, 1u << 3, false);
}

static bool same_view(const vka_graph *g, vka_tensor a, vka_tensor b)
{
    const struct vka_value *x = vka_value_of(g, a), *y = vka_value_of(g, b);
    return x->base == y->base && x->offset == y->offset && vka_shape_equal(&x->shape, &y->shape) &&
           memcmp(x->stride, y->stride, (size_t)x->shape.rank * sizeof *x->stride) == 0;
}

// Copies whose last axis is contiguous in place of those whose isn't, one of what is the same.
// False: there was none.
static bool line_up(vka_graph *g, const vka_tensor *from, vka_tensor *in)
{
    bool copied = false;
    for (int i = Q; i <= V; i++) {
        struct vka_array a;
        vka_value_array(g, from[i], &a);
        if (vka_attention_lines_up(&a))
            continue;
        in[i] = i > Q && same_view(g, from[i], from[i - 1]) ? in[i - 1] : vka_copy(g, from[i]);
        copied = true;
    }
    return copied;
}

// The same once more, which may fit now; the lse is as unwanted as before.
static void add_again(vka_graph *g, const struct vka_op_node *node, const vka_tensor *in,
                      vka_tensor out[VKA_MAX_OUT])
{
    vka_add_node(g, &vka_op_attention, node->params, INPUTS, in, out);
    if (!node->out[LSE] && !vka_failed(g))
        g->nodes[g->node_count - 1].out[LSE] = 0;
}

static void expand(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    const struct vka_attention_params *p = node->params;
    vka_tensor in[INPUTS];
    memcpy(in, node->in, sizeof in);
    if (line_up(g, node->in, in)) {
        add_again(g, node, in, out);
        return;
    }
    vka_shape q = vka_shape_of(g, in[Q]);
    int64_t kv_heads = vka_dim(g, in[K], 1);
    vka_tensor logits = make_logits(g, in[Q], in[K], p->scale);
    vka_tensor mask = whole_mask(g, p, in[MASK], q.dim[2], vka_dim(g, in[K], 2));
    if (node->out[OUT]) {
        vka_tensor map = make_map(g, logits, in[BIAS], mask, p->mask_removes);
        vka_tensor v = vka_unsqueeze(g, in[V], 2);
        vka_tensor y = vka_matmul(g, split_shared(g, map, kv_heads), v, NULL);
        y = vka_reshape(g, y, VKA_SHAPE(q.dim[0], q.dim[1], q.dim[2], vka_dim(g, v, -1)));
        out[OUT] = p->joined ? turn_heads(g, y) : y;
    }
    if (node->out[LSE])
        out[LSE] = make_lse(g, logits, in[BIAS], mask, p->mask_removes);
}

const struct vka_op vka_op_attention = {
    .name = "attention",
    .summary = "softmax(scale q k^T + bias, masked) v, block by block",
    .params_size = sizeof(struct vka_attention_params),
    .flags = VKA_OP_STRIDED | VKA_OP_FUSED,
    .infer = infer,
    .cpu = cpu,
    .flops = flops,
    .cpu_scratch = cpu_scratch,
    .variants = vka_attention_variants,
    .expand = expand,
};
