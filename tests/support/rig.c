// SPDX-License-Identifier: MIT
#include "rig.h"

#include "io/weights.h"

#include <string.h>

static void show_validation(void *user, vka_log_level level, const char *message)
{
    (void)user, (void)level;
    if (strncmp(message, "validation", 10) == 0)
        print_error("%s\n", message);
}

void rig_start_on(struct rig *rig, const char *select)
{
    memset(rig, 0, sizeof *rig);
    vka_context_params params = {.allocator = unit_allocator(&rig->memory),
                                 .log = show_validation,
                                 .threads = 1,
                                 .no_vulkan = strcmp(select, "cpu") == 0,
                                 .validation = true};
    rig_assert_ok(vka_context_create(&params, &rig->context));
    rig_assert_ok(vka_device_open(rig->context, select, &rig->device));
    rig_assert_ok(vka_weights_create(rig->context, &rig->weights));
    rig_assert_ok(vka_graph_create(rig->context, NULL, &rig->graph));
}

void rig_start(struct rig *rig)
{
    rig_start_on(rig, "cpu");
}

void rig_end(struct rig *rig)
{
    vka_graph_destroy(rig->graph);
    vka_weights_destroy(rig->weights);
    vka_device_close(rig->device);
    assert_true(vka_context_validation_count(rig->context) <= 0);
    vka_context_destroy(rig->context);
    assert_int_equal(rig->memory.blocks, 0);
}

int rig_setup(void **state)
{
    rig_start(*state);
    return 0;
}

int rig_teardown(void **state)
{
    rig_end(*state);
    return 0;
}

void rig_new_graph(struct rig *rig)
{
    vka_graph_destroy(rig->graph);
    rig_assert_ok(vka_graph_create(rig->context, rig->weights, &rig->graph));
}

vka_tensor rig_input(struct rig *rig, const char *name, vka_dtype dtype, vka_shape shape)
{
    return vka_input(rig->graph, name, dtype, &shape);
}

vka_plan *rig_plan(struct rig *rig, const vka_plan_params *params)
{
    vka_plan *plan;
    rig_assert_ok(vka_plan_create(rig->device, rig->graph, params, &plan));
    return plan;
}

void rig_ok(vka_result result, const char *file, int line)
{
    if (result == VKA_OK)
        return;
    print_error("%s: %s\n", vka_result_string(result), vka_last_error());
    _fail(file, line);
}

void rig_failed(const vka_graph *g, const char *a, const char *b, const char *file, int line)
{
    if (vka_graph_status(g) == VKA_OK) {
        print_error("the graph hasn't failed; expected: %s\n", a);
        _fail(file, line);
    }
    unit_error_has(a, file, line);
    if (b)
        unit_error_has(b, file, line);
}

void rig_add_weight(struct rig *rig, const char *name, vka_shape shape, const float *data)
{
    rig_assert_ok(vka_weights_add(rig->weights, name, VKA_F32, &shape, data));
}

vka_tensor rig_weight(struct rig *rig, const char *name)
{
    vka_graph *g = rig->graph;
    int index = vka_weights_index(rig->weights, name);
    assert_true(index >= 0);
    if (g->weight_value[index])
        return g->weight_value[index];
    vka_tensor t = vka_new_value(g, VKA_F32, &rig->weights->entries[index].shape);
    assert_true(t > 0);
    g->values[t].store = VKA_STORE_WEIGHT;
    g->values[t].source = index;
    return g->weight_value[index] = t;
}

struct vka_limits rig_least_limits(void)
{
    return (struct vka_limits){.max_invocations = 128,
                               .max_group_size = {128, 128, 64},
                               .max_group_count = {65535, 65535, 65535},
                               .shared_bytes = 16384,
                               .push_bytes = 128,
                               .storage_buffers = 4,
                               .storage_range = 128u << 20,
                               .allocation = 1u << 30,
                               .offset_alignment = 256,
                               .subgroup_size = 1,
                               .max_turns = UINT32_MAX};
}

struct vka_limits rig_large_limits(bool is_cpu)
{
    struct vka_limits l = rig_least_limits();
    l.max_invocations = l.max_group_size[0] = l.max_group_size[1] = 1024;
    l.shared_bytes = 32768;
    l.push_bytes = 256;
    l.storage_buffers = 32;
    l.storage_range = l.allocation = UINT64_C(1) << 31;
    l.subgroup_size = is_cpu ? 8 : 32;
    l.subgroup_arithmetic = true;
    l.f16_storage = true;
    l.is_cpu = is_cpu;
    l.max_turns = is_cpu ? VKA_MOST_TURNS : UINT32_MAX;
    return l;
}

vka_result rig_run_xy(vka_plan *plan, const float *x, size_t nx, float *y, size_t ny)
{
    vka_io in[] = {{"x", VKA_F32, (void *)(uintptr_t)x, nx * sizeof *x}, {0}};
    vka_io out[] = {{"y", VKA_F32, y, ny * sizeof *y}, {0}};
    return vka_plan_run(plan, in, out);
}
