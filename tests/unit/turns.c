// SPDX-License-Identifier: MIT
//
// Turns of loops: drivers that are programs end a shader's loops after 65,535 of them without a
// word. Each dispatch says how many it takes; what takes too many for such a device goes another
// way or is refused.
#include "rig.h"

#include <string.h>

// --- operations of the test's own ---

static bool infer_same(struct vka_infer *n)
{
    n->n_out = 1;
    n->out_dtype[0] = n->in[0]->dtype;
    n->out_shape[0] = n->in[0]->shape;
    return true;
}

// As many turns as there are elements; nothing said where there is one.
static void launch_turns(struct vka_launch *l, const struct vka_args *a)
{
    struct vka_dispatch d;
    vka_begin(l, &d, "copy", 64, 1, 1);
    vka_bind(l, &d, &a->in[0], VKA_READ);
    vka_bind(l, &d, &a->out[0], VKA_WRITE);
    if (vka_array_count(&a->in[0]) > 1)
        vka_turns(&d, (double)vka_array_count(&a->in[0]), "its elements");
    vka_emit(l, &d, 1, 1, 1);
}

static void expand_relu(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    out[0] = vka_act(g, node->in[0], VKA_ACT_RELU);
}

static void expand_none(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    (void)g;
    (void)node;
    (void)out;
}

static const struct vka_variant turning_variants[] = {{"turning", NULL, launch_turns}, {0}};

static const struct vka_op op_turning = {
    .name = "turning", .infer = infer_same, .variants = turning_variants};
static const struct vka_op op_shorter = {
    .name = "shorter", .infer = infer_same, .variants = turning_variants, .expand = expand_relu};
static const struct vka_op op_undefined = {
    .name = "undefined", .infer = infer_same, .variants = turning_variants, .expand = expand_none};

// --- tests ---

static bool has_step(const struct rig *rig, const struct vka_limits *limits, const char *op)
{
    struct vka_program *p;
    bool found = false;
    rig_assert_ok(vka_program_create(rig->graph, limits, VKA_F32, false, &p));
    for (size_t i = 0; i < p->g->node_count; i++)
        found |= strcmp(p->g->nodes[i].op->name, op) == 0;
    vka_program_destroy(p);
    return found;
}

// NULL where a plan of `op` on `elements` elements can be made with a step of it; "" where it has
// none; else what the error says.
static const char *turning(const struct vka_op *op, int64_t elements, bool is_cpu)
{
    struct rig rig;
    struct vka_program *p = NULL;
    struct vka_limits limits = rig_least_limits();
    if (is_cpu)
        limits.max_turns = VKA_MOST_TURNS;
    rig_start(&rig);
    vka_tensor x = rig_input(&rig, "x", VKA_F32, VKA_SHAPE(elements));
    vka_output(rig.graph, "y", vka_add_node(rig.graph, op, NULL, 1, &x, NULL));
    const char *says = vka_last_error();
    if (vka_program_create(rig.graph, &limits, VKA_F32, false, &p) == VKA_OK)
        says = p->g->nodes[0].op == op ? NULL : "";
    vka_program_destroy(p);
    rig_end(&rig);
    return says;
}

static void assert_says(const char *says, const char *what)
{
    if (!says || !strstr(says, what))
        fail_msg("'%s' lacks '%s'", says ? says : "", what);
}

// Drivers that are programs end loops: what would take more turns goes another way or is refused,
// and so is what doesn't tell.
static void test_turns(void **state)
{
    static const char why[] = "the loops of copy along its elements take 65001 turns; the device "
                              "makes 65000";
    (void)state;
    assert_null(turning(&op_turning, 65000, true));
    assert_null(turning(&op_turning, 65001, false));
    assert_says(turning(&op_turning, 65001, true), "operation turning doesn't fit the device");
    assert_says(turning(&op_turning, 65001, true), why);
    assert_says(turning(&op_undefined, 65001, true), why);
    assert_null(turning(&op_shorter, 65000, true));
    assert_string_equal(turning(&op_shorter, 65001, true), "");
    for (int i = 0; i < 2; i++)
        assert_says(turning(&op_turning, 1, i), "copy doesn't say how many turns its loops take");
}

// A driver that is a program may end loops of more than 65,535 turns: 150 boxes against their pairs
// make 67,500 in a lane.
static void test_many_turns(void **state)
{
    (void)state;
    for (int64_t objects = 100; objects <= 150; objects += 50) {
        struct rig rig;
        struct vka_limits limits = rig_least_limits();
        rig_start(&rig);
        vka_tensor scores = rig_input(&rig, "s", VKA_F32, VKA_SHAPE(1, 1, 160));
        vka_tensor boxes = rig_input(&rig, "b", VKA_F32, VKA_SHAPE(1, 160, 4));
        vka_tensor tables = rig_input(&rig, "t", VKA_F32, VKA_SHAPE(8, 17));
        vka_output(rig.graph, "y", vka_count_boxes(rig.graph, scores, boxes, tables, objects));
        assert_true(has_step(&rig, &limits, "count_boxes"));
        limits.max_turns = VKA_MOST_TURNS;
        assert_int_equal(has_step(&rig, &limits, "count_boxes"), objects == 100);
        rig_end(&rig);
    }
}

static void test_many_places(void **state)
{
    (void)state;
    for (int64_t places = 65000; places <= 65001; places++) {
        struct rig rig;
        struct vka_limits limits = rig_least_limits();
        rig_start(&rig);
        vka_tensor u = rig_input(&rig, "u", VKA_F32, VKA_SHAPE(1, 2));
        vka_tensor w = rig_input(&rig, "w", VKA_F32, VKA_SHAPE(1, places));
        vka_tensor v = rig_input(&rig, "v", VKA_F32, VKA_SHAPE(1, 3, places));
        vka_output(rig.graph, "y", vka_relu_pairs(rig.graph, u, w, v, 1));
        assert_true(has_step(&rig, &limits, "relu_pairs"));
        limits.max_turns = VKA_MOST_TURNS;
        assert_int_equal(has_step(&rig, &limits, "relu_pairs"), places == 65000);
        rig_end(&rig);
    }
}

// Heads of 256 wide make some 600 turns for 32 keys.
static void test_many_keys(void **state)
{
    (void)state;
    for (int64_t keys = 2048; keys <= 4096; keys *= 2) {
        struct rig rig;
        struct vka_limits limits = rig_least_limits();
        rig_start(&rig);
        vka_tensor q = rig_input(&rig, "q", VKA_F32, VKA_SHAPE(1, 1, 33, 256));
        vka_tensor k = rig_input(&rig, "k", VKA_F32, VKA_SHAPE(1, 1, keys, 256));
        vka_tensor v = rig_input(&rig, "v", VKA_F32, VKA_SHAPE(1, 1, keys, 256));
        struct vka_attention a = {.scale = 1};
        vka_output(rig.graph, "y", vka_attention(rig.graph, q, k, v, &a, NULL));
        assert_true(has_step(&rig, &limits, "attention"));
        limits.max_turns = VKA_MOST_TURNS;
        assert_int_equal(has_step(&rig, &limits, "attention"), keys == 2048);
        rig_end(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_many_turns),
        cmocka_unit_test(test_many_places),
        cmocka_unit_test(test_many_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
