// SPDX-License-Identifier: MIT
//
// A small job for tests of the Vulkan side: a graph that uses every kind of memory (input, arena,
// weights, constants, two outputs), with numbers so small that any precision has them exactly.
#ifndef TESTS_VK_WORK_H
#define TESTS_VK_WORK_H

#include "graph/program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
// cmocka.h needs those above it.
#include <cmocka.h>

enum { WORK_SIZE = 1037 }; // elements; prime to most things

struct work {
    vka_context *context;
    vka_device *device;
    vka_weights *weights;
    vka_graph *graph;
    // Host memory, of any thread: what is alive, and the n-th allocation that fails (0: none).
    atomic_int alive;
    atomic_uint allocations;
    unsigned fail_at;
    char log[4096];  // the messages, one a line
    vka_cache cache; // as the context's
    float x[WORK_SIZE], w[WORK_SIZE], y[WORK_SIZE], z[WORK_SIZE];
};

// The context alone. `validation`: see vka_context_params.
vka_result work_start(struct work *work, bool validation);
// The device ("vulkan" where NULL) and the graph; asserts nothing.
vka_result work_open(struct work *work, const char *device);
// One more graph of the same job.
vka_result work_graph(vka_context *context, vka_weights *weights, vka_graph **graph);
// Takes a work that got as far as it got. False: host memory was lost.
bool work_end(struct work *work);

// Weight `source` as a value of a graph.
vka_tensor work_weight(vka_graph *g, int source, const vka_shape *shape);

// Runs the plan and compares the outputs; false where they differ.
vka_result work_run(struct work *work, vka_plan *plan);
bool work_right(const struct work *work);

#endif
