// SPDX-License-Identifier: MIT
//
// Sinusoidal position signal, added to tokens. The table is a constant made in double: shaders'
// sines are not good enough far from 0.
#include "blocks/nn.h"

#include <math.h>

struct signal {
    int64_t tokens, width;
    double start, most, least; // timescales
};

// Sine and cosine of each frequency side by side.
static void fill_interleaved(const struct signal *p, float *pe)
{
    double log_most = log(p->most);
    for (int64_t t = 0; t < p->tokens; t++) {
        for (int64_t i = 0; i < p->width; i += 2) {
            double angle = (p->start + (double)t) * exp(-(double)i * log_most / (double)p->width);
            pe[t * p->width + i] = (float)sin(angle);
            pe[t * p->width + i + 1] = (float)cos(angle);
        }
    }
}

// All sines, then all cosines; an odd width ends in 0. Far from 0 a frequency's last bit shows: the
// smallest timescale is a factor, not the power of its logarithm.
static void fill_halves(const struct signal *p, float *pe)
{
    int64_t n = p->width / 2;
    double step = log(p->most / p->least) / (double)(n > 1 ? n - 1 : 1);
    for (int64_t t = 0; t < p->tokens; t++) {
        float *row = pe + t * p->width;
        for (int64_t i = 0; i < n; i++) {
            double angle = (p->start + (double)t) * (p->least * exp(-(double)i * step));
            row[i] = (float)sin(angle);
            row[n + i] = (float)cos(angle);
        }
        if (p->width % 2)
            row[p->width - 1] = 0;
    }
}

static vka_tensor make_table(struct vka_scope *s, const struct signal *p)
{
    vka_graph *g = s->g;
    vka_shape shape = VKA_SHAPE(p->tokens, p->width);
    uint64_t count = 0;
    vka_shape_count(&shape, &count); // a part of x: it fits
    float *pe = vka_alloc(g->context, count, sizeof *pe);
    if (!pe)
        return vka_fail_memory(g, "the table of positions");
    if (vka_is(s, "layout", "halves"))
        fill_halves(p, pe);
    else
        fill_interleaved(p, pe);
    vka_tensor t = vka_constant(g, VKA_F32, &shape, pe);
    vka_free(g->context, pe);
    return t;
}

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor x = vka_in(s, "x");
    if (!vka_expect_rank(s, "x", x, 3, 3))
        return;
    struct signal p = {.tokens = vka_dim(g, x, 1),
                       .width = vka_dim(g, x, 2),
                       .start = (double)vka_get_int(s, "start"),
                       .most = vka_get_double(s, "max_timescale"),
                       .least = vka_get_double(s, "min_timescale")};
    bool halves = vka_is(s, "layout", "halves");
    if (halves ? p.width < 2 : p.width % 2 != 0) {
        vka_scope_fail(s, "the layout %s needs %s, but x is %lld wide", vka_get_string(s, "layout"),
                       halves ? "at least 2 columns" : "an even width", (long long)p.width);
        return;
    }
    vka_tensor pe = make_table(s, &p);
    double scale = vka_get_double(s, "input_scale");
    vka_give(s, "y", vka_add(g, scale == 1 ? x : vka_affine(g, x, scale, 0), pe));
    vka_give(s, "pe", pe);
}

static const vka_attr_info attrs[] = {
    {"layout", "string", "\"interleaved\"", "interleaved|halves",
     "sine and cosine side by side, or all sines first"},
    {"start", "int", "0", ">= 0", "position of the first token"},
    {"max_timescale", "float", "10000", "> 0", "base"},
    {"min_timescale", "float", "1", "> 0", "halves only"},
    {"input_scale", "float", "1", "", "x is multiplied by it first"},
    {0},
};
static const vka_port_info inputs[] = {
    {"x", "[N, T, E]", "f32", "", "token embeddings"},
    {0},
};
static const vka_weight_info weights[] = {{0}};
static const vka_port_info outputs[] = {
    {"y", "[N, T, E]", "f32", "", "input_scale x + pe"},
    {"pe", "[T, E]", "f32", "", "the signal"},
    {0},
};

const struct vka_block_row vka_block_rows_positional_encoding[] = {
    {{"positional_encoding", "Sinusoidal position signal, added to tokens",
      "Vaswani et al.: Attention Is All You Need, NeurIPS 2017, arXiv 1706.03762", attrs, inputs,
      weights, outputs, "{\"shapes\": {\"x\": [1, 1024, 512]}}"},
     build},
    {.build = NULL},
};
