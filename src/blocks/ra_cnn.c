// SPDX-License-Identifier: MIT
//
// RA-CNN's attention proposal: a square region found from features, or given, is masked by a steep
// logistic box, cropped from the image and enlarged.
#include "blocks/nn.h"

#include <math.h>

// (tx, ty, tl) [N, 3] in pixels, by two layers on the features.
static vka_tensor propose(struct vka_scope *s, int64_t samples, int64_t side)
{
    vka_graph *g = s->g;
    vka_tensor f = vka_in_needed(s, "features");
    if (!vka_expect(s, "features", f, VKA_SHAPE(samples, 0, 0, 0)))
        return 0;
    if (vka_get_bool(s, "pool"))
        f = vka_pool(g, f, &(struct vka_pool){.max = true, .kernel = {2, 2}});
    struct vka_layer hidden = {.bias = VKA_BIAS, .act = {VKA_ACT_TANH, 0, 0}};
    struct vka_layer last = {.bias = VKA_BIAS, .act = {VKA_ACT_SIGMOID, 0, 0}};
    vka_tensor h = vka_linear(s, vka_flatten(g, f, 1, -1), "apn.fc1", 0, &hidden);
    double size = (double)side;
    const float scale[] = {(float)size, (float)size, (float)(size * vka_get_double(s, "tl_scale"))};
    return vka_mul(g, vka_linear(s, h, "apn.fc2", 3, &last),
                   vka_constant(g, VKA_F32, &(vka_shape){1, {3}}, scale));
}

// The logistic box along rows and columns [N, 2, S]: h(i - begin) - h(i - end).
static vka_tensor edges_of(struct vka_scope *s, vka_tensor box, int64_t side)
{
    vka_graph *g = s->g;
    double k = fmin(fmax(vka_get_double(s, "k"), -1e30), 1e30); // finite as a float
    float *number = vka_pool_alloc(g, (size_t)side * sizeof *number);
    if (!number)
        return 0;
    for (int64_t i = 0; i < side; i++)
        number[i] = (float)i;
    vka_tensor numbers = vka_constant(g, VKA_F32, &(vka_shape){1, {side}}, number);
    vka_tensor ends = vka_reshape(g, vka_cast(g, box, VKA_F32),
                                  VKA_SHAPE(vka_dim(g, box, 0), 2, 2, 1)); // axis, end
    vka_tensor far = vka_binary_act(g, VKA_SUB, numbers, ends,
                                    (struct vka_activation){VKA_ACT_AFFINE, (float)k, 0});
    vka_tensor h = vka_act(g, far, VKA_ACT_SIGMOID); // [N, 2, 2, S]
    vka_tensor edges = vka_sub(g, vka_slice(g, h, 2, 0, 1), vka_slice(g, h, 2, 1, 1));
    return vka_squeeze(g, edges, 2);
}

static vka_tensor mask_of(vka_graph *g, vka_tensor edges)
{
    vka_tensor rows = vka_squeeze(g, vka_slice(g, edges, 1, 0, 1), 1);
    vka_tensor columns = vka_slice(g, edges, 1, 1, 1); // [N, 1, S]
    return vka_mul(g, vka_unsqueeze(g, rows, 2), columns);
}

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor image = vka_in(s, "image"), loc = vka_in(s, "loc");
    if (!vka_expect_rank(s, "image", image, 4, 4))
        return;
    int64_t samples = vka_dim(g, image, 0), side = vka_dim(g, image, 2);
    double least = vka_get_double(s, "min_ratio") * (double)side;
    if (vka_dim(g, image, 3) != side)
        vka_scope_fail(s, "image is %lld x %lld, but must be square", (long long)side,
                       (long long)vka_dim(g, image, 3));
    else if (least < 0.5)
        vka_scope_fail(s, "min_ratio %g of %lld pixels is %g, below 0.5: the box could be empty",
                       vka_get_double(s, "min_ratio"), (long long)side, least);
    if (vka_failed(g) || (loc && !vka_expect(s, "loc", loc, VKA_SHAPE(samples, 3))))
        return;
    loc = loc ? loc : propose(s, samples, side);
    vka_tensor box = vka_box(g, loc, side, (float)fmin(least, 1e30));
    vka_tensor edges = edges_of(s, box, side);
    if (vka_failed(g))
        return;
    vka_give(s, "y", vka_zoom(g, image, box, edges, vka_get_int(s, "out_size")));
    vka_give(s, "loc", loc);
    vka_give(s, "box", box);
    vka_give(s, "mask", mask_of(g, edges));
}

static const vka_attr_info attrs[] = {
    {"out_size", "int", "224", "1..131072", "side of the zoomed crop"},
    {"pool", "bool", "false", "", "2x2 max pooling of the features first"},
    {"tl_scale", "float", "1.0", "", "factor of the third number of the head"},
    {"min_ratio", "float", "0.3333333333333333", "",
     "least half side over the image's; at least half a pixel"},
    {"k", "float", "10.0", "", "slope of the logistic"},
    {0},
};
static const vka_port_info inputs[] = {
    {"image", "[N, Ci, S, S]", "f32", "", "image to crop"},
    {"features", "[N, C, H, W]", "f32", "without loc", "features of the proposal"},
    {"loc", "[N, 3]", "f32", "optional", "row, column, half side in pixels, instead of the head"},
    {0},
};
static const vka_weight_info weights[] = {
    {"apn.fc1.weight", "[B, C H W]", "f32", "without loc", "0.weight"},
    {"apn.fc1.bias", "[B]", "f32", "without loc", "0.bias"},
    {"apn.fc2.weight", "[3, B]", "f32", "without loc", "2.weight"},
    {"apn.fc2.bias", "[3]", "f32", "without loc", "2.bias"},
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, Ci, out_size, out_size]", "f32", "", "zoomed crop"},
    {"loc", "[N, 3]", "f32", "", "row, column, half side in pixels, not moved to fit"},
    {"box", "[N, 4]", "i32", "", "row begin, row end, column begin, column end; ends exclusive"},
    {"mask", "[N, S, S]", "f32", "", "logistic mask of the image"},
    {0},
};

const struct vka_block_row vka_block_rows_ra_cnn[] = {
    {{"ra_cnn", "RA-CNN: attention proposal network with crop and zoom",
      "Fu, Zheng, Mei: Look Closer to See Better: Recurrent Attention Convolutional Neural Network "
      "for Fine-Grained Image Recognition, CVPR 2017",
      attrs, inputs, weights, outputs,
      "{\"shapes\": {\"image\": [1, 3, 448, 448], \"features\": [1, 512, 14, 14], "
      "\"w.apn.fc1.weight\": [1024, 100352]}}"},
     build},
    {.build = NULL},
};
