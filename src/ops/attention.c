// SPDX-License-Identifier: MIT
//
// attention: softmax(scale q k^T + bias, masked) v, with heads of k and v that several heads of q
// may share; a matrix of queries by keys is never stored.
#include "attention.h" // push constants
#include "cpu/attention.h"
#include "ops/ops.h"
#include "util/whole.h"

#include <math.h>
#include <string.h>

struct attention_params {
    double scale;
    bool mask_removes, causal;
    int64_t causal_offset;
};

enum { Q, K, V, BIAS, MASK, INPUTS };
enum { OUT, LSE, OUTPUTS };

extern const struct vka_op vka_op_attention;

static struct attention_params params_of(const struct vka_attention *p)
{
    // No tensor is longer; so that nothing below overflows.
    const int64_t most = (int64_t)1 << 40;
    int64_t offset = p->causal_offset > most    ? most
                     : p->causal_offset < -most ? -most
                                                : p->causal_offset;
    return (struct attention_params){p->scale, p->mask_removes, p->causal, offset};
}

vka_tensor vka_attention(vka_graph *g, vka_tensor q, vka_tensor k, vka_tensor v,
                         const struct vka_attention *p, vka_tensor *lse)
{
    struct attention_params params = params_of(p);
    vka_tensor in[INPUTS] = {q, k, v, p->bias, p->mask}, out[VKA_MAX_OUT];
    vka_add_node(g, &vka_op_attention, &params, INPUTS, in, out);
    if (lse)
        *lse = out[LSE];
    return out[OUT];
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
    n->out_shape[OUT] = *q;
    n->out_shape[OUT].dim[3] = v->dim[3];
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

static void job_of(const struct vka_args *args, struct vka_attention_job *job)
{
    const struct attention_params *p = args->params;
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
    logit_steps(&args->in[BIAS], job->bias_step);
    logit_steps(&args->in[MASK], job->mask_step);
}

// Of both products; half of them where the map is causal.
static double flops(const struct vka_args *args)
{
    const struct attention_params *p = args->params;
    const struct vka_array *q = &args->in[Q], *k = &args->in[K], *v = &args->in[V];
    double pairs = (double)q->dim[0] * (double)q->dim[1] * (double)q->dim[2] * (double)k->dim[2];
    return 2 * pairs * (double)(k->dim[3] + v->dim[3]) * (p->causal ? 0.5 : 1);
}

static size_t cpu_scratch(const struct vka_args *args, int threads)
{
    struct vka_attention_job job;
    job_of(args, &job);
    return vka_attention_scratch(&job, threads);
}

static void cpu(const struct vka_cpu_run *run)
{
    const struct vka_args *args = run->args;
    struct vka_attention_job job;
    job_of(args, &job);
    job.q = args->in[Q].data;
    job.k = args->in[K].data;
    job.v = args->in[V].data;
    job.bias = args->in[BIAS].data;
    job.mask = args->in[MASK].data;
    job.out = vka_present(&args->out[OUT]) ? args->out[OUT].data : NULL;
    job.lse = vka_present(&args->out[LSE]) ? args->out[LSE].data : NULL;
    vka_attention_run(&job, run->threads, run->scratch);
}

// --- Vulkan ---

enum { MOST_WIDTH = 256, ROWS = 32, LANES = 8, FULL_BUFFERS = 7 };

static bool is_full(const struct vka_args *args)
{
    return vka_present(&args->in[BIAS]) || vka_present(&args->in[MASK]) ||
           vka_present(&args->out[LSE]);
}

static bool lines_up(const struct vka_array *a)
{
    return a->stride[3] == 1 || a->dim[3] == 1;
}

// What all variants need.
static bool fits_any(const struct vka_limits *limits, const struct vka_args *args)
{
    return lines_up(&args->in[Q]) && lines_up(&args->in[K]) && lines_up(&args->in[V]) &&
           args->in[V].dim[3] <= MOST_WIDTH && vka_present(&args->out[OUT]) &&
           (!is_full(args) || limits->storage_buffers >= FULL_BUFFERS);
}

enum { FLAG_CAUSAL = 1, FLAG_BIAS = 2, FLAG_MASK = 4, FLAG_REMOVES = 8, FLAG_LSE = 16 };

static uint32_t flags_of(const struct vka_args *args)
{
    const struct attention_params *p = args->params;
    return (p->causal ? FLAG_CAUSAL : 0u) | (vka_present(&args->in[BIAS]) ? FLAG_BIAS : 0u) |
           (vka_present(&args->in[MASK]) ? FLAG_MASK : 0u) | (p->mask_removes ? FLAG_REMOVES : 0u) |
           (vka_present(&args->out[LSE]) ? FLAG_LSE : 0u);
}

static void fill_push(const struct vka_attention_job *job, struct vka_push_attention *push)
{
    *push = (struct vka_push_attention){
        .heads = (uint)job->heads,
        .share = (uint)(job->heads / job->kv_heads),
        .queries = (uint)job->queries,
        .keys = (uint)job->keys,
        .scale = (float)job->scale,
    };
    // Any offset beyond all keys or before all queries is as good as the next one.
    int64_t offset = job->causal_offset, most = job->keys, least = -job->queries;
    push->causal_offset = (int)(offset > most ? most : offset < least ? least : offset);
    for (int i = 0; i < 4; i++) {
        push->bias_stride[i] = (uint)job->bias_step[i];
        push->mask_stride[i] = (uint)job->mask_step[i];
        if (i == 3)
            continue;
        push->q_stride[i] = (uint)job->q_step[i];
        push->k_stride[i] = (uint)job->k_step[i];
        push->v_stride[i] = (uint)job->v_step[i];
    }
}

static void bind_all(struct vka_launch *l, struct vka_dispatch *d, const struct vka_args *args,
                     struct vka_push_attention *push)
{
    push->q_offset = vka_bind(l, d, &args->in[Q], VKA_READ);
    push->k_offset = vka_bind(l, d, &args->in[K], VKA_READ);
    push->v_offset = vka_bind(l, d, &args->in[V], VKA_READ);
    push->out_offset = vka_bind(l, d, &args->out[OUT], VKA_WRITE);
    if (!is_full(args))
        return;
    push->bias_offset = vka_bind(l, d, &args->in[BIAS], VKA_READ);
    push->mask_offset = vka_bind(l, d, &args->in[MASK], VKA_READ);
    push->lse_offset = vka_bind(l, d, &args->out[LSE], VKA_WRITE);
}

// Constants: depth, width, flags; then what the module has more.
static void launch(struct vka_launch *l, const struct vka_args *args, struct vka_dispatch *d,
                   const struct vka_attention_job *job, uint32_t rows)
{
    uint64_t groups =
        (uint64_t)(job->batch * job->heads) * (((uint64_t)job->queries + rows - 1) / rows);
    struct vka_push_attention push;
    fill_push(job, &push);
    push.end = (uint)groups;
    bind_all(l, d, args, &push);
    VKA_PUSH(d, push);
    vka_emit(l, d, groups, 1, 1);
}

static void add_constants(struct vka_dispatch *d, const struct vka_args *args,
                          const struct vka_attention_job *job)
{
    vka_constant_u32(d, (uint32_t)job->depth);
    vka_constant_u32(d, (uint32_t)job->width);
    vka_constant_u32(d, flags_of(args));
}

// `each` for a block of keys.
static void tell_turns(struct vka_dispatch *d, const struct vka_attention_job *job, int64_t block,
                       int64_t each)
{
    vka_turns(d, (double)vka_divide_up(job->keys, block) * (double)each, "the keys");
}

static void launch_baseline(struct vka_launch *l, const struct vka_args *args)
{
    struct vka_attention_job job;
    job_of(args, &job);
    // As the shader's loops are nested: 27 turns a slice of the depth, 40 with a block's weights,
    // 33 with its values, half a turn to load a column of them, which come in some pieces.
    int64_t wide = vka_round_up(job.width, 8);
    int64_t each =
        27 * vka_divide_up(job.depth, 16) + 40 + 33 + wide / 2 + 3 * (1 + vka_divide_up(wide, 64));
    struct vka_dispatch d;
    vka_begin(l, &d, is_full(args) ? "attention_full" : "attention", LANES * LANES, 1, 1);
    add_constants(&d, args, &job);
    tell_turns(&d, &job, ROWS, each);
    launch(l, args, &d, &job, ROWS);
}

// --- few queries ---

enum { FEW = 8, FEW_DEPTH = 2048 }; // whose query fits into shared memory

static bool fits_few(const struct vka_limits *limits, const struct vka_args *args)
{
    return fits_any(limits, args) && args->in[Q].dim[2] <= FEW && args->in[Q].dim[3] <= FEW_DEPTH;
}

static void launch_few(struct vka_launch *l, const struct vka_args *args)
{
    enum { KEYS = LANES * LANES };
    struct vka_attention_job job;
    job_of(args, &job);
    struct vka_dispatch d;
    vka_begin(l, &d, is_full(args) ? "attention_few_full" : "attention_few", LANES * LANES, 1, 1);
    add_constants(&d, args, &job);
    tell_turns(&d, &job, KEYS, job.depth + 2 * KEYS + 4);
    launch(l, args, &d, &job, 1);
}

// --- devices that are programs ---

// Queries of a lane; elements of a query and its sum that still are worth holding in one.
enum { QUERIES = 4, LANES_MOST = 256 };

static bool by_four(const struct vka_array *a)
{
    bool fours = a->offset % 4 == 0 && a->dim[3] % 4 == 0;
    for (int i = 0; i < 3; i++)
        fours = fours && (a->stride[i] % 4 == 0 || a->dim[i] == 1);
    return fours;
}

static bool fits_lanes(const struct vka_limits *limits, const struct vka_args *args)
{
    return limits->is_cpu && limits->subgroup_arithmetic && fits_any(limits, args) &&
           args->in[Q].dim[3] + args->in[V].dim[3] <= LANES_MOST && by_four(&args->in[Q]) &&
           by_four(&args->in[K]) && by_four(&args->in[V]) && by_four(&args->out[OUT]);
}

static void launch_lanes(struct vka_launch *l, const struct vka_args *args)
{
    struct vka_attention_job job;
    job_of(args, &job);
    uint32_t subgroup = vka_sharing_lanes(vka_launch_limits(l));
    uint32_t lanes = subgroup > LANES ? subgroup : LANES;
    // Queries and keys unrolled: as many as leave the driver's compiler less than half a second of
    // work.
    int64_t size = job.depth + job.width;
    bool small = subgroup > 1 && size <= LANES_MOST / 2;
    uint32_t queries = small ? vka_lane_sums(job.queries, QUERIES, lanes) : QUERIES / 2;
    uint32_t keys = size <= LANES_MOST / 4 ? 4 : size <= LANES_MOST / 2 ? 2 : 1;
    struct vka_dispatch d;
    vka_begin(l, &d, is_full(args) ? "attention_lanes_full" : "attention_lanes", lanes, 1, 1);
    add_constants(&d, args, &job);
    vka_constant_u32(&d, queries);
    vka_constant_u32(&d, keys);
    vka_constant_u32(&d, subgroup);
    tell_turns(&d, &job, keys, 1);
    launch(l, args, &d, &job, lanes * queries);
}

// --- cooperative matrices ---

// How queries are cut: fragments of a subgroup, subgroups of a workgroup, keys at a time.
struct matrix_cut {
    uint32_t fragments, subgroups, keys;
};

// Rows of k and v, of weights in f16 and of logits in f32, as the shader pads them.
static uint64_t matrix_bytes(const struct vka_matrix_shape *f, const struct vka_args *args,
                             const struct matrix_cut *cut)
{
    enum { PAD = 8, HALF = 2, SUM = 4 };
    uint64_t rows = (uint64_t)f->m * cut->fragments * cut->subgroups, keys = cut->keys;
    uint64_t depth = (uint64_t)vka_round_up(vka_round_up(args->in[Q].dim[3], f->k), 8);
    uint64_t width = (uint64_t)vka_round_up(vka_round_up(args->in[V].dim[3], f->n), 8);
    return HALF * (keys * (depth + width + 2 * PAD) + rows * (keys + PAD)) +
           SUM * rows * (keys + 4);
}

// The widest cut that the device has room for. Twice the queries a subgroup halve the reads of k
// and v, where the registers hold them.
static bool matrix_cut_of(const struct vka_limits *limits, const struct vka_args *args,
                          struct matrix_cut *cut)
{
    static const struct matrix_cut cuts[] = {{2, 4, 32}, {1, 4, 32}, {1, 2, 32}};
    enum { WIDE = 128 }; // depth and width in all
    const struct vka_matrix_shape *f = &limits->matrix;
    for (size_t i = 0; i < VKA_COUNT(cuts); i++) {
        *cut = cuts[i];
        uint32_t own = f->m * cut->fragments, lanes = f->subgroup * cut->subgroups;
        bool wide = args->in[Q].dim[3] + args->in[V].dim[3] > WIDE;
        if (f->subgroup % own == 0 && cut->keys % own == 0 && lanes <= limits->max_invocations &&
            lanes <= limits->max_group_size[0] && !(cut->fragments > 1 && wide) &&
            matrix_bytes(f, args, cut) <= limits->shared_bytes)
            return true;
    }
    return false;
}

static bool fits_matrix(const struct vka_limits *limits, const struct vka_args *args)
{
    const struct vka_matrix_shape *f = &limits->matrix;
    struct matrix_cut cut;
    return f->m > 0 && !limits->is_cpu && fits_any(limits, args) &&
           args->in[Q].dim[3] <= MOST_WIDTH && args->in[Q].dim[2] >= f->m &&
           matrix_cut_of(limits, args, &cut);
}

static bool by_eight(const struct vka_array *a)
{
    bool eights = a->offset % 8 == 0 && a->dim[3] % 8 == 0;
    for (int i = 0; i < 3; i++)
        eights = eights && (a->stride[i] % 8 == 0 || a->dim[i] == 1);
    return eights;
}

static void launch_matrix(struct vka_launch *l, const struct vka_args *args)
{
    const struct vka_matrix_shape *f = &vka_launch_limits(l)->matrix;
    struct vka_attention_job job;
    struct matrix_cut cut;
    job_of(args, &job);
    matrix_cut_of(vka_launch_limits(l), args, &cut);
    bool eights = by_eight(&args->in[Q]) && by_eight(&args->in[K]) && by_eight(&args->in[V]);
    struct vka_dispatch d;
    vka_begin(l, &d, is_full(args) ? "attention_matrix_full" : "attention_matrix",
              f->subgroup * cut.subgroups, 1, 1);
    d.subgroup = f->subgroup;
    add_constants(&d, args, &job);
    const uint32_t more[] = {f->m,          f->n,          f->k,     f->subgroup,
                             cut.fragments, cut.subgroups, cut.keys, eights};
    for (size_t i = 0; i < VKA_COUNT(more); i++)
        vka_constant_u32(&d, more[i]);
    // At most a turn for each element of a row of k and of v, and for each key three times.
    tell_turns(&d, &job, cut.keys, job.depth + job.width + 3 * cut.keys);
    launch(l, args, &d, &job, f->m * cut.fragments * cut.subgroups);
}

static const struct vka_variant variants[] = {
    {"lanes", fits_lanes, launch_lanes},
    {"few", fits_few, launch_few},
    {"matrix", fits_matrix, launch_matrix},
    {"baseline", fits_any, launch_baseline},
    {NULL, NULL, NULL},
};

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
static vka_tensor whole_mask(vka_graph *g, const struct attention_params *p, vka_tensor mask,
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
    struct attention_params params = params_of(p);
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
        if (lines_up(&a))
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
    const struct attention_params *p = node->params;
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
        out[OUT] = vka_reshape(g, y, VKA_SHAPE(q.dim[0], q.dim[1], q.dim[2], vka_dim(g, v, -1)));
    }
    if (node->out[LSE])
        out[LSE] = make_lse(g, logits, in[BIAS], mask, p->mask_removes);
}

const struct vka_op vka_op_attention = {
    .name = "attention",
    .summary = "softmax(scale q k^T + bias, masked) v, block by block",
    .params_size = sizeof(struct attention_params),
    .flags = VKA_OP_STRIDED | VKA_OP_FUSED,
    .infer = infer,
    .cpu = cpu,
    .flops = flops,
    .cpu_scratch = cpu_scratch,
    .variants = variants,
    .expand = expand,
};
