// SPDX-License-Identifier: MIT
//
// The plain blocks on tensors: resize, softmax, add, mul, concat, reshape, transpose, flatten,
// embedding, argmax.
#include "blocks/nn.h"

#include <math.h>
#include <string.h>

static void build_resize(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor x = vka_in(s, "x");
    if (!vka_expect_rank(s, "x", x, 3, 5))
        return;
    int axes = vka_rank(g, x) - 2;
    const char *linear = ((const char *const[]){"linear", "bilinear", "trilinear"})[axes - 1];
    struct vka_resize p = {.align_corners = vka_get_bool(s, "align_corners"),
                           .linear = vka_is(s, "mode", linear)};
    bool by_size = vka_attr_given(s, "size"), by_factor = vka_attr_given(s, "scale_factor");
    if (!p.linear && !vka_is(s, "mode", "nearest"))
        vka_scope_fail(s, "mode \"%s\" doesn't go with %d spatial axes", vka_get_string(s, "mode"),
                       axes);
    if (by_size == by_factor)
        vka_scope_fail(s, "either 'size' or 'scale_factor' must be given");
    if (vka_failed(g))
        return;
    if (by_size)
        vka_get_ints(s, "size", axes, p.size);
    int factors = by_factor ? vka_get_count(s, "scale_factor") : 0;
    if (by_factor && factors != 1 && factors != axes)
        vka_scope_fail(s, "attribute 'scale_factor' has %d values, but needs %d", factors, axes);
    for (int i = 0; i < axes && by_factor && !vka_failed(g); i++) {
        p.scale[i] = vka_get_double_at(s, "scale_factor", factors == 1 ? 0 : i);
        double size = floor((double)vka_dim(g, x, i + 2) * p.scale[i]);
        if (!(size >= 1 && size < 1e15))
            vka_scope_fail(s, "a scale of %g leaves an axis of %g", p.scale[i], size);
        else
            p.size[i] = (int64_t)size;
    }
    vka_give(s, "y", vka_resize(g, x, &p));
}

static void build_softmax(struct vka_scope *s)
{
    struct vka_softmax p = {.axis = (int)vka_get_int(s, "dim")};
    vka_give(s, "y", vka_softmax(s->g, vka_in(s, "x"), &p));
}

static void build_add(struct vka_scope *s)
{
    vka_give(s, "y", vka_add(s->g, vka_in(s, "a"), vka_in(s, "b")));
}

static void build_mul(struct vka_scope *s)
{
    vka_give(s, "y", vka_mul(s->g, vka_in(s, "a"), vka_in(s, "b")));
}

// x, x_1, x_2, ... without a gap.
static void build_concat(struct vka_scope *s)
{
    vka_graph *g = s->g;
    size_t given = 0;
    for (const vka_named *in = s->inputs; in && in->name; in++)
        given++;
    vka_tensor *x = vka_pool_alloc(g, (given + 1) * sizeof *x);
    if (!x)
        return;
    x[0] = vka_in(s, "x");
    for (size_t i = 1; i < given; i++) {
        x[i] = vka_in_i(s, "x_%d", (int)i);
        if (!x[i])
            vka_scope_fail(s, "input 'x_%d' is missing", (int)i);
    }
    vka_give(s, "y", vka_concat(g, (int)vka_get_int(s, "dim"), (int)given, x));
}

static void build_reshape(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor x = vka_in(s, "x");
    vka_shape shape = {.rank = vka_get_count(s, "shape")};
    if (shape.rank > VKA_MAX_RANK) {
        vka_scope_fail(s, "attribute 'shape' has %d sizes; at most %d", shape.rank, VKA_MAX_RANK);
        return;
    }
    for (int i = 0; i < shape.rank; i++) {
        shape.dim[i] = vka_get_int_at(s, "shape", i);
        if (shape.dim[i] == 0)
            shape.dim[i] = i < vka_rank(g, x) ? vka_dim(g, x, i) : 0;
    }
    vka_give(s, "y", vka_reshape(g, x, shape));
}

static void build_transpose(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor x = vka_in(s, "x");
    bool all = vka_attr_given(s, "dims"), first = vka_attr_given(s, "dim0");
    bool second = vka_attr_given(s, "dim1");
    if (first != second || all == first) {
        vka_scope_fail(s, "either 'dim0' and 'dim1' or 'dims' must be given");
        return;
    }
    if (!all) {
        vka_give(s, "y",
                 vka_transpose(g, x, (int)vka_get_int(s, "dim0"), (int)vka_get_int(s, "dim1")));
        return;
    }
    int order[VKA_MAX_RANK], count = vka_get_count(s, "dims");
    if (count != vka_rank(g, x)) {
        vka_scope_fail(s, "attribute 'dims' has %d axes; x has %d", count, vka_rank(g, x));
        return;
    }
    for (int i = 0; i < count; i++)
        order[i] = (int)vka_get_int_at(s, "dims", i);
    vka_give(s, "y", vka_permute(g, x, order));
}

static void build_flatten(struct vka_scope *s)
{
    vka_give(s, "y",
             vka_flatten(s->g, vka_in(s, "x"), (int)vka_get_int(s, "start_dim"),
                         (int)vka_get_int(s, "end_dim")));
}

static void build_embedding(struct vka_scope *s)
{
    vka_tensor table = vka_weight(s, "weight", VKA_SHAPE(0, 0));
    vka_give(s, "y", vka_gather(s->g, table, vka_in(s, "x")));
}

static void build_argmax(struct vka_scope *s)
{
    vka_give(
        s, "y",
        vka_argmax(s->g, vka_in(s, "x"), (int)vka_get_int(s, "dim"), vka_get_bool(s, "keepdim")));
}

#define AXIS_RANGE "-8..7"
static const vka_attr_info no_attrs[] = {{0}};
static const vka_attr_info resize_attrs[] = {
    {"size", "int or list of int or null", "null", ">= 1", "of the spatial axes"},
    {"scale_factor", "float or list of float or null", "null", "> 0", "instead of size"},
    {"mode", "string", "\"nearest\"", "nearest|linear|bilinear|trilinear", "by the spatial axes"},
    {"align_corners", "bool", "false", "", "the corners' centres meet; for the linear modes"},
    {0},
};
static const vka_attr_info softmax_attrs[] = {{"dim", "int", "-1", AXIS_RANGE, ""}, {0}};
static const vka_attr_info concat_attrs[] = {{"dim", "int", "1", AXIS_RANGE, ""}, {0}};
static const vka_attr_info reshape_attrs[] = {
    {"shape", "list of int", NULL, ">= -1", "-1: what is left; 0: as in x"}, {0}};
static const vka_attr_info transpose_attrs[] = {
    {"dim0", "int or null", "null", AXIS_RANGE, "with dim1: the axes that change places"},
    {"dim1", "int or null", "null", AXIS_RANGE, ""},
    {"dims", "list of int or null", "null", AXIS_RANGE, "instead: all axes in their new order"},
    {0},
};
static const vka_attr_info flatten_attrs[] = {
    {"start_dim", "int", "1", AXIS_RANGE, ""}, {"end_dim", "int", "-1", AXIS_RANGE, ""}, {0}};
static const vka_attr_info argmax_attrs[] = {
    {"dim", "int", "-1", AXIS_RANGE, ""}, {"keepdim", "bool", "false", "", ""}, {0}};
static const vka_port_info x_inputs[] = {{"x", "[...]", "f32", "", ""}, {0}};
static const vka_port_info map_inputs[] = {{"x", "[N, C, ...]", "f32", "", ""}, {0}};
static const vka_port_info any_inputs[] = {{"x", "[...]", "any", "", ""}, {0}};
static const vka_port_info id_inputs[] = {{"x", "[...]", "i32", "", "rows of the table"}, {0}};
static const vka_port_info two_inputs[] = {
    {"a", "[...]", "f32", "", ""}, {"b", "[...]", "f32", "", "broadcasts with a"}, {0}};
static const vka_port_info many_inputs[] = {
    {"x", "[...]", "any", "", ""}, {"x_{i}", "[...]", "any", "optional", "x_1, x_2, ..."}, {0}};
static const vka_weight_info no_weights[] = {{0}};
static const vka_weight_info table_weights[] = {{"weight", "[V, E]", "f32", "", "weight"}, {0}};
static const vka_port_info outputs[] = {{"y", "[...]", "f32", "", ""}, {0}};
static const vka_port_info any_outputs[] = {{"y", "[...]", "as x", "", ""}, {0}};
static const vka_port_info int_outputs[] = {{"y", "[...]", "i32", "", ""}, {0}};
#define MAP_EXAMPLE "{\"shapes\": {\"x\": [1, 256, 56, 56]}}"
#define TWO_EXAMPLE "{\"shapes\": {\"a\": [1, 256, 56, 56], \"b\": [1, 256, 56, 56]}}"

const struct vka_block_row vka_block_rows_tensor[] = {
    {{"resize", "Nearest or linear resampling (torch.nn.functional.interpolate)", "", resize_attrs,
      map_inputs, no_weights, outputs,
      "{\"attrs\": {\"scale_factor\": 2, \"mode\": \"bilinear\"}, \"shapes\": {\"x\": [1, 64, 56, "
      "56]}}"},
     build_resize},
    {{"softmax", "Softmax along an axis", "", softmax_attrs, x_inputs, no_weights, outputs,
      "{\"shapes\": {\"x\": [1024, 1024]}}"},
     build_softmax},
    {{"add", "a + b", "", no_attrs, two_inputs, no_weights, outputs, TWO_EXAMPLE}, build_add},
    {{"mul", "a b, elementwise", "", no_attrs, two_inputs, no_weights, outputs, TWO_EXAMPLE},
     build_mul},
    {{"concat", "Tensors one behind the other along an axis", "", concat_attrs, many_inputs,
      no_weights, any_outputs,
      "{\"shapes\": {\"x\": [1, 128, 56, 56], \"x_1\": [1, 128, 56, 56]}}"},
     build_concat},
    {{"reshape", "The same elements in another shape", "", reshape_attrs, any_inputs, no_weights,
      any_outputs, "{\"attrs\": {\"shape\": [0, -1]}, \"shapes\": {\"x\": [1, 256, 56, 56]}}"},
     build_reshape},
    {{"transpose", "Axes in another order", "", transpose_attrs, any_inputs, no_weights,
      any_outputs,
      "{\"attrs\": {\"dim0\": 1, \"dim1\": -1}, \"shapes\": {\"x\": [1, 256, 56, 56]}}"},
     build_transpose},
    {{"flatten", "Several axes made one", "", flatten_attrs, any_inputs, no_weights, any_outputs,
      MAP_EXAMPLE},
     build_flatten},
    {{"embedding", "Rows of a table by number (torch.nn.Embedding)", "", no_attrs, id_inputs,
      table_weights, outputs, "{\"shapes\": {\"x\": [1, 1024], \"w.weight\": [1000, 512]}}"},
     build_embedding},
    {{"argmax", "Where the largest value stands along an axis, the first of equals", "",
      argmax_attrs, x_inputs, no_weights, int_outputs, "{\"shapes\": {\"x\": [1024, 1000]}}"},
     build_argmax},
    {.build = NULL},
};
