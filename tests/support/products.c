// SPDX-License-Identifier: MIT
#include "support/products.h"

#include <math.h>
#include <string.h>

enum { MOST = 1 << 17 };

float *products_fill(vka_shape shape, uint32_t seed)
{
    uint64_t count = 0;
    assert_true(vka_shape_count(&shape, &count));
    float *v = test_malloc(count * sizeof *v);
    for (uint64_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        v[i] = (float)((int)(seed >> 20) - 2048) / 2048;
    }
    return v;
}

vka_tensor products_constant(struct rig *rig, vka_shape shape, uint32_t seed)
{
    float *v = products_fill(shape, seed);
    vka_tensor t = vka_constant(rig->graph, VKA_F32, &shape, v);
    test_free(v);
    return t;
}

vka_tensor products_matmul(struct rig *rig, vka_shape a, bool turn_a, vka_shape b, bool turn_b,
                           bool more)
{
    vka_tensor x = rig_input(rig, "x", VKA_F32, a), w = products_constant(rig, b, 3);
    x = turn_a ? vka_transpose(rig->graph, x, -1, -2) : x;
    w = turn_b ? vka_transpose(rig->graph, w, -1, -2) : w;
    struct vka_matmul p = {.alpha = 0.25f};
    if (more) {
        int64_t rows = vka_dim(rig->graph, x, -2), columns = vka_dim(rig->graph, w, -1);
        p.bias = products_constant(rig, VKA_SHAPE(columns), 11);
        p.residual = products_constant(rig, VKA_SHAPE(rows, columns), 13);
        p.act.kind = VKA_ACT_RELU;
    }
    return vka_matmul(rig->graph, x, w, &p);
}

vka_tensor products_conv(struct rig *rig, vka_shape x, vka_shape weight, int64_t groups,
                         int64_t stride)
{
    vka_tensor in = rig_input(rig, "x", VKA_F32, x), w = products_constant(rig, weight, 4);
    struct vka_conv p = {.groups = groups,
                         .before = {1, 1},
                         .after = {1, 1},
                         .stride = {stride, stride},
                         .bias = products_constant(rig, VKA_SHAPE(weight.dim[0]), 8),
                         .act = {VKA_ACT_RELU, 0, 0}};
    return vka_conv(rig->graph, in, w, &p);
}

static void run_on_cpu(struct rig *rig, const float *x, size_t nx, float *y, size_t ny)
{
    vka_device *cpu;
    vka_plan *plan;
    rig_assert_ok(vka_device_open(rig->context, "cpu", &cpu));
    rig_assert_ok(vka_plan_create(cpu, rig->graph, NULL, &plan));
    rig_assert_ok(rig_run_xy(plan, x, nx, y, ny));
    vka_plan_destroy(plan);
    vka_device_close(cpu);
}

double products_error(struct rig *rig, vka_shape shape, vka_dtype dtype)
{
    static float got[MOST], again[MOST], want[MOST];
    uint64_t nx = 0, ny = (uint64_t)vka_elements(rig->graph, rig->graph->outputs[0].tensor);
    assert_true(vka_shape_count(&shape, &nx) && ny <= MOST);
    float *x = products_fill(shape, 7);
    run_on_cpu(rig, x, (size_t)nx, want, (size_t)ny);
    vka_plan *plan = rig_plan(rig, &(vka_plan_params){.dtype = dtype});
    rig_assert_ok(rig_run_xy(plan, x, (size_t)nx, got, (size_t)ny));
    rig_assert_ok(rig_run_xy(plan, x, (size_t)nx, again, (size_t)ny));
    vka_plan_destroy(plan);
    test_free(x);
    assert_memory_equal(got, again, (size_t)ny * sizeof *got);
    double most = 0, off = 0;
    for (uint64_t i = 0; i < ny; i++) {
        most = fmax(most, fabs((double)want[i]));
        assert_true(got[i] == got[i]);
        off = fmax(off, fabs((double)got[i] - (double)want[i]));
    }
    assert_true(most > 0);
    return off / most;
}
