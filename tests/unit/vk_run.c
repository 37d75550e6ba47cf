// SPDX-License-Identifier: MIT
//
// Plans on a Vulkan device: right bytes on every kind of memory, replays, shared weights, limits,
// and the validation layer: silent, but not when a barrier is taken out.
#include "unit.h"
#include "vk_calls.h"
#include "vk_work.h"

#include "vk/device.h"

#include <pthread.h>
#include <string.h>

static struct work work;

static void start(bool validation)
{
    assert_int_equal(work_start(&work, validation), VKA_OK);
    vka_result result = work_open(&work, NULL);
    if (result != VKA_OK)
        fail_msg("%s", vka_last_error());
}

static vka_plan *make_plan(const vka_plan_params *params)
{
    vka_plan *plan;
    if (vka_plan_create(work.device, work.graph, params, &plan) != VKA_OK)
        fail_msg("%s", vka_last_error());
    return plan;
}

static void expect_run(vka_plan *plan)
{
    if (work_run(&work, plan) != VKA_OK)
        fail_msg("%s", vka_last_error());
    assert_true(work_right(&work));
}

// --- bytes ---

static void test_right_and_valid(void **state)
{
    (void)state;
    start(true);
    vka_plan *plan = make_plan(NULL);
    for (int i = 0; i < 3; i++)
        expect_run(plan);
    vka_plan_destroy(plan);
    int count = vka_context_validation_count(work.context);
    if (count < 0)
        print_message("(without the validation layer: it isn't installed)\n");
    if (count > 0)
        fail_msg("%s", work.log);
    assert_true(work_end(&work));
}

// Each workgroup a submission of its own.
static void test_split(void **state)
{
    (void)state;
    vk_calls_begin();
    start(true);
    ((struct vka_vk_device *)work.device->impl)->submission_budget = 1;
    vka_plan *plan = make_plan(&(vka_plan_params){.profile = true});
    unsigned before = vk_calls.count[CALL_vkQueueSubmit];
    for (int i = 0; i < 3; i++)
        expect_run(plan);
    uint32_t dispatches = vka_plan_report(plan)->dispatches;
    assert_true(dispatches > 1);
    assert_true(vk_calls.count[CALL_vkQueueSubmit] - before > 3 * dispatches);
    vka_plan_destroy(plan);
    if (vka_context_validation_count(work.context) > 0)
        fail_msg("%s", work.log);
    assert_true(work_end(&work));
    vk_calls_end();
}

static void test_f16(void **state)
{
    (void)state;
    start(true);
    vka_plan *plan;
    vka_plan_params params = {.dtype = VKA_F16};
    if (!work.device->info.f16) {
        assert_int_equal(vka_plan_create(work.device, work.graph, &params, &plan),
                         VKA_ERROR_UNSUPPORTED);
    } else {
        plan = make_plan(&params);
        expect_run(plan);
        vka_plan_destroy(plan);
        assert_true(vka_context_validation_count(work.context) <= 0);
    }
    assert_true(work_end(&work));
}

// A run may submit and wait, nothing else: no memory, no descriptor, no pipeline, no recording.
static void test_replays(void **state)
{
    (void)state;
    vk_calls_begin();
    start(false);
    vka_plan *plan = make_plan(NULL);
    expect_run(plan);
    struct vk_calls before = vk_calls;
    unsigned allocations = work.allocations;
    for (int i = 0; i < 25; i++)
        expect_run(plan);
    for (int call = 0; call < CALL_COUNT; call++) {
        unsigned more = vk_calls.count[call] - before.count[call];
        bool once = call == CALL_vkQueueSubmit || call == CALL_vkWaitForFences ||
                    call == CALL_vkResetFences;
        bool upkeep =
            call == CALL_vkFlushMappedMemoryRanges || call == CALL_vkInvalidateMappedMemoryRanges;
        assert_true(more == (once ? 25 : 0) || (upkeep && more == 25));
    }
    assert_int_equal(work.allocations, allocations);
    vka_plan_destroy(plan);
    assert_true(work_end(&work));
    assert_int_equal(vk_calls.alive, 0);
    vk_calls_end();
}

static void test_discrete(void **state)
{
    (void)state;
    for (int window = 0; window < 2; window++) {
        vk_calls_begin();
        vk_calls.discrete = true;
        vk_calls.window = window;
        start(true);
        vka_plan *plan = make_plan(NULL);
        unsigned copies = vk_calls.count[CALL_vkCmdCopyBuffer];
        // Weights and constants once; the inputs where there is no window; the outputs.
        assert_int_equal(copies, window ? 3 : 4);
        for (int i = 0; i < 5; i++)
            expect_run(plan);
        assert_int_equal(vk_calls.count[CALL_vkInvalidateMappedMemoryRanges], 5);
        assert_int_equal(vk_calls.count[CALL_vkFlushMappedMemoryRanges], window ? 5 : 0);
        assert_int_equal(vk_calls.count[CALL_vkCmdCopyBuffer], copies);
        assert_int_equal(vk_calls.wrong, 0);
        vka_plan_destroy(plan);
        assert_true(vka_context_validation_count(work.context) <= 0);
        assert_true(work_end(&work));
        assert_int_equal(vk_calls.alive, 0);
        vk_calls_end();
    }
}

static void test_shared_weights(void **state)
{
    (void)state;
    vk_calls_begin();
    start(false);
    vka_plan *first = make_plan(NULL);
    unsigned one = vk_calls.count[CALL_vkCreateBuffer];
    int pipelines = (int)vk_calls.count[CALL_vkCreateComputePipelines];
    vka_plan *second = make_plan(NULL);
    assert_int_equal(vk_calls.count[CALL_vkCreateBuffer], 2 * one - 1);
    assert_int_equal(vk_calls.count[CALL_vkCreateComputePipelines], pipelines);
    vka_plan_destroy(first);
    expect_run(second);
    int alive = vk_calls.alive;
    vka_plan_destroy(second);
    assert_true(vk_calls.alive < alive);
    assert_null(((struct vka_vk_device *)work.device->impl)->weights);
    assert_true(work_end(&work));
    assert_int_equal(vk_calls.alive, 0);
    vk_calls_end();
}

static void test_profile(void **state)
{
    (void)state;
    start(true);
    vka_plan *plan = make_plan(&(vka_plan_params){.profile = true});
    expect_run(plan);
    const vka_report *report = vka_plan_report(plan);
    double sum = 0;
    for (size_t i = 0; i < report->step_count; i++) {
        assert_true(report->steps[i].ms >= 0);
        sum += report->steps[i].ms;
    }
    assert_true(report->ms > 0 && sum <= report->ms * 1.0001);
    vka_plan_destroy(plan);
    assert_true(vka_context_validation_count(work.context) <= 0);
    assert_true(work_end(&work));
}

// --- threads ---

struct runner {
    pthread_t thread;
    vka_plan *plan;
    struct work data;
    bool right;
};

static void *run_often(void *arg)
{
    struct runner *r = arg;
    r->right = true;
    for (int i = 0; i < 100 && r->right; i++)
        r->right = work_run(&r->data, r->plan) == VKA_OK && work_right(&r->data);
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    static struct runner runners[3];
    start(true);
    for (int i = 0; i < 3; i++) {
        runners[i].plan = make_plan(NULL);
        memcpy(runners[i].data.x, work.x, sizeof work.x);
        memcpy(runners[i].data.w, work.w, sizeof work.w);
        assert_int_equal(pthread_create(&runners[i].thread, NULL, run_often, &runners[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(runners[i].thread, NULL);
        assert_true(runners[i].right);
        vka_plan_destroy(runners[i].plan);
    }
    assert_true(vka_context_validation_count(work.context) <= 0);
    assert_true(work_end(&work));
}

// --- programs changed by hand ---

static struct vka_program *make_program(void)
{
    struct vka_program *program;
    if (vka_program_create(work.graph, &work.device->limits, VKA_F32, false, &program) != VKA_OK)
        fail_msg("%s", vka_last_error());
    return program;
}

static vka_result create_and_run(struct vka_program *program)
{
    void *plan;
    vka_result result = vka_vk_executor.create(work.device, program, false, &plan);
    if (result != VKA_OK)
        return result;
    memset(vka_vk_executor.input(plan, 0), 0, sizeof work.x);
    result = vka_vk_executor.submit(plan);
    if (result == VKA_OK)
        result = vka_vk_executor.wait(plan);
    vka_vk_executor.destroy(plan);
    return result;
}

// The control: the layer's silence elsewhere proves something, because here it speaks.
static void test_missing_barrier(void **state)
{
    (void)state;
    start(true);
    if (vka_context_validation_count(work.context) < 0) {
        work_end(&work);
        unit_skip("the validation layer isn't installed");
    }
    struct vka_program *program = make_program();
    assert_int_equal(create_and_run(program), VKA_OK);
    assert_int_equal(vka_context_validation_count(work.context), 0);
    int barriers = 0;
    for (size_t i = 0; i < program->dispatch_count; i++) {
        barriers += program->dispatches[i].barrier_before;
        program->dispatches[i].barrier_before = false;
    }
    assert_true(barriers > 0);
    assert_int_equal(create_and_run(program), VKA_OK);
    assert_true(vka_context_validation_count(work.context) > 0);
    assert_non_null(strstr(work.log, "HAZARD"));
    vka_program_destroy(program);
    assert_true(work_end(&work));
}

// The program is wrong in one way; `said` is part of the error, `result` its kind.
static void expect_error(struct vka_program *program, vka_result result, const char *said)
{
    int before = work.alive;
    assert_int_equal(create_and_run(program), result);
    if (!strstr(vka_last_error(), said))
        fail_msg("'%s' isn't in: %s", said, vka_last_error());
    assert_int_equal(work.alive, before);
    vka_program_destroy(program);
}

static void test_limits(void **state)
{
    (void)state;
    start(true);
    const struct vka_limits *l = &work.device->limits;
    struct vka_program *p = make_program(); // warms up what the device keeps
    assert_int_equal(create_and_run(p), VKA_OK);
    vka_program_destroy(p);

    p = make_program();
    p->dispatches[1].constants[0] = l->max_invocations + 1;
    expect_error(p, VKA_ERROR_UNSUPPORTED, "workgroup of");
    p = make_program();
    p->dispatches[1].constants[2] = l->max_group_size[2] + 1;
    expect_error(p, VKA_ERROR_UNSUPPORTED, "workgroup of");
    p = make_program();
    p->dispatches[1].groups[1] = (uint64_t)l->max_group_count[1] + 1;
    expect_error(p, VKA_ERROR_UNSUPPORTED, "workgroups, the device's limit is");
    p = make_program();
    p->dispatches[1].groups[0] = UINT64_C(1) << 32;
    expect_error(p, VKA_ERROR_UNSUPPORTED, "4294967296 x 1 x 1 workgroups");
    p = make_program();
    p->dispatches[0].shader = "no_such_module";
    expect_error(p, VKA_ERROR_UNSUPPORTED, "no_such_module");
    p = make_program();
    p->slabs[0] = l->allocation + 1;
    expect_error(p, VKA_ERROR_OUT_OF_DEVICE_MEMORY, "in one allocation, the device's limit is");
    p = make_program();
    p->dispatches[0].bindings[0].end += 8;
    expect_error(p, VKA_ERROR_INVALID, "binding 0 is bytes");
    p = make_program();
    p->dispatches[0].bindings[0].begin = 4;
    expect_error(p, VKA_ERROR_INVALID, "not a multiple of");
    vka_tensor base = (p = make_program())->dispatches[0].bindings[0].base;
    p->places[base].bytes = l->storage_range + 64;
    p->dispatches[0].bindings[0].end = l->storage_range + 64;
    expect_error(p, VKA_ERROR_UNSUPPORTED, "needs a binding of");
    assert_true(vka_context_validation_count(work.context) <= 0);
    assert_true(work_end(&work));
}

static void test_allocation_count(void **state)
{
    (void)state;
    vk_calls_begin();
    vk_calls.discrete = true; // three kinds of memory, a block of each
    vk_calls.max_allocations = 2;
    start(false);
    expect_error(make_program(), VKA_ERROR_OUT_OF_DEVICE_MEMORY,
                 "would be allocation 3, the device's limit is 2");
    assert_true(work_end(&work));
    assert_int_equal(vk_calls.alive, 0);
    vk_calls_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right_and_valid),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_f16),
        cmocka_unit_test(test_replays),
        cmocka_unit_test(test_discrete),
        cmocka_unit_test(test_shared_weights),
        cmocka_unit_test(test_profile),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_missing_barrier),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_allocation_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
