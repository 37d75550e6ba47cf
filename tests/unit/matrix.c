// SPDX-License-Identifier: MIT
//
// When cooperative matrices are used: in plans of f16, on devices that have them and are no program
// on a CPU, where there is something to fill them with and room for the tiles.
#include "support/rig.h"

#include <string.h>

static struct vka_limits gpu_limits(void)
{
    struct vka_limits l = rig_least_limits();
    l.max_invocations = l.max_group_size[0] = 1024;
    l.shared_bytes = 48 << 10;
    l.storage_buffers = 8;
    l.f16_storage = l.f16_arithmetic = l.subgroup_arithmetic = l.cooperative_matrix = true;
    l.subgroup_size = 32;
    l.matrix = (struct vka_matrix_shape){16, 16, 16, 32};
    return l;
}

// The variant that the graph's one step runs by; its first dispatch asks for full subgroups where
// that is "matrix".
static const char *variant_of(const struct rig *rig, const struct vka_limits *limits,
                              vka_dtype real)
{
    struct vka_program *p;
    rig_assert_ok(vka_program_create(rig->graph, limits, real, false, &p));
    assert_int_equal(p->g->node_count, 1);
    const char *name = p->g->nodes[0].variant->name;
    bool matrix = strcmp(name, "matrix") == 0;
    assert_int_equal(p->dispatches[0].subgroup, matrix ? limits->matrix.subgroup : 0);
    assert_true(!matrix || strstr(p->dispatches[0].shader, "_matrix"));
    vka_program_destroy(p);
    return name;
}

static void check_rules(const struct rig *rig)
{
    struct vka_limits gpu = gpu_limits(), other = gpu;
    assert_string_equal(variant_of(rig, &gpu, VKA_F16), "matrix");
    assert_string_not_equal(variant_of(rig, &gpu, VKA_F32), "matrix");
    other.is_cpu = true;
    assert_string_not_equal(variant_of(rig, &other, VKA_F16), "matrix");
    other = gpu;
    other.matrix.m = 0;
    assert_string_not_equal(variant_of(rig, &other, VKA_F16), "matrix");
    other = gpu;
    other.shared_bytes = 4 << 10;
    assert_string_not_equal(variant_of(rig, &other, VKA_F16), "matrix");
    other.shared_bytes = 16 << 10; // narrower tiles
    assert_string_equal(variant_of(rig, &other, VKA_F16), "matrix");
    other = gpu;
    other.matrix = (struct vka_matrix_shape){8, 16, 16, 16};
    assert_string_equal(variant_of(rig, &other, VKA_F16), "matrix");
}

static void test_matmul(void **state)
{
    (void)state;
    struct rig rig;
    struct vka_limits gpu = gpu_limits();
    rig_start(&rig);
    vka_tensor a = rig_input(&rig, "a", VKA_F32, VKA_SHAPE(500, 300));
    vka_output(rig.graph, "y",
               vka_matmul(rig.graph, a, rig_input(&rig, "b", VKA_F32, VKA_SHAPE(300, 200)), NULL));
    check_rules(&rig);
    rig_new_graph(&rig);
    a = rig_input(&rig, "a", VKA_F32, VKA_SHAPE(500, 300));
    vka_output(rig.graph, "y",
               vka_matmul(rig.graph, a, rig_input(&rig, "b", VKA_F32, VKA_SHAPE(300, 7)), NULL));
    assert_string_equal(variant_of(&rig, &gpu, VKA_F16), "baseline"); // too narrow
    rig_end(&rig);
}

static void test_attention(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig);
    struct vka_attention p = {.scale = 0.125};
    vka_tensor q = rig_input(&rig, "q", VKA_F32, VKA_SHAPE(1, 8, 200, 32)),
               k = rig_input(&rig, "k", VKA_F32, VKA_SHAPE(1, 2, 300, 32)),
               v = rig_input(&rig, "v", VKA_F32, VKA_SHAPE(1, 2, 300, 32));
    vka_output(rig.graph, "y", vka_attention(rig.graph, q, k, v, &p, NULL));
    check_rules(&rig);
    struct vka_limits narrow = gpu_limits();
    narrow.max_group_size[0] = 64; // for two of its subgroups
    assert_string_equal(variant_of(&rig, &narrow, VKA_F16), "matrix");
    rig_end(&rig);
}

static void test_conv(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig);
    struct vka_conv p = {.before = {1, 1}, .after = {1, 1}};
    vka_tensor x = rig_input(&rig, "x", VKA_F32, VKA_SHAPE(1, 64, 30, 30)),
               w = rig_input(&rig, "w", VKA_F32, VKA_SHAPE(96, 64, 3, 3));
    vka_output(rig.graph, "y", vka_conv(rig.graph, x, w, &p));
    check_rules(&rig);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matmul),
        cmocka_unit_test(test_attention),
        cmocka_unit_test(test_conv),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
