// SPDX-License-Identifier: MIT
//
// The plain layers batch_norm, layer_norm and group_norm, as torch.nn has them.
#include "blocks/nn.h"

static void build_batch_norm(struct vka_scope *s)
{
    vka_tensor x = vka_in(s, "x");
    if (vka_expect_rank(s, "x", x, 2, 5))
        vka_give(s, "y", vka_batch_norm(s, x, "", vka_get_double(s, "eps"), VKA_ACT_NONE));
}

// The normalised axes: those of the weight or bias, or of the attribute.
static vka_shape normalized_shape(struct vka_scope *s, vka_tensor x)
{
    vka_graph *g = s->g;
    vka_shape shape = {0}, own = vka_shape_of(g, x);
    bool given = vka_attr_given(s, "normalized_shape");
    shape.rank = given ? vka_get_count(s, "normalized_shape") : 0;
    char a[VKA_SHAPE_TEXT], b[VKA_SHAPE_TEXT];
    if (shape.rank > own.rank) {
        vka_scope_fail(s, "'normalized_shape' has %d sizes, but x has shape %s", shape.rank,
                       vka_shape_text(&own, b));
        return own;
    }
    for (int i = 0; i < shape.rank; i++)
        shape.dim[i] = vka_get_int_at(s, "normalized_shape", i);
    for (int rank = own.rank; rank >= 1 && shape.rank == 0; rank--) { // the weight's own rank
        if (vka_weight_rank(s, "weight") == rank || vka_weight_rank(s, "bias") == rank)
            shape = vka_shape_make(rank, own.dim + own.rank - rank);
    }
    vka_shape last = vka_shape_make(shape.rank, own.dim + own.rank - shape.rank);
    if (shape.rank == 0)
        vka_scope_fail(
            s, "the normalised axes need a weight, a bias or the attribute 'normalized_shape'");
    else if (!vka_shape_equal(&shape, &last))
        vka_scope_fail(s, "'normalized_shape' is %s, but x has shape %s", vka_shape_text(&shape, a),
                       vka_shape_text(&own, b));
    return shape;
}

static void build_layer_norm(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor x = vka_in(s, "x");
    if (!vka_expect_rank(s, "x", x, 1, VKA_MAX_RANK))
        return;
    vka_shape shape = normalized_shape(s, x);
    if (vka_failed(g))
        return;
    unsigned axes = 0;
    for (int i = 0; i < shape.rank; i++)
        axes |= 1u << (vka_rank(g, x) - 1 - i);
    vka_give(s, "y",
             vka_norm(g, x, axes, vka_get_double(s, "eps"), vka_weight_if(s, "weight", shape),
                      vka_weight_if(s, "bias", shape)));
}

static void build_group_norm(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor x = vka_in(s, "x");
    if (!vka_expect_rank(s, "x", x, 2, 5))
        return;
    int64_t groups = vka_get_int(s, "num_groups"), channels = vka_dim(g, x, 1);
    if (channels % groups != 0) {
        vka_scope_fail(s, "%lld channels don't divide into %lld groups", (long long)channels,
                       (long long)groups);
        return;
    }
    vka_give(s, "y", vka_group_norm(s, x, "", groups, vka_get_double(s, "eps")));
}

static const vka_attr_info batch_attrs[] = {{"eps", "float", "1e-5", "> 0", ""}, {0}};
static const vka_attr_info layer_attrs[] = {
    {"normalized_shape", "int or list of int or null", "null", ">= 1",
     "the last axes' sizes; the weight's by default"},
    {"eps", "float", "1e-5", "> 0", ""},
    {0},
};
static const vka_attr_info group_attrs[] = {
    {"num_groups", "int", NULL, ">= 1", "divides the channels"},
    {"eps", "float", "1e-5", "> 0", ""},
    {0},
};
static const vka_port_info channel_inputs[] = {{"x", "[N, C, ...]", "f32", "", ""}, {0}};
static const vka_port_info any_inputs[] = {{"x", "[...]", "f32", "", ""}, {0}};
static const vka_port_info outputs[] = {{"y", "as x", "f32", "", ""}, {0}};
static const vka_weight_info batch_weights[] = {
    {"weight", "[C]", "f32", "optional", "weight"},
    {"bias", "[C]", "f32", "optional", "bias"},
    {"running_mean", "[C]", "f32", "", "running_mean"},
    {"running_var", "[C]", "f32", "", "running_var"},
    {0},
};
static const vka_weight_info layer_weights[] = {
    {"weight", "the normalised axes", "f32", "optional", "weight"},
    {"bias", "the normalised axes", "f32", "optional", "bias"},
    {0},
};
static const vka_weight_info group_weights[] = {
    {"weight", "[C]", "f32", "optional", "weight"},
    {"bias", "[C]", "f32", "optional", "bias"},
    {0},
};

const struct vka_block_row vka_block_rows_normalization[] = {
    {{"batch_norm", "Batch norm with running statistics (torch.nn.BatchNorm1d/2d/3d, eval)", "",
      batch_attrs, channel_inputs, batch_weights, outputs,
      "{\"shapes\": {\"x\": [1, 256, 56, 56]}}"},
     build_batch_norm},
    {{"layer_norm", "Layer norm over the last axes (torch.nn.LayerNorm)", "", layer_attrs,
      any_inputs, layer_weights, outputs,
      "{\"shapes\": {\"x\": [1024, 512], \"w.weight\": [512], \"w.bias\": [512]}}"},
     build_layer_norm},
    {{"group_norm", "Group norm (torch.nn.GroupNorm)", "", group_attrs, channel_inputs,
      group_weights, outputs,
      "{\"attrs\": {\"num_groups\": 32}, \"shapes\": {\"x\": [1, 256, 56, 56]}}"},
     build_group_norm},
    {.build = NULL},
};
