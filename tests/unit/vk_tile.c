// SPDX-License-Identifier: MIT
//
// The tiles of products on GPUs, on a software driver taken for one (VKATTN_LIMITS=gpu): wide ones
// of 256 lanes, which the small cases of tests/ops never get, and narrow ones, by all the ways in
// which operands can lie, against the CPU path.
#include "support/products.h"

#include <string.h>

enum { WIDE = 256, NARROW = 64 };

static struct rig rig;

static void start(void)
{
    unit_setenv("VKATTN_LIMITS", "gpu");
    rig_start_on(&rig, "vulkan");
    unit_setenv("VKATTN_LIMITS", NULL);
}

// The dispatches of this shader have so many lanes a workgroup.
static void check_lanes(const char *shader, uint32_t lanes)
{
    struct vka_program *p;
    int found = 0;
    rig_assert_ok(vka_program_create(rig.graph, &rig.device->limits, VKA_F32, false, &p));
    for (size_t i = 0; i < p->dispatch_count; i++) {
        bool same = strncmp(p->dispatches[i].shader, shader, strlen(shader)) == 0;
        found += same;
        assert_true(!same || p->dispatches[i].constants[0] == lanes);
    }
    assert_int_equal(found, 1);
    vka_program_destroy(p);
}

// The same where floats are stored in 16 bits, if the device does: a rounding of each factor and of
// the result.
static void check_halves(vka_shape x)
{
    const vka_device_info *info = vka_device_of(rig.device);
    if (info->f16)
        assert_true(products_error(&rig, x, VKA_F16) <= 2e-3);
    if (info->bf16)
        assert_true(products_error(&rig, x, VKA_BF16) <= 2e-2);
}

// The output y of an input x of that shape, by tiles of so many lanes.
static void check(const char *shader, uint32_t lanes, vka_shape x, vka_tensor y)
{
    struct vka_limits *l = &rig.device->limits;
    memset(&l->matrix, 0, sizeof l->matrix); // what this test is for comes behind them
    l->busy = lanes == WIDE ? 1 : 1 << 20;
    vka_output(rig.graph, "y", y);
    check_lanes(shader, lanes);
    assert_true(products_error(&rig, x, VKA_F32) <= 1e-5);
    check_halves(x);
    rig_new_graph(&rig);
}

static void product(uint32_t lanes, vka_shape a, bool turn_a, vka_shape b, bool turn_b, bool more)
{
    check("matmul", lanes, a, products_matmul(&rig, a, turn_a, b, turn_b, more));
}

static void test_products(void **state)
{
    (void)state;
    start();
    product(WIDE, VKA_SHAPE(132, 36), false, VKA_SHAPE(36, 140), false, false); // all by fours
    product(WIDE, VKA_SHAPE(36, 132), true, VKA_SHAPE(140, 36), true, true);
    product(WIDE, VKA_SHAPE(2, 36, 132), true, VKA_SHAPE(2, 36, 140), false, false);
    product(WIDE, VKA_SHAPE(131, 37), false, VKA_SHAPE(37, 141), false, true); // none
    product(WIDE, VKA_SHAPE(37, 131), true, VKA_SHAPE(141, 37), true, false);
    product(WIDE, VKA_SHAPE(129, 3), false, VKA_SHAPE(3, 129), false, false); // less than a slice
    product(NARROW, VKA_SHAPE(36, 132), true, VKA_SHAPE(36, 140), false, true);
    rig_end(&rig);
}

static void convolve(vka_shape x, vka_shape weight, int64_t groups, int64_t stride)
{
    check("conv", WIDE, x, products_conv(&rig, x, weight, groups, stride));
}

static void test_conv(void **state)
{
    (void)state;
    start();
    convolve(VKA_SHAPE(2, 8, 13, 11), VKA_SHAPE(72, 8, 3, 3), 1, 1); // weight by fours
    convolve(VKA_SHAPE(1, 10, 19, 23), VKA_SHAPE(140, 5, 3, 3), 2, 2);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_conv),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
