// SPDX-License-Identifier: MIT
#include "support/windows.h"

#include <math.h>

static void build(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    struct vka_window_logits p = window_logits_of(c, in);
    vka_tensor shares = (c->i[FORM] & 7) == SHARES ? in[3] : 0;
    vka_tensor q = p.relation == VKA_RELATION_KEY ? 0 : in[0];
    out[0] = vka_window_attention(g, q, in[1], in[2], &p, shares);
}

static double attend(const struct op_case *c, const struct op_tensor *in, const int64_t *at)
{
    const struct op_tensor *shares = window_operand(c, in, SHARES);
    int64_t taps = c->i[ROWS] * c->i[COLUMNS], pixel[2];
    int64_t map = at[1] / (in[2].shape.dim[1] / c->i[MAPS]);
    double most = -INFINITY, total = 0, sum = 0;
    for (int64_t tap = 0; tap < taps; tap++)
        most = fmax(most, window_logit(c, in, at[0], map, at + 2, tap));
    for (int64_t tap = 0; tap < taps && most > -INFINITY; tap++) {
        double weight = exp(window_logit(c, in, at[0], map, at + 2, tap) - most);
        total += weight;
        weight *= shares ? shares->v[tap] : 1;
        if (window_pixel(c, &in[2].shape, at + 2, tap, pixel))
            sum += weight * window_value(&in[2], at[0], at[1], pixel);
    }
    return total > 0 ? sum / total : 0;
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    for (int64_t i = 0; i < out->count; i++) {
        int64_t at[VKA_MAX_RANK];
        op_coords(&out->shape, i, at);
        out->v[i] = attend(c, in, at);
    }
}

#define DEFINED .build = build, .define = define, .bound = 4e-6, .bound16 = 4e-3
#define F(...)  OP_F32(OP_NORMAL, __VA_ARGS__)
#define O(...)  .out = OP_SHAPE(__VA_ARGS__)

static const struct op_case cases[] = {
    {.name = "plain",
     .in = {F(2, 6, 9, 11), F(2, 6, 9, 11), F(2, 8, 9, 11)},
     DEFINED,
     .i = {3, 3, 1, 1, 1, 2},
     .d = {0.5},
     O(2, 8, 9, 11)},
    {.name = "one of everything",
     .in = {F(1, 1, 1, 1), F(1, 1, 1, 1), F(1, 1, 1, 1)},
     DEFINED,
     .i = {1, 1, 1, 1, 0, 1},
     .d = {1},
     O(1, 1, 1, 1)},
    {.name = "7 x 7, heads, table",
     .in = {F(1, 16, 10, 19), F(1, 16, 10, 19), F(1, 16, 10, 19), F(2, 8, 49)},
     DEFINED,
     .i = {7, 7, 1, 1, 3, 2, 0, TABLE},
     .d = {0.3},
     O(1, 16, 10, 19)},
    {.name = "a softmax for each channel, padded before",
     .in = {F(2, 5, 6, 20), F(2, 5, 8, 22), F(2, 5, 8, 22), F(5, 1, 9)},
     DEFINED,
     .i = {3, 3, 1, 1, 0, 5, 0, TABLE},
     .d = {1},
     O(2, 5, 6, 20)},
    {.name = "shares, even window",
     .in = {F(1, 4, 6, 7), F(1, 4, 6, 7), F(1, 4, 6, 7), F(16)},
     DEFINED,
     .i = {4, 4, 1, 1, 2, 2, 0, SHARES},
     .d = {1},
     O(1, 4, 6, 7)},
    {.name = "squares of differences, bias, outside",
     .in = {F(1, 3, 9, 10), F(1, 3, 9, 10), F(1, 24, 9, 10), F(3, 25), F(1, 3, 9, 10)},
     DEFINED,
     .i = {5, 5, 1, 1, 2, 3, VKA_RELATION_SQ_DIFF, BIAS | EXTRA << 3 | FIXED},
     .d = {1, -4},
     O(1, 24, 9, 10)},
    {.name = "outside is out",
     .in = {F(1, 2, 10, 12), F(1, 2, 3, 4), F(1, 2, 3, 4)},
     DEFINED,
     .i = {3, 3, 1, 1, 6, 1, 0, FIXED},
     .d = {1, -INFINITY},
     O(1, 2, 10, 12)},
    {.name = "stride, dilation, keys alone",
     .in = {F(1), F(2, 2, 13, 12), F(2, 6, 13, 12)},
     DEFINED,
     .i = {3, 3, 2, 2, 2, 2, VKA_RELATION_KEY},
     .d = {1},
     O(2, 6, 7, 6)},
    {.name = "more taps than a block, one map of many channels",
     .in = {F(1, 33, 4, 18), F(1, 33, 4, 18), F(1, 35, 4, 18), F(1, 117)},
     DEFINED,
     .i = {9, 13, 1, 1, 5, 1, 0, BIAS},
     .d = {0.1},
     O(1, 35, 4, 18)},
    {.name = "mirrored, a wide row",
     .in = {F(1, 4, 3, 270), F(1, 4, 3, 270), F(1, 2, 3, 270)},
     DEFINED,
     .i = {3, 3, 1, 1, 1, 2, 0, REFLECT},
     .d = {1},
     O(1, 2, 3, 270)},
    {.name = "stride 3, padded by one",
     .in = {F(1, 2, 5, 40), F(1, 2, 13, 119), F(1, 2, 13, 119)},
     DEFINED,
     .i = {3, 3, 3, 1, 1, 1},
     .d = {1},
     O(1, 2, 5, 40)},
};

static void plain(vka_graph *g, const vka_tensor *in)
{
    struct vka_window_logits p = {.maps = 2, .scale = 1};
    p.windows = (struct vka_windows){
        .kernel = {3, 3}, .stride = {1, 1}, .dilation = {1, 1}, .before = {1, 1}, .out = {4, 5}};
    vka_window_attention(g, in[0], in[1], in[2], &p, in[3]);
}

static void fixed_with_table(vka_graph *g, const vka_tensor *in)
{
    struct vka_window_logits p = {.maps = 2, .scale = 1, .fixed = true};
    p.windows = (struct vka_windows){
        .kernel = {3, 3}, .stride = {1, 1}, .dilation = {1, 1}, .before = {1, 1}, .out = {4, 5}};
    p.table = in[3];
    vka_window_attention(g, in[0], in[1], in[2], &p, 0);
}

static const struct op_error errors[] = {
    {"v",
     {F(1, 4, 4, 5), F(1, 4, 4, 5), F(1, 4, 5, 5)},
     plain,
     "v is [1, 4, 5, 5], it must be [1, 4, 4, 5]"},
    {"channels of v", {F(1, 4, 4, 5), F(1, 4, 4, 5), F(1, 5, 4, 5)}, plain, "for 2 blocks"},
    {"shares",
     {F(1, 4, 4, 5), F(1, 4, 4, 5), F(1, 4, 4, 5), F(8)},
     plain,
     "the tensor of shares is [8], it must be [9]"},
    {"table",
     {F(1, 4, 4, 5), F(1, 4, 4, 5), F(1, 4, 4, 5), F(2, 2, 9)},
     fixed_with_table,
     "a table goes with products"},
};

int main(void)
{
    return OP_TEST_RUN("window_attention", cases, errors);
}
