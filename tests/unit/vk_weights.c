// SPDX-License-Identifier: MIT
//
// Weights on the device: through a staging buffer smaller than they are, in chunks, one copy for
// all plans of a weight set.
#include "vk_calls.h"
#include "vk_work.h"

#include "ops/ops.h"
#include "vk/device.h"

#include <string.h>

enum { N = 1500007 }; // elements; in 32 bits no weight fits the staging buffer

static struct work work;
static float x[N], a[N], b[N], y[N];
static vka_weights *weights;
static vka_graph *both, *one; // y = x a + b, y = x a

static vka_graph *make_graph(bool with_b)
{
    vka_graph *g;
    vka_shape shape = vka_shape_make(1, (int64_t[]){N});
    assert_int_equal(vka_graph_create(work.context, weights, &g), VKA_OK);
    vka_tensor in = vka_input(g, "x", VKA_F32, &shape);
    vka_tensor t = vka_mul(g, in, work_weight(g, 0, &shape));
    vka_output(g, "y", with_b ? vka_add(g, t, work_weight(g, 1, &shape)) : t);
    assert_int_equal(vka_graph_status(g), VKA_OK);
    return g;
}

static void start(bool discrete)
{
    vk_calls_begin();
    vk_calls.discrete = discrete;
    assert_int_equal(work_start(&work, true), VKA_OK);
    assert_int_equal(work_open(&work, NULL), VKA_OK);
    vka_shape shape = vka_shape_make(1, (int64_t[]){N});
    for (int i = 0; i < N; i++) {
        x[i] = (float)(i % 13 - 6);
        a[i] = (float)(i % 31 - 15);
        b[i] = (float)(i % 101);
    }
    assert_int_equal(vka_weights_create(work.context, &weights), VKA_OK);
    assert_int_equal(vka_weights_add(weights, "a", VKA_F32, &shape, a), VKA_OK);
    assert_int_equal(vka_weights_add(weights, "b", VKA_F32, &shape, b), VKA_OK);
    both = make_graph(true);
    one = make_graph(false);
}

static void end(void)
{
    assert_true(vka_context_validation_count(work.context) <= 0);
    vka_graph_destroy(both);
    vka_graph_destroy(one);
    vka_weights_destroy(weights);
    assert_true(work_end(&work));
    assert_int_equal(vk_calls.alive, 0);
    assert_int_equal(vk_calls.wrong, 0);
    vk_calls_end();
}

static vka_plan *make_plan(vka_graph *g, vka_dtype dtype)
{
    vka_plan *plan;
    if (vka_plan_create(work.device, g, &(vka_plan_params){.dtype = dtype}, &plan) != VKA_OK)
        fail_msg("%s", vka_last_error());
    return plan;
}

static void expect_run(vka_plan *plan, bool with_b)
{
    vka_io in[] = {{"x", VKA_F32, x, sizeof x}, {0}}, out[] = {{"y", VKA_F32, y, sizeof y}, {0}};
    memset(y, 0, sizeof y);
    assert_int_equal(vka_plan_run(plan, in, out), VKA_OK);
    for (int i = 0; i < N; i++) {
        if (y[i] != x[i] * a[i] + (with_b ? b[i] : 0))
            fail_msg("element %d is %g", i, (double)y[i]);
    }
}

static void run_in(bool discrete, vka_dtype dtype)
{
    start(discrete);
    if (dtype == VKA_F32 || work.device->info.f16) {
        vka_plan *plan = make_plan(both, dtype);
        expect_run(plan, true);
        vka_plan_destroy(plan);
    }
    end();
}

static void test_large(void **state)
{
    (void)state;
    run_in(false, VKA_F32);
    run_in(false, VKA_F16);
    run_in(true, VKA_F32);
    run_in(true, VKA_F16);
}

// Allocations that hold one of the weights, but not both.
static void test_chunks(void **state)
{
    (void)state;
    for (int discrete = 0; discrete < 2; discrete++) {
        start(discrete);
        struct vka_vk_device *d = work.device->impl;
        vka_plan *whole = make_plan(both, VKA_F32);
        unsigned in_one = d->allocations;
        vka_plan_destroy(whole);
        assert_int_equal(d->allocations, 0);
        d->limits.allocation = sizeof a + sizeof a / 2;
        vka_plan *plan = make_plan(both, VKA_F32);
        assert_int_equal(d->allocations, in_one + 1);
        expect_run(plan, true);
        vka_plan_destroy(plan);
        end();
    }
}

// A plan that needs more of the set adds to the copy; precisions have copies of their own.
static void test_growing(void **state)
{
    (void)state;
    start(true);
    struct vka_vk_device *d = work.device->impl;
    vka_plan *less = make_plan(one, VKA_F32);
    struct vka_vk_weights *copy = d->weights;
    vka_plan *more = make_plan(both, VKA_F32);
    assert_ptr_equal(d->weights, copy);
    vka_plan *half = work.device->info.f16 ? make_plan(one, VKA_F16) : NULL;
    assert_true(!half || d->weights != copy);
    expect_run(less, false);
    vka_plan_destroy(less);
    expect_run(more, true);
    if (half)
        expect_run(half, false);
    vka_plan_destroy(more);
    vka_plan_destroy(half);
    assert_null(d->weights);
    assert_int_equal(d->allocations, 0);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_growing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
