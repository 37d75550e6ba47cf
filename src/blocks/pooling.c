// SPDX-License-Identifier: MIT
//
// The plain layers max_pool, avg_pool, global_max_pool and global_avg_pool: 1 to 3 spatial axes by
// the input's rank, as torch.nn has them.
#include "blocks/nn.h"

#include <string.h>

static bool read_window(struct vka_scope *s, vka_tensor x, struct vka_pool *p)
{
    if (!vka_expect_rank(s, "x", x, 3, 5))
        return false;
    int axes = vka_rank(s->g, x) - 2;
    vka_get_ints(s, "kernel_size", axes, p->kernel);
    memcpy(p->stride, p->kernel, sizeof p->stride);
    if (vka_attr_given(s, "stride"))
        vka_get_ints(s, "stride", axes, p->stride);
    vka_get_ints(s, "padding", axes, p->before);
    memcpy(p->after, p->before, sizeof p->after);
    p->ceil_mode = vka_get_bool(s, "ceil_mode");
    for (int i = 0; i < axes; i++) {
        if (p->before[i] > p->kernel[i] / 2)
            vka_scope_fail(s, "padding %lld is more than half the window %lld",
                           (long long)p->before[i], (long long)p->kernel[i]);
    }
    return !vka_failed(s->g);
}

static void build_max_pool(struct vka_scope *s)
{
    vka_tensor x = vka_in(s, "x");
    struct vka_pool p = {.max = true};
    if (!read_window(s, x, &p))
        return;
    vka_get_ints(s, "dilation", vka_rank(s->g, x) - 2, p.dilation);
    vka_give(s, "y", vka_pool(s->g, x, &p));
}

static void build_avg_pool(struct vka_scope *s)
{
    vka_tensor x = vka_in(s, "x");
    struct vka_pool p = {.max = false};
    if (!read_window(s, x, &p))
        return;
    p.exclude_padding = !vka_get_bool(s, "count_include_pad");
    p.divisor = vka_attr_given(s, "divisor_override") ? vka_get_int(s, "divisor_override") : 0;
    vka_give(s, "y", vka_pool(s->g, x, &p));
}

static void build_global(struct vka_scope *s, enum vka_reduce_kind kind)
{
    vka_graph *g = s->g;
    vka_tensor x = vka_in(s, "x");
    if (!vka_expect_rank(s, "x", x, 3, 5))
        return;
    unsigned axes = ((1u << vka_rank(g, x)) - 1) & ~3u;
    vka_give(s, "y", vka_reduce(g, kind, x, axes, vka_get_bool(s, "keepdim")));
}

static void build_global_avg_pool(struct vka_scope *s)
{
    build_global(s, VKA_REDUCE_MEAN);
}

static void build_global_max_pool(struct vka_scope *s)
{
    build_global(s, VKA_REDUCE_MAX);
}

#define WINDOW                                                                                     \
    {"kernel_size", "int or list of int", NULL, ">= 1", "one for all axes, or one each"},          \
        {"stride", "int or list of int or null", "null", ">= 1", "null: kernel_size"},             \
    {                                                                                              \
        "padding", "int or list of int", "0", ">= 0", "at most half the window"                    \
    }
static const vka_attr_info max_attrs[] = {
    WINDOW,
    {"dilation", "int or list of int", "1", ">= 1", ""},
    {"ceil_mode", "bool", "false", "", "a last window that is cut off counts"},
    {0},
};
static const vka_attr_info avg_attrs[] = {
    WINDOW,
    {"ceil_mode", "bool", "false", "", "a last window that is cut off counts"},
    {"count_include_pad", "bool", "true", "", "the padding counts in the divisor"},
    {"divisor_override", "int or null", "null", ">= 1", "instead of the window's size"},
    {0},
};
static const vka_attr_info global_attrs[] = {
    {"keepdim", "bool", "false", "", "keep the spatial axes with size 1"},
    {0},
};
static const vka_port_info inputs[] = {{"x", "[N, C, ...]", "f32", "", "1 to 3 spatial axes"}, {0}};
static const vka_weight_info weights[] = {{0}};
static const vka_port_info outputs[] = {{"y", "[N, C, ...]", "f32", "", ""}, {0}};
static const vka_port_info global_outputs[] = {
    {"y", "[N, C] ([N, C, 1...] with keepdim)", "f32", "", ""}, {0}};
#define EXAMPLE                                                                                    \
    "{\"attrs\": {\"kernel_size\": 3, \"stride\": 2}, \"shapes\": {\"x\": [1, 64, 112, 112]}}"
#define GLOBAL_EXAMPLE "{\"shapes\": {\"x\": [1, 256, 56, 56]}}"

const struct vka_block_row vka_block_rows_pooling[] = {
    {{"max_pool", "Max pooling (torch.nn.MaxPool1d/2d/3d)", "", max_attrs, inputs, weights, outputs,
      EXAMPLE},
     build_max_pool},
    {{"avg_pool", "Average pooling (torch.nn.AvgPool1d/2d/3d)", "", avg_attrs, inputs, weights,
      outputs, EXAMPLE},
     build_avg_pool},
    {{"global_avg_pool", "Mean of each channel", "", global_attrs, inputs, weights, global_outputs,
      GLOBAL_EXAMPLE},
     build_global_avg_pool},
    {{"global_max_pool", "Maximum of each channel", "", global_attrs, inputs, weights,
      global_outputs, GLOBAL_EXAMPLE},
     build_global_max_pool},
    {.build = NULL},
};
