// SPDX-License-Identifier: MIT
//
// Cooperative matrices on a device that has them, a software driver taken for a GPU (VKATTN_LIMITS=
// gpu) among them: products, attention and convolutions of sizes that leave rests along every side,
// by all the ways in which their operands can lie, against the CPU path. Where there are none the
// same cases go the other way; in f32 where a device has no f16.
#include "support/rig.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 1 << 16 };

static struct rig rig;
static bool has_matrices, has_f16;
static const char *variant; // that is expected where there are matrices

static void start(void)
{
    bool before = getenv("VKATTN_LIMITS") != NULL;
    if (!before)
        unit_setenv("VKATTN_LIMITS", "gpu");
    rig_start_on(&rig, "vulkan");
    if (!before)
        unit_setenv("VKATTN_LIMITS", NULL);
    const struct vka_limits *l = &rig.device->limits;
    has_matrices = l->matrix.m > 0;
    variant = "matrix";
    has_f16 = l->f16_storage;
    print_message("(fragments of %u x %u x %u, subgroups of %u%s)\n", l->matrix.m, l->matrix.n,
                  l->matrix.k, l->matrix.subgroup, l->matrix2 ? ", with reductions" : "");
}

static float *fill(vka_shape shape, uint32_t seed)
{
    uint64_t count = 0;
    assert_true(vka_shape_count(&shape, &count));
    float *v = test_malloc(count * sizeof *v);
    for (uint64_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        v[i] = (float)((int)(seed >> 20) - 2048) / 2048; // exact in f16, too
    }
    return v;
}

static vka_tensor made_up(vka_shape shape, uint32_t seed)
{
    float *v = fill(shape, seed);
    vka_tensor t = vka_constant(rig.graph, VKA_F32, &shape, v);
    test_free(v);
    return t;
}

// A step of this op runs on cooperative matrices, or none where the device hasn't got them.
static void check_variant(const char *op)
{
    struct vka_program *p;
    bool found = false;
    rig_assert_ok(
        vka_program_create(rig.graph, &rig.device->limits, has_f16 ? VKA_F16 : VKA_F32, false, &p));
    for (size_t i = 0; i < p->g->node_count; i++) {
        bool matrix = strcmp(p->g->nodes[i].variant->name, variant) == 0;
        found |= matrix && strcmp(p->g->nodes[i].op->name, op) == 0;
    }
    assert_int_equal(found, has_matrices);
    vka_program_destroy(p);
}

// The output y of x: in f16, if it can, on the device, in f32 on the CPU.
static void check(const char *op, vka_shape shape, vka_tensor y)
{
    static float got[MOST], again[MOST], want[MOST];
    uint64_t nx = 0, ny = (uint64_t)vka_elements(rig.graph, y);
    assert_true(vka_shape_count(&shape, &nx) && ny <= MOST);
    vka_output(rig.graph, "y", y);
    check_variant(op);
    float *x = fill(shape, 7);
    vka_device *cpu;
    vka_plan *plan;
    rig_assert_ok(vka_device_open(rig.context, "cpu", &cpu));
    rig_assert_ok(vka_plan_create(cpu, rig.graph, NULL, &plan));
    rig_assert_ok(rig_run_xy(plan, x, (size_t)nx, want, (size_t)ny));
    vka_plan_destroy(plan);
    vka_device_close(cpu);

    plan = rig_plan(&rig, &(vka_plan_params){.dtype = has_f16 ? VKA_F16 : VKA_F32});
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
    assert_true(most > 0 && off <= 2e-3 * most);
    rig_new_graph(&rig);
}

// x is a, as [.., M, K] or, turned, [.., K, M]; b likewise.
static void product(vka_shape a, bool turn_a, vka_shape b, bool turn_b, bool more)
{
    vka_tensor x = rig_input(&rig, "x", VKA_F32, a), w = made_up(b, 3);
    x = turn_a ? vka_transpose(rig.graph, x, -1, -2) : x;
    w = turn_b ? vka_transpose(rig.graph, w, -1, -2) : w;
    struct vka_matmul p = {.alpha = 0.25f};
    if (more) {
        p.bias = made_up(VKA_SHAPE(vka_dim(rig.graph, w, -1)), 11);
        p.residual = made_up(VKA_SHAPE(vka_dim(rig.graph, x, -2), vka_dim(rig.graph, w, -1)), 13);
        p.act.kind = VKA_ACT_RELU;
    }
    check("matmul", a, vka_matmul(rig.graph, x, w, &p));
}

static void test_products(void **state)
{
    (void)state;
    start();
    product(VKA_SHAPE(96, 64), false, VKA_SHAPE(64, 80), false, false);
    product(VKA_SHAPE(2, 72, 40), true, VKA_SHAPE(56, 72), true, true);
    product(VKA_SHAPE(45, 67), false, VKA_SHAPE(67, 51), false, true);
    product(VKA_SHAPE(67, 45), true, VKA_SHAPE(51, 67), true, false);
    product(VKA_SHAPE(3, 33, 129), false, VKA_SHAPE(3, 129, 65), false, false);
    rig_end(&rig);
}

// A scale of 64 makes maxima that go on growing from block to block of the keys.
static void attend(int64_t queries, int64_t keys, int64_t depth, float scale, bool causal,
                   bool masked)
{
    vka_shape shape = VKA_SHAPE(2, 4, queries, depth), logits = VKA_SHAPE(queries, keys);
    vka_tensor x = rig_input(&rig, "x", VKA_F32, shape),
               k = made_up(VKA_SHAPE(2, 2, keys, depth), 5),
               v = made_up(VKA_SHAPE(2, 2, keys, depth + 4), 6);
    struct vka_attention p = {.scale = scale, .causal = causal, .mask_removes = true};
    int32_t *mask = test_calloc((size_t)(queries * keys), sizeof *mask);
    for (int64_t i = 0; i < queries * keys; i++)
        mask[i] = i / keys == 3 || i % 5 == 0; // one row sees nothing
    if (masked) {
        p.mask = vka_constant(rig.graph, VKA_BOOL, &logits, mask);
        p.bias = made_up(logits, 9);
    }
    test_free(mask);
    check("attention", shape, vka_attention(rig.graph, x, k, v, &p, NULL));
}

static void attend_all(void)
{
    attend(64, 64, 16, 0.5f, false, false);
    attend(45, 77, 20, 0.5f, false, false);
    attend(50, 50, 32, 0.5f, true, false);
    attend(33, 40, 12, 0.5f, false, true);
    attend(40, 300, 16, 64, false, false);
    attend(9, 600, 24, 0.5f, true, true); // split, packed: 18 rows
}

static void test_attention(void **state)
{
    (void)state;
    start();
    rig.device->limits.matrix2 = false;
    attend_all();
    rig_end(&rig);
}

static void test_attention2(void **state)
{
    (void)state;
    start();
    bool has = rig.device->limits.matrix2;
    variant = "matrix2";
    if (has)
        attend_all();
    rig_end(&rig);
    if (!has) {
        print_message("skipped: no VK_NV_cooperative_matrix2, or no VKATTN_MATRIX2\n");
        skip();
    }
}

static void convolve(vka_shape x_shape, vka_shape w_shape, int64_t groups, int64_t stride)
{
    vka_tensor x = rig_input(&rig, "x", VKA_F32, x_shape), w = made_up(w_shape, 4);
    struct vka_conv p = {.groups = groups,
                         .before = {1, 1},
                         .after = {1, 1},
                         .stride = {stride, stride},
                         .bias = made_up(VKA_SHAPE(w_shape.dim[0]), 8),
                         .act = {VKA_ACT_RELU, 0, 0}};
    check("conv", x_shape, vka_conv(rig.graph, x, w, &p));
}

static void test_conv(void **state)
{
    (void)state;
    start();
    convolve(VKA_SHAPE(2, 16, 13, 11), VKA_SHAPE(40, 16, 3, 3), 1, 1);
    convolve(VKA_SHAPE(1, 34, 17, 19), VKA_SHAPE(70, 17, 3, 3), 2, 2);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_attention),
        cmocka_unit_test(test_attention2),
        cmocka_unit_test(test_conv),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
