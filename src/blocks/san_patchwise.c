// SPDX-License-Identifier: MIT
//
// Patchwise self-attention of SAN: a small network turns the window as a whole into all its
// weights at once; there is no softmax.
#include "blocks/san.h"

// f1 and f2 at all pairs of taps, summed over channels: [N, k^4, H, W], the tap of f1 slow.
static vka_tensor all_pairs(const struct vka_san *m)
{
    vka_graph *g = m->s->g;
    vka_tensor a = vka_window_taps(g, m->part[VKA_SAN_CENTRE], &m->w);
    vka_tensor b = vka_window_taps(g, m->part[VKA_SAN_NEAR], &m->w);
    int64_t n = vka_dim(g, a, 0), channels = vka_dim(g, a, 1),
            taps = m->w.kernel[0] * m->w.kernel[1];
    vka_shape flat = VKA_SHAPE(n, channels, taps, -1);
    a = vka_permute(g, vka_reshape(g, a, flat), (const int[]){0, 3, 2, 1}); // [N, HW, taps, R]
    b = vka_permute(g, vka_reshape(g, b, flat), (const int[]){0, 3, 1, 2}); // [N, HW, R, taps]
    vka_tensor pairs = vka_flatten(g, vka_matmul(g, a, b, NULL), 2, 3);
    return vka_reshape(g, vka_transpose(g, pairs, 1, 2),
                       VKA_SHAPE(n, taps * taps, m->w.out[0], m->w.out[1]));
}

// The centre's channels and the taps' apart, normed and activated.
static void centre_and_taps(struct vka_san *m, struct vka_san_features f[2])
{
    vka_graph *g = m->s->g;
    vka_tensor centre = m->part[VKA_SAN_CENTRE];
    int64_t inner = vka_dim(g, centre, 1), k = m->w.kernel[0];
    vka_san_norm(m, inner * (k * k + 1));
    const vka_shape each = VKA_SHAPE(inner, k, k, 1, 1);
    vka_tensor scale = vka_slice(g, m->scale, 0, inner, inner * k * k);
    vka_tensor shift = vka_slice(g, m->shift, 0, inner, inner * k * k);
    vka_tensor taps = vka_window_taps(g, m->part[VKA_SAN_NEAR], &m->w);
    taps = vka_mul(g, taps, vka_reshape(g, scale, each));
    taps = vka_binary_act(g, VKA_ADD, taps, vka_reshape(g, shift, each),
                          (struct vka_activation){VKA_ACT_RELU, 0, 0});
    f[0] = (struct vka_san_features){vka_flatten(g, taps, 1, 3), inner};
    f[1] = (struct vka_san_features){vka_san_normed(m, centre, 0), 0};
}

static vka_tensor attend(struct vka_san *m)
{
    vka_graph *g = m->s->g;
    int64_t taps = m->w.kernel[0] * m->w.kernel[1];
    bool apart = vka_is(m->s, "relation", "concatenation");
    struct vka_san_features f[2] = {{0}};
    if (apart) {
        centre_and_taps(m, f);
    } else {
        const struct vka_window_logits p = {.windows = m->w, .maps = 1, .scale = 1};
        vka_tensor t =
            vka_is(m->s, "relation", "clique")
                ? all_pairs(m)
                : vka_squeeze(
                      g, vka_window_dot(g, m->part[VKA_SAN_CENTRE], m->part[VKA_SAN_NEAR], &p), 1);
        vka_san_norm(m, vka_dim(g, t, 1));
        f[0].t = vka_san_normed(m, t, 0);
    }
    vka_tensor w = vka_san_weigh(m, apart ? 2 : 1, f, m->groups, taps * m->groups);
    return vka_reshape(g, w,
                       VKA_SHAPE(vka_dim(g, w, 0), m->groups, taps, m->w.out[0], m->w.out[1]));
}

static void build(struct vka_scope *s)
{
    vka_san_build(s, 1, 1, true, attend);
}

static const vka_attr_info attrs[] = {
    {"rel_channels", "int", NULL, "1..1000000000", "R, channels of centre and neighbour"},
    {"out_channels", "int", NULL, "1..1000000000", "O, channels of the value"},
    {"share", "int", "8", ">= 1", "channels with the same weights; G = O / share"},
    {"kernel_size", "int", "7", "1..4095", "k, the window's side; odd"},
    {"relation", "string", "\"concatenation\"", "concatenation|star|clique",
     "centre beside all neighbours, its products with each, or the products of all pairs"},
    {"bottleneck", "bool", "false", "", "norm, module, norm, convolution, residual"},
    {0},
};
static const vka_port_info inputs[] = {
    {"x", "[N, C, H, W]", "f32", "", "feature map"},
    {0},
};
static const vka_weight_info weights[] = {
    VKA_SAN_PORTS("", "no bottleneck", "D", "G", "k*k*G"),
    VKA_SAN_PORTS("sam.", "bottleneck", "D", "G", "k*k*G"),
    VKA_SAN_BOTTLENECK_PORTS,
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, O, H, W]; bottleneck [N, C, H, W]", "f32", "", "the weighted sums of the window"},
    {"attn", "[N, G, k*k, H, W]", "f32", "", "weights of any sign; channel c has map c mod G"},
    {0},
};

const struct vka_block_row vka_block_rows_san_patchwise[] = {
    {{"san_patchwise", "Patchwise self-attention of SAN: all weights of a window from it at once",
      "Zhao, Jia, Koltun: Exploring Self-attention for Image Recognition, CVPR 2020, arXiv "
      "2004.13621",
      attrs, inputs, weights, outputs,
      "{\"attrs\": {\"rel_channels\": 16, \"out_channels\": 64}, \"shapes\": {\"x\": [1, 256, 28, "
      "28]}}"},
     build},
    {.build = NULL},
};
