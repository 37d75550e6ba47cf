// SPDX-License-Identifier: MIT
//
// The network of the samples: spotlight.json and spotlight.safetensors, made ready for a device.
#ifndef SPOTLIGHT_NETWORK_H
#define SPOTLIGHT_NETWORK_H

#include <vkattn/vkattn.h>

struct network {
    vka_model *model;
    vka_weights *weights;
};

// From the folder that the environment variable SPOTLIGHT_DIR names, else from the source tree.
vka_result network_open(vka_context *context, struct network *n);
void network_close(struct network *n);

// A plan for pictures of one size. `outputs`: names of the model's outputs, ended by NULL; `shapes`
// tells their shapes.
vka_result network_plan(const struct network *n, vka_device *device, int width, int height,
                        const char *const *outputs, vka_shape *shapes, vka_plan **plan);

#endif
