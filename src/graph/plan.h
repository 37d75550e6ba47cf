// SPDX-License-Identifier: MIT
//
// A plan from inside, for the files that implement its calls.
#ifndef VKA_GRAPH_PLAN_H
#define VKA_GRAPH_PLAN_H

#include "graph/program.h"

struct vka_plan {
    vka_context *context;
    vka_device *device;
    struct vka_program *program;
    void *impl;
    bool *given;     // by input: set while a run's inputs come in
    bool *bound_out; // by output: the caller's memory is in its place
    void **mapped;   // by input, then by output: the plan's own memory, once it was asked for
    bool *outside;   // by input, then by output: it is in a buffer of the application's
    bool in_flight;
    bool profile;
    vka_report report;
    vka_report_step *steps;
    double *node_ms;
};

// The index of the input (output) of that name; -1: none.
int vka_find_end(const struct vka_endpoint *ends, size_t count, const char *name);

// The same among the inputs, then among the outputs that the graph was given, by one number: the
// outputs' go on behind the inputs'.
bool vka_find_input_or_output(const struct vka_program *p, const char *name, size_t *end);

// That one by its number.
const struct vka_endpoint *vka_end_of(const struct vka_program *p, size_t end);

// Takes the inputs and submits by `submit`, which is the executor's or one that knows more.
vka_result vka_plan_submit_by(vka_plan *plan, const vka_io *inputs,
                              vka_result (*submit)(void *impl, const void *arg), const void *arg);

#endif
