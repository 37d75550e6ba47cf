// SPDX-License-Identifier: MIT
//
// A graph: tensors and nodes with small integer ids, shapes inferred as nodes are added, the first
// error kept. Blocks write graphs through the constructors in ops/ops.h and blocks/nn.h; a lowered
// graph (graph/program.h) has the same form.
//
// A tensor is either a *base*, which owns storage and is dense, or a *view* of a base: another
// shape, strides (0 repeats an axis) and an offset over the same elements. Reshape, permute, slice
// and broadcast make views, never copies.
#ifndef VKA_GRAPH_GRAPH_H
#define VKA_GRAPH_GRAPH_H

#include "util/context.h"

#define VKA_MAX_IN  12 // operands of a node
#define VKA_MAX_OUT 4

struct vka_op;
struct vka_variant;
struct vka_block_row;
struct vka_scope;

enum vka_store {
    VKA_STORE_TEMP,     // made by a node
    VKA_STORE_INPUT,    // `source`: index into inputs
    VKA_STORE_OUTPUT,   // made by a node, lives in the output buffer; `source`: index into outputs
    VKA_STORE_WEIGHT,   // `source`: index into the weight set
    VKA_STORE_CONSTANT, // `data`: made on the host (F32, I32 or 32-bit bools)
};

struct vka_value {
    vka_dtype dtype; // F32 (in 16 bits in a plan that stores such), I32 or BOOL (a 32-bit word)
    vka_shape shape;
    int64_t stride[VKA_MAX_RANK]; // in elements
    int64_t offset;               // in elements of the base
    vka_tensor base;              // itself for a base
    enum vka_store store;         // of a base
    int source;
    void *data;         // of a constant; owned by the graph
    vka_tensor renamed; // set while lowering: another base of the same size that takes its place
};

struct vka_op_node {
    const struct vka_op *op;
    void *params;                      // owned by the graph
    const char *path;                  // "att/fc1": the block's name and the part of it
    const struct vka_variant *variant; // the GPU variant that was chosen, once lowered for a device
    int n_in, n_out;
    vka_tensor in[VKA_MAX_IN];   // 0: an absent optional operand
    vka_tensor out[VKA_MAX_OUT]; // 0: not wanted
    vka_tensor scratch;          // what its launch asked for (vka_scratch); 0: nothing
};

// A tensor of I32 whose values must lie in lo..hi; checked when a run's data comes in.
struct vka_check {
    vka_tensor tensor; // an input's base, or 0 where `found` tells
    vka_tensor found;  // [2] I32 output of the op `check`: first bad index or -1, its value
    const char *what;  // "dec/tokens"
    int64_t lo, hi;
};

struct vka_endpoint { // an input or an output of the graph
    const char *name;
    vka_tensor tensor;
};

struct vka_placed { // a block placed by vka_block
    const struct vka_block_row *row;
    const char *name, *prefix;
    bool official;            // its weights have their official names
    const bool *asked;        // for each row of its weights
    struct vka_endpoint *out; // what its build told with vka_give
    size_t out_count, out_capacity;
};

struct vka_graph {
    vka_context *context;
    vka_weights *weights;
    struct vka_pool_chunk *pool; // strings and params live until the graph goes
    vka_result status;
    char *message;

    struct vka_value *values; // [0] stands for "none"
    size_t value_count, value_capacity;
    struct vka_op_node *nodes;
    size_t node_count, node_capacity;
    struct vka_endpoint *inputs, *outputs;
    size_t input_count, input_capacity, output_count, output_capacity;
    struct vka_placed *placed; // [0] unused
    size_t placed_count, placed_capacity;
    struct vka_check *checks;
    size_t check_count, check_capacity;
    vka_tensor *weight_value; // by index into the weight set; 0: no block uses it
    const char **weight_as;   // the weight of a block that it was found as; NULL: never found
    struct vka_scope *scope;  // the block being built
};

// Keeps the first error, with the path of the block being built in front. Returns 0 so that a
// constructor can `return vka_fail(...)`.
vka_tensor vka_fail(vka_graph *g, const char *format, ...) VKA_PRINTF(2, 3);
vka_tensor vka_fail_as(vka_graph *g, vka_result result, const char *format, ...) VKA_PRINTF(3, 4);
vka_tensor vka_fail_memory(vka_graph *g, const char *what); // what for; NULL: not told
bool vka_failed(const vka_graph *g);

// Memory that lives as long as the graph; NULL (and the graph failed) when out of memory.
void *vka_pool_alloc(vka_graph *g, size_t size);
char *vka_pool_format(vka_graph *g, const char *format, ...) VKA_PRINTF(2, 3);

// "att (cbam): " of the block being built, for messages; and its path, for nodes ("" outside).
void vka_graph_where(const vka_graph *g, char *text, size_t size); // blocks/scope.c
const char *vka_scope_path(vka_graph *g);

// Parts of the making that lowering uses too.
vka_tensor vka_add_value(vka_graph *g, const struct vka_value *value);
bool vka_push_node(vka_graph *g, const struct vka_op_node *node);
// A name and a tensor at the end of a growing list.
bool vka_add_given(vka_graph *g, struct vka_endpoint **array, size_t *count, size_t *capacity,
                   const char *name, vka_tensor t);

// --- reading ---
const struct vka_value *vka_value_of(const vka_graph *g, vka_tensor t); // [0] for "none"
int vka_rank(const vka_graph *g, vka_tensor t);
// Negative axes count from the end. 1 for "none" and out of range, so that a failed graph can go
// on.
int64_t vka_dim(const vka_graph *g, vka_tensor t, int axis);
vka_dtype vka_type(const vka_graph *g, vka_tensor t);
int64_t vka_elements(const vka_graph *g, vka_tensor t);
bool vka_is_dense(const vka_graph *g, vka_tensor t); // row-major without gaps
vka_shape vka_shape_of(const vka_graph *g, vka_tensor t);
vka_shape vka_shape_make(int rank, const int64_t *dim);
// Whether a tensor may have the shape: axes, sizes from 1 on, bytes within 63 bits.
bool vka_shape_valid(const vka_shape *shape);
#define VKA_SHAPE(...)                                                                             \
    vka_shape_make((int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),                      \
                   (int64_t[]){__VA_ARGS__})

// By output of the graph: whether it hangs on a choice that a rounding error may decide otherwise
// (graph/choice.c). Free it with vka_free; NULL: out of memory.
bool *vka_graph_choices(const vka_graph *g);

// --- making values ---
// A fresh base for a node's output.
vka_tensor vka_new_value(vka_graph *g, vka_dtype dtype, const vka_shape *shape);
// A constant from host data (F32: float, I32 and BOOL: int32_t), copied. For tables made in double.
vka_tensor vka_constant(vka_graph *g, vka_dtype dtype, const vka_shape *shape, const void *data);
vka_tensor vka_constant_scalar(vka_graph *g, float value); // shape []
// first, first + step, ... as I32 [count], those beyond 32 bits at their ends.
vka_tensor vka_count_up(vka_graph *g, int64_t count, int64_t first, int64_t step);

// Adds a node (op->params_size bytes at `params`; NULL for none): infers and checks through
// op->infer, gives fresh bases to its outputs, makes dense copies of operands that the op can't
// read strided. Returns the first output; all go to `out` where it isn't NULL.
vka_tensor vka_add_node(vka_graph *g, const struct vka_op *op, const void *params, int n_in,
                        const vka_tensor *in, vka_tensor *out);

// --- views (graph/view.c) ---
// A reshape that strides can't express makes a dense copy first. One size may be -1.
vka_tensor vka_reshape(vka_graph *g, vka_tensor t, vka_shape shape);
vka_tensor vka_permute(vka_graph *g, vka_tensor t, const int *order);

vka_tensor vka_transpose(vka_graph *g, vka_tensor t, int axis_a, int axis_b);
vka_tensor vka_slice(vka_graph *g, vka_tensor t, int axis, int64_t begin, int64_t count);
vka_tensor vka_slice_step(vka_graph *g, vka_tensor t, int axis, int64_t begin, int64_t count,
                          int64_t step); // step may be negative: begin is the first one taken
// Repeats axes of size 1 and adds leading axes (aligned right); fails where it doesn't fit.
vka_tensor vka_broadcast_to(vka_graph *g, vka_tensor t, vka_shape shape);
vka_tensor vka_unsqueeze(vka_graph *g, vka_tensor t, int axis);
vka_tensor vka_squeeze(vka_graph *g, vka_tensor t, int axis); // the axis must have size 1
vka_tensor vka_flatten(vka_graph *g, vka_tensor t, int first, int last);
// The tensor itself if it is dense, else a copy.
vka_tensor vka_dense(vka_graph *g, vka_tensor t);
// A window of `size` elements with given strides over a dense tensor, for overlapping views
// (unfold). The caller answers for staying inside; checked against the base.
vka_tensor vka_strided(vka_graph *g, vka_tensor t, vka_shape shape, const int64_t *stride,
                       int64_t offset);

#endif
