// SPDX-License-Identifier: MIT
//
// Placing blocks: scopes, inputs and outputs by name. Weights are in scope_weights.c.
#include "blocks/block.h"
#include "blocks/names.h"
#include "io/weights.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// --- messages and paths ---

void vka_graph_where(const vka_graph *g, char *text, size_t size)
{
    const struct vka_scope *s = g->scope;
    if (s && size)
        snprintf(text, size, "%s (%s): ", s->path, s->row->info.id);
}

const char *vka_scope_path(vka_graph *g)
{
    return g->scope ? g->scope->path : "";
}

vka_tensor vka_scope_fail(struct vka_scope *s, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return vka_fail(s->g, "%s", text);
}

void vka_table_lacks(struct vka_scope *s, const char *kind, const char *name)
{
    vka_fail(s->g, "the block's table has no %s '%s'", kind, name);
}

const char *vka_name(struct vka_scope *s, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    char *name = length < 0 ? NULL : vka_pool_alloc(s->g, (size_t)length + 1);
    if (name)
        vsnprintf(name, (size_t)length + 1, format, again);
    va_end(again);
    va_end(args);
    return name ? name : "";
}

static void list_names(const vka_port_info *ports, char *text, size_t size)
{
    size_t at = 0;
    text[0] = '\0';
    for (; ports && ports->name && at < size; ports++)
        at += (size_t)snprintf(text + at, size - at, at ? ", %s" : "%s", ports->name);
}

// --- inputs ---

static vka_dtype port_dtype(const vka_port_info *port)
{
    if (strcmp(port->dtype, "i32") == 0)
        return VKA_I32;
    return strcmp(port->dtype, "bool") == 0 ? VKA_BOOL : VKA_F32;
}

static void check_inputs(struct vka_scope *s)
{
    for (const vka_named *in = s->inputs; in && in->name && !vka_failed(s->g); in++) {
        const vka_port_info *port = vka_port_find(s->row->info.inputs, in->name);
        char known[512];
        list_names(s->row->info.inputs, known, sizeof known);
        if (!port)
            vka_fail(s->g, "there is no input '%s' (inputs: %s)", in->name, known);
        else if (in->tensor < 0 || (size_t)in->tensor >= s->g->value_count)
            vka_fail(s->g, "input '%s' is no tensor of this graph", in->name);
        else if (in->tensor && strcmp(port->dtype, "any") != 0 &&
                 vka_type(s->g, in->tensor) != port_dtype(port))
            vka_fail(s->g, "input '%s' is %s, but must be %s", in->name,
                     vka_dtype_name(vka_type(s->g, in->tensor)), vka_dtype_name(port_dtype(port)));
        for (const vka_named *other = s->inputs; other != in; other++) {
            if (strcmp(other->name, in->name) == 0)
                vka_fail(s->g, "input '%s' is given twice", in->name);
        }
    }
}

static bool port_optional(const vka_port_info *port)
{
    return port->when[0] != '\0';
}

vka_tensor vka_in(struct vka_scope *s, const char *name)
{
    const vka_port_info *port = vka_port_find(s->row->info.inputs, name);
    if (!port) {
        vka_table_lacks(s, "input", name);
        return 0;
    }
    for (const vka_named *in = s->inputs; in && in->name; in++) {
        if (strcmp(in->name, name) == 0 && in->tensor)
            return in->tensor;
    }
    return port_optional(port) ? 0 : vka_fail(s->g, "input '%s' is missing", name);
}

vka_tensor vka_in_needed(struct vka_scope *s, const char *name)
{
    vka_tensor t = vka_in(s, name);
    return t ? t : vka_fail(s->g, "input '%s' is missing", name);
}

vka_tensor vka_in_i(struct vka_scope *s, const char *format, int i)
{
    const char *mark = strstr(format, "%d");
    int before = mark ? (int)(mark - format) : (int)strlen(format);
    return vka_in(s, vka_name(s, "%.*s%d%s", before, format, i, mark ? mark + 2 : ""));
}

bool vka_shape_fits(const vka_shape *shape, const vka_shape *wanted)
{
    if (shape->rank != wanted->rank)
        return false;
    for (int i = 0; i < shape->rank; i++) { // a free size is at least 1
        if (shape->dim[i] < 1 || (wanted->dim[i] != 0 && wanted->dim[i] != shape->dim[i]))
            return false;
    }
    return true;
}

const char *vka_wanted_text(const vka_shape *wanted, char text[VKA_SHAPE_TEXT])
{
    size_t at = (size_t)snprintf(text, VKA_SHAPE_TEXT, "[");
    for (int i = 0; i < wanted->rank && at < VKA_SHAPE_TEXT - 24; i++) {
        const char *comma = i ? ", " : "";
        if (wanted->dim[i] == 0)
            at += (size_t)snprintf(text + at, VKA_SHAPE_TEXT - at, "%s?", comma);
        else
            at += (size_t)snprintf(text + at, VKA_SHAPE_TEXT - at, "%s%lld", comma,
                                   (long long)wanted->dim[i]);
    }
    snprintf(text + at, VKA_SHAPE_TEXT - at, "]");
    return text;
}

bool vka_expect(struct vka_scope *s, const char *name, vka_tensor t, vka_shape dims)
{
    if (vka_failed(s->g))
        return false;
    vka_shape shape = vka_shape_of(s->g, t);
    if (vka_shape_fits(&shape, &dims))
        return true;
    char a[VKA_SHAPE_TEXT], b[VKA_SHAPE_TEXT];
    vka_fail(s->g, "'%s' has shape %s, but must have %s", name, vka_shape_text(&shape, a),
             vka_wanted_text(&dims, b));
    return false;
}

bool vka_expect_rank(struct vka_scope *s, const char *name, vka_tensor t, int low, int high)
{
    if (vka_failed(s->g))
        return false;
    vka_shape shape = vka_shape_of(s->g, t);
    if (shape.rank >= low && shape.rank <= high)
        return true;
    char a[VKA_SHAPE_TEXT];
    if (low == high)
        vka_fail(s->g, "'%s' has shape %s, but must have %d axes", name, vka_shape_text(&shape, a),
                 low);
    else
        vka_fail(s->g, "'%s' has shape %s, but must have %d to %d axes", name,
                 vka_shape_text(&shape, a), low, high);
    return false;
}

// --- outputs ---

void vka_give(struct vka_scope *s, const char *name, vka_tensor t)
{
    if (vka_failed(s->g))
        return;
    if (!vka_port_find(s->row->info.outputs, name))
        vka_table_lacks(s, "output", name);
    if (t) // an output that this mode doesn't have isn't listed
        vka_add_given(s->g, &s->given, &s->given_count, &s->given_capacity, name, t);
}

static vka_tensor given(const struct vka_endpoint *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i].name, name) == 0)
            return list[i].tensor;
    }
    return 0;
}

// --- sub-blocks ---

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    struct vka_scope *outer = g->scope;
    g->scope = s;
    check_inputs(s);
    vka_check_attrs(s);
    vka_check_official(s);
    if (!vka_failed(g))
        s->row->build(s);
    g->scope = outer;
}

struct vka_scope *vka_block_in(struct vka_scope *s, const char *id, const char *name,
                               const char *weights, const vka_attr *attrs, const vka_named *inputs)
{
    vka_graph *g = s->g;
    struct vka_scope *sub = vka_pool_alloc(g, sizeof *sub);
    if (!sub)
        return s; // the graph has failed; outputs asked for are 0
    *sub = (struct vka_scope){
        .g = g, .row = vka_block_row_find(id), .attrs = attrs, .inputs = inputs, .root = s->root};
    if (!sub->row) {
        vka_table_lacks(s, "sub-block", id);
        return s;
    }
    sub->path = vka_name(s, "%s/%s", s->path, name);
    sub->weights = *weights ? vka_name(s, "%s%s.", s->weights, weights) : s->weights;
    build(sub);
    // The list moves to the graph's pool so that nothing is left to free.
    struct vka_endpoint *list = vka_pool_alloc(g, (sub->given_count + 1) * sizeof *list);
    if (list && sub->given_count)
        memcpy(list, sub->given, sub->given_count * sizeof *list);
    vka_free(g->context, sub->given);
    sub->given = list;
    sub->given_count = list ? sub->given_count : 0;
    return sub;
}

vka_tensor vka_sub_out(struct vka_scope *sub, const char *name)
{
    return vka_failed(sub->g) ? 0 : given(sub->given, sub->given_count, name);
}

// --- placing ---

static bool name_ok(vka_graph *g, const char *id, const char *name)
{
    if (!name || !*name || strchr(name, '/')) {
        vka_fail(g, "a block of kind '%s' needs a name without '/'", id);
        return false;
    }
    for (size_t i = 1; i < g->placed_count; i++) {
        if (strcmp(g->placed[i].name, name) == 0) {
            vka_fail(g, "two blocks are named '%s'", name);
            return false;
        }
    }
    return true;
}

static vka_node place(vka_graph *g, const char *id, const char *name, const char *prefix,
                      bool official, const vka_attr *attrs, const vka_named *inputs)
{
    if (vka_failed(g))
        return 0;
    const struct vka_block_row *row = vka_block_row_find(id ? id : "");
    if (!row) {
        vka_fail(g, "%s: there is no block '%s'", name ? name : "", id ? id : "");
        return 0;
    }
    if (!name_ok(g, id, name))
        return 0;
    struct vka_scope s = {.g = g, .row = row, .attrs = attrs, .inputs = inputs, .root = &s};
    s.path = vka_pool_format(g, "%s", name);
    s.weights = prefix && *prefix ? vka_pool_format(g, "%s.", prefix) : "";
    s.official = official || (g->weights && g->weights->official);
    s.asked = vka_weights_asked(g, row->info.weights);
    if (vka_failed(g))
        return 0;
    build(&s);
    bool room = vka_grow(g->context, (void **)&g->placed, &g->placed_capacity, g->placed_count,
                         sizeof *g->placed);
    if (!room)
        vka_fail_memory(g, NULL);
    if (vka_failed(g)) {
        vka_free(g->context, s.given);
        return 0;
    }
    g->placed[g->placed_count] = (struct vka_placed){.row = row,
                                                     .name = s.path,
                                                     .prefix = s.weights,
                                                     .official = s.official,
                                                     .asked = s.asked,
                                                     .out = s.given,
                                                     .out_count = s.given_count,
                                                     .out_capacity = s.given_capacity};
    return (vka_node)g->placed_count++;
}

vka_node vka_block_prefixed(vka_graph *g, const char *id, const char *name, const char *prefix,
                            const vka_attr *attrs, const vka_named *inputs)
{
    return place(g, id, name, prefix, false, attrs, inputs);
}

vka_node vka_block_official(vka_graph *g, const char *id, const char *name, const char *prefix,
                            const vka_attr *attrs, const vka_named *inputs)
{
    return place(g, id, name, prefix, true, attrs, inputs);
}

vka_node vka_block(vka_graph *g, const char *id, const char *name, const vka_attr *attrs,
                   const vka_named *inputs)
{
    return vka_block_prefixed(g, id, name, name ? name : "", attrs, inputs);
}

static const struct vka_placed *placed_of(const vka_graph *g, vka_node node)
{
    return node > 0 && (size_t)node < g->placed_count ? &g->placed[node] : NULL;
}

vka_tensor vka_out(vka_graph *g, vka_node node, const char *output)
{
    const struct vka_placed *placed = placed_of(g, node);
    if (vka_failed(g))
        return 0;
    output = output ? output : "";
    if (!placed)
        return vka_fail(g, "output '%s' of a node that isn't of this graph", output);
    vka_tensor t = given(placed->out, placed->out_count, output);
    if (t)
        return t;
    char names[512] = "";
    size_t at = 0;
    for (size_t i = 0; i < placed->out_count && at < sizeof names; i++)
        at +=
            (size_t)snprintf(names + at, sizeof names - at, i ? ", %s" : "%s", placed->out[i].name);
    return vka_fail(g, "%s (%s): there is no output '%s' here (outputs: %s)", placed->name,
                    placed->row->info.id, output, names);
}

const char *vka_out_name(const vka_graph *g, vka_node node, int index)
{
    const struct vka_placed *placed = placed_of(g, node);
    const vka_port_info *ports = placed ? placed->row->info.outputs : NULL;
    for (const vka_port_info *port = ports; port && port->name && index >= 0; port++) {
        for (size_t i = 0; i < placed->out_count; i++) { // several where the port is numbered
            const char *name = placed->out[i].name;
            if (vka_port_find(ports, name) == port && index-- == 0)
                return name;
        }
    }
    return NULL;
}
