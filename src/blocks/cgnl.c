// SPDX-License-Identifier: MIT
//
// Compact generalized non-local block: attention across positions and channels at once, which a
// kernel of finite powers makes linear in size; channels in groups.
#include "blocks/nn.h"

#include <math.h>

struct maps { // theta, phi and g [N, G, P/G, H*W]
    vka_tensor theta, phi, g;
};

// dot: phi g alone. rbf: the Taylor terms (2 gamma)^r / r! exp(-2 gamma), r = first .. last, their
// root on either side. A power takes a step of its root each time, which keeps it in range.
struct series {
    int first, last;
    double gamma; // 0: dot
    double root;  // of term 0
    double scale; // of the sums
};

static void read_series(struct vka_scope *s, int64_t length, struct series *t)
{
    bool dot = vka_is(s, "kernel", "dot");
    t->first = dot ? 1 : 0;
    t->last = dot ? 1 : (int)vka_get_int(s, "order");
    t->gamma = dot ? 0 : vka_get_double(s, "gamma");
    t->root = exp(-t->gamma);
    t->scale = vka_get_bool(s, "use_scale") ? 1 / sqrt((double)length) : 1;
}

// a b, times what root r has over root r - 1.
static vka_tensor step(vka_graph *g, const struct series *t, int r, vka_tensor a, vka_tensor b)
{
    if (t->gamma == 0)
        return vka_mul(g, a, b);
    struct vka_activation times = {VKA_ACT_AFFINE, (float)sqrt(2 * t->gamma / r), 0};
    return vka_binary_act(g, VKA_MUL, a, b, times);
}

static struct maps project(struct vka_scope *s, vka_tensor x, int64_t groups)
{
    vka_graph *g = s->g;
    int64_t channels = vka_dim(g, x, 1);
    vka_tensor all[3] = {0};
    struct vka_kernel k[3] = {vka_kernel_of(s, "t", 0, channels, VKA_NO_BIAS)};
    int64_t inner = vka_dim(g, k[0].weight, 0);
    k[1] = vka_kernel_of(s, "p", inner, channels, VKA_NO_BIAS);
    k[2] = vka_kernel_of(s, "g", inner, channels, VKA_NO_BIAS);
    if (!vka_failed(g) && (inner % groups != 0 || channels % groups != 0))
        vka_scope_fail(s, "%lld and %lld channels don't divide into %lld groups",
                       (long long)channels, (long long)inner, (long long)groups);
    vka_pointwise_all(g, x, 3, k, all);
    for (int i = 0; i < 3 && !vka_failed(g); i++)
        all[i] = vka_reshape(g, all[i], VKA_SHAPE(vka_dim(g, x, 0), groups, inner / groups, -1));
    return (struct maps){all[0], all[1], all[2]};
}

// The sums of g phi^r over a group, each times its root: [N, G, terms].
static vka_tensor attend(vka_graph *g, const struct maps *m, const struct series *t)
{
    vka_tensor power = m->g, all = 0;
    for (int r = 0; r <= t->last; r++) {
        if (r > 0)
            power = step(g, t, r, power, m->phi);
        if (r < t->first)
            continue;
        vka_tensor sum = vka_reduce(g, VKA_REDUCE_SUM, power, 1u << 2 | 1u << 3, false);
        sum = vka_unsqueeze(g, sum, -1);
        all = all ? VKA_CONCAT(g, 2, all, sum) : sum;
    }
    double factor = t->scale * t->root;
    return factor == 1 ? all : vka_affine(g, all, factor, 0);
}

// The polynomial of theta with the sums as coefficients, each times its root: [N, G, P/G, H*W].
static vka_tensor spread(vka_graph *g, vka_tensor theta, vka_tensor att, const struct series *t)
{
    vka_tensor u = 0, all = vka_unsqueeze(g, vka_affine(g, att, t->root, 0), -1);
    for (int r = t->last; r >= 0; r--) {
        vka_tensor c = vka_slice(g, all, 2, r, 1);
        u = u ? vka_add(g, step(g, t, r + 1, u, theta), c)
              : vka_broadcast_to(g, c, vka_shape_of(g, theta));
    }
    return u;
}

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor x = vka_in(s, "x");
    if (!vka_expect_rank(s, "x", x, 4, 4))
        return;
    int64_t groups = vka_get_int(s, "groups"), channels = vka_dim(g, x, 1);
    struct maps m = project(s, x, groups);
    if (vka_failed(g))
        return;
    int64_t inner = vka_dim(g, m.theta, 2);
    struct series t;
    read_series(s, inner * vka_dim(g, m.theta, 3), &t);
    vka_tensor att = attend(g, &m, &t);
    vka_tensor z = vka_weight(s, "z.weight", VKA_SHAPE(channels, inner));
    z = vka_reshape(g, z, VKA_SHAPE(groups, channels / groups, inner));
    vka_tensor u = m.theta;
    if (t.first == 1) // theta itself, times one factor: cheaper on the small weight
        z = vka_mul(g, z, vka_unsqueeze(g, att, -1));
    else
        u = spread(g, u, att, &t);
    vka_tensor o = vka_reshape(g, vka_matmul(g, z, u, NULL), vka_shape_of(g, x));
    o = vka_group_norm(s, o, "gn", groups, vka_get_double(s, "gn_eps"));
    vka_give(s, "y", vka_add(g, o, x));
    vka_give(s, "att", att);
}

static const vka_attr_info attrs[] = {
    {"kernel", "string", "\"dot\"", "dot|rbf", "dot product, or Gaussian by its Taylor terms"},
    {"order", "int", "2", "0..1000", "highest power; rbf only"},
    {"groups", "int", "1", ">= 1", "divides P and C"},
    {"use_scale", "bool", "false", "", "att by the root of a group's length"},
    {"gamma", "float", "1e-4", "> 0", "rbf only"},
    {"gn_eps", "float", "1e-5", "> 0", ""},
    {0},
};
static const vka_port_info inputs[] = {
    {"x", "[N, C, H, W]", "f32", "", "features"},
    {0},
};
static const vka_weight_info weights[] = {
    {"t.weight", "[P, C, 1, 1]", "f32", "", "t.weight"},
    {"p.weight", "[P, C, 1, 1]", "f32", "", "p.weight"},
    {"g.weight", "[P, C, 1, 1]", "f32", "", "g.weight"},
    {"z.weight", "[C, P/G, 1, 1]", "f32", "", "z.weight"},
    {"gn.weight", "[C]", "f32", "", "gn.weight"},
    {"gn.bias", "[C]", "f32", "", "gn.bias"},
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, C, H, W]", "f32", "", "x plus the normalised result"},
    {"att", "[N, G, 1] (dot) or [N, G, order + 1]", "f32", "", "the sums over a group"},
    {0},
};

const struct vka_block_row vka_block_rows_cgnl[] = {
    {{"cgnl", "Compact generalized non-local: attention across positions and channels, linear cost",
      "Yue, Sun, Yuan, Zhou, Ding, Xu: Compact Generalized Non-local Network, NeurIPS 2018, arXiv "
      "1810.13125",
      attrs, inputs, weights, outputs,
      "{\"attrs\": {\"groups\": 8}, \"shapes\": {\"x\": [1, 256, 28, 28], \"w.t.weight\": [128, "
      "256, 1, 1]}}"},
     build},
    {.build = NULL},
};
