// SPDX-License-Identifier: MIT
//
// Recurrent cells and their layers: what the recurrent blocks share. D directions run side by side,
// the second one from the end to the front: step k of the pair is place k of the one and place
// T - 1 - k of the other.
#ifndef VKA_BLOCKS_RECURRENT_H
#define VKA_BLOCKS_RECURRENT_H

#include "blocks/nn.h"

// Each step is a dispatch, or a row of them, so that their number has to end somewhere.
#define VKA_MAX_STEPS  65536
#define VKA_MAX_LAYERS 1024

struct vka_cell {
    enum vka_cell_kind kind;
    vka_tensor weight_ih;        // [D, G H, I]; G: 4 or 3 gates
    vka_tensor weight_hh;        // [D, G H, Ho]
    vka_tensor bias_ih, bias_hh; // [D, 1, G H], or 0
    vka_tensor weight_hr;        // [D, Ho, H]: LSTM with projection; or 0
};

struct vka_cell_state {
    vka_tensor h, c; // [D, N, Ho], [D, N, H]; c only of an LSTM
};

// What enters the gates besides the state, [D, M, G H], of M rows x [M, I], for any number of
// steps.
vka_tensor vka_cell_inputs(vka_graph *g, const struct vka_cell *cell, vka_tensor x);
// One step; `inputs` [D, N, G H] of it.
struct vka_cell_state vka_cell_step(vka_graph *g, const struct vka_cell *cell, vka_tensor inputs,
                                    struct vka_cell_state state);
// All steps of a layer: x [N, T, I] to the hidden states [N, T, D Ho] of each place. `state` moves
// on to the last one. Where `valid` [N, T] (0: everywhere) is false, the state stays.
vka_tensor vka_cell_run(struct vka_scope *s, const struct vka_cell *cell, vka_tensor x,
                        vka_tensor valid, struct vka_cell_state *state);

// Layers with torch's weights "<prefix>weight_ih_l0", "<prefix>weight_ih_l0_reverse", ...
struct vka_stack {
    enum vka_cell_kind kind;
    const char *prefix; // "encoder.", or ""
    int64_t layers, directions, hidden;
    int64_t proj; // 0: none
    bool bias;
    vka_tensor valid; // [N, T], or 0
    vka_tensor h, c;  // [L D, N, ...]: at the start (0: zeros), then at the end
};
// y [N, T, D Ho], 0 where it isn't valid.
vka_tensor vka_stack_run(struct vka_scope *s, struct vka_stack *p, vka_tensor x);
// Layer `layer` of it, whose input is `width` wide.
struct vka_cell vka_stack_cell(struct vka_scope *s, const struct vka_stack *p, int layer,
                               int64_t width);

// t < lengths[n] as [N, T]; lengths [N] must lie in 1..T. 0 where `lengths` is 0.
vka_tensor vka_valid_steps(struct vka_scope *s, const char *name, vka_tensor lengths, int64_t n,
                           int64_t steps);
// Fails for more steps than can be.
bool vka_steps_fit(struct vka_scope *s, int64_t steps);
vka_tensor vka_zeros(vka_graph *g, vka_shape shape); // a view of one zero
vka_tensor vka_int(vka_graph *g, int64_t value);     // a constant I32
// Each step's tensor [N, ...] as [N, T, ...].
vka_tensor vka_join_steps(struct vka_scope *s, const vka_tensor *step, int64_t steps);

// The rows of the blocks' tables.
#define VKA_CELL_SIZE "1..536870911" // four times it is still a size in 32 bits
#define VKA_STACK_ATTRS                                                                            \
    {"input_size", "int", NULL, ">= 1", "I, the last axis of x"},                                  \
        {"hidden_size", "int", NULL, VKA_CELL_SIZE, "H"},                                          \
        {"num_layers", "int", "1", "1..1024", "L"},                                                \
        {"bidirectional", "bool", "false", "", "a reverse direction in each layer: D = 2"},        \
    {                                                                                              \
        "bias", "bool", "true", "", "both biases or none"                                          \
    }
#define VKA_STACK_PORTS_OF(prefix, suffix, when, rows, out, official)                              \
    {prefix "weight_ih_l{i}" suffix, "[" rows ", I_l]", "f32", when,                               \
     official(prefix "weight_ih_l{i}" suffix)},                                                    \
        {prefix "weight_hh_l{i}" suffix, "[" rows ", " out "]", "f32", when,                       \
         official(prefix "weight_hh_l{i}" suffix)},                                                \
        {prefix "bias_ih_l{i}" suffix, "[" rows "]", "f32", "bias",                                \
         official(prefix "bias_ih_l{i}" suffix)},                                                  \
    {                                                                                              \
        prefix "bias_hh_l{i}" suffix, "[" rows "]", "f32", "bias",                                 \
            official(prefix "bias_hh_l{i}" suffix)                                                 \
    }

#endif
