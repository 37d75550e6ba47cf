// SPDX-License-Identifier: MIT
//
// The layers of a feedback network: read from the attribute, run forward, and run backward from the
// gradient of what a layer gives to that of what it was given.
#ifndef VKA_BLOCKS_FEEDBACK_H
#define VKA_BLOCKS_FEEDBACK_H

#include "blocks/nn.h"

struct vka_feedback_layer {
    enum { VKA_LAYER_CONV, VKA_LAYER_RELU, VKA_LAYER_MAXPOOL, VKA_LAYER_LINEAR } kind;
    int64_t kernel, stride, padding; // 0: not given
    vka_tensor weight, bias;
    // A convolution backward: its weights by phase of the stride, and how an axis is cut.
    vka_tensor phases;
    struct vka_feedback_axis {
        int64_t stride, taps, phases; // taps of a phase; phases that have any
    } axis[2];
    // Of the round: what goes in, times its gate, and what comes out.
    vka_tensor in, gated, out; // gated: not of a relu
    // 0: all open still. Weights of what goes in, or (keyed) open where it is positive.
    vka_tensor gate;
    bool keyed;
};

// Reads the attribute "layers"; their count, 0 after a failure.
int vka_feedback_layers(struct vka_scope *s, struct vka_feedback_layer **layers);

// act(t through the layer's gate).
vka_tensor vka_feedback_gate(vka_graph *g, const struct vka_feedback_layer *layer, vka_tensor t,
                             int act);
// Sets what the layer gives for `in`, whose gate is applied first; layer `index` of the list.
void vka_feedback_forward(struct vka_scope *s, struct vka_feedback_layer *layer, int index);
// The gradient with respect to `gated`, of `d` with respect to `out`.
vka_tensor vka_feedback_backward(vka_graph *g, const struct vka_feedback_layer *layer,
                                 vka_tensor d);

#endif
