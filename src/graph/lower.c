// SPDX-License-Identifier: MIT
//
// Lowering: the nodes that outputs need, each in a form that the executor runs. What doesn't fit is
// expanded, again and again, until it does.
#include "graph/program.h"
#include "io/weights.h"
#include "ops/ops.h"

#include <stdio.h>
#include <string.h>

struct lowering {
    struct vka_program *p;
    vka_graph *g; // of the program
    bool expand;
    bool run_known; // steps on known operands aren't folded: they fill an output at each run
    struct vka_op_node *done; // the nodes that stay
    size_t count, capacity;
};

static bool lower_node(struct lowering *l, const struct vka_op_node *node);

// --- a graph of our own ---

static bool clone_values(vka_graph *g, const vka_graph *from)
{
    for (size_t i = 1; i < from->value_count; i++) {
        struct vka_value v = from->values[i];
        v.data = NULL;
        vka_tensor t = vka_add_value(g, &v);
        if (!t)
            return false;
        if (!from->values[i].data)
            continue;
        uint64_t bytes = (uint64_t)vka_elements(from, t) * 4;
        g->values[t].data = vka_alloc_data(g->context, bytes);
        if (!g->values[t].data)
            return false;
        memcpy(g->values[t].data, from->values[i].data, (size_t)bytes);
    }
    return true;
}

static bool clone_nodes(vka_graph *g, const vka_graph *from)
{
    for (size_t i = 0; i < from->node_count; i++) {
        struct vka_op_node node = from->nodes[i];
        node.params = vka_pool_alloc(g, node.op->params_size);
        node.path = vka_pool_format(g, "%s", from->nodes[i].path);
        if (!node.params || !node.path)
            return false;
        memcpy(node.params, from->nodes[i].params, node.op->params_size);
        if (!vka_push_node(g, &node))
            return false;
    }
    return true;
}

static bool clone_ends(vka_graph *g, const vka_graph *from)
{
    for (size_t i = 0; i < from->input_count; i++) {
        if (!vka_add_given(g, &g->inputs, &g->input_count, &g->input_capacity, from->inputs[i].name,
                           from->inputs[i].tensor))
            return false;
    }
    for (size_t i = 0; i < from->output_count; i++) {
        if (!vka_add_given(g, &g->outputs, &g->output_count, &g->output_capacity,
                           from->outputs[i].name, from->outputs[i].tensor))
            return false;
    }
    return true;
}

// The results of checks on the device come out with the outputs.
static bool clone_checks(vka_graph *g, const vka_graph *from)
{
    for (size_t i = 0; i < from->check_count; i++) {
        struct vka_check check = from->checks[i];
        check.what = vka_pool_format(g, "%s", check.what);
        if (!check.what || !vka_grow(g->context, (void **)&g->checks, &g->check_capacity,
                                     g->check_count, sizeof *g->checks))
            return false;
        g->checks[g->check_count++] = check;
        if (check.found && !vka_add_given(g, &g->outputs, &g->output_count, &g->output_capacity,
                                          check.what, check.found))
            return false;
    }
    return true;
}

static vka_graph *clone_graph(const vka_graph *from)
{
    vka_graph *g;
    if (vka_graph_create(from->context, from->weights, &g) != VKA_OK)
        return NULL;
    if (clone_values(g, from) && clone_nodes(g, from) && clone_ends(g, from) &&
        clone_checks(g, from))
        return g;
    vka_graph_destroy(g);
    vka_out_of_memory(from->context);
    return NULL;
}

// --- what is needed ---

void vka_drop_unneeded(vka_graph *g)
{
    // `renamed` isn't in use before or after lowering: it serves as the mark.
    for (size_t i = 0; i < g->value_count; i++)
        g->values[i].renamed = 0;
    for (size_t i = 0; i < g->output_count; i++)
        g->values[g->values[g->outputs[i].tensor].base].renamed = 1;
    for (size_t i = g->node_count; i-- > 0;) {
        struct vka_op_node *node = &g->nodes[i];
        bool needed = false;
        for (int k = 0; k < node->n_out; k++) {
            if (node->out[k] && g->values[node->out[k]].renamed)
                needed = true;
            else if (!(node->op->flags & VKA_OP_WHOLE))
                node->out[k] = 0;
        }
        for (int k = 0; needed && k < node->n_in; k++) {
            if (node->in[k])
                g->values[g->values[node->in[k]].base].renamed = 1;
        }
        if (!needed)
            node->op = NULL;
    }
    size_t kept = 0;
    for (size_t i = 0; i < g->node_count; i++) {
        if (g->nodes[i].op)
            g->nodes[kept++] = g->nodes[i];
    }
    g->node_count = kept;
    for (size_t i = 0; i < g->value_count; i++)
        g->values[i].renamed = 0;
}

// --- one node ---

static bool all_known(const vka_graph *g, const struct vka_op_node *node)
{
    for (int i = 0; i < node->n_in; i++) {
        if (node->in[i] && !vka_is_known(g, node->in[i]))
            return false;
    }
    return true;
}

// Whether what is known is kept for the plan's life. What is much larger than what it comes from (a
// table of all pairs, say) is left to each run, whose temporaries share their memory.
static bool small_enough(const vka_graph *g, const struct vka_op_node *node)
{
    const int64_t small = 1 << 24; // elements
    int64_t out = 0, in = 0;
    for (int i = 0; i < node->n_out; i++)
        out += node->out[i] ? vka_elements(g, node->out[i]) : 0;
    for (int i = 0; i < node->n_in; i++)
        in += node->in[i] ? vka_elements(g, node->in[i]) : 0;
    return out <= small || out / 4 <= in;
}

// Values whose base was replaced look at the new one from now on.
static void follow_renames(vka_graph *g, const struct vka_op_node *node)
{
    for (int i = 0; i < node->n_in; i++) {
        struct vka_value *v = &g->values[node->in[i]];
        while (g->values[v->base].renamed)
            v->base = g->values[v->base].renamed;
    }
}

static bool keep(struct lowering *l, const struct vka_op_node *node,
                 const struct vka_variant *variant)
{
    if (!vka_grow(l->g->context, (void **)&l->done, &l->capacity, l->count, sizeof *l->done)) {
        vka_fail_memory(l->g, NULL);
        return false;
    }
    l->done[l->count] = *node;
    l->done[l->count++].variant = variant;
    return true;
}

// Runs `write` with an empty list of nodes, then lowers what it wrote.
static bool lower_written(struct lowering *l, void (*write)(struct lowering *l, void *arg),
                          void *arg)
{
    vka_graph *g = l->g;
    struct vka_op_node *nodes = g->nodes;
    size_t count = g->node_count, capacity = g->node_capacity;
    g->nodes = NULL;
    g->node_count = g->node_capacity = 0;
    write(l, arg);
    struct vka_op_node *written = g->nodes;
    size_t written_count = g->node_count;
    g->nodes = nodes;
    g->node_count = count;
    g->node_capacity = capacity;
    bool ok = !vka_failed(g);
    for (size_t i = 0; ok && i < written_count; i++)
        ok = lower_node(l, &written[i]);
    vka_free(g->context, written);
    return ok;
}

static bool covers_base(const vka_graph *g, vka_tensor t)
{
    const struct vka_value *v = vka_value_of(g, t);
    return v->offset == 0 && vka_is_dense(g, t) && vka_elements(g, t) == vka_elements(g, v->base);
}

static bool refuse(struct lowering *l, const struct vka_op_node *node, const char *why)
{
    vka_fail_as(l->g, VKA_ERROR_UNSUPPORTED, "%s%sthe operation %s %s", node->path,
                *node->path ? ": " : "", node->op->name, why);
    return false;
}

// Other operations in a node's stead.
struct stead {
    const struct vka_op_node *node;
    const char *why;             // the operation itself isn't possible, where it is expanded
    const struct vka_args *args; // as the device would get them, where it is repacked
    vka_tensor out[VKA_MAX_OUT];
};

static void take_places(struct lowering *l, struct stead *s)
{
    const struct vka_op_node *node = s->node;
    vka_graph *g = l->g;
    for (int i = 0; i < node->n_out && !vka_failed(g); i++) {
        bool takes_over = s->out[i] && covers_base(g, s->out[i]) &&
                          g->values[g->values[s->out[i]].base].store == VKA_STORE_TEMP;
        if (node->out[i] && !takes_over)
            s->out[i] = vka_copy(g, s->out[i]);
    }
    for (size_t i = 0; i < g->node_count; i++)
        g->nodes[i].path = node->path;
}

static void write_expansion(struct lowering *l, void *arg)
{
    struct stead *s = arg;
    s->node->op->expand(l->g, s->node, s->out);
    for (int i = 0; i < s->node->n_out && !vka_failed(l->g); i++) {
        if (s->node->out[i] && !s->out[i])
            refuse(l, s->node, s->why);
    }
    take_places(l, s);
}

static void write_repacked(struct lowering *l, void *arg)
{
    struct stead *s = arg;
    s->node->op->repack(l->g, &l->p->limits, s->args, s->node, s->out);
    if (s->out[0])
        take_places(l, s);
}

static const char no_kernel[] = "has no CPU kernel and no definition in other operations";

static bool replace_node(struct lowering *l, void (*write)(struct lowering *l, void *stead),
                         struct stead *s)
{
    const struct vka_op_node *node = s->node;
    if (!lower_written(l, write, s))
        return false;
    for (int i = 0; i < node->n_out; i++) {
        if (node->out[i] && s->out[i])
            l->g->values[node->out[i]].renamed = l->g->values[s->out[i]].base;
    }
    return true;
}

static bool expand_node(struct lowering *l, const struct vka_op_node *node, const char *why)
{
    struct stead s = {.node = node, .why = why};
    return node->op->expand ? replace_node(l, write_expansion, &s) : refuse(l, node, why);
}

static bool lower_for_cpu(struct lowering *l, const struct vka_op_node *node)
{
    bool fused = l->expand && (node->op->flags & VKA_OP_FUSED);
    if (node->op->cpu && !fused)
        return keep(l, node, NULL);
    return expand_node(l, node, no_kernel);
}

// What hangs on weights and constants alone (a folded batch norm, a packed weight) is computed
// once.
static bool lower_known(struct lowering *l, const struct vka_op_node *node)
{
    return node->op->cpu ? vka_fold_node(l->p, node) : expand_node(l, node, no_kernel);
}

static bool keep_with(struct lowering *l, const struct vka_op_node *node,
                      const struct vka_variant *variant, int64_t scratch)
{
    struct vka_op_node copy = *node;
    if (scratch > 0)
        copy.scratch = vka_new_value(l->g, VKA_I32, &(vka_shape){1, {scratch}});
    if (vka_failed(l->g))
        return false;
    return keep(l, &copy, variant);
}

static bool lower_for_device(struct lowering *l, const struct vka_op_node *node)
{
    int64_t scratch = 0;
    // What a launch says has figures.
    char why[512] = "", wants[128] = "it has no GPU variant", text[600];
    struct vka_args args;
    vka_program_args(l->p, node, &args);
    struct stead repacked = {.node = node, .args = &args};
    if (node->op->repack && !replace_node(l, write_repacked, &repacked))
        return false;
    if (repacked.out[0])
        return true;
    bool expand = l->expand && (node->op->flags & VKA_OP_FUSED);
    for (const struct vka_variant *v = node->op->variants; v && v->name && !expand; v++) {
        if (v->fits && !v->fits(&l->p->limits, &args))
            snprintf(wants, sizeof wants, "its variant '%s' wants more than that offers", v->name);
        else if (vka_launch_fits(l->p, v, &args, &scratch, why, sizeof why))
            return keep_with(l, node, v, scratch);
    }
    snprintf(text, sizeof text, "doesn't fit the device: %s", why[0] ? why : wants);
    return expand_node(l, node, text);
}

// A weight may be declared, for graphs alone, without data.
static bool have_data(vka_graph *g, const struct vka_op_node *node)
{
    for (int i = 0; i < node->n_in; i++) {
        const struct vka_value *base = &g->values[g->values[node->in[i]].base];
        if (base->store == VKA_STORE_WEIGHT && !g->weights->entries[base->source].data)
            vka_fail(g, "weight '%s' has no data", g->weights->entries[base->source].name);
    }
    return !vka_failed(g);
}

static bool lower_node(struct lowering *l, const struct vka_op_node *node)
{
    follow_renames(l->g, node);
    if (!have_data(l->g, node))
        return false;
    if (all_known(l->g, node) && !l->run_known && small_enough(l->g, node))
        return lower_known(l, node);
    return l->p->device ? lower_for_device(l, node) : lower_for_cpu(l, node);
}

// --- outputs ---

struct copying {
    vka_tensor t;
    const char *name; // of the output
};

static void write_copy(struct lowering *l, void *arg)
{
    struct copying *c = arg;
    c->t = vka_copy(l->g, c->t);
    for (size_t i = 0; i < l->g->node_count; i++)
        l->g->nodes[i].path = c->name;
}

// An output is a base of its own in the output buffer: the one that its node makes where possible,
// else a copy.
static bool place_output(struct lowering *l, size_t i)
{
    vka_graph *g = l->g;
    struct copying c = {g->outputs[i].tensor, g->outputs[i].name};
    struct vka_value *v = &g->values[c.t];
    while (g->values[v->base].renamed)
        v->base = g->values[v->base].renamed;
    if (g->values[v->base].store != VKA_STORE_TEMP || !covers_base(g, c.t)) {
        l->run_known = true;
        bool ok = lower_written(l, write_copy, &c);
        l->run_known = false;
        if (!ok)
            return false;
    }
    vka_tensor base = g->values[c.t].base;
    while (g->values[base].renamed)
        base = g->values[base].renamed;
    g->values[base].store = VKA_STORE_OUTPUT;
    g->values[base].source = (int)i;
    g->outputs[i].tensor = base;
    return true;
}

static bool lower_all(struct lowering *l)
{
    vka_graph *g = l->g;
    vka_drop_unneeded(g);
    if (!l->expand)
        vka_merge(l->p);
    for (size_t i = 0; i < g->node_count && !vka_failed(g); i++) {
        if (!lower_node(l, &g->nodes[i]))
            return false;
    }
    if (vka_failed(g)) // while it was merged
        return false;
    for (size_t i = 0; i < g->output_count; i++) {
        if (!place_output(l, i))
            return false;
    }
    for (size_t i = 1; i < g->value_count; i++) {
        struct vka_value *v = &g->values[i];
        while (g->values[v->base].renamed)
            v->base = g->values[v->base].renamed;
    }
    return true;
}

// Constants that only folded steps read.
static void free_unused(vka_graph *g)
{
    for (size_t i = 0; i < g->node_count; i++) {
        for (int k = 0; k < g->nodes[i].n_in; k++)
            g->values[g->values[g->nodes[i].in[k]].base].renamed = 1;
    }
    for (size_t i = 1; i < g->value_count; i++) {
        if (!g->values[i].renamed) {
            vka_free_data(g->context, g->values[i].data);
            g->values[i].data = NULL;
        }
        g->values[i].renamed = 0;
    }
}

vka_result vka_lower(struct vka_program *p, const vka_graph *graph, bool expand)
{
    p->g = clone_graph(graph);
    if (!p->g)
        return VKA_ERROR_OUT_OF_MEMORY;
    p->public_outputs = graph->output_count;
    struct lowering l = {.p = p, .g = p->g, .expand = expand};
    bool ok = lower_all(&l);
    vka_free(p->context, p->g->nodes);
    p->g->nodes = l.done;
    p->g->node_count = l.count;
    p->g->node_capacity = l.capacity;
    if (!ok)
        return vka_graph_status(p->g);
    vka_drop_unneeded(p->g);
    free_unused(p->g);
    return VKA_OK;
}
