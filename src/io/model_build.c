// SPDX-License-Identifier: MIT
//
// A graph from a model, for inputs of given shapes.
#include "io/model.h"

#include <stdio.h>
#include <string.h>

struct build {
    vka_model *m;
    vka_graph *graph;
    const vka_shape **bound; // of each input; NULL where it is left out
    vka_tensor *inputs;      // 0 where it is left out
    vka_node *nodes;
};

// --- binding the inputs ---

static vka_result take_binds(struct build *b, const vka_model_bind *binds)
{
    const vka_model *m = b->m;
    char quoted[VKA_JSON_QUOTED];
    for (; binds && binds->name; binds++) {
        size_t i = 0;
        while (i < m->input_count && strcmp(m->inputs[i].name, binds->name) != 0)
            i++;
        vka_json_quote(binds->name, quoted);
        if (i == m->input_count)
            return vka_error(m->context, VKA_ERROR_INVALID, "%s: the model has no input %s",
                             m->path, quoted);
        if (b->bound[i])
            return vka_error(m->context, VKA_ERROR_INVALID, "%s: input %s is given twice", m->path,
                             quoted);
        b->bound[i] = &binds->shape;
    }
    for (size_t i = 0; i < m->input_count; i++) {
        if (!b->bound[i] && !m->inputs[i].optional)
            return vka_error(m->context, VKA_ERROR_INVALID, "%s: input %s is missing", m->path,
                             vka_json_quote(m->inputs[i].name, quoted));
    }
    return VKA_OK;
}

// "[1, 3, "H", "W"]"
static void put_wanted(struct vka_json_out *out, const vka_model_input *input)
{
    char number[24];
    vka_json_put(out, "[", 1);
    for (int i = 0; i < input->rank; i++) {
        if (i)
            vka_json_put(out, ", ", 2);
        if (input->axis[i])
            vka_json_put_string(out, input->axis[i]);
        else
            vka_json_put(out, number,
                         (size_t)snprintf(number, sizeof number, "%lld", (long long)input->dim[i]));
    }
    vka_json_put(out, "]", 1);
}

static vka_result check_shape(const vka_model *m, const vka_model_input *input,
                              const vka_shape *shape)
{
    char quoted[VKA_JSON_QUOTED], have[VKA_SHAPE_TEXT], want[256];
    struct vka_json_out out = {want, sizeof want, 0};
    bool fits = shape->rank == input->rank;
    for (int i = 0; fits && i < shape->rank; i++)
        fits = input->axis[i] ? shape->dim[i] >= 1 : shape->dim[i] == input->dim[i];
    if (fits)
        return VKA_OK;
    put_wanted(&out, input);
    return vka_error(m->context, VKA_ERROR_INVALID,
                     "%s: input %s has the shape %s, but the model wants %s", m->path,
                     vka_json_quote(input->name, quoted), vka_shape_text(shape, have), want);
}

static vka_result check_size(const struct build *b, size_t first, int first_axis, size_t other,
                             int axis)
{
    const vka_model *m = b->m;
    const vka_model_input *x = &m->inputs[first], *y = &m->inputs[other];
    char size[VKA_JSON_QUOTED], one[VKA_JSON_QUOTED], two[VKA_JSON_QUOTED];
    int64_t want = b->bound[first]->dim[first_axis], have = b->bound[other]->dim[axis];
    if (want == have)
        return VKA_OK;
    return vka_error(m->context, VKA_ERROR_INVALID,
                     "%s: the size %s is %lld in input %s (axis %d) and %lld in input %s (axis %d)",
                     m->path, vka_json_quote(x->axis[first_axis], size), (long long)want,
                     vka_json_quote(x->name, one), first_axis, (long long)have,
                     vka_json_quote(y->name, two), axis);
}

// Compares an axis with the first one of the same name.
static vka_result check_axis(const struct build *b, size_t input, int axis)
{
    const vka_model *m = b->m;
    const char *name = m->inputs[input].axis[axis];
    for (size_t i = 0; i <= input; i++) {
        for (int a = 0; b->bound[i] && a < m->inputs[i].rank; a++) {
            const char *other = m->inputs[i].axis[a];
            if (other && strcmp(other, name) == 0)
                return check_size(b, i, a, input, axis);
        }
    }
    return VKA_OK;
}

static vka_result bind_inputs(struct build *b, const vka_model_bind *binds)
{
    const vka_model *m = b->m;
    vka_result result = take_binds(b, binds);
    for (size_t i = 0; i < m->input_count && result == VKA_OK; i++) {
        if (!b->bound[i])
            continue;
        result = check_shape(m, &m->inputs[i], b->bound[i]);
        for (int a = 0; a < m->inputs[i].rank && result == VKA_OK; a++) {
            if (m->inputs[i].axis[a])
                result = check_axis(b, i, a);
        }
    }
    return result;
}

// --- the graph ---

static void add_inputs(struct build *b)
{
    const vka_model *m = b->m;
    for (size_t i = 0; i < m->input_count; i++) {
        if (b->bound[i])
            b->inputs[i] = vka_input(b->graph, m->inputs[i].name, m->inputs[i].dtype, b->bound[i]);
    }
}

static vka_tensor tensor_of(const struct build *b, const struct vka_model_reference *from)
{
    if (from->input >= 0)
        return b->inputs[from->input];
    return vka_out(b->graph, b->nodes[from->node], from->output);
}

static vka_result add_node(struct build *b, int index)
{
    const struct vka_model_node *node = &b->m->nodes[index];
    size_t count = 0;
    vka_named *named = vka_alloc(b->m->context, node->edge_count + 1, sizeof *named);
    if (!named)
        return vka_out_of_memory(b->m->context);
    for (size_t i = 0; i < node->edge_count; i++) {
        vka_tensor tensor = tensor_of(b, &node->edges[i].from);
        if (tensor) // else an input that is left out
            named[count++] = (vka_named){node->edges[i].port, tensor};
    }
    named[count] = (vka_named){0};
    b->nodes[index] = (node->official ? vka_block_official : vka_block_prefixed)(
        b->graph, node->block, node->name, node->prefix, node->attrs, named);
    vka_free(b->m->context, named);
    return vka_graph_status(b->graph);
}

static vka_result add_output(struct build *b, const char *name,
                             const struct vka_model_reference *from)
{
    const vka_model *m = b->m;
    char output[VKA_JSON_QUOTED], input[VKA_JSON_QUOTED];
    if (from->input >= 0 && !b->inputs[from->input])
        return vka_error(m->context, VKA_ERROR_INVALID,
                         "%s: output %s is the input %s, which isn't given", m->path,
                         vka_json_quote(name, output),
                         vka_json_quote(m->inputs[from->input].name, input));
    vka_output(b->graph, name, tensor_of(b, from));
    return vka_graph_status(b->graph);
}

static vka_result add_named_output(struct build *b, const char *name)
{
    const vka_model *m = b->m;
    struct vka_model_reference from;
    char quoted[VKA_JSON_QUOTED];
    for (size_t i = 0; i < m->output_count; i++) {
        if (strcmp(m->outputs[i].name, name) == 0)
            return add_output(b, name, &m->outputs[i].from);
    }
    if (vka_model_resolve(m, name, &from))
        return add_output(b, name, &from);
    return vka_error(m->context, VKA_ERROR_INVALID,
                     "%s: %s is neither an output of the model nor a node nor a node's output",
                     m->path, vka_json_quote(name, quoted));
}

static vka_result add_outputs(struct build *b, const char *const *outputs)
{
    const vka_model *m = b->m;
    vka_result result = VKA_OK;
    if (outputs) {
        for (; *outputs && result == VKA_OK; outputs++)
            result = add_named_output(b, *outputs);
        return result;
    }
    for (size_t i = 0; i < m->output_count && result == VKA_OK; i++)
        result = add_output(b, m->outputs[i].name, &m->outputs[i].from);
    return result;
}

static vka_result fill_graph(struct build *b, const char *const *outputs)
{
    add_inputs(b);
    vka_result result = vka_graph_status(b->graph);
    for (size_t i = 0; i < b->m->node_count && result == VKA_OK; i++)
        result = add_node(b, b->m->order[i]);
    if (result == VKA_OK)
        result = add_outputs(b, outputs);
    return result == VKA_OK ? vka_graph_check_surplus(b->graph) : result;
}

vka_result vka_model_build(vka_model *model, vka_weights *weights, const vka_model_bind *inputs,
                           const char *const *outputs, vka_graph **graph)
{
    vka_context *context = model->context;
    struct build b = {.m = model};
    *graph = NULL;
    b.bound = vka_calloc(context, model->input_count, sizeof *b.bound);
    b.inputs = vka_calloc(context, model->input_count, sizeof *b.inputs);
    b.nodes = vka_calloc(context, model->node_count, sizeof *b.nodes);
    vka_result result = VKA_OK;
    if (!b.bound || !b.inputs || !b.nodes)
        result = vka_out_of_memory(context);
    if (result == VKA_OK)
        result = bind_inputs(&b, inputs);
    if (result == VKA_OK)
        result = vka_graph_create(context, weights, &b.graph);
    if (result == VKA_OK)
        result = fill_graph(&b, outputs);
    vka_free(context, b.bound);
    vka_free(context, b.inputs);
    vka_free(context, b.nodes);
    if (result == VKA_OK)
        *graph = b.graph;
    else
        vka_graph_destroy(b.graph);
    return result;
}
