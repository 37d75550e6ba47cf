// SPDX-License-Identifier: MIT
#include "support/windows.h"

static void build(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    struct vka_window_logits p = window_logits_of(c, in);
    out[0] = vka_window_dot(g, p.relation == VKA_RELATION_KEY ? 0 : in[0], in[1], &p);
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    for (int64_t i = 0; i < out->count; i++) {
        int64_t at[VKA_MAX_RANK];
        op_coords(&out->shape, i, at);
        out->v[i] = window_logit(c, in, at[0], at[1], at + 3, at[2]);
    }
}

#define DEFINED .build = build, .define = define, .bound = 2e-6, .bound16 = 2e-3
#define F(...)  OP_F32(OP_NORMAL, __VA_ARGS__)
#define O(...)  .out = OP_SHAPE(__VA_ARGS__)

static const struct op_case cases[] = {
    {.name = "product",
     .in = {F(2, 6, 9, 11), F(2, 6, 9, 11)},
     DEFINED,
     .i = {3, 3, 1, 1, 1, 2},
     .d = {0.5},
     O(2, 2, 9, 9, 11)},
    {.name = "one of everything",
     .in = {F(1, 1, 1, 1), F(1, 1, 1, 1)},
     DEFINED,
     .i = {1, 1, 1, 1, 0, 1},
     .d = {1},
     O(1, 1, 1, 1, 1)},
    {.name = "scale 0",
     .in = {F(1, 2, 3, 4), F(1, 2, 3, 4), {0}, F(2, 1, 9), F(2, 9)},
     DEFINED,
     .i = {3, 3, 1, 1, 1, 2, 0, TABLE | BIAS << 3},
     .d = {0},
     O(1, 2, 9, 3, 4)},
    {.name = "table, bias, wide map",
     .in = {F(1, 8, 5, 300), F(1, 8, 5, 300), {0}, F(2, 4, 21), F(2, 21)},
     DEFINED,
     .i = {3, 7, 1, 1, 3, 2, 0, TABLE | BIAS << 3},
     .d = {1},
     O(1, 2, 21, 5, 300)},
    {.name = "squares of differences, outside, extra",
     .in = {F(2, 4, 7, 6), F(2, 4, 7, 6), {0}, F(2, 4, 7, 6), F(4, 25)},
     DEFINED,
     .i = {5, 5, 1, 1, 2, 4, VKA_RELATION_SQ_DIFF, EXTRA | BIAS << 3 | FIXED},
     .d = {1.5, -9},
     O(2, 4, 25, 7, 6)},
    {.name = "differences",
     .in = {F(1, 6, 5, 6), F(1, 6, 9, 11)},
     DEFINED,
     .i = {3, 3, 2, 1, 1, 3, VKA_RELATION_ABS_DIFF, FIXED},
     .d = {1, -3},
     O(1, 3, 9, 5, 6)},
    {.name = "differences over sums",
     .in = {F(1, 6, 5, 6), F(1, 6, 5, 6)},
     DEFINED,
     .i = {3, 3, 1, 2, 2, 2, VKA_RELATION_NORM_ABS_DIFF},
     .d = {1},
     O(1, 2, 9, 5, 6)},
    {.name = "squares over products",
     .in = {F(1, 6, 5, 6), F(1, 6, 5, 6)},
     DEFINED,
     .i = {3, 3, 1, 2, 2, 2, VKA_RELATION_NORM_SQ_DIFF},
     .d = {1},
     O(1, 2, 9, 5, 6)},
    {.name = "keys alone",
     .in = {F(1), F(2, 6, 5, 6)},
     DEFINED,
     .i = {2, 4, 1, 1, 1, 3, VKA_RELATION_KEY},
     .d = {0.3},
     O(2, 3, 8, 5, 6)},
    {.name = "mirrored, dilated",
     .in = {F(1, 3, 7, 8), F(1, 3, 7, 8)},
     DEFINED,
     .i = {3, 3, 1, 3, 3, 1, 0, REFLECT},
     .d = {1},
     O(1, 1, 9, 7, 8)},
    {.name = "a window wider than the map",
     .in = {F(1, 2, 3, 5), F(1, 2, 3, 5)},
     DEFINED,
     .i = {1, 19, 1, 1, 9, 1},
     .d = {1},
     O(1, 1, 19, 3, 5)},
};

static void plain(vka_graph *g, const vka_tensor *in)
{
    struct vka_window_logits p = {.maps = 2, .scale = 1};
    p.windows = (struct vka_windows){
        .kernel = {3, 3}, .stride = {1, 1}, .dilation = {1, 1}, .before = {1, 1}, .out = {4, 5}};
    p.bias = in[3];
    p.extra = in[4];
    vka_window_dot(g, in[0], in[1], &p);
}

static void mirrored(vka_graph *g, const vka_tensor *in)
{
    struct vka_window_logits p = {.maps = 1, .scale = 1};
    p.windows = (struct vka_windows){.kernel = {9, 9},
                                     .stride = {1, 1},
                                     .dilation = {1, 1},
                                     .before = {4, 4},
                                     .out = {4, 5},
                                     .reflect = true};
    vka_window_dot(g, in[0], in[1], &p);
}

static void no_windows(vka_graph *g, const vka_tensor *in)
{
    struct vka_window_logits p = {.maps = 1, .scale = 1};
    vka_window_dot(g, in[0], in[1], &p);
}

static const struct op_error errors[] = {
    {"blocks", {F(1, 3, 4, 5), F(1, 3, 4, 5)}, plain, "channels for 2 blocks"},
    {"q", {F(1, 4, 5, 5), F(1, 4, 4, 5)}, plain, "q is [1, 4, 5, 5], it must be [1, 4, 4, 5]"},
    {"no q", {{0}, F(1, 4, 4, 5)}, plain, "q is missing"},
    {"axes", {F(4, 4, 5), F(4, 4, 5)}, plain, "needs 4 axes"},
    {"bias",
     {F(1, 4, 4, 5), F(1, 4, 4, 5), {0}, F(2, 8)},
     plain,
     "the bias is [2, 8], it must be [2, 9]"},
    {"extra",
     {F(1, 4, 4, 5), F(1, 4, 4, 5), {0}, {0}, F(1, 4, 4, 5)},
     plain,
     "the extra map is [1, 4, 4, 5], it must be [1, 2, 4, 5]"},
    {"integers", {OP_I32(1, 4, 4, 5), F(1, 4, 4, 5)}, plain, "F32"},
    {"mirror", {F(1, 4, 4, 5), F(1, 4, 4, 5)}, mirrored, "mirror image"},
    {"no windows", {F(1, 4, 4, 5), F(1, 4, 4, 5)}, no_windows, "must be at least 1"},
};

int main(void)
{
    return OP_TEST_RUN("window_dot", cases, errors);
}
