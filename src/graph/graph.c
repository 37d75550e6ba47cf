// SPDX-License-Identifier: MIT
//
// Making graphs: values, nodes, endpoints, the first error.
#include "graph/graph.h"
#include "io/weights.h"
#include "ops/op.h"
#include "ops/ops.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { POOL_CHUNK = 16 * 1024, MESSAGE = 2048 };

struct vka_pool_chunk {
    struct vka_pool_chunk *next;
    size_t used, size;
    _Alignas(16) unsigned char bytes[];
};

vka_result vka_graph_create(vka_context *context, vka_weights *weights, vka_graph **graph)
{
    *graph = NULL;
    vka_graph *g = vka_calloc(context, 1, sizeof *g);
    if (!g)
        return vka_out_of_memory(context);
    g->context = context;
    g->weights = weights;
    size_t weight_count = weights ? weights->count : 0;
    if (weights)
        vka_weights_seal(weights);
    g->weight_value = vka_calloc(context, weight_count + 1, sizeof *g->weight_value);
    g->weight_as = vka_calloc(context, weight_count + 1, sizeof *g->weight_as);
    bool ok = g->weight_value && g->weight_as &&
              vka_grow(context, (void **)&g->values, &g->value_capacity, 0, sizeof *g->values) &&
              vka_grow(context, (void **)&g->placed, &g->placed_capacity, 0, sizeof *g->placed);
    if (!ok) {
        vka_graph_destroy(g);
        return vka_out_of_memory(context);
    }
    memset(&g->values[0], 0, sizeof g->values[0]); // "none"
    memset(&g->placed[0], 0, sizeof g->placed[0]);
    g->value_count = g->placed_count = 1;
    *graph = g;
    return VKA_OK;
}

void vka_graph_destroy(vka_graph *g)
{
    if (!g)
        return;
    vka_context *context = g->context;
    while (g->pool) {
        struct vka_pool_chunk *next = g->pool->next;
        vka_free(context, g->pool);
        g->pool = next;
    }
    for (size_t i = 1; i < g->value_count; i++)
        vka_free_data(context, g->values[i].data);
    for (size_t i = 1; i < g->placed_count; i++)
        vka_free(context, g->placed[i].out);
    vka_free(context, g->values);
    vka_free(context, g->nodes);
    vka_free(context, g->inputs);
    vka_free(context, g->outputs);
    vka_free(context, g->placed);
    vka_free(context, g->checks);
    vka_free(context, g->weight_value);
    vka_free(context, g->weight_as);
    vka_free(context, g->message);
    vka_free(context, g);
}

// --- errors ---

bool vka_failed(const vka_graph *g)
{
    return g->status != VKA_OK;
}

static vka_tensor keep_error(vka_graph *g, vka_result result, const char *format, va_list args)
{
    if (vka_failed(g))
        return 0;
    char text[MESSAGE], where[256] = "";
    vsnprintf(text, sizeof text, format, args);
    vka_graph_where(g, where, sizeof where);
    g->status = result;
    size_t size = strlen(text) + strlen(where) + 1;
    g->message = vka_alloc(g->context, size, 1);
    if (g->message)
        snprintf(g->message, size, "%s%s", where, text);
    return 0;
}

vka_tensor vka_fail(vka_graph *g, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    keep_error(g, VKA_ERROR_INVALID, format, args);
    va_end(args);
    return 0;
}

vka_tensor vka_fail_as(vka_graph *g, vka_result result, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    keep_error(g, result, format, args);
    va_end(args);
    return 0;
}

vka_result vka_graph_status(const vka_graph *g)
{
    if (!vka_failed(g))
        return VKA_OK;
    char text[VKA_MEMORY_TEXT];
    return vka_error(g->context, g->status, "%s",
                     g->message ? g->message : vka_memory_text(NULL, text));
}

vka_tensor vka_fail_memory(vka_graph *g, const char *what)
{
    char text[VKA_MEMORY_TEXT];
    return vka_fail_as(g, VKA_ERROR_OUT_OF_MEMORY, "%s", vka_memory_text(what, text));
}

// --- memory ---

void *vka_pool_alloc(vka_graph *g, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    struct vka_pool_chunk *chunk = g->pool;
    if (!chunk || chunk->size - chunk->used < size) {
        size_t room = size > POOL_CHUNK ? size : POOL_CHUNK;
        chunk = vka_alloc(g->context, 1, sizeof *chunk + room);
        if (!chunk) {
            vka_fail_memory(g, NULL);
            return NULL;
        }
        *chunk = (struct vka_pool_chunk){.next = g->pool, .size = room};
        g->pool = chunk;
    }
    void *ptr = chunk->bytes + chunk->used;
    chunk->used += size;
    memset(ptr, 0, size);
    return ptr;
}

char *vka_pool_format(vka_graph *g, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    char *text = length < 0 ? NULL : vka_pool_alloc(g, (size_t)length + 1);
    if (text)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}

// --- reading ---

const struct vka_value *vka_value_of(const vka_graph *g, vka_tensor t)
{
    return &g->values[t > 0 && (size_t)t < g->value_count ? t : 0];
}

int vka_rank(const vka_graph *g, vka_tensor t)
{
    return vka_value_of(g, t)->shape.rank;
}

int64_t vka_dim(const vka_graph *g, vka_tensor t, int axis)
{
    const vka_shape *shape = &vka_value_of(g, t)->shape;
    if (axis < 0)
        axis += shape->rank;
    return axis >= 0 && axis < shape->rank ? shape->dim[axis] : 1;
}

vka_dtype vka_type(const vka_graph *g, vka_tensor t)
{
    return vka_value_of(g, t)->dtype;
}

vka_shape vka_shape_of(const vka_graph *g, vka_tensor t)
{
    return vka_value_of(g, t)->shape;
}

int64_t vka_elements(const vka_graph *g, vka_tensor t)
{
    uint64_t n = 1;
    vka_shape_count(&vka_value_of(g, t)->shape, &n); // checked when it was made
    return (int64_t)n;
}

vka_shape vka_shape_make(int rank, const int64_t *dim)
{
    vka_shape shape = {.rank = rank};
    for (int i = 0; i < rank && i < VKA_MAX_RANK; i++)
        shape.dim[i] = dim[i];
    return shape;
}

bool vka_shape_valid(const vka_shape *shape)
{
    uint64_t count, bytes;
    return shape->rank >= 0 && shape->rank <= VKA_MAX_RANK && vka_shape_count(shape, &count) &&
           vka_mul_size(count, 4, &bytes) && count > 0;
}

bool vka_is_dense(const vka_graph *g, vka_tensor t)
{
    struct vka_array a;
    vka_value_array(g, t, &a);
    return vka_array_dense(&a);
}

bool vka_array_dense(const struct vka_array *a)
{
    int64_t next = 1;
    for (int i = a->rank - 1; i >= 0; i--) {
        if (a->dim[i] != 1 && a->stride[i] != next)
            return false;
        next *= a->dim[i];
    }
    return true;
}

void vka_value_array(const vka_graph *g, vka_tensor t, struct vka_array *a)
{
    const struct vka_value *v = vka_value_of(g, t);
    *a = (struct vka_array){
        .dtype = v->dtype, .rank = t ? v->shape.rank : -1, .id = v->base, .offset = v->offset};
    memcpy(a->dim, v->shape.dim, sizeof a->dim);
    memcpy(a->stride, v->stride, sizeof a->stride);
}

// --- values ---

// Room for one more value; 0 on failure.
vka_tensor vka_add_value(vka_graph *g, const struct vka_value *value)
{
    if (vka_failed(g))
        return 0;
    if (g->value_count >= INT32_MAX ||
        !vka_grow(g->context, (void **)&g->values, &g->value_capacity, g->value_count,
                  sizeof *g->values)) {
        vka_fail_memory(g, NULL);
        return 0;
    }
    g->values[g->value_count] = *value;
    return (vka_tensor)g->value_count++;
}

vka_tensor vka_new_value(vka_graph *g, vka_dtype dtype, const vka_shape *shape)
{
    char text[VKA_SHAPE_TEXT];
    if (shape->rank < 0 || shape->rank > VKA_MAX_RANK)
        return vka_fail(g, "a tensor of rank %d: at most %d axes", shape->rank, VKA_MAX_RANK);
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dim[i] < 1)
            return vka_fail(g, "the shape %s: every size must be at least 1",
                            vka_shape_text(shape, text));
    }
    if (!vka_shape_valid(shape))
        return vka_fail(g, "the shape %s is too large: a tensor has fewer than 2^61 elements",
                        vka_shape_text(shape, text));
    struct vka_value value = {.dtype = dtype, .shape = *shape, .store = VKA_STORE_TEMP};
    int64_t next = 1;
    for (int i = shape->rank - 1; i >= 0; i--) {
        value.stride[i] = next;
        next *= shape->dim[i];
    }
    vka_tensor t = vka_add_value(g, &value);
    if (t)
        g->values[t].base = t;
    return t;
}

vka_tensor vka_constant(vka_graph *g, vka_dtype dtype, const vka_shape *shape, const void *data)
{
    vka_tensor t = vka_new_value(g, dtype, shape);
    if (!t)
        return 0;
    size_t bytes = (size_t)vka_elements(g, t) * 4;
    void *copy = vka_alloc_data(g->context, bytes);
    if (!copy) {
        vka_fail_memory(g, NULL);
        return 0;
    }
    memcpy(copy, data, bytes);
    g->values[t].store = VKA_STORE_CONSTANT;
    g->values[t].data = copy;
    return t;
}

vka_tensor vka_constant_scalar(vka_graph *g, float value)
{
    vka_shape scalar = {.rank = 0};
    return vka_constant(g, VKA_F32, &scalar, &value);
}

vka_tensor vka_count_up(vka_graph *g, int64_t count, int64_t first, int64_t step)
{
    vka_shape shape = VKA_SHAPE(count);
    int32_t *values = vka_alloc(g->context, (uint64_t)count, sizeof *values);
    if (!values)
        return vka_fail_memory(g, "numbers that count up");
    for (int64_t i = 0; i < count; i++) {
        int64_t v = first + i * step;
        values[i] = v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : (int32_t)v;
    }
    vka_tensor t = vka_constant(g, VKA_I32, &shape, values);
    vka_free(g->context, values);
    return t;
}

// --- endpoints ---

bool vka_add_given(vka_graph *g, struct vka_endpoint **array, size_t *count, size_t *capacity,
                   const char *name, vka_tensor t)
{
    const char *copy = vka_pool_format(g, "%s", name);
    if (!copy)
        return false;
    if (!vka_grow(g->context, (void **)array, capacity, *count, sizeof **array)) {
        vka_fail_memory(g, NULL);
        return false;
    }
    (*array)[(*count)++] = (struct vka_endpoint){copy, t};
    return true;
}

static bool name_taken(const struct vka_endpoint *array, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(array[i].name, name) == 0)
            return true;
    }
    return false;
}

vka_tensor vka_input(vka_graph *g, const char *name, vka_dtype dtype, const vka_shape *shape)
{
    if (vka_failed(g))
        return 0;
    if (!name || !*name)
        return vka_fail(g, "an input without a name");
    if (name_taken(g->inputs, g->input_count, name))
        return vka_fail(g, "two inputs are named '%s'", name);
    if (!shape)
        return vka_fail(g, "input '%s' has no shape", name);
    if (dtype != VKA_F32 && dtype != VKA_I32 && dtype != VKA_BOOL)
        return vka_fail(g, "input '%s' is %s: an input is F32, I32 or BOOL", name,
                        vka_dtype_name(dtype));
    vka_tensor t = vka_new_value(g, dtype, shape);
    if (!t || !vka_add_given(g, &g->inputs, &g->input_count, &g->input_capacity, name, t))
        return 0;
    g->values[t].store = VKA_STORE_INPUT;
    g->values[t].source = (int)g->input_count - 1;
    return t;
}

void vka_output(vka_graph *g, const char *name, vka_tensor t)
{
    if (vka_failed(g))
        return;
    if (!name || !*name)
        vka_fail(g, "an output without a name");
    else if (name_taken(g->outputs, g->output_count, name))
        vka_fail(g, "two outputs are named '%s'", name);
    else if (t <= 0 || (size_t)t >= g->value_count)
        vka_fail(g, "output '%s' is given no tensor of this graph", name);
    else
        vka_add_given(g, &g->outputs, &g->output_count, &g->output_capacity, name, t);
}

bool vka_tensor_info(const vka_graph *g, vka_tensor t, vka_dtype *dtype, vka_shape *shape)
{
    if (t <= 0 || (size_t)t >= g->value_count)
        return false;
    if (dtype)
        *dtype = g->values[t].dtype;
    if (shape)
        *shape = g->values[t].shape;
    return true;
}

bool vka_output_info(const vka_graph *g, const char *name, vka_dtype *dtype, vka_shape *shape)
{
    for (size_t i = 0; name && i < g->output_count; i++) {
        if (strcmp(g->outputs[i].name, name) == 0)
            return vka_tensor_info(g, g->outputs[i].tensor, dtype, shape);
    }
    return false;
}

// --- nodes ---

static bool infer_outputs(vka_graph *g, const struct vka_op *op, const void *params, int n_in,
                          const vka_tensor *in, struct vka_infer *n)
{
    *n = (struct vka_infer){.g = g, .params = params, .n_in = n_in};
    for (int i = 0; i < n_in; i++) {
        if (in[i] < 0 || (size_t)in[i] >= g->value_count) {
            vka_fail(g, "%s: operand %d is no tensor of this graph", op->name, i);
            return false;
        }
        n->in[i] = in[i] ? &g->values[in[i]] : NULL;
    }
    return op->infer(n) && !vka_failed(g);
}

static void *copy_params(vka_graph *g, const void *params, size_t size)
{
    void *copy = vka_pool_alloc(g, size ? size : 1);
    if (copy && size)
        memcpy(copy, params, size);
    return copy;
}

bool vka_push_node(vka_graph *g, const struct vka_op_node *node)
{
    if (!vka_grow(g->context, (void **)&g->nodes, &g->node_capacity, g->node_count,
                  sizeof *g->nodes)) {
        vka_fail_memory(g, NULL);
        return false;
    }
    g->nodes[g->node_count++] = *node;
    return true;
}

vka_tensor vka_add_node(vka_graph *g, const struct vka_op *op, const void *params, int n_in,
                        const vka_tensor *in, vka_tensor *out)
{
    if (out)
        memset(out, 0, sizeof *out * VKA_MAX_OUT);
    struct vka_infer n;
    if (vka_failed(g) || !infer_outputs(g, op, params, n_in, in, &n))
        return 0;
    struct vka_op_node node = {.op = op,
                               .n_in = n_in,
                               .n_out = n.n_out,
                               .path = vka_scope_path(g),
                               .params = copy_params(g, params, op->params_size)};
    for (int i = 0; i < n_in; i++) {
        bool dense = (op->flags & VKA_OP_STRIDED) != 0 || in[i] == 0;
        node.in[i] = dense ? in[i] : vka_dense(g, in[i]);
    }
    for (int i = 0; i < n.n_out; i++)
        node.out[i] = vka_new_value(g, n.out_dtype[i], &n.out_shape[i]);
    if (vka_failed(g) || !vka_push_node(g, &node))
        return 0;
    if (out)
        memcpy(out, node.out, sizeof node.out);
    return node.out[0];
}
