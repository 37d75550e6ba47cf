// SPDX-License-Identifier: MIT
#include "random_graph.h"

#include "io/weights.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const vka_shape weight_shapes[RANDOM_WEIGHTS] = {{1, {6}}, {2, {6, 4}}, {3, {2, 1, 6}}};
static const char *const weight_names[RANDOM_WEIGHTS] = {"a", "b", "c"};

// --- node by node ---

static int64_t place_of(const struct vka_value *v, int64_t index)
{
    int64_t at = v->offset;
    for (int i = v->shape.rank - 1; i >= 0; i--) {
        at += index % v->shape.dim[i] * v->stride[i];
        index /= v->shape.dim[i];
    }
    return at;
}

void read_value(const vka_graph *g, void *const *data, vka_tensor t, uint32_t *into)
{
    const struct vka_value *v = vka_value_of(g, t);
    for (int64_t i = 0; i < vka_elements(g, t); i++)
        into[i] = ((const uint32_t *)data[v->base])[place_of(v, i)];
}

static void point(const vka_graph *g, void *const *data, vka_tensor t, struct vka_array *a)
{
    vka_value_array(g, t, a);
    if (vka_present(a))
        a->data = (uint32_t *)data[a->id] + a->offset;
}

static void compute_node(const vka_graph *g, void **data, const struct vka_op_node *node)
{
    struct vka_args args = {.params = node->params, .n_in = node->n_in, .n_out = node->n_out};
    for (int i = 0; i < node->n_out; i++) {
        if (node->out[i])
            data[node->out[i]] = malloc((size_t)vka_elements(g, node->out[i]) * 4);
    }
    for (int i = 0; i < VKA_MAX_IN; i++)
        point(g, data, i < node->n_in ? node->in[i] : 0, &args.in[i]);
    for (int i = 0; i < VKA_MAX_OUT; i++)
        point(g, data, i < node->n_out ? node->out[i] : 0, &args.out[i]);
    assert_non_null(node->op->cpu);
    size_t scratch = node->op->cpu_scratch ? node->op->cpu_scratch(&args, 1) : 0;
    struct vka_cpu_run run = {.args = &args, .scratch = vka_alloc_data(g->context, scratch)};
    assert_non_null(run.scratch);
    node->op->cpu(&run);
    vka_free_data(g->context, run.scratch);
}

void **compute_values(const vka_graph *g, const vka_io *inputs)
{
    void **data = calloc(g->value_count, sizeof *data);
    for (size_t i = 1; i < g->value_count; i++) {
        const struct vka_value *v = &g->values[i];
        size_t bytes = (size_t)vka_elements(g, (vka_tensor)i) * 4;
        const void *from = v->store == VKA_STORE_INPUT      ? inputs[v->source].data
                           : v->store == VKA_STORE_CONSTANT ? v->data
                           : v->store == VKA_STORE_WEIGHT   ? g->weights->entries[v->source].data
                                                            : NULL;
        if (v->base == (vka_tensor)i && from)
            data[i] = memcpy(malloc(bytes), from, bytes);
    }
    for (size_t n = 0; n < g->node_count; n++)
        compute_node(g, data, &g->nodes[n]);
    return data;
}

void free_values(const vka_graph *g, void **data)
{
    for (size_t i = 0; i < g->value_count; i++)
        free(data[i]);
    free(data);
}

// --- choosing operands ---

static int64_t below(struct random_graph *r, int64_t n)
{
    return unit_below(&r->seed, n);
}

static bool small(const struct random_graph *r, vka_tensor t)
{
    return vka_elements(r->g, t) <= RANDOM_ELEMENTS / 4;
}

static vka_tensor any_view(struct random_graph *r, vka_tensor t)
{
    vka_graph *g = r->g;
    int rank = vka_rank(g, t), axis = rank ? (int)below(r, rank) : 0;
    int64_t size = vka_dim(g, t, axis);
    switch (rank ? below(r, 8) : 7) {
    case 0:
        return vka_transpose(g, t, axis, (int)below(r, rank));
    case 1:
        return below(r, 2) ? vka_slice(g, t, axis, size / 2, size - size / 2)
                           : vka_slice(g, t, axis, 0, size - size / 2);
    case 2:
        return vka_slice_step(g, t, axis, size - 1, size, -1);
    case 3:
        return rank > 1 ? vka_flatten(g, t, 0, 1) : t;
    case 4:
        return rank < 4 && small(r, t)
                   ? vka_broadcast_to(
                         g, vka_unsqueeze(g, t, 0),
                         (vka_shape){rank + 1,
                                     {2, vka_dim(g, t, 0), vka_dim(g, t, 1), vka_dim(g, t, 2)}})
                   : t;
    default:
        return t;
    }
}

// One of the pool, mostly of the last ones, so that outputs hang on much; seen through a view now
// and then.
static vka_tensor pick(struct random_graph *r, vka_dtype dtype)
{
    for (;;) {
        int64_t recent = r->count < 5 ? r->count : 5;
        vka_tensor t = r->pool[below(r, 5) ? r->count - 1 - below(r, recent) : below(r, r->count)];
        if (vka_type(r->g, t) == dtype)
            return any_view(r, t);
        if (below(r, 8) == 0 && dtype == VKA_I32)
            return any_view(r, r->pool[RANDOM_INPUTS - 1]);
    }
}

// A tensor of the same type and shape, or another if there is none.
static vka_tensor pick_like(struct random_graph *r, vka_tensor t)
{
    vka_shape shape = vka_shape_of(r->g, t);
    for (int tries = 0; tries < 20; tries++) {
        vka_tensor other = pick(r, vka_type(r->g, t));
        vka_shape own = vka_shape_of(r->g, other);
        if (vka_shape_equal(&own, &shape))
            return other;
    }
    return t;
}

// --- nodes; results stay about within -2 .. 2 ---

static vka_tensor make_unary(struct random_graph *r)
{
    static const int acts[] = {VKA_ACT_RELU, VKA_ACT_SIGMOID, VKA_ACT_TANH, VKA_ACT_ABS,
                               VKA_ACT_NEG,  VKA_ACT_SQUARE,  VKA_ACT_GELU};
    vka_tensor x = pick(r, VKA_F32);
    int act = acts[below(r, VKA_COUNT(acts))];
    return act == VKA_ACT_SQUARE ? vka_act(r->g, vka_act(r->g, x, VKA_ACT_TANH), act)
                                 : vka_act(r->g, x, act);
}

static vka_tensor make_affine(struct random_graph *r)
{
    return vka_affine(r->g, pick(r, VKA_F32), 0.5, 0.25);
}

static vka_tensor make_sum(struct random_graph *r)
{
    vka_tensor a = pick(r, VKA_F32), b = pick_like(r, a);
    enum vka_binary_kind kind = below(r, 2) ? VKA_ADD : VKA_SUB;
    if (below(r, 2))
        return vka_binary_act(r->g, kind, a, b, (struct vka_activation){VKA_ACT_TANH, 0, 0});
    return vka_affine(r->g, vka_binary(r->g, kind, a, b), 0.5, 0);
}

// With a mean, which broadcasts.
static vka_tensor make_gated(struct random_graph *r)
{
    vka_tensor x = pick(r, VKA_F32);
    if (vka_rank(r->g, x) == 0)
        return x;
    unsigned axes = 1u << below(r, vka_rank(r->g, x));
    vka_tensor mean =
        vka_reduce(r->g, below(r, 2) ? VKA_REDUCE_MEAN : VKA_REDUCE_MAX, x, axes, true);
    return vka_mul(r->g, vka_act(r->g, x, VKA_ACT_TANH), vka_act(r->g, mean, VKA_ACT_SIGMOID));
}

static vka_tensor make_extreme(struct random_graph *r)
{
    vka_tensor a = pick(r, VKA_F32);
    return vka_binary(r->g, below(r, 2) ? VKA_MIN : VKA_MAX, a, pick_like(r, a));
}

static vka_tensor make_product(struct random_graph *r)
{
    vka_tensor a = pick(r, VKA_F32);
    if (vka_rank(r->g, a) < 2 || !small(r, a))
        return make_affine(r);
    struct vka_matmul p = {.alpha = 1.0f / (float)vka_dim(r->g, a, -1)};
    vka_tensor b = vka_transpose(r->g, pick_like(r, a), -1, -2);
    p.bias = below(r, 3) == 0 ? vka_constant_scalar(r->g, 0.125f) : 0;
    return vka_matmul(r->g, a, b, &p);
}

static vka_tensor make_copy(struct random_graph *r)
{
    return vka_copy(r->g, pick(r, below(r, 4) ? VKA_F32 : VKA_I32));
}

static vka_tensor make_concat(struct random_graph *r)
{
    vka_tensor a = pick(r, VKA_F32), b = pick_like(r, a), c = pick_like(r, b);
    int rank = vka_rank(r->g, a);
    if (rank == 0 || !small(r, a))
        return make_sum(r);
    return VKA_CONCAT(r->g, (int)below(r, rank), a, b, c);
}

static vka_tensor make_pad(struct random_graph *r)
{
    vka_tensor x = pick(r, VKA_F32);
    int64_t before[VKA_MAX_RANK] = {0}, after[VKA_MAX_RANK] = {0};
    if (vka_rank(r->g, x) == 0 || !small(r, x))
        return make_unary(r);
    before[below(r, vka_rank(r->g, x))] = 1;
    after[below(r, vka_rank(r->g, x))] = 1;
    return vka_pad(r->g, x, VKA_PAD_CONSTANT, before, after, 0.5f);
}

static vka_tensor make_reduced(struct random_graph *r)
{
    vka_tensor x = pick(r, VKA_F32);
    int rank = vka_rank(r->g, x);
    return rank < 2 ? make_unary(r)
                    : vka_reduce(r->g, VKA_REDUCE_MEAN, x, 1u << below(r, rank), below(r, 2));
}

static vka_tensor make_softmax(struct random_graph *r)
{
    vka_tensor x = pick(r, VKA_F32);
    return vka_rank(r->g, x) ? vka_softmax(r->g, x, NULL) : vka_copy(r->g, x);
}

static vka_tensor make_integer(struct random_graph *r)
{
    vka_tensor a = pick(r, VKA_I32);
    return vka_binary(r->g, below(r, 2) ? VKA_MIN : VKA_MAX, a, pick_like(r, a));
}

static vka_tensor make_choice(struct random_graph *r)
{
    vka_tensor k = pick(r, VKA_I32), one = vka_slice(r->g, vka_flatten(r->g, k, 0, -1), 0, 0, 1);
    vka_tensor is = vka_binary(r->g, VKA_GT, k, one), x = vka_cast(r->g, k, VKA_F32);
    return vka_where(r->g, is, vka_affine(r->g, x, 0.25, 0), vka_affine(r->g, x, -0.25, 0.5));
}

// The ids are 0 .. 1.
static vka_tensor make_gather(struct random_graph *r)
{
    vka_tensor table = pick(r, VKA_F32), ids = pick(r, VKA_I32);
    if (vka_rank(r->g, table) < 2 || vka_dim(r->g, table, 0) < 2 || vka_rank(r->g, ids) > 3)
        return make_integer(r);
    vka_tensor flat = vka_flatten(r->g, table, 1, -1);
    if (vka_elements(r->g, ids) * vka_dim(r->g, flat, 1) > RANDOM_ELEMENTS)
        return make_integer(r);
    return vka_gather(r->g, flat, ids);
}

static vka_tensor make_resized(struct random_graph *r)
{
    vka_tensor x = pick(r, VKA_F32);
    if (vka_rank(r->g, x) != 3 || !small(r, x))
        return make_affine(r);
    return vka_resize(r->g, x, &(struct vka_resize){.size = {vka_dim(r->g, x, 2) + 1}});
}

// Fused, with a second result now and then. One width alone: a device compiles for each.
static vka_tensor make_attention(struct random_graph *r)
{
    vka_tensor x = pick(r, VKA_F32), lse = 0;
    if (vka_rank(r->g, x) < 2 || vka_dim(r->g, x, -1) != 6 || vka_elements(r->g, x) > 40 * 6)
        return make_gated(r);
    vka_shape shape = VKA_SHAPE(1, 1, -1, vka_dim(r->g, x, -1));
    vka_tensor q = vka_reshape(r->g, x, shape), v = vka_act(r->g, q, VKA_ACT_TANH);
    struct vka_attention p = {.scale = 0.5, .causal = below(r, 2)};
    vka_tensor y = vka_attention(r->g, q, v, v, &p, below(r, 2) ? &lse : NULL);
    if (lse)
        r->pool[r->count++] = vka_affine(r->g, lse, 0.25, 0);
    return y;
}

typedef vka_tensor (*make_fn)(struct random_graph *r);
static const make_fn makers[] = {
    make_unary,   make_affine,  make_sum,    make_gated,     make_sum,
    make_extreme, make_copy,    make_concat, make_product,   make_product,
    make_pad,     make_reduced, make_choice, make_gather,    make_softmax,
    make_integer, make_resized, make_affine, make_attention,
};

// --- the graph ---

void random_weights(struct rig *rig)
{
    static float data[RANDOM_WEIGHTS][64];
    for (int w = 0; w < RANDOM_WEIGHTS; w++) {
        for (int i = 0; i < 64; i++)
            data[w][i] = (float)((i * 37 + w) % 19 - 9) / 9.0f;
        rig_add_weight(rig, weight_names[w], weight_shapes[w], data[w]);
    }
}

static void add_sources(struct random_graph *r, struct rig *rig)
{
    static const vka_shape shapes[RANDOM_INPUTS] = {
        {3, {2, 8, 6}}, {2, {6, 8}}, {4, {2, 3, 4, 6}}, {2, {2, 6}}};
    static const char *const names[RANDOM_INPUTS] = {"x0", "x1", "x2", "ids"};
    for (int i = 0; i < RANDOM_INPUTS; i++) {
        bool real = i < RANDOM_INPUTS - 1;
        vka_dtype dtype = real ? VKA_F32 : VKA_I32;
        vka_tensor t = rig_input(rig, names[i], dtype, shapes[i]);
        int64_t count = vka_elements(r->g, t);
        for (int64_t k = 0; k < count; k++) {
            if (real)
                r->x[i][k] = (float)(below(r, 2001) - 1000) / 1000.0f;
            else
                r->ids[k] = (int32_t)below(r, 2);
        }
        r->in[i] = (vka_io){names[i], dtype, real ? (void *)r->x[i] : r->ids, (uint64_t)count * 4};
        r->pool[r->count++] = t;
    }
    for (int w = 0; w < RANDOM_WEIGHTS; w++)
        r->pool[r->count++] = rig_weight(rig, weight_names[w]);
    r->pool[r->count++] = vka_constant_scalar(r->g, 0.75f);
}

// Something of every late value, so that all are needed, and some for long.
static vka_tensor join(struct random_graph *r)
{
    vka_tensor parts[40];
    int count = 0;
    for (int i = r->count - 1; i >= 0 && count < (int)VKA_COUNT(parts); i--) {
        vka_tensor t = r->pool[i];
        if (vka_type(r->g, t) != VKA_F32)
            continue;
        t = vka_reshape(r->g, t, VKA_SHAPE(-1));
        int64_t size = vka_dim(r->g, t, 0);
        parts[count++] = vka_slice(r->g, t, 0, 0, size < 40 ? size : 40);
    }
    return vka_concat(r->g, 0, count, parts);
}

static void add_outputs(struct random_graph *r)
{
    static const char *const names[RANDOM_OUTPUTS] = {"y0", "y1", "y2", "y3"};
    r->outputs = 1 + (int)below(r, RANDOM_OUTPUTS);
    for (int i = 0; i < r->outputs; i++) {
        vka_dtype dtype = (vka_dtype)(below(r, 5) ? VKA_F32 : VKA_I32);
        vka_tensor t = i == 0 && below(r, 4) ? join(r) : pick(r, dtype);
        vka_output(r->g, names[i], t);
        r->out[i] =
            (vka_io){names[i], vka_type(r->g, t), r->got[i], (uint64_t)vka_elements(r->g, t) * 4};
    }
    r->out[r->outputs] = (vka_io){0};
}

void random_graph_make(struct random_graph *r, struct rig *rig, uint64_t seed, int nodes)
{
    memset(r, 0, sizeof *r);
    r->seed = seed;
    rig_new_graph(rig);
    r->g = rig->graph;
    add_sources(r, rig);
    while ((int)r->g->node_count < nodes && r->count < (int)VKA_COUNT(r->pool) - 1) {
        vka_tensor t = makers[below(r, VKA_COUNT(makers))](r);
        rig_assert_ok(vka_graph_status(r->g));
        if (t && vka_elements(r->g, t) <= RANDOM_ELEMENTS)
            r->pool[r->count++] = t;
    }
    add_outputs(r);
    rig_assert_ok(vka_graph_status(r->g));
    void **data = compute_values(r->g, r->in);
    for (int i = 0; i < r->outputs; i++)
        read_value(r->g, data, r->g->outputs[i].tensor, r->want[i]);
    free_values(r->g, data);
}

static double difference(const struct random_graph *r, int output, int64_t i, bool exact)
{
    uint32_t a = r->got[output][i], b = r->want[output][i];
    float x, y;
    if (exact || r->out[output].dtype != VKA_F32)
        return a != b;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    double d = fabs((double)x - (double)y);
    return isnan(d) ? INFINITY : d;
}

double random_graph_differ(struct random_graph *r, vka_plan *plan, bool exact)
{
    double most = 0;
    memset(r->got, 0xa5, sizeof r->got);
    rig_assert_ok(vka_plan_run(plan, r->in, r->out));
    for (int o = 0; o < r->outputs; o++) {
        for (int64_t i = 0; i < (int64_t)r->out[o].bytes / 4; i++) {
            double d = difference(r, o, i, exact);
            most = d > most ? d : most;
        }
    }
    return most;
}
