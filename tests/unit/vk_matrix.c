// SPDX-License-Identifier: MIT
//
// Cooperative matrices on a device that has them, a software driver taken for a GPU (VKATTN_LIMITS=
// gpu) among them: products, attention and convolutions of sizes that leave rests along every side,
// by all the ways in which their operands can lie, against the CPU path. Where there are none the
// same cases go the other way; in f32 where a device has no f16.
#include "support/products.h"

#include <stdlib.h>
#include <string.h>

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
static void check(const char *op, vka_shape x, vka_tensor y)
{
    vka_output(rig.graph, "y", y);
    check_variant(op);
    assert_true(products_error(&rig, x, has_f16 ? VKA_F16 : VKA_F32) <= 2e-3);
    rig_new_graph(&rig);
}

static void product(vka_shape a, bool turn_a, vka_shape b, bool turn_b, bool more)
{
    check("matmul", a, products_matmul(&rig, a, turn_a, b, turn_b, more));
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
               k = products_constant(&rig, VKA_SHAPE(2, 2, keys, depth), 5),
               v = products_constant(&rig, VKA_SHAPE(2, 2, keys, depth + 4), 6);
    struct vka_attention p = {.scale = scale, .causal = causal, .mask_removes = true};
    int32_t *mask = test_calloc((size_t)(queries * keys), sizeof *mask);
    for (int64_t i = 0; i < queries * keys; i++)
        mask[i] = i / keys == 3 || i % 5 == 0; // one row sees nothing
    if (masked) {
        p.mask = vka_constant(rig.graph, VKA_BOOL, &logits, mask);
        p.bias = products_constant(&rig, logits, 9);
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

static void convolve(vka_shape x, vka_shape weight, int64_t groups, int64_t stride)
{
    check("conv", x, products_conv(&rig, x, weight, groups, stride));
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
