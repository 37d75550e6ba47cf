// SPDX-License-Identifier: MIT
//
// Layers of long short-term memory, with the layout and names of torch.nn.LSTM (batch first).
#include "blocks/recurrent.h"

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor x = vka_in(s, "x");
    if (!vka_expect(s, "x", x, VKA_SHAPE(0, 0, vka_get_int(s, "input_size"))))
        return;
    struct vka_stack p = {.kind = VKA_CELL_LSTM,
                          .prefix = "",
                          .layers = vka_get_int(s, "num_layers"),
                          .directions = vka_get_bool(s, "bidirectional") ? 2 : 1,
                          .hidden = vka_get_int(s, "hidden_size"),
                          .proj = vka_get_int(s, "proj_size"),
                          .bias = vka_get_bool(s, "bias"),
                          .h = vka_in(s, "h0"),
                          .c = vka_in(s, "c0")};
    if (p.proj >= p.hidden)
        vka_scope_fail(s, "attribute 'proj_size' is %lld, but must be less than hidden_size, %lld",
                       (long long)p.proj, (long long)p.hidden);
    if (!p.h != !p.c)
        vka_scope_fail(s, "only one of the inputs 'h0' and 'c0' is there");
    p.valid =
        vka_valid_steps(s, "lengths", vka_in(s, "lengths"), vka_dim(g, x, 0), vka_dim(g, x, 1));
    vka_give(s, "y", vka_stack_run(s, &p, x));
    vka_give(s, "h_n", p.h);
    vka_give(s, "c_n", p.c);
}

static const vka_attr_info attrs[] = {
    VKA_STACK_ATTRS,
    {"proj_size", "int", "0", ">= 0", "P < H: the states h are projected to this width"},
    {0},
};
static const vka_port_info inputs[] = {
    {"x", "[N, T, I]", "f32", "", "sequences"},
    {"h0", "[L*D, N, Ho]", "f32", "optional", "states at the start, with c0; zeros without"},
    {"c0", "[L*D, N, H]", "f32", "optional", "cell states at the start, with h0"},
    {"lengths", "[N]", "i32", "optional", "valid steps of each sequence, 1..T"},
    {0},
};
static const vka_weight_info weights[] = {
    VKA_STACK_PORTS_OF("", "", "", "4H", "Ho", VKA_SAME),
    {"weight_hr_l{i}", "[P, H]", "f32", "proj_size", "weight_hr_l{i}"},
    VKA_STACK_PORTS_OF("", "_reverse", "bidirectional", "4H", "Ho", VKA_SAME),
    {"weight_hr_l{i}_reverse", "[P, H]", "f32", "proj_size", "weight_hr_l{i}_reverse"},
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, T, D*Ho]", "f32", "", "the last layer's states h; 0 past a sequence's length"},
    {"h_n", "[L*D, N, Ho]", "f32", "", "last states; row l*D + direction"},
    {"c_n", "[L*D, N, H]", "f32", "", "last cell states"},
    {0},
};

const struct vka_block_row vka_block_rows_lstm[] = {
    {{"lstm", "Long short-term memory layers, one or both directions, with projection",
      "Hochreiter, Schmidhuber: Long Short-Term Memory, Neural Computation 1997; Sak et al., "
      "arXiv 1402.1128",
      attrs, inputs, weights, outputs,
      "{\"attrs\": {\"input_size\": 256, \"hidden_size\": 256}, \"shapes\": {\"x\": [16, 64, "
      "256]}}"},
     build},
    {.build = NULL},
};
