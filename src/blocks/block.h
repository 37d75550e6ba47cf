// SPDX-License-Identifier: MIT
//
// A block: what a paper says, written as a graph of operations. One file a block with its row at
// the foot. A build reads its attributes, inputs and weights by name through the scope, and gives
// its outputs by name; it never checks for errors: the first one is kept by the graph.
#ifndef VKA_BLOCKS_BLOCK_H
#define VKA_BLOCKS_BLOCK_H

#include "graph/graph.h"
#include "ops/ops.h"

// A block under construction: a name prefix, attributes, inputs, outputs.
struct vka_scope {
    vka_graph *g;
    const struct vka_block_row *row;
    const char *path;           // "att" or "att/self_attn"
    const char *weights;        // prefix of its weights' names, "att." or ""
    const vka_attr *attrs;      // given ones, checked
    const vka_named *inputs;    // given ones, checked
    struct vka_placed *placed;  // where outputs go; NULL in a sub-block
    struct vka_endpoint *given; // a sub-block's outputs
    size_t given_count, given_capacity;
    struct vka_scope *root; // the placed block's; itself, but in a sub-block
    bool official;          // of the root: weights are looked up under their official names
    bool *asked;            // of the root, for each row of its weights: looked up
};

struct vka_block_row {
    vka_block_info info;
    void (*build)(struct vka_scope *s);
};

// --- attributes, by name; the table's default where not given; a name that the table doesn't have
// is a programming error (asserted). Values were checked against type and range already. ---
bool vka_attr_given(struct vka_scope *s, const char *name); // given, and not null
bool vka_get_bool(struct vka_scope *s, const char *name);
int64_t vka_get_int(struct vka_scope *s, const char *name);
double vka_get_double(struct vka_scope *s, const char *name);          // ints count, null gives NaN
const char *vka_get_string(struct vka_scope *s, const char *name);     // NULL for null
bool vka_is(struct vka_scope *s, const char *name, const char *value); // a string attribute
bool vka_is_null(struct vka_scope *s, const char *name);
int64_t vka_get_int_needed(struct vka_scope *s, const char *name);   // fails for null: for modes
const vka_attr *vka_get_attr(struct vka_scope *s, const char *name); // the value itself
// A list of ints into `out`: exactly `count`; a single int stands for all of them ("int or 2
// ints").
void vka_get_ints(struct vka_scope *s, const char *name, int count, int64_t *out);
// The length of a list attribute (1 for a scalar), and its elements.
int vka_get_count(struct vka_scope *s, const char *name);
int64_t vka_get_int_at(struct vka_scope *s, const char *name, int i);
double vka_get_double_at(struct vka_scope *s, const char *name, int i);
const char *vka_get_string_at(struct vka_scope *s, const char *name, int i);
bool vka_list_has(struct vka_scope *s, const char *name, const char *value);

// --- inputs: 0 where an optional one is absent; a missing required one fails the graph ---
vka_tensor vka_in(struct vka_scope *s, const char *name);
vka_tensor vka_in_needed(struct vka_scope *s, const char *name);     // fails without: for modes
vka_tensor vka_in_i(struct vka_scope *s, const char *format, int i); // VKA_IN_I: "x_%d"
// Fails unless the tensor has the rank (and dtype of the table); gives sizes for convenience.
// A 0 in `dims` is a free size.
bool vka_expect(struct vka_scope *s, const char *name, vka_tensor t, vka_shape dims);
bool vka_expect_rank(struct vka_scope *s, const char *name, vka_tensor t, int low, int high);

// --- weights: "<prefix><name>" in the weight set, F32, or what the row tells where the names are
// the official ones. A 0 in `shape` is a free size. Trailing axes of size 1 may be more or fewer in
// the set ([O, C] and [O, C, 1, 1]); any, under an official name. The table of the placed block
// tells which weights there are, those of its sub-blocks, too. ---
vka_tensor vka_weight(struct vka_scope *s, const char *name, vka_shape shape);
vka_tensor vka_weight_if(struct vka_scope *s, const char *name, vka_shape shape); // 0 where absent
bool vka_has_weight(struct vka_scope *s, const char *name);
int vka_weight_rank(struct vka_scope *s, const char *name); // -1 where absent
const char *vka_name(struct vka_scope *s, const char *format, ...) VKA_PRINTF(2, 3); // pooled

// --- outputs ---
void vka_give(struct vka_scope *s, const char *name, vka_tensor t);

// --- sub-blocks: block `id` under "<path>/<name>" and weights "<prefix><weights>." (weights ""
// keeps this scope's prefix); outputs by name through vka_sub_out. ---
struct vka_scope *vka_block_in(struct vka_scope *s, const char *id, const char *name,
                               const char *weights, const vka_attr *attrs, const vka_named *inputs);
vka_tensor vka_sub_out(struct vka_scope *sub, const char *name);

// An error in the scope's name; ends the build as far as results matter.
vka_tensor vka_scope_fail(struct vka_scope *s, const char *format, ...) VKA_PRINTF(2, 3);

const struct vka_block_row *vka_block_row_find(const char *id);

#endif
