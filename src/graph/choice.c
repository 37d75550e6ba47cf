// SPDX-License-Identifier: MIT
//
// Choices: where floats decide an integer or a bool (an argmax, a comparison), a rounding error may
// decide otherwise, and whatever hangs on it is another result, not a less exact one. Equal to 0 or
// not is no such choice: it guards a division, and nothing is 0 by rounding.
#include "ops/op.h"
#include "ops/ops.h"

// Made on the host, zeros all over.
static bool is_zero(const vka_graph *g, const struct vka_value *v)
{
    const struct vka_value *base = &g->values[v->base];
    const float *data = base->data;
    uint64_t count = 0;
    if (base->store != VKA_STORE_CONSTANT || !data || !vka_shape_count(&base->shape, &count))
        return false;
    for (uint64_t k = 0; k < count; k++) {
        if (data[k] != 0)
            return false;
    }
    return true;
}

// Floats that aren't constants decide what comes out.
static bool reads_floats(const vka_graph *g, const struct vka_op_node *node)
{
    bool floats = false, zero = false;
    for (int i = 0; i < node->n_in; i++) {
        const struct vka_value *v = vka_value_of(g, node->in[i]);
        if (!node->in[i] || v->dtype != VKA_F32)
            continue;
        zero |= is_zero(g, v);
        floats |= g->values[v->base].store != VKA_STORE_CONSTANT;
    }
    int kind = vka_binary_kind_of(node);
    return floats && !(zero && (kind == VKA_EQ || kind == VKA_NE));
}

// A float that jumps where another one moves a little.
static bool is_step(const struct vka_op_node *node)
{
    if (vka_binary_kind_of(node) == VKA_PASS || node->op == &vka_op_pool_back)
        return true;
    if (node->op != &vka_op_unary)
        return false;
    const struct vka_activation *f = node->params;
    return f->kind == VKA_ACT_FLOOR || f->kind == VKA_ACT_CEIL || f->kind == VKA_ACT_ROUND;
}

static void follow(const vka_graph *g, const struct vka_op_node *node, bool *hangs)
{
    bool choice = false, floats = reads_floats(g, node);
    for (int i = 0; i < node->n_in; i++)
        choice |= node->in[i] && hangs[vka_value_of(g, node->in[i])->base];
    for (int i = 0; i < node->n_out; i++) {
        if (node->out[i])
            hangs[g->values[node->out[i]].base] =
                choice || (floats && (is_step(node) || vka_type(g, node->out[i]) != VKA_F32));
    }
}

bool *vka_graph_choices(const vka_graph *g)
{
    bool *hangs = vka_calloc(g->context, g->output_count + 1, sizeof *hangs);
    bool *of_base = vka_calloc(g->context, g->value_count + 1, sizeof *of_base);
    for (size_t i = 0; hangs && of_base && i < g->node_count; i++)
        follow(g, &g->nodes[i], of_base);
    for (size_t i = 0; hangs && of_base && i < g->output_count; i++)
        hangs[i] = of_base[vka_value_of(g, g->outputs[i].tensor)->base];
    if (!of_base) {
        vka_free(g->context, hangs);
        hangs = NULL;
    }
    vka_free(g->context, of_base);
    return hangs;
}
