// SPDX-License-Identifier: MIT
//
// The JSON tree of a model file -> inputs, nodes, outputs. Each object has a table of its keys, so
// that a misspelt one is found.
#include "io/model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

// One key of an object of the file.
struct key {
    const char *name;
    vka_attr_type type; // VKA_ATTR_NONE: any
    bool required;
};

enum { MAX_KEYS = 8 };

// The values found, in the order of the table; NULL where absent.
typedef const vka_attr *found_keys[MAX_KEYS];

static bool key_passes(const char *name, bool top)
{
    return top && (strcmp(name, "classes") == 0 || strncmp(name, "x_", 2) == 0);
}

static size_t key_index(const struct key *keys, const char *name)
{
    size_t i = 0;
    while (keys[i].name && strcmp(keys[i].name, name) != 0)
        i++;
    return i;
}

static void list_keys(const struct key *keys, char *text, size_t size)
{
    struct vka_json_out out = {text, size, 0};
    for (size_t i = 0; keys[i].name; i++) {
        vka_json_put(&out, ", ", i ? 2 : 0);
        vka_json_put(&out, keys[i].name, strlen(keys[i].name));
    }
}

// `where` says which object it is: "node \"att\"".
static vka_result take_keys(const vka_model *m, const char *where, const vka_attr *object,
                            const struct key *keys, bool top, found_keys found)
{
    char quoted[VKA_JSON_QUOTED], known[256];
    memset(found, 0, sizeof(found_keys));
    if (object->type != VKA_ATTR_OBJECT)
        return vka_error(m->context, VKA_ERROR_FORMAT, "%s: %s is an object {..}, not %s", m->path,
                         where, vka_attr_type_name(object->type));
    for (size_t i = 0; i < object->count; i++) {
        const vka_attr *item = &object->items[i];
        size_t k = key_index(keys, item->name);
        if (!keys[k].name && key_passes(item->name, top))
            continue;
        list_keys(keys, known, sizeof known);
        if (!keys[k].name)
            return vka_error(m->context, VKA_ERROR_FORMAT, "%s: %s has no key %s (keys: %s)",
                             m->path, where, vka_json_quote(item->name, quoted), known);
        if (keys[k].type != VKA_ATTR_NONE && keys[k].type != item->type)
            return vka_error(m->context, VKA_ERROR_FORMAT, "%s: %s: \"%s\" is of type %s, not %s",
                             m->path, where, keys[k].name, vka_attr_type_name(keys[k].type),
                             vka_attr_type_name(item->type));
        found[k] = item;
    }
    for (size_t k = 0; keys[k].name; k++) {
        if (keys[k].required && !found[k])
            return vka_error(m->context, VKA_ERROR_FORMAT, "%s: %s: the key \"%s\" is missing",
                             m->path, where, keys[k].name);
    }
    return VKA_OK;
}

static vka_result check_name(const vka_model *m, const char *what, const char *name)
{
    char quoted[VKA_JSON_QUOTED];
    if (*name && strlen(name) <= VKA_MODEL_NAME && !strchr(name, '/'))
        return VKA_OK;
    return vka_error(m->context, VKA_ERROR_FORMAT, "%s: %s %s: a name has 1 to %d bytes and no '/'",
                     m->path, what, vka_json_quote(name, quoted), VKA_MODEL_NAME);
}

// --- inputs ---

static vka_result input_error(const vka_model *m, const vka_model_input *input, const char *what)
{
    char quoted[VKA_JSON_QUOTED];
    return vka_error(m->context, VKA_ERROR_FORMAT, "%s: input %s: %s", m->path,
                     vka_json_quote(input->name, quoted), what);
}

static vka_result take_shape(const vka_model *m, const vka_attr *list, vka_model_input *input)
{
    if (list->count > VKA_MAX_RANK)
        return input_error(m, input, "a shape has at most 8 axes");
    input->rank = (int)list->count;
    for (size_t i = 0; i < list->count; i++) {
        const vka_attr *size = &list->items[i];
        if (size->type == VKA_ATTR_STRING && *size->s)
            input->axis[i] = size->s;
        else if (size->type == VKA_ATTR_INT && size->i >= 1)
            input->dim[i] = size->i;
        else
            return input_error(m, input, "a size is an integer of 1 or more, or a name");
    }
    return VKA_OK;
}

static vka_result take_dtype(const vka_model *m, const char *name, vka_model_input *input)
{
    static const vka_dtype types[] = {VKA_F32, VKA_I32, VKA_BOOL};
    for (size_t i = 0; i < VKA_COUNT(types); i++) {
        if (strcasecmp(name, vka_dtype_name(types[i])) == 0) {
            input->dtype = types[i];
            return VKA_OK;
        }
    }
    return input_error(m, input, "the dtype is \"f32\", \"i32\" or \"bool\"");
}

static vka_result take_input(const vka_model *m, const vka_attr *item, vka_model_input *input)
{
    static const struct key keys[] = {{"shape", VKA_ATTR_LIST, true},
                                      {"dtype", VKA_ATTR_STRING, false},
                                      {"optional", VKA_ATTR_BOOL, false},
                                      {0}};
    char quoted[VKA_JSON_QUOTED], where[VKA_JSON_QUOTED + 8];
    found_keys found;
    input->name = item->name;
    vka_result result = check_name(m, "input", item->name);
    if (result != VKA_OK)
        return result;
    if (item->type == VKA_ATTR_LIST)
        return take_shape(m, item, input);
    if (item->type != VKA_ATTR_OBJECT)
        return input_error(m, input, "a shape [..] or an object with \"shape\" is wanted");
    snprintf(where, sizeof where, "input %s", vka_json_quote(item->name, quoted));
    result = take_keys(m, where, item, keys, false, found);
    if (result == VKA_OK)
        result = take_shape(m, found[0], input);
    if (result == VKA_OK && found[1])
        result = take_dtype(m, found[1]->s, input);
    input->optional = found[2] && found[2]->b;
    return result;
}

static vka_result take_inputs(vka_model *m, const vka_attr *object)
{
    if (object->count > VKA_MODEL_INPUTS)
        return vka_error(m->context, VKA_ERROR_UNSUPPORTED, "%s: more than %d inputs", m->path,
                         VKA_MODEL_INPUTS);
    m->inputs = vka_calloc(m->context, object->count, sizeof *m->inputs);
    if (!m->inputs)
        return vka_out_of_memory(m->context);
    for (size_t i = 0; i < object->count; i++, m->input_count++) {
        vka_result result = take_input(m, &object->items[i], &m->inputs[i]);
        if (result != VKA_OK)
            return result;
    }
    return VKA_OK;
}

// --- nodes ---

static const struct key node_keys[] = {{"name", VKA_ATTR_STRING, true},
                                       {"block", VKA_ATTR_STRING, true},
                                       {"in", VKA_ATTR_OBJECT, false},
                                       {"attrs", VKA_ATTR_OBJECT, false},
                                       {"weights", VKA_ATTR_STRING, false},
                                       {"weights_as", VKA_ATTR_STRING, false},
                                       {0}};

static vka_result take_edges(vka_model *m, const char *where, const vka_attr *in,
                             struct vka_model_node *node)
{
    char quoted[VKA_JSON_QUOTED];
    node->edges = m->edges + m->edge_count;
    for (size_t i = 0; in && i < in->count; i++) {
        const vka_attr *item = &in->items[i];
        if (item->type != VKA_ATTR_STRING)
            return vka_error(m->context, VKA_ERROR_FORMAT,
                             "%s: %s: input %s is the name of an input or a node, not %s", m->path,
                             where, vka_json_quote(item->name, quoted),
                             vka_attr_type_name(item->type));
        node->edges[node->edge_count++] =
            (struct vka_model_edge){.port = item->name, .text = item->s};
    }
    m->edge_count += node->edge_count;
    return VKA_OK;
}

static vka_result check_weights_as(const vka_model *m, const char *where, const char *as)
{
    char quoted[VKA_JSON_QUOTED];
    if (strcmp(as, "official") == 0)
        return VKA_OK;
    return vka_error(m->context, VKA_ERROR_FORMAT, "%s: %s: \"weights_as\" is \"official\", not %s",
                     m->path, where, vka_json_quote(as, quoted));
}

static vka_result take_node(vka_model *m, const vka_attr *item, struct vka_model_node *node)
{
    char quoted[VKA_JSON_QUOTED], where[VKA_JSON_QUOTED + 24];
    found_keys found;
    const vka_attr *name = vka_attr_find(item, "name");
    if (name && name->type == VKA_ATTR_STRING)
        snprintf(where, sizeof where, "node %s", vka_json_quote(name->s, quoted));
    else
        snprintf(where, sizeof where, "node %zu of \"nodes\"", m->node_count + 1);
    vka_result result = take_keys(m, where, item, node_keys, false, found);
    if (result == VKA_OK)
        result = check_name(m, "node", found[0]->s);
    if (result == VKA_OK && found[5])
        result = check_weights_as(m, where, found[5]->s);
    if (result != VKA_OK)
        return result;
    node->name = found[0]->s;
    node->block = found[1]->s;
    node->attrs = found[3] ? found[3]->items : NULL;
    node->prefix = found[4] ? found[4]->s : node->name;
    node->official = found[5] != NULL;
    return take_edges(m, where, found[2], node);
}

static size_t count_edges(const vka_attr *nodes)
{
    size_t count = 0;
    for (size_t i = 0; i < nodes->count; i++) {
        const vka_attr *in = vka_attr_find(&nodes->items[i], "in");
        count += in ? in->count : 0;
    }
    return count;
}

static vka_result take_nodes(vka_model *m, const vka_attr *list)
{
    if (list->count == 0)
        return vka_error(m->context, VKA_ERROR_FORMAT, "%s: \"nodes\" is empty", m->path);
    m->nodes = vka_calloc(m->context, list->count, sizeof *m->nodes);
    m->edges = vka_calloc(m->context, count_edges(list), sizeof *m->edges);
    if (!m->nodes || !m->edges)
        return vka_out_of_memory(m->context);
    for (size_t i = 0; i < list->count; i++, m->node_count++) {
        vka_result result = take_node(m, &list->items[i], &m->nodes[i]);
        if (result != VKA_OK)
            return result;
    }
    return VKA_OK;
}

// --- outputs, image, the rest ---

static vka_result take_outputs(vka_model *m, const vka_attr *object)
{
    char quoted[VKA_JSON_QUOTED];
    if (object->count == 0)
        return vka_error(m->context, VKA_ERROR_FORMAT, "%s: \"outputs\" is empty", m->path);
    m->outputs = vka_calloc(m->context, object->count, sizeof *m->outputs);
    if (!m->outputs)
        return vka_out_of_memory(m->context);
    for (size_t i = 0; i < object->count; i++) {
        const vka_attr *item = &object->items[i];
        if (!*item->name || item->type != VKA_ATTR_STRING)
            return vka_error(m->context, VKA_ERROR_FORMAT,
                             "%s: output %s: a name and the node that it comes from are wanted",
                             m->path, vka_json_quote(item->name, quoted));
        m->outputs[m->output_count++] =
            (struct vka_model_output){.name = item->name, .text = item->s};
    }
    return VKA_OK;
}

static vka_result take_triple(const vka_model *m, const vka_attr *list, double above, float out[3])
{
    bool good = !list || list->count == 3;
    for (size_t i = 0; list && good && i < 3; i++) {
        const vka_attr *item = &list->items[i];
        double value = item->type == VKA_ATTR_INT ? (double)item->i : item->d;
        good = (item->type == VKA_ATTR_INT || item->type == VKA_ATTR_DOUBLE) &&
               (float)value > above && isfinite((float)value);
        out[i] = (float)value;
    }
    if (good)
        return VKA_OK;
    return vka_error(m->context, VKA_ERROR_FORMAT, "%s: \"image\": \"%s\" is three numbers%s",
                     m->path, list->name, above == 0 ? " above 0" : "");
}

static vka_result take_image(vka_model *m, const vka_attr *image)
{
    static const struct key keys[] = {
        {"mean", VKA_ATTR_LIST, false}, {"std", VKA_ATTR_LIST, false}, {0}};
    found_keys found;
    for (int i = 0; i < 3; i++)
        m->std[i] = 1;
    if (!image)
        return VKA_OK;
    vka_result result = take_keys(m, "\"image\"", image, keys, false, found);
    if (result == VKA_OK)
        result = take_triple(m, found[0], -INFINITY, m->mean);
    return result == VKA_OK ? take_triple(m, found[1], 0, m->std) : result;
}

static vka_result take_extras(vka_model *m)
{
    m->extras = vka_calloc(m->context, m->doc->count, sizeof *m->extras);
    if (!m->extras)
        return vka_out_of_memory(m->context);
    for (size_t i = 0; i < m->doc->count; i++) {
        const vka_attr *item = &m->doc->items[i];
        if (!key_passes(item->name, true))
            continue;
        struct vka_json_out out = {0};
        vka_attr_put(&out, item);
        out.size = out.at + 1;
        out.at = 0;
        out.text = vka_alloc(m->context, out.size, 1);
        if (!out.text)
            return vka_out_of_memory(m->context);
        vka_attr_put(&out, item);
        m->extras[m->extra_count++] = (struct vka_model_extra){item->name, out.text};
    }
    return VKA_OK;
}

vka_result vka_model_take(vka_model *m)
{
    static const struct key keys[] = {
        {"vkattn", VKA_ATTR_INT, true},    {"inputs", VKA_ATTR_OBJECT, true},
        {"nodes", VKA_ATTR_LIST, true},    {"outputs", VKA_ATTR_OBJECT, true},
        {"image", VKA_ATTR_OBJECT, false}, {0}};
    found_keys found;
    vka_result result = take_keys(m, "the model", m->doc, keys, true, found);
    if (result == VKA_OK && found[0]->i != 1)
        return vka_error(m->context, VKA_ERROR_UNSUPPORTED,
                         "%s: a model file of version %lld; this library knows version 1", m->path,
                         (long long)found[0]->i);
    if (result == VKA_OK)
        result = take_inputs(m, found[1]);
    if (result == VKA_OK)
        result = take_nodes(m, found[2]);
    if (result == VKA_OK)
        result = take_outputs(m, found[3]);
    if (result == VKA_OK)
        result = take_image(m, found[4]);
    return result == VKA_OK ? take_extras(m) : result;
}
