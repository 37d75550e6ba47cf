// SPDX-License-Identifier: MIT
//
// Show, Attend and Tell: an LSTM describes an image word by word and looks at it anew for each,
// at all places by their weights (soft) or at one (hard). The variants differ in many small things:
// "port" is the well known PyTorch port, "original" the authors' code.
#include "blocks/recurrent.h"
#include "blocks/select.h"

struct caption {
    bool original, gated, hard;
    int64_t n, places, words, hidden, steps;
    vka_tensor features;          // [N, P, D]
    vka_tensor keys;              // [N, P, A], projected
    vka_tensor score, score_bias; // [1, A], [1]: full_att
    vka_tensor of_state;          // [A + 4H + gate, H], with its bias: all that reads the old state
    vka_tensor of_state_bias;     // in one product
    vka_tensor of_context;        // [4H, D]
    vka_tensor of_word;           // [4H, E]
    vka_tensor table;             // [V, E]
    vka_tensor u;                 // [N, T], or 0
    vka_tensor valid;             // [N, T], or 0
    struct vka_cell_state state;  // [N, H]
    vka_tensor *h, *z, *attn, *gate, *pos; // of each step
};

static vka_tensor product(vka_graph *g, vka_tensor x, vka_tensor weight, struct vka_matmul m)
{
    return vka_matmul(g, x, vka_transpose(g, weight, 0, 1), &m);
}

// --- the start ---

static void join_state_weights(struct vka_scope *s, struct caption *p)
{
    vka_graph *g = s->g;
    int64_t h = p->hidden, align = vka_dim(g, p->keys, 2), count = p->gated ? 3 : 2;
    int64_t beta = p->original ? 1 : vka_dim(g, p->features, 2);
    vka_tensor w[3] = {vka_weight(s, "attention.decoder_att.weight", VKA_SHAPE(align, h)),
                       vka_weight(s, "decode_step.weight_hh", VKA_SHAPE(4 * h, h))};
    vka_tensor b[3] = {0, vka_weight(s, "decode_step.bias_ih", VKA_SHAPE(4 * h))};
    if (p->original) {
        b[0] = vka_zeros(g, VKA_SHAPE(align));
    } else {
        b[0] = vka_weight(s, "attention.decoder_att.bias", VKA_SHAPE(align));
        b[1] = vka_add(g, b[1], vka_weight(s, "decode_step.bias_hh", VKA_SHAPE(4 * h)));
    }
    if (p->gated) {
        w[2] = vka_weight(s, "f_beta.weight", VKA_SHAPE(beta, h));
        b[2] = vka_weight(s, "f_beta.bias", VKA_SHAPE(beta));
    }
    p->of_state = vka_concat(g, 0, (int)count, w);
    p->of_state_bias = vka_concat(g, 0, (int)count, b);
}

static void start_attention(struct vka_scope *s, struct caption *p)
{
    vka_graph *g = s->g;
    struct vka_layer layer = {.bias = VKA_BIAS};
    int64_t align = p->original ? vka_dim(g, p->features, 2) : 0;
    p->keys = vka_linear(s, p->features, "attention.encoder_att", align, &layer);
    p->score = vka_weight(s, "attention.full_att.weight", VKA_SHAPE(1, vka_dim(g, p->keys, 2)));
    p->score_bias = vka_weight(s, "attention.full_att.bias", VKA_SHAPE(1));
    double temperature = vka_get_double(s, "temperature");
    if (p->hard && temperature != 1) {
        p->score = vka_affine(g, p->score, temperature, 0);
        p->score_bias = vka_affine(g, p->score_bias, temperature, 0);
    }
}

static void start_state(struct vka_scope *s, struct caption *p)
{
    struct vka_layer layer = {.bias = VKA_BIAS,
                              .act = {p->original ? VKA_ACT_TANH : VKA_ACT_NONE, 0, 0}};
    vka_tensor mean = vka_reduce(s->g, VKA_REDUCE_MEAN, p->features, 1u << 1, false);
    p->state.h = vka_linear(s, mean, "init_h", 0, &layer);
    p->hidden = vka_dim(s->g, p->state.h, 1);
    p->state.c = vka_linear(s, mean, "init_c", p->hidden, &layer);
}

// All but what the mode brings.
static bool start(struct vka_scope *s, struct caption *p)
{
    vka_graph *g = s->g;
    p->features = vka_in(s, "features");
    if (!vka_expect_rank(s, "features", p->features, 3, 3))
        return false;
    p->original = vka_is(s, "variant", "original");
    p->gated = !p->original || vka_get_bool(s, "selector");
    p->hard = !vka_is(s, "attention", "soft");
    p->n = vka_dim(g, p->features, 0);
    p->places = vka_dim(g, p->features, 1);
    p->table = vka_weight(s, "embedding.weight", VKA_SHAPE(0, 0));
    p->words = vka_dim(g, p->table, 0);
    start_attention(s, p);
    start_state(s, p);
    join_state_weights(s, p);
    int64_t width = vka_dim(g, p->table, 1), channels = vka_dim(g, p->features, 2);
    vka_shape shape = VKA_SHAPE(4 * p->hidden, width + channels);
    vka_tensor w = vka_weight(s, "decode_step.weight_ih", shape);
    p->of_word = vka_slice(g, w, 1, 0, width);
    p->of_context = vka_slice(g, w, 1, width, channels);
    return !vka_failed(g);
}

static bool start_steps(struct vka_scope *s, struct caption *p, int64_t steps)
{
    vka_graph *g = s->g;
    p->steps = steps;
    if (!vka_steps_fit(s, steps))
        return false;
    if (vka_is(s, "attention", "hard_sample")) {
        p->u = vka_in_needed(s, "u");
        vka_expect(s, "u", p->u, VKA_SHAPE(p->n, steps));
    }
    vka_tensor **const lists[] = {&p->h, &p->z, &p->attn, &p->gate, &p->pos};
    for (size_t i = 0; i < VKA_COUNT(lists); i++)
        *lists[i] = vka_pool_alloc(g, (size_t)steps * sizeof **lists[i]);
    return !vka_failed(g);
}

// --- a step ---

// The place at which the sum of the weights first exceeds u, the last one if none does: it comes
// behind as many places as there are sums that don't. The sums are a product with a triangle of
// ones, which is a view of a row of zeros and ones.
static vka_tensor drawn_place(vka_graph *g, const struct caption *p, vka_tensor alpha, vka_tensor u)
{
    int64_t n = p->places;
    vka_tensor row = VKA_CONCAT(g, 0, vka_zeros(g, VKA_SHAPE(n)),
                                vka_broadcast_to(g, vka_constant_scalar(g, 1), VKA_SHAPE(n)));
    vka_tensor triangle =
        vka_strided(g, row, VKA_SHAPE(n, n), (const int64_t[]){-1, 1}, n); // 1 where i <= j
    vka_tensor below = vka_binary(g, VKA_LE, vka_matmul(g, alpha, triangle, NULL), u);
    vka_tensor count = vka_reduce(g, VKA_REDUCE_SUM, vka_cast(g, below, VKA_I32), 1u << 1, false);
    return vka_binary(g, VKA_MIN, count, vka_int(g, n - 1));
}

// Row pos[n] of each [P, D], [N, D].
static vka_tensor features_at(vka_graph *g, const struct caption *p, vka_tensor pos)
{
    return vka_squeeze(g, vka_rows_of_each(g, p->features, vka_unsqueeze(g, pos, 1)), 1);
}

// The context [N, D] before the gate, of the query [N, A].
static vka_tensor look(vka_graph *g, struct caption *p, vka_tensor query, int64_t t)
{
    struct vka_activation act = {p->original ? VKA_ACT_TANH : VKA_ACT_RELU, 0, 0};
    vka_tensor score = vka_additive(g, vka_unsqueeze(g, query, 1), p->keys,
                                    vka_squeeze(g, p->score, 0), p->score_bias, act);
    vka_tensor alpha = p->attn[t] = vka_softmax(g, vka_squeeze(g, score, 1), NULL);
    if (!p->hard)
        return vka_squeeze(g, vka_matmul(g, vka_unsqueeze(g, alpha, 1), p->features, NULL), 1);
    p->pos[t] = p->u ? drawn_place(g, p, alpha, vka_slice(g, p->u, 1, t, 1))
                     : vka_argmax(g, alpha, 1, false);
    return features_at(g, p, p->pos[t]);
}

// The state moves on by a word, `word` [N, 4H] of its product.
static void step(vka_graph *g, struct caption *p, int64_t t, vka_tensor word)
{
    int64_t align = vka_dim(g, p->keys, 2), gates = 4 * p->hidden;
    vka_tensor old =
        product(g, p->state.h, p->of_state, (struct vka_matmul){.bias = p->of_state_bias});
    vka_tensor z = look(g, p, vka_slice(g, old, 1, 0, align), t);
    if (p->gated) {
        int64_t at = align + gates;
        vka_tensor beta = vka_slice(g, old, 1, at, vka_dim(g, old, 1) - at);
        p->gate[t] = vka_act(g, beta, VKA_ACT_SIGMOID);
        z = vka_mul(g, p->gate[t], z);
    }
    struct vka_matmul m = {.bias = word, .residual = vka_slice(g, old, 1, align, gates)};
    struct vka_cell_state next;
    next.h = vka_cell(g, VKA_CELL_LSTM, product(g, z, p->of_context, m), p->state.c, 0, &next.c);
    p->h[t] = next.h;
    p->z[t] = z;
    if (p->valid) {
        vka_tensor valid = vka_slice(g, p->valid, 1, t, 1);
        next.h = vka_where(g, valid, next.h, p->state.h);
        next.c = vka_where(g, valid, next.c, p->state.c);
    }
    p->state = next;
}

// Scores [..., V] of states after the step, words before it [..., E] and gated contexts [..., D].
static vka_tensor read_out(struct vka_scope *s, const struct caption *p, vka_tensor h,
                           vka_tensor word, vka_tensor z)
{
    vka_graph *g = s->g;
    struct vka_layer fc = {.bias = VKA_BIAS}, out = {.bias = VKA_BIAS};
    if (!p->original)
        return vka_linear(s, h, "fc", p->words, &fc);
    double scale = vka_get_double(s, "dropout_scale");
    int64_t width = vka_dim(g, p->table, 1);
    if (vka_get_bool(s, "prev2out"))
        out.residual = word;
    if (vka_get_bool(s, "ctx2out"))
        out.residual = vka_linear(s, z, "out_ctx", width, &out);
    out.act.kind = VKA_ACT_TANH;
    vka_tensor inner =
        vka_linear(s, scale == 1 ? h : vka_affine(g, h, scale, 0), "out_h", width, &out);
    inner = scale == 1 ? inner : vka_affine(g, inner, scale, 0);
    return vka_linear(s, inner, "fc", p->words, &fc);
}

// --- the modes ---

// The steps' tensors [N, ...] as [N, T, ...], 0 past the end of a caption.
static vka_tensor all_steps(struct vka_scope *s, const struct caption *p, const vka_tensor *steps)
{
    return vka_join_steps(s, steps, p->steps);
}

static vka_tensor ended(struct vka_scope *s, const struct caption *p, vka_tensor x)
{
    vka_graph *g = s->g;
    if (!p->valid || !x)
        return x;
    vka_tensor valid = vka_rank(g, x) == 3 ? vka_unsqueeze(g, p->valid, 2) : p->valid;
    vka_tensor zero = vka_type(g, x) == VKA_I32 ? vka_int(g, 0) : vka_constant_scalar(g, 0);
    return vka_where(g, valid, x, zero);
}

static void give(struct vka_scope *s, const struct caption *p, vka_tensor y, vka_tensor tokens)
{
    vka_give(s, "y", y);
    vka_give(s, "tokens_out", tokens);
    vka_give(s, "attn", ended(s, p, all_steps(s, p, p->attn)));
    if (p->gated)
        vka_give(s, "gate", ended(s, p, all_steps(s, p, p->gate)));
    if (p->hard)
        vka_give(s, "pos", ended(s, p, all_steps(s, p, p->pos)));
    vka_give(s, "h_n", p->state.h);
    vka_give(s, "c_n", p->state.c);
}

static void teach(struct vka_scope *s, struct caption *p)
{
    vka_graph *g = s->g;
    vka_tensor tokens = vka_in_needed(s, "tokens");
    if (!vka_expect(s, "tokens", tokens, VKA_SHAPE(p->n, 0)) ||
        !start_steps(s, p, vka_dim(g, tokens, 1)))
        return;
    vka_check_range(g, tokens, -1, p->words - 1, "tokens");
    p->valid = vka_valid_steps(s, "lengths", vka_in(s, "lengths"), p->n, p->steps);
    vka_tensor zero = vka_int(g, 0), rows = vka_binary(g, VKA_MAX, tokens, zero);
    vka_tensor none = vka_unsqueeze(g, vka_binary(g, VKA_LT, tokens, zero), 2);
    vka_tensor words =
        vka_where(g, none, vka_constant_scalar(g, 0), vka_gather_known(g, p->table, rows));
    vka_tensor products = product(g, words, p->of_word, (struct vka_matmul){0});
    for (int64_t t = 0; t < p->steps && !vka_failed(g); t++)
        step(g, p, t, vka_squeeze(g, vka_slice(g, products, 1, t, 1), 1));
    vka_tensor y = read_out(s, p, all_steps(s, p, p->h), words, all_steps(s, p, p->z));
    y = ended(s, p, y);
    give(s, p, y, vka_argmax(g, y, 2, false));
}

static void find(struct vka_scope *s, struct caption *p)
{
    vka_graph *g = s->g;
    int64_t first = vka_get_int_needed(s, "start"), steps = vka_get_int_needed(s, "max_len");
    if (first >= p->words)
        vka_scope_fail(s, "attribute 'start' is %lld, but there are %lld words", (long long)first,
                       (long long)p->words);
    if (!start_steps(s, p, steps))
        return;
    vka_tensor *y = vka_pool_alloc(g, (size_t)steps * sizeof *y);
    vka_tensor *tokens = vka_pool_alloc(g, (size_t)steps * sizeof *tokens);
    vka_shape shape = VKA_SHAPE(p->n, vka_dim(g, p->table, 1));
    vka_tensor word = first < 0 ? vka_zeros(g, shape)
                                : vka_broadcast_to(g, vka_slice(g, p->table, 0, first, 1), shape);
    for (int64_t t = 0; t < steps && !vka_failed(g); t++) {
        step(g, p, t, product(g, word, p->of_word, (struct vka_matmul){0}));
        y[t] = read_out(s, p, p->h[t], word, p->z[t]);
        tokens[t] = vka_argmax(g, y[t], 1, false);
        word = vka_gather_known(g, p->table, tokens[t]);
    }
    give(s, p, all_steps(s, p, y), all_steps(s, p, tokens));
}

static void build(struct vka_scope *s)
{
    struct caption p = {0};
    if (!start(s, &p))
        return;
    if (vka_is(s, "mode", "greedy"))
        find(s, &p);
    else
        teach(s, &p);
}

static const vka_attr_info attrs[] = {
    {"variant", "string", "\"port\"", "port|original", "the PyTorch port or the authors' code"},
    {"attention", "string", "\"soft\"", "soft|hard_argmax|hard_sample",
     "all places by their weights, the best one, or one drawn by u"},
    {"mode", "string", "\"teacher\"", "teacher|greedy", "the words are given, or found"},
    {"max_len", "int or null", "null", "1..65536", "greedy: steps, T"},
    {"start", "int or null", "null", ">= -1", "greedy: the first word before; -1: none"},
    {"temperature", "float", "1", "", "hard: factor on the scores of the places"},
    {"selector", "bool", "true", "", "original: with a gate"},
    {"prev2out", "bool", "false", "", "original: the word before is added to the output"},
    {"ctx2out", "bool", "false", "", "original: the context is added to the output"},
    {"dropout_scale", "float", "1", "", "original: 0.5 for a model trained with dropout"},
    {0},
};
static const vka_port_info inputs[] = {
    {"features", "[N, P, D]", "f32", "", "one vector for each place of the image"},
    {"tokens", "[N, T]", "i32", "teacher", "the word before each step; -1: none"},
    {"lengths", "[N]", "i32", "optional", "teacher: steps of each caption, 1..T"},
    {"u", "[N, T]", "f32", "hard_sample", "random numbers in [0, 1)"},
    {0},
};
static const vka_weight_info weights[] = {
    {"attention.encoder_att.weight", "[A, D]", "f32", "", "attention.encoder_att.weight"},
    {"attention.encoder_att.bias", "[A]", "f32", "", "attention.encoder_att.bias"},
    {"attention.decoder_att.weight", "[A, H]", "f32", "", "attention.decoder_att.weight"},
    {"attention.decoder_att.bias", "[A]", "f32", "port", "attention.decoder_att.bias"},
    {"attention.full_att.weight", "[1, A]", "f32", "", "attention.full_att.weight"},
    {"attention.full_att.bias", "[1]", "f32", "", "attention.full_att.bias"},
    {"embedding.weight", "[V, E]", "f32", "", "embedding.weight"},
    {"decode_step.weight_ih", "[4H, E+D]", "f32", "", "decode_step.weight_ih"},
    {"decode_step.weight_hh", "[4H, H]", "f32", "", "decode_step.weight_hh"},
    {"decode_step.bias_ih", "[4H]", "f32", "", "decode_step.bias_ih"},
    {"decode_step.bias_hh", "[4H]", "f32", "port", "decode_step.bias_hh"},
    {"init_h.weight", "[H, D]", "f32", "", "init_h.weight"},
    {"init_h.bias", "[H]", "f32", "", "init_h.bias"},
    {"init_c.weight", "[H, D]", "f32", "", "init_c.weight"},
    {"init_c.bias", "[H]", "f32", "", "init_c.bias"},
    {"f_beta.weight", "[D, H] or [1, H]", "f32", "port or selector", "f_beta.weight"},
    {"f_beta.bias", "[D] or [1]", "f32", "port or selector", "f_beta.bias"},
    {"fc.weight", "[V, H] or [V, E]", "f32", "", "fc.weight"},
    {"fc.bias", "[V]", "f32", "", "fc.bias"},
    {"out_h.weight", "[E, H]", "f32", "original", ""},
    {"out_h.bias", "[E]", "f32", "original", ""},
    {"out_ctx.weight", "[E, D]", "f32", "original, ctx2out", ""},
    {"out_ctx.bias", "[E]", "f32", "original, ctx2out", ""},
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, T, V]", "f32", "", "scores before softmax; 0 past a caption's length, as all are"},
    {"attn", "[N, T, P]", "f32", "", "weights of the places"},
    {"gate", "[N, T, D] or [N, T, 1]", "f32", "port or selector", "of the context"},
    {"pos", "[N, T]", "i32", "hard", "the place looked at"},
    {"tokens_out", "[N, T]", "i32", "", "the best word of each step"},
    {"h_n", "[N, H]", "f32", "", "state after a caption's last step"},
    {"c_n", "[N, H]", "f32", "", "cell state after it"},
    {0},
};

const struct vka_block_row vka_block_rows_show_attend_tell[] = {
    {{"show_attend_tell", "LSTM caption decoder with soft or hard visual attention",
      "Xu et al.: Show, Attend and Tell, ICML 2015, arXiv 1502.03044", attrs, inputs, weights,
      outputs,
      "{\"attrs\": {\"mode\": \"greedy\", \"max_len\": 16, \"start\": 0}, \"shapes\": "
      "{\"features\": [1, 196, 512], \"w.embedding.weight\": [1000, 256], \"w.init_h.weight\": "
      "[512, 512], \"w.attention.encoder_att.weight\": [512, 512]}}"},
     build},
    {.build = NULL},
};
