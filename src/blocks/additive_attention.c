// SPDX-License-Identifier: MIT
//
// Additive attention: a small tanh network scores each annotation against the decoder's state; and
// RNNsearch, the translation model around it. Steps are [N, 1, ...], so that what needs no step
// before it (the readout of a given target, say) takes all steps at once as [N, T, ...].
#include "blocks/recurrent.h"

// --- attention ---

struct alignment {
    vka_tensor w_query; // [A, Dq]
    vka_tensor v;       // [1, A]
    vka_tensor keys;    // [N, Ts, A], projected
    vka_tensor values;  // [N, Ts, Dk]; 0 at padding, whatever stood there
    vka_tensor valid;   // [N, 1, Ts], or 0
};

static vka_tensor product(vka_graph *g, vka_tensor x, vka_tensor weight, struct vka_matmul m)
{
    return vka_matmul(g, x, vka_transpose(g, weight, 0, 1), &m);
}

static struct alignment align(struct vka_scope *s, const char *prefix, int64_t query,
                              vka_tensor keys, vka_tensor valid)
{
    vka_graph *g = s->g;
    struct alignment a = {.values = keys};
    a.w_query = vka_weight(s, vka_name(s, "%sw_query.weight", prefix), VKA_SHAPE(0, query));
    int64_t width = vka_dim(g, a.w_query, 0);
    a.v = vka_weight(s, vka_name(s, "%sv.weight", prefix), VKA_SHAPE(1, width));
    vka_tensor w_key =
        vka_weight(s, vka_name(s, "%sw_key.weight", prefix), VKA_SHAPE(width, vka_dim(g, keys, 2)));
    if (valid) {
        a.values = vka_where(g, vka_unsqueeze(g, valid, 2), keys, vka_constant_scalar(g, 0));
        a.valid = vka_unsqueeze(g, valid, 1);
    }
    a.keys = product(g, a.values, w_key, (struct vka_matmul){0});
    return a;
}

// Contexts [N, Tq, Dk] of queries [N, Tq, Dq], and the weights [N, Tq, Ts].
static vka_tensor attend(vka_graph *g, const struct alignment *a, vka_tensor query,
                         vka_tensor *attn)
{
    vka_tensor q = product(g, query, a->w_query, (struct vka_matmul){0});
    vka_tensor energy = vka_additive(g, q, a->keys, vka_squeeze(g, a->v, 0), 0,
                                     (struct vka_activation){VKA_ACT_TANH, 0, 0});
    struct vka_softmax p = {.axis = 2, .mask = a->valid};
    *attn = vka_softmax(g, energy, &p);
    return vka_matmul(g, *attn, a->values, NULL);
}

static void build_attention(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor query = vka_in_needed(s, "query"), keys = vka_in_needed(s, "keys"), attn = 0;
    if (!vka_expect_rank(s, "query", query, 3, 3) ||
        !vka_expect(s, "keys", keys, VKA_SHAPE(vka_dim(g, query, 0), 0, 0)))
        return;
    vka_tensor valid = vka_valid_steps(s, "lengths", vka_in(s, "lengths"), vka_dim(g, keys, 0),
                                       vka_dim(g, keys, 1));
    struct alignment a = align(s, "", vka_dim(g, query, 2), keys, valid);
    vka_give(s, "y", attend(g, &a, query, &attn));
    vka_give(s, "attn", attn);
}

// --- RNNsearch ---

// Three matrices "<name>.<r, z, new>.weight" [H, width] one on the other: reset, update, candidate.
static vka_tensor three(struct vka_scope *s, const char *name, const char *r, const char *z,
                        const char *candidate, int64_t hidden, int64_t width)
{
    const char *const parts[] = {r, z, candidate};
    vka_tensor w[3];
    for (int i = 0; i < 3; i++)
        w[i] = vka_weight(s, vka_name(s, "%s.%s.weight", name, parts[i]), VKA_SHAPE(hidden, width));
    return vka_concat(s->g, 0, 3, w);
}

// One direction's cell; "<name>.u.weight" tells H.
static struct vka_cell cell_of(struct vka_scope *s, const char *name, int64_t width)
{
    vka_graph *g = s->g;
    vka_tensor u = vka_weight(s, vka_name(s, "%s.u.weight", name), VKA_SHAPE(0, 0));
    int64_t hidden = vka_dim(g, u, 0);
    vka_tensor bias = vka_weight(s, vka_name(s, "%s.w.bias", name), VKA_SHAPE(hidden));
    bias = VKA_CONCAT(g, 0, vka_zeros(g, VKA_SHAPE(2 * hidden)), bias);
    struct vka_cell cell = {
        .kind = VKA_CELL_CHO,
        .weight_ih = three(s, name, "wr", "wz", "w", hidden, width),
        .weight_hh = three(s, name, "ur", "uz", "u", hidden, hidden),
        .bias_ih = vka_unsqueeze(g, vka_unsqueeze(g, bias, 0), 0),
    };
    cell.weight_ih = vka_unsqueeze(g, cell.weight_ih, 0);
    cell.weight_hh = vka_unsqueeze(g, cell.weight_hh, 0);
    return cell;
}

// Annotations [N, Ts, 2H]: at padding the forward half keeps its last state, the other one is 0.
static vka_tensor encode(struct vka_scope *s, vka_tensor src, vka_tensor valid)
{
    vka_graph *g = s->g;
    vka_tensor table = vka_weight(s, "src_emb.weight", VKA_SHAPE(0, 0));
    vka_check_range(g, src, 0, vka_dim(g, table, 0) - 1, "src");
    int64_t width = vka_dim(g, table, 1);
    struct vka_cell f = cell_of(s, "enc_fwd", width), b = cell_of(s, "enc_bwd", width);
    struct vka_cell both = {.kind = VKA_CELL_CHO,
                            .weight_ih = VKA_CONCAT(g, 0, f.weight_ih, b.weight_ih),
                            .weight_hh = VKA_CONCAT(g, 0, f.weight_hh, b.weight_hh),
                            .bias_ih = VKA_CONCAT(g, 0, f.bias_ih, b.bias_ih)};
    vka_shape start = VKA_SHAPE(2, vka_dim(g, src, 0), vka_dim(g, both.weight_hh, 2));
    struct vka_cell_state state = {.h = vka_zeros(g, start)};
    return vka_cell_run(s, &both, vka_gather_known(g, table, src), valid, &state);
}

struct search {
    struct alignment attention;
    struct vka_cell cell;  // weight_ih: of the words
    vka_tensor of_context; // [1, 3H, 2H]: of the contexts
    vka_tensor table;      // [Vt, E2]
    vka_tensor state;      // [N, 1, H]
    int64_t words;
    vka_tensor *states, *contexts, *attn; // of each step; one state more, the first
};

static bool start_search(struct vka_scope *s, struct search *p, vka_tensor src, vka_tensor valid,
                         int64_t steps)
{
    vka_graph *g = s->g;
    vka_tensor h = encode(s, src, valid);
    int64_t hidden = vka_dim(g, h, 2) / 2;
    p->table = vka_weight(s, "tgt_emb.weight", VKA_SHAPE(0, 0));
    p->words = vka_dim(g, p->table, 0);
    p->cell = cell_of(s, "dec", vka_dim(g, p->table, 1));
    p->of_context = vka_unsqueeze(g, three(s, "dec", "cr", "cz", "c", hidden, 2 * hidden), 0);
    p->attention = align(s, "att.", hidden, h, valid);
    struct vka_layer init = {.bias = VKA_BIAS, .act = {VKA_ACT_TANH, 0, 0}};
    vka_tensor last = vka_slice(g, vka_slice(g, h, 1, 0, 1), 2, hidden, hidden);
    p->state = vka_linear(s, last, "init", hidden, &init);
    vka_give(s, "annotations", h);
    if (!vka_steps_fit(s, steps))
        return false;
    p->states = vka_pool_alloc(g, (size_t)(steps + 1) * sizeof *p->states);
    p->contexts = vka_pool_alloc(g, (size_t)steps * sizeof *p->contexts);
    p->attn = vka_pool_alloc(g, (size_t)steps * sizeof *p->attn);
    if (p->states)
        p->states[0] = p->state;
    return !vka_failed(g);
}

// The scores [N, T, Vt] of states, contexts and the words before, [N, T, ...] each.
static vka_tensor read_out(struct vka_scope *s, const struct search *p, vka_tensor state,
                           vka_tensor context, vka_tensor previous)
{
    vka_graph *g = s->g;
    struct vka_layer layer = {.bias = VKA_BIAS};
    vka_tensor t = vka_linear(s, state, "out.u", 0, &layer);
    int64_t width = vka_dim(g, t, 2);
    if (width % 2 != 0)
        return vka_scope_fail(s, "'out.u.weight' has %lld rows, but maxout needs pairs",
                              (long long)width);
    layer = (struct vka_layer){.residual = t};
    t = vka_linear(s, context, "out.c", width, &layer);
    layer.residual = t;
    t = vka_linear(s, previous, "out.v", width, &layer);
    t = vka_binary(g, VKA_MAX, vka_slice_step(g, t, 2, 0, width / 2, 2),
                   vka_slice_step(g, t, 2, 1, width / 2, 2));
    t = vka_linear(s, t, "out.softmax0", 0, NULL);
    layer = (struct vka_layer){.bias = VKA_BIAS};
    return vka_linear(s, t, "out.softmax1", p->words, &layer);
}

static void look(vka_graph *g, struct search *p, int64_t i)
{
    p->contexts[i] = attend(g, &p->attention, p->state, &p->attn[i]);
}

// The state moves on; `inputs` [1, N, 3H] of the step's word.
static void move(vka_graph *g, struct search *p, int64_t i, vka_tensor inputs)
{
    struct vka_matmul m = {.residual = inputs};
    vka_tensor context = vka_transpose(g, p->contexts[i], 0, 1);
    inputs = vka_matmul(g, context, vka_transpose(g, p->of_context, 1, 2), &m);
    struct vka_cell_state state = {.h = vka_transpose(g, p->state, 0, 1)};
    state = vka_cell_step(g, &p->cell, inputs, state);
    p->state = vka_transpose(g, state.h, 0, 1);
    p->states[i + 1] = p->state;
}

static vka_tensor join(vka_graph *g, const vka_tensor *parts, int64_t count)
{
    return vka_failed(g) ? 0 : vka_concat(g, 1, (int)count, parts);
}

static void give_steps(struct vka_scope *s, const struct search *p, vka_tensor y, vka_tensor states,
                       int64_t steps)
{
    vka_give(s, "y", y);
    vka_give(s, "attn", join(s->g, p->attn, steps));
    vka_give(s, "states", states);
}

static void teach(struct vka_scope *s, vka_tensor src, vka_tensor valid)
{
    vka_graph *g = s->g;
    struct search p;
    vka_tensor tgt = vka_in_needed(s, "tgt");
    int64_t n = vka_dim(g, src, 0), steps = vka_dim(g, tgt, 1);
    if (!vka_expect(s, "tgt", tgt, VKA_SHAPE(n, 0)) || !start_search(s, &p, src, valid, steps))
        return;
    vka_check_range(g, tgt, 0, p.words - 1, "tgt");
    vka_tensor words = vka_gather_known(g, p.table, tgt); // [N, T, E2]
    vka_tensor inputs = vka_cell_inputs(g, &p.cell, vka_flatten(g, words, 0, 1));
    inputs = vka_reshape(g, inputs, VKA_SHAPE(1, n, steps, vka_dim(g, inputs, 2)));
    for (int64_t i = 0; i < steps && !vka_failed(g); i++) {
        look(g, &p, i);
        move(g, &p, i, vka_squeeze(g, vka_slice(g, inputs, 2, i, 1), 2));
    }
    vka_tensor states = join(g, p.states, steps + 1);
    vka_tensor previous = vka_zeros(g, VKA_SHAPE(n, 1, vka_dim(g, words, 2)));
    if (steps > 1)
        previous = VKA_CONCAT(g, 1, previous, vka_slice(g, words, 1, 0, steps - 1));
    vka_tensor y =
        read_out(s, &p, vka_slice(g, states, 1, 0, steps), join(g, p.contexts, steps), previous);
    give_steps(s, &p, y, states, steps);
    vka_give(s, "tokens", vka_argmax(g, y, 2, false));
}

// As the official generator has it, word 0 counts as none in the readout, but not in the state.
static void find(struct vka_scope *s, vka_tensor src, vka_tensor valid)
{
    vka_graph *g = s->g;
    struct search p;
    int64_t steps = vka_get_int_needed(s, "max_len");
    if (!start_search(s, &p, src, valid, steps))
        return;
    vka_tensor *y = vka_pool_alloc(g, (size_t)steps * sizeof *y);
    vka_tensor *tokens = vka_pool_alloc(g, (size_t)steps * sizeof *tokens);
    vka_tensor none = vka_int(g, 0);
    vka_tensor previous = vka_zeros(g, VKA_SHAPE(vka_dim(g, src, 0), 1, vka_dim(g, p.table, 1)));
    for (int64_t i = 0; i < steps && !vka_failed(g); i++) {
        look(g, &p, i);
        y[i] = read_out(s, &p, p.state, p.contexts[i], previous);
        tokens[i] = vka_argmax(g, y[i], 2, false); // [N, 1]
        vka_tensor word = vka_gather_known(g, p.table, tokens[i]);
        move(g, &p, i, vka_cell_inputs(g, &p.cell, vka_squeeze(g, word, 1)));
        vka_tensor is_none = vka_unsqueeze(g, vka_binary(g, VKA_EQ, tokens[i], none), 2);
        previous = vka_where(g, is_none, vka_constant_scalar(g, 0), word);
    }
    give_steps(s, &p, join(g, y, steps), join(g, p.states, steps + 1), steps);
    vka_give(s, "tokens", join(g, tokens, steps));
}

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    if (vka_is(s, "mode", "attention")) {
        build_attention(s);
        return;
    }
    vka_tensor src = vka_in_needed(s, "src");
    if (!vka_expect_rank(s, "src", src, 2, 2))
        return;
    vka_tensor valid =
        vka_valid_steps(s, "lengths", vka_in(s, "lengths"), vka_dim(g, src, 0), vka_dim(g, src, 1));
    if (vka_is(s, "decode", "greedy"))
        find(s, src, valid);
    else
        teach(s, src, valid);
}

#define MATRIX(name, shape)                                                                        \
    {                                                                                              \
        name, shape, "f32", "rnnsearch", ""                                                        \
    }
#define CELL(name, width)                                                                          \
    MATRIX(name ".w.weight", "[H, " width "]"), MATRIX(name ".wr.weight", "[H, " width "]"),       \
        MATRIX(name ".wz.weight", "[H, " width "]"), MATRIX(name ".w.bias", "[H]"),                \
        MATRIX(name ".u.weight", "[H, H]"), MATRIX(name ".ur.weight", "[H, H]"),                   \
        MATRIX(name ".uz.weight", "[H, H]")

static const vka_attr_info attrs[] = {
    {"mode", "string", "\"attention\"", "attention|rnnsearch", "the attention alone, or the model"},
    {"decode", "string", "\"teacher\"", "teacher|greedy", "rnnsearch: the target given, or found"},
    {"max_len", "int or null", "null", "1..65536", "greedy: steps, Tt"},
    {0},
};
static const vka_port_info inputs[] = {
    {"query", "[N, Tq, Dq]", "f32", "attention", "decoder states"},
    {"keys", "[N, Ts, Dk]", "f32", "attention", "annotations: keys and values"},
    {"lengths", "[N]", "i32", "optional", "valid source places, 1..Ts"},
    {"src", "[N, Ts]", "i32", "rnnsearch", "source tokens"},
    {"tgt", "[N, Tt]", "i32", "rnnsearch, teacher", "target tokens to score"},
    {0},
};
static const vka_weight_info weights[] = {
    {"w_query.weight", "[A, Dq]", "f32", "attention", ""},
    {"w_key.weight", "[A, Dk]", "f32", "attention", ""},
    {"v.weight", "[1, A]", "f32", "attention", ""},
    MATRIX("src_emb.weight", "[Vs, E]"),
    CELL("enc_fwd", "E"),
    CELL("enc_bwd", "E"),
    MATRIX("init.weight", "[H, H]"),
    MATRIX("init.bias", "[H]"),
    MATRIX("att.w_query.weight", "[A, H]"),
    MATRIX("att.w_key.weight", "[A, 2H]"),
    MATRIX("att.v.weight", "[1, A]"),
    MATRIX("tgt_emb.weight", "[Vt, E2]"),
    CELL("dec", "E2"),
    MATRIX("dec.c.weight", "[H, 2H]"),
    MATRIX("dec.cr.weight", "[H, 2H]"),
    MATRIX("dec.cz.weight", "[H, 2H]"),
    MATRIX("out.u.weight", "[M, H]"),
    MATRIX("out.u.bias", "[M]"),
    MATRIX("out.v.weight", "[M, E2]"),
    MATRIX("out.c.weight", "[M, 2H]"),
    MATRIX("out.softmax0.weight", "[R, M/2]"),
    MATRIX("out.softmax1.weight", "[Vt, R]"),
    MATRIX("out.softmax1.bias", "[Vt]"),
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, Tq, Dk] or [N, Tt, Vt]", "f32", "", "contexts, or scores before softmax"},
    {"attn", "[N, Tq or Tt, Ts]", "f32", "", "weights of the source places; 0 at padding"},
    {"annotations", "[N, Ts, 2H]", "f32", "rnnsearch", "encoder states, forward then backward"},
    {"states", "[N, Tt+1, H]", "f32", "rnnsearch", "decoder states, the first one first"},
    {"tokens", "[N, Tt]", "i32", "rnnsearch", "the best word of each step"},
    {0},
};

const struct vka_block_row vka_block_rows_additive_attention[] = {
    {{"additive_attention", "Additive (alignment) attention, alone or in the RNNsearch model",
      "Bahdanau, Cho, Bengio: Neural Machine Translation by Jointly Learning to Align and "
      "Translate, ICLR 2015, arXiv 1409.0473",
      attrs, inputs, weights, outputs,
      "{\"shapes\": {\"query\": [4, 32, 256], \"keys\": [4, 64, 512], \"w.w_query.weight\": [256, "
      "256]}}"},
     build},
    {.build = NULL},
};
