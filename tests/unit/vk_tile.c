// SPDX-License-Identifier: MIT
//
// The tiles of products on GPUs, on a software driver taken for one (VKATTN_LIMITS=gpu): wide ones
// of 256 lanes, which the small cases of tests/ops never get, and narrow ones, by all the ways in
// which operands can lie, against the CPU path.
#include "support/rig.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 1 << 17, WIDE = 256, NARROW = 64 };

static struct rig rig;
static uint64_t numbers = 1;
static float x[MOST], got[MOST], again[MOST], want[MOST];

static void start(void)
{
    unit_setenv("VKATTN_LIMITS", "gpu");
    rig_start_on(&rig, "vulkan");
    unit_setenv("VKATTN_LIMITS", NULL);
}

static vka_tensor made_up(vka_shape shape)
{
    uint64_t count = 0;
    assert_true(vka_shape_count(&shape, &count));
    float *v = unit_floats(&numbers, (int64_t)count, -1);
    vka_tensor t = vka_constant(rig.graph, VKA_F32, &shape, v);
    free(v);
    return t;
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

static void run(vka_plan *plan, size_t nx, float *y, size_t ny)
{
    rig_assert_ok(rig_run_xy(plan, x, nx, y, ny));
}

static void compare(size_t nx, size_t ny)
{
    vka_plan *plan = rig_plan(&rig, NULL);
    run(plan, nx, got, ny);
    run(plan, nx, again, ny);
    vka_plan_destroy(plan);
    assert_memory_equal(got, again, ny * sizeof *got);
    double most = 0, off = 0;
    for (size_t i = 0; i < ny; i++) {
        most = fmax(most, fabs((double)want[i]));
        assert_true(got[i] == got[i]);
        off = fmax(off, fabs((double)got[i] - (double)want[i]));
    }
    assert_true(most > 0 && off <= 1e-5 * most);
}

static void on_cpu(size_t nx, size_t ny)
{
    vka_device *cpu;
    vka_plan *plan;
    rig_assert_ok(vka_device_open(rig.context, "cpu", &cpu));
    rig_assert_ok(vka_plan_create(cpu, rig.graph, NULL, &plan));
    run(plan, nx, want, ny);
    vka_plan_destroy(plan);
    vka_device_close(cpu);
}

// The output y of an input x of that shape, by tiles of so many lanes.
static void check(const char *shader, uint32_t lanes, vka_shape shape, vka_tensor y)
{
    struct vka_limits *l = &rig.device->limits;
    uint64_t nx = 0, ny = (uint64_t)vka_elements(rig.graph, y);
    assert_true(vka_shape_count(&shape, &nx) && nx <= MOST && ny <= MOST);
    vka_output(rig.graph, "y", y);
    for (uint64_t i = 0; i < nx; i++)
        x[i] = (float)unit_below(&numbers, 2001) / 1000 - 1;
    on_cpu(nx, ny);
    memset(&l->matrix, 0, sizeof l->matrix); // what this test is for comes behind them
    l->busy = lanes == WIDE ? 1 : 1 << 20;
    check_lanes(shader, lanes);
    compare(nx, ny);
    rig_new_graph(&rig);
}

// x is a, as [.., M, K] or, turned, [.., K, M]; b likewise.
static void product(uint32_t lanes, vka_shape a, bool turn_a, vka_shape b, bool turn_b, bool more)
{
    vka_tensor in = rig_input(&rig, "x", VKA_F32, a), w = made_up(b);
    in = turn_a ? vka_transpose(rig.graph, in, -1, -2) : in;
    w = turn_b ? vka_transpose(rig.graph, w, -1, -2) : w;
    struct vka_matmul p = {.alpha = 0.25f};
    if (more) {
        p.bias = made_up(VKA_SHAPE(vka_dim(rig.graph, w, -1)));
        p.residual = made_up(VKA_SHAPE(vka_dim(rig.graph, in, -2), vka_dim(rig.graph, w, -1)));
        p.act.kind = VKA_ACT_RELU;
    }
    check("matmul", lanes, a, vka_matmul(rig.graph, in, w, &p));
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

static void convolve(vka_shape x_shape, vka_shape w_shape, int64_t groups, int64_t stride)
{
    vka_tensor in = rig_input(&rig, "x", VKA_F32, x_shape), w = made_up(w_shape);
    struct vka_conv p = {.groups = groups,
                         .before = {1, 1},
                         .after = {1, 1},
                         .stride = {stride, stride},
                         .bias = made_up(VKA_SHAPE(w_shape.dim[0])),
                         .act = {VKA_ACT_RELU, 0, 0}};
    check("conv", WIDE, x_shape, vka_conv(rig.graph, in, w, &p));
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
