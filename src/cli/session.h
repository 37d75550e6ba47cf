// SPDX-License-Identifier: MIT
//
// A model with its weights on a device, run once on given inputs: what `run` and `see` share.
#ifndef VKA_CLI_SESSION_H
#define VKA_CLI_SESSION_H

#include "cli/data.h"

struct session {
    vka_context *context;
    vka_device *device;
    vka_model *model;
    vka_weights *weights;
    vka_graph *graph;
    vka_plan *plan;
    struct cli_tensor *inputs;
    size_t input_count;
    int code; // the exit code once something has failed
};

// Opens device, model and weights (NULL: none). False after a message.
bool session_open(struct session *s, const char *select, const char *model, const char *weights);
void session_close(struct session *s);

// Adds an input; its data belongs to the session from now on.
bool session_add(struct session *s, struct cli_tensor *tensor);
// Builds and plans for the added inputs; `outputs` as vka_model_build takes them.
bool session_plan(struct session *s, const char *const *outputs, bool profile);
// Runs; makes the tensors named by `outputs` (count of them), to be freed by the caller.
bool session_run(struct session *s, const char *const *outputs, size_t count,
                 struct cli_tensor *tensors);

#endif
