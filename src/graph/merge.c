// SPDX-License-Identifier: MIT
//
// Merging: a map that several steps read costs a pass over memory each, so a mean and a max of the
// same map are taken in one, and a product by a gate isn't stored where those who read it can
// multiply themselves; what a product is added to is its residual. A device for which what would
// come of it has no variant keeps the graph as it was written.
#include "graph/program.h"
#include "ops/ops.h"

enum { X, FACTOR };         // operands of mean_max
enum { MEAN, MAX };         // results
enum { MOST_READERS = 4 };  // of a product: each multiplies again
enum { LEAST_REPEATS = 4 }; // of a gate, so that it stays in a cache that the map doesn't
enum { REACH = 256 };       // nodes that a pair may lie apart

static bool reduces(const vka_graph *g, const struct vka_op_node *node, struct vka_mean_max *p,
                    int *result)
{
    enum vka_reduce_kind kind;
    // No result: it went into another one.
    if (!vka_reduce_is(node, &kind, &p->axes, &p->keep) || !node->out[0] ||
        vka_type(g, node->in[0]) != VKA_F32)
        return false;
    *result = kind == VKA_REDUCE_MAX ? MAX : MEAN;
    return kind == VKA_REDUCE_MAX || kind == VKA_REDUCE_MEAN;
}

static void make_mean_max(vka_graph *g, struct vka_op_node *node, vka_tensor x, vka_tensor factor)
{
    struct vka_mean_max p = {0}, *params = vka_pool_alloc(g, sizeof p);
    vka_tensor out = node->out[0];
    int result = MEAN;
    if (!params || !reduces(g, node, &p, &result))
        return;
    *params = p;
    node->op = &vka_op_mean_max;
    node->params = params;
    node->n_in = 2;
    node->in[X] = x;
    node->in[FACTOR] = factor;
    node->n_out = 2;
    node->out[MEAN] = node->out[MAX] = 0;
    node->out[result] = out;
}

// Whether the device can do that as it stands.
static bool fits(const struct vka_program *p, const struct vka_op_node *node)
{
    struct vka_args args;
    if (!p->device)
        return true;
    vka_program_args(p, node, &args);
    for (const struct vka_variant *v = node->op->variants; v && v->name; v++) {
        if (!v->fits || v->fits(&p->limits, &args))
            return true;
    }
    return false;
}

// --- products ---

struct readers {
    struct vka_op_node *node[MOST_READERS];
    int count;
};

// By value, the last node that reads it or a view of it. Merging moves reads only of what was made
// before the product, and whose own readers were looked for already.
static size_t *last_readers(vka_graph *g)
{
    size_t *last = vka_pool_alloc(g, g->value_count * sizeof *last);
    for (size_t i = 0; last && i < g->value_count; i++)
        last[i] = 0;
    for (size_t i = 0; last && i < g->node_count; i++) {
        const struct vka_op_node *node = &g->nodes[i];
        for (int k = 0; k < node->n_in; k++)
            last[g->values[node->in[k]].base] = i;
    }
    return last;
}

// The nodes from `from` to `last` that read `t`; false where there are too many, or it is read
// otherwise than as it is.
static bool find_readers(vka_graph *g, size_t from, size_t last, vka_tensor t, struct readers *r)
{
    r->count = 0;
    for (size_t i = 0; i < g->output_count; i++) {
        if (g->values[g->outputs[i].tensor].base == t)
            return false;
    }
    for (size_t i = from; i <= last; i++) {
        struct vka_op_node *node = &g->nodes[i];
        bool reads = false;
        for (int k = 0; k < node->n_in; k++) {
            if (node->in[k] && node->in[k] != t && g->values[node->in[k]].base == t)
                return false;
            reads |= node->in[k] == t;
        }
        if (reads && r->count == MOST_READERS)
            return false;
        if (reads)
            r->node[r->count++] = node;
    }
    return r->count > 0;
}

static bool same_shape(const vka_graph *g, vka_tensor a, vka_tensor b)
{
    return vka_shape_equal(&g->values[a].shape, &g->values[b].shape);
}

static bool multiplies_itself(const vka_graph *g, const struct vka_op_node *node, vka_tensor t)
{
    struct vka_mean_max p;
    int result;
    if (reduces(g, node, &p, &result))
        return true;
    if (node->op == &vka_op_mean_max)
        return node->in[X] == t && !node->in[FACTOR];
    return vka_is_mul(node) && vka_type(g, t) == VKA_F32 && same_shape(g, node->out[0], t) &&
           node->in[0] != node->in[1];
}

// A map by a gate: the operand that is the map, or -1.
static int map_of(const vka_graph *g, const struct vka_op_node *node)
{
    if (!vka_is_mul(node) || vka_type(g, node->out[0]) != VKA_F32)
        return -1;
    int64_t count = vka_elements(g, node->out[0]);
    for (int i = 0; i < 2; i++) {
        const struct vka_value *gate = vka_value_of(g, node->in[1 - i]);
        if (same_shape(g, node->in[i], node->out[0]) &&
            count >= vka_elements(g, gate->base) * LEAST_REPEATS)
            return i;
    }
    return -1;
}

static void move_into(vka_graph *g, struct vka_op_node *node, vka_tensor t, vka_tensor x,
                      vka_tensor gate)
{
    if (node->op == &vka_op_mean_max) {
        node->in[X] = x;
        node->in[FACTOR] = gate;
        return;
    }
    if (!vka_is_mul(node)) {
        make_mean_max(g, node, x, gate);
        return;
    }
    struct vka_mul3 *params = vka_pool_alloc(g, sizeof *params);
    vka_tensor other = node->in[node->in[0] == t];
    if (!params)
        return;
    *params = (struct vka_mul3){0};
    node->op = &vka_op_mul3;
    node->params = params;
    node->n_in = 3;
    node->in[0] = x;
    node->in[1] = gate;
    node->in[2] = other;
}

static void merge_product(const struct vka_program *p, size_t i, const size_t *last)
{
    vka_graph *g = p->g;
    struct vka_op_node *node = &g->nodes[i], was[MOST_READERS];
    struct readers r;
    int map = map_of(g, node);
    if (map < 0 || !find_readers(g, i + 1, last[node->out[0]], node->out[0], &r))
        return;
    for (int k = 0; k < r.count; k++) {
        if (!multiplies_itself(g, r.node[k], node->out[0]))
            return;
    }
    bool fit = true;
    for (int k = 0; k < r.count; k++) {
        was[k] = *r.node[k];
        move_into(g, r.node[k], node->out[0], node->in[map], node->in[1 - map]);
        fit &= fits(p, r.node[k]);
    }
    for (int k = 0; k < r.count && !fit; k++)
        *r.node[k] = was[k];
}

// --- sums ---

// The node before `i` that makes `t`; NULL: too far away.
static struct vka_op_node *maker_of(vka_graph *g, size_t i, vka_tensor t)
{
    for (size_t k = i; k-- > 0 && k + REACH > i;) {
        if (g->nodes[k].out[0] == t)
            return &g->nodes[k];
    }
    return NULL;
}

// A product that nobody reads but the sum in node `i`: one step, where the sum stands.
static void merge_sum(const struct vka_program *p, size_t i, const size_t *last)
{
    vka_graph *g = p->g;
    struct vka_op_node *node = &g->nodes[i], was = *node;
    struct vka_activation act;
    struct readers r;
    if (!vka_is_sum(node, &act) || node->in[0] == node->in[1] ||
        vka_type(g, node->in[0]) != VKA_F32)
        return;
    for (int k = 0; k < 2; k++) {
        vka_tensor t = was.in[k], other = was.in[1 - k];
        struct vka_op_node *maker = maker_of(g, i, t);
        if (!maker || !same_shape(g, t, other) ||
            !find_readers(g, (size_t)(maker - g->nodes) + 1, last[t], t, &r) || r.count != 1 ||
            !vka_matmul_add(g, maker, other, act, node))
            continue;
        if (fits(p, node) || !fits(p, maker)) { // the latter: it is expanded either way
            maker->out[0] = 0;
            return;
        }
        *node = was;
    }
}

// --- pairs ---

static bool same_mean_max(const struct vka_op_node *a, const struct vka_op_node *b)
{
    const struct vka_mean_max *p = a->params, *q = b->params;
    return b->op == &vka_op_mean_max && !p->stacks && !q->stacks && a->in[X] == b->in[X] &&
           a->in[FACTOR] == b->in[FACTOR] && p->axes == q->axes && p->keep == q->keep;
}

// Takes the result that `node` lacks from a later one like it.
static void merge_pair(const struct vka_program *program, struct vka_op_node *node,
                       struct vka_op_node *other)
{
    vka_graph *g = program->g;
    struct vka_mean_max p, q;
    struct vka_op_node was = *node;
    int result, lacks = node->out[MEAN] ? MAX : MEAN;
    if (node->op == &vka_op_mean_max) {
        if (!same_mean_max(node, other) || node->out[lacks] || !other->out[lacks])
            return;
        node->out[lacks] = other->out[lacks];
        other->out[lacks] = 0;
        return;
    }
    int own;
    if (!reduces(g, node, &p, &own) || !reduces(g, other, &q, &result) || result == own ||
        node->in[X] != other->in[X] || p.axes != q.axes || p.keep != q.keep)
        return;
    make_mean_max(g, node, node->in[0], 0);
    if (vka_failed(g))
        return;
    node->out[result] = other->out[0];
    if (fits(program, node))
        other->out[0] = 0;
    else
        *node = was;
}

static void merge_pairs(const struct vka_program *program, size_t i)
{
    vka_graph *g = program->g;
    struct vka_mean_max p;
    int result;
    struct vka_op_node *node = &g->nodes[i];
    if (node->op != &vka_op_mean_max && !reduces(g, node, &p, &result))
        return;
    for (size_t k = i + 1; k < g->node_count && k < i + REACH; k++)
        merge_pair(program, node, &g->nodes[k]);
}

void vka_merge(struct vka_program *p)
{
    vka_graph *g = p->g;
    const size_t *last = last_readers(g);
    for (size_t i = 0; i < g->node_count && !vka_failed(g); i++)
        merge_product(p, i, last);
    for (size_t i = 0; i < g->node_count && !vka_failed(g); i++)
        merge_pairs(p, i);
    last = last_readers(g);
    for (size_t i = 0; i < g->node_count && !vka_failed(g); i++)
        merge_sum(p, i, last);
    vka_drop_unneeded(g);
}
