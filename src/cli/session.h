// SPDX-License-Identifier: MIT
//
// A model with its weights on a device, run on given inputs: what `run` and `see` share.
#ifndef VKA_CLI_SESSION_H
#define VKA_CLI_SESSION_H

#include "cli/data.h"

// A plan for inputs of certain shapes.
struct session_plan {
    vka_graph *graph;
    vka_plan *plan;
    vka_shape *shapes; // of the inputs, in the session's order
};

enum { PLANS_KEPT = 4 }; // pictures upright and across, and some

struct session {
    vka_context *context;
    vka_device *device;
    vka_model *model;
    vka_weights *weights;
    struct session_plan plans[PLANS_KEPT]; // the one in use first, then by their last use
    vka_graph *graph;                      // of the one in use
    vka_plan *plan;
    struct cli_tensor *inputs;
    size_t input_count;
    int code;  // the exit code once something has failed
    bool lost; // the device is: nothing will run any more
};

// Opens device, model and weights (NULL: none). False after a message.
// `official`: the weights have their official names.
bool session_open(struct session *s, const char *select, const char *model, const char *weights,
                  bool official);
void session_close(struct session *s);

// Adds an input; its data belongs to the session from now on.
bool session_add(struct session *s, struct cli_tensor *tensor);
// Drops the inputs, for those of another run.
void session_clear(struct session *s);
// Builds and plans for the added inputs; `outputs` as vka_model_build takes them. A plan that was
// made for inputs of the same names and shapes is taken again: call it with the same outputs.
bool session_plan(struct session *s, const char *const *outputs, bool profile);
// Runs; makes the tensors named by `outputs` (count of them), to be freed by the caller.
bool session_run(struct session *s, const char *const *outputs, size_t count,
                 struct cli_tensor *tensors);

#endif
