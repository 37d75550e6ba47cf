// SPDX-License-Identifier: MIT
//
// What tests of graphs, programs and plans stand on: a context whose allocator counts, a device, a
// weight set and a graph, with short ways to fill, run and compare.
#ifndef VKA_TESTS_RIG_H
#define VKA_TESTS_RIG_H

#include "unit.h"

#include "graph/program.h"
#include "ops/ops.h"

struct rig {
    struct unit_memory memory;
    vka_context *context;
    vka_device *device;
    vka_weights *weights;
    vka_graph *graph;
};

// One thread and the CPU path alone; asserts that it works. The first graph is without weights,
// so that some can be added.
void rig_start(struct rig *rig);
// On a device of any kind, with validation.
void rig_start_on(struct rig *rig, const char *select);
// Takes what there is, and asserts that no memory was lost.
void rig_end(struct rig *rig);
// A test on a rig of its own: as `state`, too.
#define RIG_TEST(test, rig)                                                                        \
    cmocka_unit_test_prestate_setup_teardown(test, rig_setup, rig_teardown, rig)
int rig_setup(void **state);
int rig_teardown(void **state);
// A new graph in place of the old one, over the same weights.
void rig_new_graph(struct rig *rig);

// An input of the graph, the shape by value.
vka_tensor rig_input(struct rig *rig, const char *name, vka_dtype dtype, vka_shape shape);

// A plan of the rig's graph; asserts that it can be made.
vka_plan *rig_plan(struct rig *rig, const vka_plan_params *params);
// Asserts success, and shows the error otherwise.
#define rig_assert_ok(result) rig_ok(result, __FILE__, __LINE__)
void rig_ok(vka_result result, const char *file, int line);

// The graph has failed, and the message has the texts (NULL for none).
#define rig_assert_failed(g, a, b) rig_failed(g, a, b, __FILE__, __LINE__)
void rig_failed(const vka_graph *g, const char *a, const char *b, const char *file, int line);

// A weight of F32 in the set (the data must stay), for graphs to come; and its value in the graph.
void rig_add_weight(struct rig *rig, const char *name, vka_shape shape, const float *data);
vka_tensor rig_weight(struct rig *rig, const char *name);

// The least that Vulkan 1.1 promises.
struct vka_limits rig_least_limits(void);
// What a discrete GPU has, or a driver that is a program.
struct vka_limits rig_large_limits(bool is_cpu);

// The only input "x" and output "y" of F32.
vka_result rig_run_xy(vka_plan *plan, const float *x, size_t nx, float *y, size_t ny);

#endif
