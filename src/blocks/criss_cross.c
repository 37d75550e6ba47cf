// SPDX-License-Identifier: MIT
//
// Criss-cross attention of CCNet: every pixel attends to its own row and column, several times with
// the same weights.
#include "blocks/nn.h"

struct pass {
    vka_tensor q, k, v; // [N, C or Cqk, H, W]
};

static const int by_row[] = {0, 2, 3, 1};    // [N, C, H, W] as [N, H, W, C]
static const int by_column[] = {0, 3, 2, 1}; // [N, W, H, C]

// Column entry h' = h is the row's centre already: [H, 1, H + W], true there.
static vka_tensor centre_mask(vka_graph *g, int64_t height, int64_t width)
{
    vka_shape shape = VKA_SHAPE(height, 1, height + width);
    uint64_t count;
    if (vka_failed(g) || !vka_shape_count(&shape, &count))
        return 0;
    int32_t *removed = vka_calloc(g->context, count, sizeof *removed);
    if (!removed)
        return vka_fail_as(g, VKA_ERROR_OUT_OF_MEMORY, "out of host memory");
    for (int64_t h = 0; h < height; h++)
        removed[h * (height + width) + h] = 1;
    vka_tensor t = vka_constant(g, VKA_BOOL, &shape, removed);
    vka_free(g->context, removed);
    return t;
}

// Dot products of each line's queries with its keys: [N, lines, length, length].
static vka_tensor energies(vka_graph *g, const struct pass *p, const int *order)
{
    vka_tensor keys = vka_permute(g, p->k, order);
    return vka_matmul(g, vka_permute(g, p->q, order), vka_transpose(g, keys, 2, 3), NULL);
}

// One softmax over column and row: [N, H, W, H + W].
static vka_tensor attend(vka_graph *g, const struct pass *p, vka_tensor mask)
{
    vka_tensor column = vka_transpose(g, energies(g, p, by_column), 1, 2);
    vka_tensor row = energies(g, p, by_row);
    struct vka_softmax softmax = {.axis = 3, .mask = mask, .mask_removes = true};
    return vka_softmax(g, VKA_CONCAT(g, 3, column, row), &softmax);
}

// z + the values' sums. The weights of a line are rows here, so that values are read as they lie.
static vka_tensor gather(vka_graph *g, const struct pass *p, vka_tensor z, vka_tensor attn_h,
                         vka_tensor attn_w)
{
    vka_tensor columns = vka_permute(g, p->v, (const int[]){0, 3, 1, 2}); // [N, W, C, H']
    vka_tensor rows = vka_transpose(g, p->v, 1, 2);                       // [N, H, C, W']
    vka_tensor of_column =
        vka_matmul(g, columns, vka_permute(g, attn_h, (const int[]){0, 2, 3, 1}), NULL);
    struct vka_matmul m = {.residual = vka_permute(g, of_column, (const int[]){0, 3, 2, 1})};
    vka_tensor both = vka_matmul(g, rows, vka_transpose(g, attn_w, 2, 3), &m); // [N, H, C, W]
    return vka_add(g, vka_transpose(g, both, 1, 2), z);
}

static void build(struct vka_scope *s)
{
    enum { QUERY, KEY, VALUE, PARTS };
    vka_graph *g = s->g;
    vka_tensor z = vka_in(s, "x"), t[PARTS] = {0}, attn_h = 0, attn_w = 0;
    if (!vka_expect_rank(s, "x", z, 4, 4))
        return;
    int64_t channels = vka_dim(g, z, 1), height = vka_dim(g, z, 2), width = vka_dim(g, z, 3);
    struct vka_kernel k[PARTS] = {vka_kernel_of(s, "query", 0, channels, VKA_BIAS)};
    k[KEY] = vka_kernel_of(s, "key", vka_dim(g, k[QUERY].weight, 0), channels, VKA_BIAS);
    k[VALUE] = vka_kernel_of(s, "value", channels, channels, VKA_BIAS);
    k[VALUE] = vka_kernel_times(g, k[VALUE], vka_weight(s, "gamma", VKA_SHAPE(1)));
    vka_tensor mask = centre_mask(g, height, width);
    for (int64_t i = 0; i < vka_get_int(s, "recurrence") && !vka_failed(g); i++) {
        vka_pointwise_all(g, z, PARTS, k, t);
        struct pass p = {t[QUERY], t[KEY], t[VALUE]};
        vka_tensor attn = attend(g, &p, mask);
        attn_h = vka_slice(g, attn, 3, 0, height);
        attn_w = vka_slice(g, attn, 3, height, width);
        z = gather(g, &p, z, attn_h, attn_w);
    }
    vka_give(s, "y", z);
    vka_give(s, "attn_h", attn_h);
    vka_give(s, "attn_w", attn_w);
}

static const vka_attr_info attrs[] = {
    {"recurrence", "int", "2", "1..1000", "passes with the same weights"},
    {0},
};
static const vka_port_info inputs[] = {
    {"x", "[N, C, H, W]", "f32", "", "features"},
    {0},
};
static const vka_port_info weights[] = {
    {"query.weight", "[Cqk, C, 1, 1]", "f32", "", "query_conv.weight"},
    {"query.bias", "[Cqk]", "f32", "", "query_conv.bias"},
    {"key.weight", "[Cqk, C, 1, 1]", "f32", "", "key_conv.weight"},
    {"key.bias", "[Cqk]", "f32", "", "key_conv.bias"},
    {"value.weight", "[C, C, 1, 1]", "f32", "", "value_conv.weight"},
    {"value.bias", "[C]", "f32", "", "value_conv.bias"},
    {"gamma", "[1]", "f32", "", "gamma"},
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, C, H, W]", "f32", "", "after the last pass"},
    {"attn_h", "[N, H, W, H]", "f32", "", "last pass: weights of the column; 0 at the centre"},
    {"attn_w", "[N, H, W, W]", "f32", "", "last pass: weights of the row"},
    {0},
};

const struct vka_block_row vka_block_rows_criss_cross[] = {
    {{"criss_cross", "Criss-cross attention: every pixel attends to its row and column, repeatedly",
      "Huang, Wang, Huang, Huang, Wei, Liu: CCNet, ICCV 2019, arXiv 1811.11721", attrs, inputs,
      weights, outputs,
      "{\"shapes\": {\"x\": [1, 512, 97, 97], \"w.query.weight\": [64, 512, 1, 1]}}"},
     build},
    {.build = NULL},
};
