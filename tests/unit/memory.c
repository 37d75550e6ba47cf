// SPDX-License-Identifier: MIT
//
// Memory runs out: a context whose n-th allocation fails (that one, or all from there on), for
// every n until there are no more. Each time it is a clean error, nothing is lost, and what was
// there before still works.
#include "unit.h"

#include "blocks/block.h"
#include "case_io.h"
#include "io/weights.h"
#include "rig.h"

#include <stdio.h>
#include <string.h>

// --- everything, from the context on ---

static vka_result run_case(vka_context *context, const char *path, struct case_outputs *r)
{
    struct vka_case *c = NULL;
    vka_graph *graph = NULL;
    vka_device *device = NULL;
    vka_result result = vka_device_open(context, "cpu", &device);
    if (result == VKA_OK)
        result = vka_case_open(context, path, &c);
    if (result == VKA_OK) {
        case_outputs_make(c, r);
        result = vka_case_build(c, &graph);
    }
    if (result == VKA_OK)
        result = case_run(device, c, graph, NULL, r);
    if (result == VKA_OK) // which a failure may end with that was of memory not strictly needed
        case_assert_right(c, r, 1e-5);
    vka_graph_destroy(graph);
    vka_case_close(c);
    vka_device_close(device);
    return result;
}

static vka_result run_all(struct unit_memory *memory, size_t fail_at, bool on, const char *path,
                          struct case_outputs *r)
{
    vka_context *context = NULL;
    vka_context_params params = {
        .allocator = unit_allocator(memory), .threads = 2, .no_vulkan = true};
    memory->fail_at = fail_at;
    memory->fail_on = on;
    memset(r, 0, sizeof *r);
    vka_result result = vka_context_create(&params, &context);
    if (result == VKA_OK)
        result = run_case(context, path, r);
    vka_context_destroy(context);
    return result;
}

static void check_failure(const char *path, size_t n, vka_result result,
                          const struct unit_memory *memory)
{
    if ((result != VKA_OK && result != VKA_ERROR_OUT_OF_MEMORY) || memory->blocks != 0)
        fail_msg("%s: allocation %zu gave '%s' (%s), %zu blocks left", path, n,
                 vka_result_string(result), vka_last_error(), memory->blocks);
    if (result != VKA_OK)
        unit_assert_error_has("out of host memory");
}

// Returns the number of allocations; `spared` counts those that the work was done without.
static size_t sweep(const char *path, bool on, size_t *spared)
{
    struct unit_memory memory;
    struct case_outputs r;
    for (size_t n = 1;; n++) {
        vka_result result = run_all(&memory, n, on, path, &r);
        case_outputs_free(&r);
        if (memory.asked < n) {
            rig_assert_ok(result);
            assert_int_equal(memory.blocks, 0);
            return memory.asked;
        }
        check_failure(path, n, result, &memory);
        *spared += result == VKA_OK;
    }
}

static void test_blocks(void **state)
{
    (void)state;
    size_t swept = 0, failures = 0, spared = 0;
    for (int i = 0; i < vka_block_count(); i++) {
        char path[1024];
        if (!case_smallest(vka_block_get(i)->id, path, sizeof path))
            continue;
        failures += sweep(path, false, &spared) + sweep(path, true, &spared);
        swept++;
    }
    print_message("(%zu of %d blocks, %zu failures, %zu spared)\n", swept, vka_block_count(),
                  failures, spared);
    assert_true(swept > 10 && spared > 0 && spared < failures / 20);
}

// --- what was there before still works ---

static void test_plans(void **state)
{
    (void)state;
    static const vka_plan_params params[] = {{.profile = true}, {.expand = true}};
    struct rig rig;
    struct vka_case *c;
    vka_graph *graph;
    struct case_outputs r;
    rig_start(&rig);
    rig_assert_ok(vka_case_open(rig.context, VKA_CASES "/mha/f16_bf16.safetensors", &c));
    rig_assert_ok(vka_case_build(c, &graph));
    case_outputs_make(c, &r);
    for (size_t n = 1, p = 0; p < VKA_COUNT(params); n++) {
        size_t before = rig.memory.blocks;
        rig.memory.asked = 0;
        rig.memory.fail_at = n;
        vka_result result = case_run(rig.device, c, graph, &params[p], &r);
        rig.memory.fail_at = 0;
        if (rig.memory.asked < n) {
            rig_assert_ok(result);
            n = 0;
            p++;
            continue;
        }
        assert_true(result == VKA_OK || result == VKA_ERROR_OUT_OF_MEMORY);
        // A converted weight may stay: it belongs to the set, for the next plan.
        assert_true(rig.memory.blocks - before <= c->weights->count);
        rig_assert_ok(case_run(rig.device, c, graph, &params[p], &r));
        case_assert_right(c, &r, 1e-5);
    }
    case_outputs_free(&r);
    vka_graph_destroy(graph);
    vka_case_close(c);
    rig_end(&rig);
}

// A run that fails for want of memory leaves the plan as it was.
static void test_runs(void **state)
{
    (void)state;
    struct rig rig;
    uint16_t x[8] = {0x3c00}, y[8];
    vka_io in[] = {{"x", VKA_F16, x, sizeof x}, {0}}, out[] = {{"y", VKA_F16, y, sizeof y}, {0}};
    rig_start(&rig);
    vka_output(rig.graph, "y",
               vka_affine(rig.graph, rig_input(&rig, "x", VKA_F32, VKA_SHAPE(8)), 2, 0));
    vka_plan *plan = rig_plan(&rig, NULL);
    for (size_t n = 1; n <= 2; n++) {
        rig.memory.asked = 0;
        rig.memory.fail_at = 1;
        assert_int_equal(vka_plan_run(plan, in, out), VKA_ERROR_OUT_OF_MEMORY);
        unit_assert_error_has("out of host memory for input 'x': no ");
        assert_int_equal(vka_plan_wait(plan, out), VKA_ERROR_BUSY);
    }
    rig.memory.fail_at = 0;
    rig_assert_ok(vka_plan_run(plan, in, out));
    assert_int_equal(y[0], 0x4000);
    vka_plan_destroy(plan);
    rig_end(&rig);
}

// --- the graph's own arrays ---

static vka_result build_long(struct rig *rig)
{
    vka_result result = vka_graph_create(rig->context, rig->weights, &rig->graph);
    if (result != VKA_OK)
        return result;
    vka_graph *g = rig->graph;
    vka_tensor x = vka_input(g, "x", VKA_F32, &(vka_shape){2, {4, 4}});
    vka_tensor k = vka_input(g, "k", VKA_I32, &(vka_shape){1, {4}}), parts[30];
    for (int i = 0; i < 30; i++) {
        char name[16];
        parts[i] = vka_affine(g, vka_transpose(g, x, 0, 1), i, 1);
        vka_gather(g, parts[i], k);
        snprintf(name, sizeof name, "y%d", i);
        vka_output(g, name, parts[i]);
    }
    vka_output(g, "all", vka_concat(g, 0, 30, parts));
    vka_constant_scalar(g, 1);
    vka_reshape(g, vka_transpose(g, x, 0, 1), VKA_SHAPE(16));
    return vka_graph_status(g);
}

static void test_graphs(void **state)
{
    (void)state;
    for (int on = 0; on < 2; on++) {
        struct rig rig;
        rig_start(&rig);
        for (size_t n = 1;; n++) {
            vka_graph_destroy(rig.graph);
            rig.graph = NULL;
            size_t before = rig.memory.blocks;
            rig.memory.asked = 0;
            rig.memory.fail_at = n;
            rig.memory.fail_on = on;
            vka_result result = build_long(&rig);
            bool reached = rig.memory.asked >= n;
            rig.memory.fail_at = 0;
            assert_int_equal(result, reached ? VKA_ERROR_OUT_OF_MEMORY : VKA_OK);
            if (!reached)
                break;
            vka_graph_destroy(rig.graph);
            rig.graph = NULL;
            assert_int_equal(rig.memory.blocks, before);
        }
        rig_end(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_plans),
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_graphs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
