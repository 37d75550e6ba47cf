// SPDX-License-Identifier: MIT
//
// Multi-head attention with the layout and names of torch.nn.MultiheadAttention.
#include "blocks/nn.h"

#include <math.h>

struct projections {
    vka_tensor q, k, v; // [N, T, E]
};

// `count` thirds of a packed [3E, ...] weight or [3E] bias.
static vka_tensor thirds(vka_graph *g, vka_tensor packed, int first, int count, int64_t width)
{
    return packed ? vka_slice(g, packed, 0, first * width, count * width) : 0;
}

static vka_tensor project(struct vka_scope *s, vka_tensor x, vka_tensor weight, vka_tensor bias)
{
    struct vka_matmul m = {.bias = bias};
    return vka_matmul(s->g, x, vka_transpose(s->g, weight, 0, 1), &m);
}

// x times `count` thirds of the packed weight, each by itself in out[0], out[1], ...
static void project_thirds(struct vka_scope *s, vka_tensor x, vka_tensor weight, vka_tensor bias,
                           int first, int count, vka_tensor *out)
{
    vka_graph *g = s->g;
    int64_t width = vka_dim(g, weight, 1);
    vka_tensor all =
        project(s, x, thirds(g, weight, first, count, width), thirds(g, bias, first, count, width));
    for (int i = 0; i < count; i++)
        out[i] = vka_slice(g, all, 2, i * width, width);
}

// A product for each kind of tokens. One for tokens that differ would multiply all of them by all
// of the weight, three times what is wanted.
static struct projections project_packed(struct vka_scope *s, vka_tensor q, vka_tensor k,
                                         vka_tensor v, vka_tensor weight, vka_tensor bias)
{
    const vka_tensor x[] = {q, k, v};
    vka_tensor y[3] = {0};
    for (int i = 0, count; i < 3; i += count) {
        for (count = 1; i + count < 3 && x[i + count] == x[i];)
            count++;
        project_thirds(s, x[i], weight, bias, i, count, y + i);
    }
    return (struct projections){y[0], y[1], y[2]};
}

static struct projections project_all(struct vka_scope *s, vka_tensor q, vka_tensor k, vka_tensor v)
{
    vka_graph *g = s->g;
    int64_t width = vka_dim(g, q, 2);
    vka_tensor bias = vka_weight_if(s, "in_proj_bias", VKA_SHAPE(3 * width));
    if (vka_has_weight(s, "in_proj_weight") || !vka_has_weight(s, "q_proj_weight")) {
        vka_tensor weight = vka_weight(s, "in_proj_weight", VKA_SHAPE(3 * width, width));
        return project_packed(s, q, k, v, weight, bias);
    }
    struct projections p = {
        .q = project(s, q, vka_weight(s, "q_proj_weight", VKA_SHAPE(width, width)),
                     thirds(g, bias, 0, 1, width)),
        .k = project(s, k, vka_weight(s, "k_proj_weight", VKA_SHAPE(width, vka_dim(g, k, 2))),
                     thirds(g, bias, 1, 1, width)),
        .v = project(s, v, vka_weight(s, "v_proj_weight", VKA_SHAPE(width, vka_dim(g, v, 2))),
                     thirds(g, bias, 2, 1, width)),
    };
    return p;
}

static vka_tensor put_before(vka_graph *g, vka_tensor x, vka_tensor token)
{
    vka_tensor repeated =
        vka_broadcast_to(g, token, VKA_SHAPE(vka_dim(g, x, 0), 1, vka_dim(g, x, 2)));
    return VKA_CONCAT(g, 1, repeated, x);
}

// One more key and value, learned (bias_k, bias_v), then one of zeros, which keeps them through the
// split into heads. They stand before the others, so that causality, moved on by as many, never
// hides them.
static int add_tokens(struct vka_scope *s, struct projections *p)
{
    vka_graph *g = s->g;
    int added = 0;
    vka_shape one = VKA_SHAPE(1, 1, vka_dim(g, p->k, 2));
    vka_tensor bias_k = vka_weight_if(s, "bias_k", one), bias_v = vka_weight_if(s, "bias_v", one);
    if (!bias_k != !bias_v)
        vka_scope_fail(s, "only one of the weights 'bias_k' and 'bias_v' is there");
    if (vka_get_bool(s, "add_zero_attn")) {
        vka_tensor zero = vka_reshape(g, vka_constant_scalar(g, 0), VKA_SHAPE(1, 1, 1));
        p->k = put_before(g, p->k, vka_broadcast_to(g, zero, one));
        p->v = put_before(g, p->v, vka_broadcast_to(g, zero, one));
        added++;
    }
    if (bias_k && bias_v) {
        p->k = put_before(g, p->k, bias_k);
        p->v = put_before(g, p->v, bias_v);
        added++;
    }
    return added;
}

// [Tq, Tk] or [N * H, Tq, Tk] as [1 or N, 1 or H, Tq, Tk].
static vka_tensor four_axes(struct vka_scope *s, const char *name, vka_tensor mask, vka_shape full)
{
    vka_graph *g = s->g;
    if (!mask)
        return 0;
    if (vka_rank(g, mask) == 2) {
        vka_expect(s, name, mask, VKA_SHAPE(full.dim[2], full.dim[3]));
        return vka_unsqueeze(g, vka_unsqueeze(g, mask, 0), 0);
    }
    vka_expect(s, name, mask, VKA_SHAPE(full.dim[0] * full.dim[1], full.dim[2], full.dim[3]));
    return vka_reshape(g, mask, full);
}

// The added keys are never masked and get no bias: zeros (false) for them.
static vka_tensor widen(vka_graph *g, vka_tensor mask, int added)
{
    return mask && added ? vka_pad(g, mask, VKA_PAD_ZEROS, (const int64_t[]){0, 0, 0, added},
                                   (const int64_t[]){0, 0, 0, 0}, 0)
                         : mask;
}

static vka_tensor either(vka_graph *g, vka_tensor a, vka_tensor b)
{
    return a && b ? vka_binary(g, VKA_OR, a, b) : a ? a : b;
}

static void set_masks(struct vka_scope *s, struct vka_attention *a, vka_shape full, int added)
{
    vka_graph *g = s->g;
    vka_tensor padding = vka_in(s, "key_padding_mask");
    if (padding) {
        vka_expect(s, "key_padding_mask", padding, VKA_SHAPE(full.dim[0], full.dim[3]));
        padding = vka_unsqueeze(g, vka_unsqueeze(g, padding, 1), 1);
    }
    vka_tensor mask = four_axes(s, "attn_mask", vka_in(s, "attn_mask"), full);
    a->causal = vka_get_bool(s, "causal");
    a->causal_offset = added;
    a->mask = widen(g, either(g, mask, padding), added);
    a->mask_removes = true;
    a->bias = widen(g, four_axes(s, "attn_bias", vka_in(s, "attn_bias"), full), added);
}

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor q = vka_in(s, "q"), k = vka_in(s, "k"), v = vka_in(s, "v");
    if (!vka_expect_rank(s, "q", q, 3, 3) ||
        !vka_expect(s, "k", k, VKA_SHAPE(vka_dim(g, q, 0), 0, 0)) ||
        !vka_expect(s, "v", v, VKA_SHAPE(vka_dim(g, q, 0), vka_dim(g, k, 1), 0)))
        return;
    int64_t heads = vka_get_int(s, "num_heads"), width = vka_dim(g, q, 2);
    if (width % heads != 0) {
        vka_scope_fail(s, "a width of %lld doesn't divide into %lld heads", (long long)width,
                       (long long)heads);
        return;
    }
    vka_shape full = VKA_SHAPE(vka_dim(g, q, 0), heads, vka_dim(g, q, 1), vka_dim(g, k, 1));
    struct projections p = project_all(s, q, k, v);
    int added = add_tokens(s, &p);
    struct vka_attention a = {.scale = 1.0 / sqrt((double)(width / heads)), .joined = true};
    set_masks(s, &a, full, added);
    vka_tensor qh = vka_split_heads(g, p.q, heads), kh = vka_split_heads(g, p.k, heads);
    vka_tensor y = vka_attention(g, qh, kh, vka_split_heads(g, p.v, heads), &a, NULL);
    struct vka_layer out = {.bias = VKA_BIAS_OPTIONAL};
    vka_give(s, "y", vka_linear(s, vka_join_heads(g, y), "out_proj", width, &out));
    vka_tensor attn = vka_attention_map(g, qh, kh, &a);
    if (added) // they are the map's last columns
        attn = VKA_CONCAT(g, 3, vka_slice(g, attn, 3, added, full.dim[3]),
                          vka_slice(g, attn, 3, 0, added));
    if (vka_get_bool(s, "average_attn_weights"))
        attn = vka_reduce(g, VKA_REDUCE_MEAN, attn, 1u << 1, false);
    vka_give(s, "attn", attn);
}

static const vka_attr_info attrs[] = {
    {"num_heads", "int", NULL, ">= 1", "H; divides E"},
    {"causal", "bool", "false", "", "also forbid keys j > i"},
    {"add_zero_attn", "bool", "false", "", "append one zero key and value to every head"},
    {"average_attn_weights", "bool", "true", "", "attn is the mean over heads"},
    {0},
};
static const vka_port_info inputs[] = {
    {"q", "[N, Tq, E]", "f32", "", "query tokens; one tensor three times: self-attention"},
    {"k", "[N, Tk, Ek]", "f32", "", "key tokens"},
    {"v", "[N, Tk, Ev]", "f32", "", "value tokens"},
    {"attn_mask", "[Tq, Tk] or [N*H, Tq, Tk]", "bool", "optional", "true: this pair is forbidden"},
    {"attn_bias", "[Tq, Tk] or [N*H, Tq, Tk]", "f32", "optional", "added to the scaled logits"},
    {"key_padding_mask", "[N, Tk]", "bool", "optional", "true: this key is padding"},
    {0},
};
static const vka_weight_info weights[] = {
    {"in_proj_weight", "[3E, E]", "f32", "Ek = Ev = E; rows for q, k, v", "in_proj_weight"},
    {"q_proj_weight", "[E, E]", "f32", "instead of in_proj_weight", "q_proj_weight"},
    {"k_proj_weight", "[E, Ek]", "f32", "instead of in_proj_weight", "k_proj_weight"},
    {"v_proj_weight", "[E, Ev]", "f32", "instead of in_proj_weight", "v_proj_weight"},
    {"in_proj_bias", "[3E]", "f32", "optional", "in_proj_bias"},
    {"out_proj.weight", "[E, E]", "f32", "", "out_proj.weight"},
    {"out_proj.bias", "[E]", "f32", "optional", "out_proj.bias"},
    {"bias_k", "[1, 1, E]", "f32", "optional: a learned key at the end", "bias_k"},
    {"bias_v", "[1, 1, E]", "f32", "optional: its value", "bias_v"},
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, Tq, E]", "f32", "", "output"},
    {"attn", "[N, Tq, Tk'] or [N, H, Tq, Tk']", "f32", "",
     "probabilities; Tk' counts appended keys; only made when asked for"},
    {0},
};

const struct vka_block_row vka_block_rows_mha[] = {
    {{"mha", "Multi-head attention: projections, heads, attention, output projection",
      "Vaswani et al.: Attention Is All You Need, NeurIPS 2017, arXiv 1706.03762", attrs, inputs,
      weights, outputs,
      "{\"attrs\": {\"num_heads\": 8}, \"shapes\": {\"q\": [1, 1024, 512], \"k\": [1, 1024, 512], "
      "\"v\": [1, 1024, 512]}}"},
     build},
    {.build = NULL},
};
