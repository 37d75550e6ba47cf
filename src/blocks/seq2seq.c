// SPDX-License-Identifier: MIT
//
// Sequence to sequence: an LSTM reads the source, its last states start another LSTM, whose states
// are scored against the words of the target.
#include "blocks/recurrent.h"

struct target {
    vka_tensor table; // [Vt, E2]
    int64_t words;
};

static struct vka_stack stack_of(struct vka_scope *s, const char *prefix)
{
    return (struct vka_stack){.kind = VKA_CELL_LSTM,
                              .prefix = prefix,
                              .layers = vka_get_int(s, "num_layers"),
                              .directions = 1,
                              .hidden = vka_get_int(s, "hidden_size"),
                              .bias = true};
}

static vka_tensor backwards(vka_graph *g, vka_tensor t)
{
    return vka_slice_step(g, t, 1, vka_dim(g, t, 1) - 1, vka_dim(g, t, 1), -1);
}

// Read backwards as a whole, the padding comes first, and a state doesn't move there.
static struct vka_stack encode(struct vka_scope *s)
{
    vka_graph *g = s->g;
    struct vka_stack p = stack_of(s, "encoder.");
    vka_tensor src = vka_in(s, "src"), table = vka_weight(s, "src_emb.weight", VKA_SHAPE(0, 0));
    if (!vka_expect_rank(s, "src", src, 2, 2))
        return p;
    vka_check_range(g, src, 0, vka_dim(g, table, 0) - 1, "src");
    p.valid = vka_valid_steps(s, "src_lengths", vka_in(s, "src_lengths"), vka_dim(g, src, 0),
                              vka_dim(g, src, 1));
    if (vka_get_bool(s, "reverse_source")) {
        src = backwards(g, src);
        p.valid = p.valid ? vka_copy(g, backwards(g, p.valid)) : 0;
    }
    vka_stack_run(s, &p, vka_gather_known(g, table, src));
    return p;
}

static vka_tensor score(struct vka_scope *s, const struct target *target, vka_tensor h)
{
    struct vka_layer layer = {.bias = VKA_BIAS};
    return vka_linear(s, h, "fc", target->words, &layer);
}

static void teach(struct vka_scope *s, const struct target *target, struct vka_stack *decoder)
{
    vka_graph *g = s->g;
    vka_tensor tgt = vka_in_needed(s, "tgt");
    if (!vka_expect(s, "tgt", tgt, VKA_SHAPE(vka_dim(g, decoder->h, 1), 0)))
        return;
    vka_check_range(g, tgt, 0, target->words - 1, "tgt");
    vka_tensor h = vka_stack_run(s, decoder, vka_gather_known(g, target->table, tgt));
    vka_tensor y = score(s, target, h);
    vka_give(s, "y", y);
    vka_give(s, "tokens", vka_argmax(g, y, 2, false));
}

struct greedy {
    const struct target *target;
    int64_t layers;
    vka_tensor eos;
    struct vka_cell *cell; // of each layer
    struct vka_cell_state *state;
    vka_tensor token, ended; // [N]
};

static struct greedy start_greedy(struct vka_scope *s, const struct target *target,
                                  const struct vka_stack *decoder)
{
    vka_graph *g = s->g;
    int64_t eos = vka_get_int(s, "eos"), n = vka_dim(g, decoder->h, 1);
    int64_t bos = vka_is_null(s, "bos") ? eos : vka_get_int(s, "bos");
    struct greedy p = {.target = target, .layers = decoder->layers, .eos = vka_int(g, eos)};
    p.cell = vka_pool_alloc(g, (size_t)p.layers * sizeof *p.cell);
    p.state = vka_pool_alloc(g, (size_t)p.layers * sizeof *p.state);
    int64_t width = vka_dim(g, target->table, 1);
    for (int l = 0; l < p.layers && !vka_failed(g); l++) {
        p.cell[l] = vka_stack_cell(s, decoder, l, l ? decoder->hidden : width);
        p.state[l] = (struct vka_cell_state){.h = vka_slice(g, decoder->h, 0, l, 1),
                                             .c = vka_slice(g, decoder->c, 0, l, 1)};
    }
    p.token = vka_broadcast_to(g, vka_int(g, bos), VKA_SHAPE(n));
    return p;
}

// The scores [N, Vt] of a step; the states, the token and whether it has ended move on.
static vka_tensor step_greedy(struct vka_scope *s, struct greedy *p)
{
    vka_graph *g = s->g;
    vka_tensor x = vka_gather_known(g, p->target->table, p->token);
    for (int l = 0; l < p->layers && !vka_failed(g); l++) {
        vka_tensor inputs = vka_cell_inputs(g, &p->cell[l], x);
        p->state[l] = vka_cell_step(g, &p->cell[l], inputs, p->state[l]);
        x = vka_squeeze(g, p->state[l].h, 0);
    }
    vka_tensor y = score(s, p->target, x);
    p->token = vka_argmax(g, y, 1, false);
    if (p->ended)
        p->token = vka_where(g, p->ended, p->eos, p->token);
    p->ended = vka_binary(g, VKA_EQ, p->token, p->eos);
    return y;
}

// Once a sequence has ended it stays so: the steps that it had not are its length.
static vka_tensor lengths_of(struct vka_scope *s, const vka_tensor *ended, int64_t steps)
{
    vka_graph *g = s->g;
    vka_tensor all = vka_cast(g, vka_join_steps(s, ended, steps), VKA_I32);
    return vka_sub(g, vka_int(g, steps), vka_reduce(g, VKA_REDUCE_SUM, all, 1u << 1, false));
}

static void decode(struct vka_scope *s, const struct target *target, struct vka_stack *decoder)
{
    vka_graph *g = s->g;
    int64_t steps = vka_get_int_needed(s, "max_len");
    if (!vka_steps_fit(s, steps))
        return;
    struct greedy p = start_greedy(s, target, decoder);
    vka_tensor *y = vka_pool_alloc(g, (size_t)steps * sizeof *y);
    vka_tensor *tokens = vka_pool_alloc(g, (size_t)steps * sizeof *tokens);
    vka_tensor *ended = vka_pool_alloc(g, (size_t)steps * sizeof *ended);
    for (int64_t t = 0; t < steps && !vka_failed(g); t++) {
        y[t] = step_greedy(s, &p);
        tokens[t] = p.token;
        ended[t] = p.ended;
    }
    if (vka_failed(g))
        return;
    vka_give(s, "y", vka_join_steps(s, y, steps));
    vka_give(s, "tokens", vka_join_steps(s, tokens, steps));
    vka_give(s, "lengths", lengths_of(s, ended, steps));
}

static void check_token(struct vka_scope *s, const char *name, int64_t words)
{
    int64_t token = vka_get_int(s, name);
    if (!vka_failed(s->g) && token >= words)
        vka_scope_fail(s, "attribute '%s' is %lld, but there are %lld words", name,
                       (long long)token, (long long)words);
}

static void build(struct vka_scope *s)
{
    struct vka_stack encoder = encode(s), decoder = stack_of(s, "decoder.");
    struct target target = {.table = vka_weight(s, "tgt_emb.weight", VKA_SHAPE(0, 0))};
    target.words = vka_dim(s->g, target.table, 0);
    check_token(s, "eos", target.words);
    check_token(s, "bos", target.words); // null counts as 0
    if (vka_failed(s->g))
        return;
    decoder.h = encoder.h;
    decoder.c = encoder.c;
    if (vka_is(s, "mode", "greedy"))
        decode(s, &target, &decoder);
    else
        teach(s, &target, &decoder);
    vka_give(s, "enc_h", encoder.h);
    vka_give(s, "enc_c", encoder.c);
}

static const vka_attr_info attrs[] = {
    {"num_layers", "int", "1", "1..1024", "L, of the encoder and of the decoder"},
    {"hidden_size", "int", NULL, VKA_CELL_SIZE, "H"},
    {"reverse_source", "bool", "true", "", "the valid part of each source is read backwards"},
    {"mode", "string", "\"teacher\"", "teacher|greedy", "the target is given, or found"},
    {"eos", "int", "0", ">= 0", "the token at the end; less than Vt"},
    {"bos", "int or null", "null", ">= 0", "greedy: the first input; null: eos"},
    {"max_len", "int or null", "null", "1..65536", "greedy: steps"},
    {0},
};
static const vka_port_info inputs[] = {
    {"src", "[N, Ts]", "i32", "", "source tokens in their natural order"},
    {"src_lengths", "[N]", "i32", "optional", "valid tokens of each source, 1..Ts"},
    {"tgt", "[N, Tt]", "i32", "teacher", "the decoder's inputs"},
    {0},
};
static const vka_weight_info weights[] = {
    {"src_emb.weight", "[Vs, E]", "f32", "", ""},
    {"tgt_emb.weight", "[Vt, E2]", "f32", "", ""},
    VKA_STACK_PORTS_OF("encoder.", "", "", "4H", "H", VKA_NONE),
    VKA_STACK_PORTS_OF("decoder.", "", "", "4H", "H", VKA_NONE),
    {"fc.weight", "[Vt, H]", "f32", "", ""},
    {"fc.bias", "[Vt]", "f32", "", ""},
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, Tt, Vt]", "f32", "", "scores before softmax; Tt is max_len in greedy mode"},
    {"tokens", "[N, Tt]", "i32", "", "best words; greedy: eos from the first one on"},
    {"enc_h", "[L, N, H]", "f32", "", "states that start the decoder"},
    {"enc_c", "[L, N, H]", "f32", "", "cell states that start the decoder"},
    {"lengths", "[N]", "i32", "greedy", "tokens before the first eos"},
    {0},
};

const struct vka_block_row vka_block_rows_seq2seq[] = {
    {{"seq2seq", "LSTM encoder and decoder, scored against a given target or decoded greedily",
      "Sutskever, Vinyals, Le: Sequence to Sequence Learning with Neural Networks, NeurIPS 2014, "
      "arXiv 1409.3215",
      attrs, inputs, weights, outputs,
      "{\"attrs\": {\"hidden_size\": 256, \"mode\": \"greedy\", \"max_len\": 32}, \"shapes\": "
      "{\"src\": [4, 32], \"w.src_emb.weight\": [1000, 256], \"w.tgt_emb.weight\": [1000, 256]}}"},
     build},
    {.build = NULL},
};
