// SPDX-License-Identifier: MIT
#include "support/windows.h"

static void build(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    struct vka_windows w = windows_of(c);
    out[0] = vka_window_sum(g, in[0], in[1], &w, (c->i[FORM] & CYCLIC) != 0);
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    const vka_shape *attn = &in[0].shape;
    int64_t maps = attn->dim[1], width = in[1].shape.dim[1] / maps;
    for (int64_t i = 0; i < out->count; i++) {
        int64_t at[VKA_MAX_RANK], pixel[2];
        op_coords(&out->shape, i, at);
        int64_t map = c->i[FORM] & CYCLIC ? at[1] % maps : at[1] / width;
        out->v[i] = 0;
        for (int64_t tap = 0; tap < attn->dim[2]; tap++) {
            int64_t weight[VKA_MAX_RANK] = {at[0], map, tap, at[2], at[3]};
            if (window_pixel(c, &in[1].shape, at + 2, tap, pixel))
                out->v[i] +=
                    in[0].v[op_index(attn, weight)] * window_value(&in[1], at[0], at[1], pixel);
        }
    }
}

#define DEFINED .build = build, .define = define, .bound = 2e-6, .bound16 = 2e-3
#define F(...)  OP_F32(OP_NORMAL, __VA_ARGS__)
#define O(...)  .out = OP_SHAPE(__VA_ARGS__)

static const struct op_case cases[] = {
    {.name = "blocks",
     .in = {F(2, 2, 9, 9, 11), F(2, 6, 9, 11)},
     DEFINED,
     .i = {3, 3, 1, 1, 1},
     O(2, 6, 9, 11)},
    {.name = "one of everything",
     .in = {F(1, 1, 1, 1, 1), F(1, 1, 1, 1)},
     DEFINED,
     .i = {1, 1, 1, 1},
     O(1, 1, 1, 1)},
    {.name = "cyclic, mirrored",
     .in = {F(2, 4, 49, 8, 9), F(2, 20, 8, 9)},
     DEFINED,
     .i = {7, 7, 1, 1, 3, 0, 0, CYCLIC | REFLECT},
     O(2, 20, 8, 9)},
    {.name = "many channels, odd row",
     .in = {F(1, 1, 15, 4, 65), F(1, 37, 4, 65)},
     DEFINED,
     .i = {3, 5, 1, 1, 2},
     O(1, 37, 4, 65)},
    {.name = "stride and dilation",
     .in = {F(1, 2, 9, 5, 6), F(1, 4, 9, 11)},
     DEFINED,
     .i = {3, 3, 2, 2, 2},
     O(1, 4, 5, 6)},
    {.name = "more taps than a block",
     .in = {F(1, 1, 121, 3, 20), F(1, 3, 3, 20)},
     DEFINED,
     .i = {11, 11, 1, 1, 5},
     O(1, 3, 3, 20)},
    {.name = "a long line",
     .in = {F(1, 1, 9, 1, 700), F(1, 2, 1, 700)},
     DEFINED,
     .i = {1, 9, 1, 1, 0},
     O(1, 2, 1, 700)},
};

static void plain(vka_graph *g, const vka_tensor *in)
{
    struct vka_windows w = {
        .kernel = {3, 3}, .stride = {1, 1}, .dilation = {1, 1}, .before = {1, 1}, .out = {4, 5}};
    vka_window_sum(g, in[0], in[1], &w, false);
}

static const struct op_error errors[] = {
    {"channels", {F(1, 2, 9, 4, 5), F(1, 3, 4, 5)}, plain, "channels for 2 blocks"},
    {"weights",
     {F(1, 2, 8, 4, 5), F(1, 4, 4, 5)},
     plain,
     "the weight tensor is [1, 2, 8, 4, 5], it must be [1, 2, 9, 4, 5]"},
};

int main(void)
{
    return OP_TEST_RUN("window_sum", cases, errors);
}
