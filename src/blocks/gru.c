// SPDX-License-Identifier: MIT
//
// Layers of gated recurrent units, with the layout and names of torch.nn.GRU (batch first), as
// torch computes them or as published.
#include "blocks/recurrent.h"

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor x = vka_in(s, "x");
    if (!vka_expect(s, "x", x, VKA_SHAPE(0, 0, vka_get_int(s, "input_size"))))
        return;
    struct vka_stack p = {.kind = vka_is(s, "variant", "cho") ? VKA_CELL_CHO : VKA_CELL_GRU,
                          .prefix = "",
                          .layers = vka_get_int(s, "num_layers"),
                          .directions = vka_get_bool(s, "bidirectional") ? 2 : 1,
                          .hidden = vka_get_int(s, "hidden_size"),
                          .bias = vka_get_bool(s, "bias"),
                          .h = vka_in(s, "h0")};
    p.valid =
        vka_valid_steps(s, "lengths", vka_in(s, "lengths"), vka_dim(g, x, 0), vka_dim(g, x, 1));
    vka_give(s, "y", vka_stack_run(s, &p, x));
    vka_give(s, "h_n", p.h);
}

static const vka_attr_info attrs[] = {
    VKA_STACK_ATTRS,
    {"variant", "string", "\"torch\"", "torch|cho",
     "reset gate after the product with the state (torch), or before it, and the update gate "
     "turned "
     "around (cho)"},
    {0},
};
static const vka_port_info inputs[] = {
    {"x", "[N, T, I]", "f32", "", "sequences"},
    {"h0", "[L*D, N, H]", "f32", "optional", "states at the start; zeros without"},
    {"lengths", "[N]", "i32", "optional", "valid steps of each sequence, 1..T"},
    {0},
};
static const vka_weight_info weights[] = {
    VKA_STACK_PORTS_OF("", "", "", "3H", "H", VKA_SAME),
    VKA_STACK_PORTS_OF("", "_reverse", "bidirectional", "3H", "H", VKA_SAME),
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, T, D*H]", "f32", "", "the last layer's states; 0 past a sequence's length"},
    {"h_n", "[L*D, N, H]", "f32", "", "last states; row l*D + direction"},
    {0},
};

const struct vka_block_row vka_block_rows_gru[] = {
    {{"gru", "Gated recurrent unit layers, one or both directions, torch's cell or the published",
      "Cho et al.: Learning Phrase Representations using RNN Encoder-Decoder, EMNLP 2014, arXiv "
      "1406.1078",
      attrs, inputs, weights, outputs,
      "{\"attrs\": {\"input_size\": 256, \"hidden_size\": 256}, \"shapes\": {\"x\": [16, 64, "
      "256]}}"},
     build},
    {.build = NULL},
};
