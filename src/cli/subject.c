// SPDX-License-Identifier: MIT
#include "cli/subject.h"

#include "blocks/names.h"
#include "cli/made_up.h"
#include "io/attr_json.h"
#include "io/weights.h"
#include "util/system.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct made_weight {
    char *name;
    vka_shape shape;
    float *data;
};

static vka_result no_memory(const struct subject *s)
{
    return vka_out_of_memory(s->context);
}

// --- the call's words ---

static char *split(char *text)
{
    char *sign = strchr(text, '=');
    if (!sign || sign == text || !sign[1])
        return NULL;
    *sign = '\0';
    return sign + 1;
}

bool subject_parse_attr(char *text, struct subject_attr *attr)
{
    attr->name = text;
    attr->value = split(text);
    return attr->value != NULL;
}

static bool parse_sizes(const char *text, vka_shape *shape)
{
    while (shape->rank < VKA_MAX_RANK) {
        char *end;
        errno = 0;
        long long size = strtoll(text, &end, 10);
        if (end == text || errno || size < 1)
            return false;
        shape->dim[shape->rank++] = size;
        if (*end == '\0')
            return true;
        if (*end != ',')
            return false;
        text = end + 1;
    }
    return false;
}

bool subject_parse_shape(char *text, struct subject_shape *shape)
{
    char *sizes = split(text);
    *shape = (struct subject_shape){.name = text};
    if (sizes && parse_sizes(sizes, &shape->shape))
        return true;
    if (sizes)
        sizes[-1] = '='; // whole again, for the message
    return false;
}

// --- a block: its example, with what the call says instead ---

static const struct subject_shape *said(const struct subject *s, const char *name)
{
    for (size_t i = 0; i < s->call->shape_count; i++) {
        if (strcmp(s->call->shapes[i].name, name) == 0)
            return &s->call->shapes[i];
    }
    return NULL;
}

static vka_result add_weight(struct subject *s, const char *name, const vka_shape *shape)
{
    struct made_weight *more = realloc(s->made, (s->made_count + 1) * sizeof *more);
    if (!more)
        return no_memory(s);
    s->made = more;
    s->made[s->made_count] = (struct made_weight){.name = strdup(name), .shape = *shape};
    return s->made[s->made_count++].name ? VKA_OK : no_memory(s);
}

static vka_result add_shape(struct subject *s, const char *name, const vka_shape *shape)
{
    if (strncmp(name, "w.", 2) == 0)
        return add_weight(s, name + 2, shape);
    vka_model_bind *more = realloc(s->binds, (s->bind_count + 2) * sizeof *more);
    if (!more)
        return no_memory(s);
    s->binds = more;
    s->binds[s->bind_count++] = (vka_model_bind){name, *shape};
    s->binds[s->bind_count] = (vka_model_bind){0};
    return VKA_OK;
}

static vka_result take_shapes(struct subject *s, const vka_attr *example)
{
    vka_result result = VKA_OK;
    for (size_t i = 0; example && i < example->count && result == VKA_OK; i++) {
        const vka_attr *list = &example->items[i];
        vka_shape shape = {.rank = (int)list->count};
        for (int k = 0; k < shape.rank; k++)
            shape.dim[k] = list->items[k].i;
        if (!said(s, list->name))
            result = add_shape(s, list->name, &shape);
    }
    for (size_t i = 0; i < s->call->shape_count && result == VKA_OK; i++)
        result = add_shape(s, s->call->shapes[i].name, &s->call->shapes[i].shape);
    return result;
}

// What is no JSON is a string.
static vka_result given_attr(struct subject *s, size_t i, vka_attr *value)
{
    const struct subject_attr *attr = &s->call->attrs[i];
    vka_result result =
        vka_attr_parse(s->context, attr->name, attr->value, strlen(attr->value), &s->parsed[i]);
    *value = result == VKA_OK ? *s->parsed[i] : vka_attr_string(attr->name, attr->value);
    value->name = attr->name;
    return result == VKA_ERROR_OUT_OF_MEMORY ? result : VKA_OK;
}

static vka_result take_attrs(struct subject *s, const vka_attr *example)
{
    size_t count = 0, known = example ? example->count : 0, given = s->call->attr_count;
    s->attrs = calloc(known + given + 1, sizeof *s->attrs);
    s->parsed = calloc(given + 1, sizeof *s->parsed);
    if (!s->attrs || !s->parsed)
        return no_memory(s);
    for (size_t i = 0; i < given; i++) {
        vka_result result = given_attr(s, i, &s->attrs[count++]);
        if (result != VKA_OK)
            return result;
    }
    for (size_t i = 0; i < known; i++) {
        bool other = false;
        for (size_t k = 0; k < given; k++)
            other |= strcmp(example->items[i].name, s->call->attrs[k].name) == 0;
        if (!other)
            s->attrs[count++] = example->items[i];
    }
    return VKA_OK;
}

static vka_result take_block(struct subject *s)
{
    const char *text = s->block->example;
    vka_result result = vka_attr_parse(s->context, "example", text, strlen(text), &s->example);
    if (result == VKA_OK)
        result = take_shapes(s, vka_attr_find(s->example, "shapes"));
    return result == VKA_OK ? take_attrs(s, vka_attr_find(s->example, "attrs")) : result;
}

static vka_dtype port_dtype(const vka_block_info *block, const char *name)
{
    const vka_port_info *port = vka_port_find(block->inputs, name);
    if (port && strcmp(port->dtype, "i32") == 0)
        return VKA_I32;
    return port && strcmp(port->dtype, "bool") == 0 ? VKA_BOOL : VKA_F32;
}

static vka_result fill_block(struct subject *s, vka_graph *g, vka_named *named)
{
    for (size_t i = 0; i < s->bind_count; i++) {
        const vka_model_bind *bind = &s->binds[i];
        vka_dtype dtype = port_dtype(s->block, bind->name);
        named[i] = (vka_named){bind->name, vka_input(g, bind->name, dtype, &bind->shape)};
    }
    vka_node node = vka_block_prefixed(g, s->block->id, s->block->id, "", s->attrs, named);
    const char *output;
    for (int i = 0; (i == 0 || s->call->all) && (output = vka_out_name(g, node, i)); i++)
        vka_output(g, output, vka_out(g, node, output));
    return vka_graph_check_surplus(g);
}

static vka_result build_block(struct subject *s, vka_weights *set, vka_graph **graph)
{
    vka_graph *g;
    *graph = NULL;
    vka_named *named = calloc(s->bind_count + 1, sizeof *named);
    if (!named)
        return no_memory(s);
    vka_result result = vka_graph_create(s->context, set, &g);
    if (result == VKA_OK)
        result = fill_block(s, g, named);
    free(named);
    if (result == VKA_OK)
        *graph = g;
    else
        vka_graph_destroy(g);
    return result;
}

// --- a model: inputs of fixed sizes, the others by the call ---

static vka_result bind_input(struct subject *s, const vka_model_input *input)
{
    vka_shape shape = {.rank = input->rank};
    if (said(s, input->name) || input->optional)
        return VKA_OK;
    for (int i = 0; i < input->rank; i++) {
        if (input->axis[i])
            return vka_error(s->context, VKA_ERROR_INVALID,
                             "the size \"%s\" of input '%s' is free: give --shape %s=...",
                             input->axis[i], input->name, input->name);
        shape.dim[i] = input->dim[i];
    }
    return add_shape(s, input->name, &shape);
}

static vka_result take_model(struct subject *s)
{
    vka_result result = vka_model_load(s->context, s->call->what, &s->model);
    if (result == VKA_OK)
        result = take_shapes(s, NULL);
    const vka_model_input *input;
    for (int i = 0; result == VKA_OK && (input = vka_model_get_input(s->model, i)); i++)
        result = bind_input(s, input);
    if (result == VKA_OK && s->call->weights_path)
        result = vka_weights_load(s->context, s->call->weights_path, &s->file);
    return result;
}

// --- weights: each is made once the graph has asked for it ---

static vka_result make_set(struct subject *s, vka_weights **set)
{
    vka_result result = vka_weights_create(s->context, set);
    if (result == VKA_OK && s->call->official)
        result = vka_weights_official(*set);
    for (size_t i = 0; s->file && i < s->file->count && result == VKA_OK; i++) {
        const struct vka_weight_entry *e = &s->file->entries[i];
        result = vka_weights_put(*set, e->name, e->dtype, &e->shape, e->data);
    }
    for (size_t i = 0; i < s->made_count && result == VKA_OK; i++)
        result =
            vka_weights_put(*set, s->made[i].name, VKA_F32, &s->made[i].shape, s->made[i].data);
    return result;
}

static vka_result build_with(struct subject *s, vka_weights *set)
{
    if (s->model)
        return vka_model_build(s->model, set, s->binds, NULL, &s->graph);
    return build_block(s, set, &s->graph);
}

static bool free_size(const vka_shape *shape)
{
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dim[i] == 0)
            return true;
    }
    return false;
}

static vka_result build(struct subject *s)
{
    for (;;) {
        vka_weights_destroy(s->weights);
        s->weights = NULL;
        vka_result result = make_set(s, &s->weights);
        if (result == VKA_OK)
            result = build_with(s, s->weights);
        if (result == VKA_OK || !s->weights || !s->weights->wanted)
            return result;
        if (free_size(&s->weights->wanted_shape))
            return vka_error(s->context, result, "%s; give --shape w.%s=...", vka_last_error(),
                             s->weights->wanted);
        result = add_weight(s, s->weights->wanted, &s->weights->wanted_shape);
        if (result != VKA_OK)
            return result;
    }
}

// --- data ---

static vka_result fill_weights(struct subject *s)
{
    for (size_t i = 0; i < s->made_count; i++) {
        struct made_weight *w = &s->made[i];
        w->data = made_up_weight(w->name, &w->shape);
        if (!w->data)
            return no_memory(s);
        s->weights->entries[vka_weights_index(s->weights, w->name)].data = w->data;
    }
    return VKA_OK;
}

static vka_result make_inputs(struct subject *s)
{
    size_t count = s->c ? s->c->in_count : s->graph->input_count;
    s->inputs = calloc(count + 1, sizeof *s->inputs);
    if (!s->inputs)
        return no_memory(s);
    if (s->c) {
        vka_case_inputs(s->c, s->inputs);
        return VKA_OK;
    }
    for (size_t i = 0; i < count; i++) {
        if (!made_up_input(s->graph, i, &s->inputs[i]))
            return no_memory(s);
    }
    return VKA_OK;
}

static vka_result make_outputs(struct subject *s)
{
    const vka_graph *g = s->graph;
    s->outputs = calloc(g->output_count + 1, sizeof *s->outputs);
    for (size_t i = 0; s->outputs && i < g->output_count; i++) {
        vka_io *io = &s->outputs[i];
        io->name = g->outputs[i].name;
        io->dtype = vka_type(g, g->outputs[i].tensor);
        io->bytes = (uint64_t)vka_elements(g, g->outputs[i].tensor) * vka_dtype_size(io->dtype);
        io->data = malloc(io->bytes ? (size_t)io->bytes : 1);
        if (!io->data)
            return no_memory(s);
    }
    return s->outputs ? VKA_OK : no_memory(s);
}

// --- all of it ---

static bool ends_with(const char *text, const char *ending)
{
    size_t size = strlen(text), tail = strlen(ending);
    return size >= tail && strcmp(text + size - tail, ending) == 0;
}

static vka_result take(struct subject *s)
{
    const struct subject_call *call = s->call;
    bool is_case = ends_with(call->what, ".safetensors"), is_model = ends_with(call->what, ".json");
    if (is_case && call->shape_count)
        return vka_error(s->context, VKA_ERROR_INVALID, "a case file has its own shapes");
    if ((is_case || is_model) && call->attr_count)
        return vka_error(s->context, VKA_ERROR_INVALID, "--attr is for a block");
    if (!is_model && call->weights_path)
        return vka_error(s->context, VKA_ERROR_INVALID, "--weights is for a model");
    if (!is_model && !is_case && call->official)
        return vka_error(s->context, VKA_ERROR_INVALID, "--weights-as is for a case or a model");
    if (is_case) {
        vka_result result = vka_case_open(s->context, call->what, &s->c);
        if (result == VKA_OK && call->official)
            result = vka_weights_official(s->c->weights);
        return result == VKA_OK ? vka_case_build(s->c, &s->graph) : result;
    }
    if (is_model) {
        vka_result result = take_model(s);
        return result == VKA_OK ? build(s) : result;
    }
    s->block = vka_block_find(call->what);
    if (!s->block)
        return vka_error(s->context, VKA_ERROR_NOT_FOUND,
                         "there is no block '%s'; a case file ends in .safetensors, a model in "
                         ".json",
                         call->what);
    vka_result result = take_block(s);
    return result == VKA_OK ? build(s) : result;
}

int subject_open(struct subject *s, vka_context *context, const struct subject_call *call)
{
    *s = (struct subject){.context = context, .call = call};
    vka_result result = take(s);
    if (result == VKA_OK)
        result = fill_weights(s);
    if (result == VKA_OK)
        result = make_inputs(s);
    if (result == VKA_OK)
        result = make_outputs(s);
    return result == VKA_OK ? EXIT_DONE : cli_failed(result);
}

void subject_close(struct subject *s)
{
    for (vka_io *io = s->inputs; io && io->name && !s->c; io++)
        free(io->data);
    for (vka_io *io = s->outputs; io && io->name; io++)
        free(io->data);
    vka_graph_destroy(s->graph);
    vka_weights_destroy(s->weights);
    vka_weights_destroy(s->file);
    vka_model_destroy(s->model);
    vka_case_close(s->c);
    for (size_t i = 0; i < s->made_count; i++) {
        free(s->made[i].name);
        free(s->made[i].data);
    }
    for (size_t i = 0; s->parsed && i < s->call->attr_count; i++)
        vka_free(s->context, s->parsed[i]);
    vka_free(s->context, s->example);
    free(s->inputs);
    free(s->outputs);
    free(s->made);
    free(s->parsed);
    free(s->attrs);
    free(s->binds);
}

const char *subject_name(const struct subject *s)
{
    return s->block ? s->call->what : vka_sys_base(s->call->what);
}
