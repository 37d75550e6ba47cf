// SPDX-License-Identifier: MIT
//
// Case files: opening them and making their graph.
#include "io/case.h"

#include "io/attr_json.h"
#include "io/weights.h"

#include <string.h>

enum { MAX_ATTRS = 1 << 20 };

// --- opening ---

static const char *behind(const char *name, const char *prefix)
{
    size_t size = strlen(prefix);
    return strncmp(name, prefix, size) == 0 ? name + size : NULL;
}

static vka_result take(struct vka_case *c, size_t index)
{
    struct vka_safetensor tensor;
    const char *name;
    char quoted[VKA_JSON_QUOTED];
    vka_result result = vka_safetensors_use(c->file, index, &tensor);
    if (result != VKA_OK)
        return result;
    if ((name = behind(tensor.name, "w.")) && *name)
        return vka_weights_put(c->weights, name, (vka_dtype)tensor.dtype, &tensor.shape,
                               tensor.data);
    struct vka_safetensor *slot;
    if ((name = behind(tensor.name, "in.")) && *name)
        slot = &c->in[c->in_count++];
    else if ((name = behind(tensor.name, "out.")) && *name)
        slot = &c->out[c->out_count++];
    else
        return vka_error(c->context, VKA_ERROR_FORMAT,
                         "%s: tensor %s is called neither in.NAME, w.NAME nor out.NAME", c->path,
                         vka_json_quote(tensor.name, quoted));
    *slot = tensor;
    slot->name = name;
    return VKA_OK;
}

static vka_result take_tensors(struct vka_case *c)
{
    size_t count = vka_safetensors_count(c->file);
    c->in = vka_alloc(c->context, count, sizeof *c->in);
    c->out = vka_alloc(c->context, count, sizeof *c->out);
    if (!c->in || !c->out)
        return vka_out_of_memory(c->context);
    for (size_t i = 0; i < count; i++) {
        vka_result result = take(c, i);
        if (result != VKA_OK)
            return result;
    }
    if (c->out_count > 0)
        return VKA_OK;
    return vka_error(c->context, VKA_ERROR_FORMAT, "%s: no tensor out.NAME to compare with",
                     c->path);
}

static vka_result take_attrs(struct vka_case *c)
{
    const char *text = vka_safetensors_metadata(c->file, "attrs");
    if (!text)
        text = "{}";
    if (strlen(text) > MAX_ATTRS)
        return vka_error(c->context, VKA_ERROR_UNSUPPORTED, "%s: attributes of more than %d bytes",
                         c->path, MAX_ATTRS);
    vka_result result = vka_attr_parse(c->context, "attrs", text, strlen(text), &c->attrs);
    if (result != VKA_OK)
        return result == VKA_ERROR_FORMAT
                   ? vka_error(c->context, result, "%s: %s", c->path, vka_last_error())
                   : result;
    if (c->attrs->type != VKA_ATTR_OBJECT)
        return vka_error(c->context, VKA_ERROR_FORMAT, "%s: attrs is a JSON object, not %s",
                         c->path, vka_attr_type_name(c->attrs->type));
    return VKA_OK;
}

static vka_result take_weights_as(struct vka_case *c)
{
    char quoted[VKA_JSON_QUOTED];
    const char *as = vka_safetensors_metadata(c->file, "weights_as");
    if (as && strcmp(as, "official") != 0)
        return vka_error(c->context, VKA_ERROR_FORMAT, "%s: \"weights_as\" is \"official\", not %s",
                         c->path, vka_json_quote(as, quoted));
    return as ? vka_weights_official(c->weights) : VKA_OK;
}

static vka_result open_case(struct vka_case *c)
{
    vka_result result = vka_safetensors_open(c->context, c->path, &c->file);
    if (result != VKA_OK)
        return result;
    c->block = vka_safetensors_metadata(c->file, "block");
    c->source = vka_safetensors_metadata(c->file, "source");
    if (!c->source)
        c->source = "";
    if (!c->block || !*c->block)
        return vka_error(c->context, VKA_ERROR_FORMAT,
                         "%s: not a case file: its metadata has no \"block\"", c->path);
    result = vka_weights_create(c->context, &c->weights);
    if (result == VKA_OK)
        result = take_weights_as(c);
    if (result == VKA_OK)
        result = take_attrs(c);
    return result == VKA_OK ? take_tensors(c) : result;
}

vka_result vka_case_open(vka_context *context, const char *path, struct vka_case **out)
{
    *out = NULL;
    struct vka_case *c = vka_calloc(context, 1, sizeof *c);
    if (!c)
        return vka_out_of_memory(context);
    c->context = context;
    c->path = vka_strdup(context, path);
    vka_result result =
        c->path ? open_case(c) : vka_out_of_memory_for(context, "the case %s", path);
    if (result == VKA_OK)
        *out = c;
    else
        vka_case_close(c);
    return result;
}

void vka_case_close(struct vka_case *c)
{
    if (!c)
        return;
    vka_context *context = c->context;
    vka_weights_destroy(c->weights);
    vka_safetensors_close(c->file);
    vka_free(context, c->attrs);
    vka_free(context, c->in);
    vka_free(context, c->out);
    vka_free(context, c->path);
    vka_free(context, c);
}

// --- the graph ---

vka_dtype vka_case_dtype(vka_dtype in_file)
{
    if (in_file == VKA_I32 || in_file == VKA_I64)
        return VKA_I32;
    return in_file == VKA_U8 || in_file == VKA_BOOL ? VKA_BOOL : VKA_F32;
}

static vka_result add_output(struct vka_case *c, vka_graph *graph, vka_node node,
                             const struct vka_safetensor *want)
{
    char quoted[VKA_JSON_QUOTED], theirs[VKA_SHAPE_TEXT], ours[VKA_SHAPE_TEXT];
    vka_tensor tensor = vka_out(graph, node, want->name);
    vka_dtype dtype, wanted = vka_case_dtype((vka_dtype)want->dtype);
    vka_shape shape;
    vka_output(graph, want->name, tensor);
    vka_result result = vka_graph_status(graph);
    if (result != VKA_OK)
        return result;
    if (!vka_tensor_info(graph, tensor, &dtype, &shape))
        return vka_error(c->context, VKA_ERROR_INVALID, "%s: the block gives no output %s", c->path,
                         vka_json_quote(want->name, quoted));
    if (dtype == wanted && vka_shape_equal(&shape, &want->shape))
        return VKA_OK;
    return vka_error(c->context, VKA_ERROR_INVALID,
                     "%s: out.%s is %s %s in the file, the block gives %s %s", c->path, want->name,
                     vka_dtype_name(wanted), vka_shape_text(&want->shape, theirs),
                     vka_dtype_name(dtype), vka_shape_text(&shape, ours));
}

static vka_result fill_graph(struct vka_case *c, vka_graph *graph, vka_named *named)
{
    for (size_t i = 0; i < c->in_count; i++) {
        named[i].name = c->in[i].name;
        named[i].tensor = vka_input(graph, c->in[i].name, vka_case_dtype((vka_dtype)c->in[i].dtype),
                                    &c->in[i].shape);
    }
    named[c->in_count] = (vka_named){0};
    vka_node node = vka_block_prefixed(graph, c->block, c->block, "", c->attrs->items, named);
    vka_result result = vka_graph_status(graph);
    for (size_t i = 0; i < c->out_count && result == VKA_OK; i++)
        result = add_output(c, graph, node, &c->out[i]);
    return result == VKA_OK ? vka_graph_check_surplus(graph) : result;
}

vka_result vka_case_build(struct vka_case *c, vka_graph **graph)
{
    vka_graph *g;
    *graph = NULL;
    vka_named *named = vka_alloc(c->context, c->in_count + 1, sizeof *named);
    if (!named)
        return vka_out_of_memory(c->context);
    vka_result result = vka_graph_create(c->context, c->weights, &g);
    if (result == VKA_OK)
        result = fill_graph(c, g, named);
    vka_free(c->context, named);
    if (result == VKA_OK)
        *graph = g;
    else
        vka_graph_destroy(g);
    return result;
}

void vka_case_inputs(const struct vka_case *c, vka_io *inputs)
{
    for (size_t i = 0; i < c->in_count; i++) {
        const struct vka_safetensor *in = &c->in[i];
        inputs[i] =
            (vka_io){in->name, (vka_dtype)in->dtype, (void *)(uintptr_t)in->data, in->bytes};
    }
    inputs[c->in_count] = (vka_io){0};
}
