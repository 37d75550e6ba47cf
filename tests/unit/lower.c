// SPDX-License-Identifier: MIT
//
// Lowering, with operations of the test's own: what isn't needed costs no step, what hangs on
// weights alone is computed when the plan is made, what doesn't fit is expanded or refused with the
// reason.
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

static bool infer_two(struct vka_infer *n)
{
    infer_same(n);
    n->n_out = 2;
    n->out_shape[1] = n->in[0]->shape;
    return true;
}

static int kernel_runs;

// out[0] = x + 1, out[1] = x + 2
static void add_cpu(const struct vka_cpu_run *run)
{
    const struct vka_args *a = run->args;
    kernel_runs++;
    for (int o = 0; o < a->n_out; o++) {
        for (int64_t i = 0; vka_present(&a->out[o]) && i < vka_array_count(&a->out[o]); i++)
            ((float *)a->out[o].data)[i] = ((const float *)a->in[0].data)[i] + (float)(o + 1);
    }
}

static void launch_copy(struct vka_launch *l, const struct vka_args *a)
{
    struct vka_dispatch d;
    vka_begin(l, &d, "copy", 64, 1, 1);
    vka_bind(l, &d, &a->in[0], VKA_READ);
    for (int o = 0; o < a->n_out; o++) {
        if (vka_present(&a->out[o]))
            vka_bind(l, &d, &a->out[o], VKA_WRITE);
    }
    vka_no_loops(&d);
    vka_emit(l, &d, 1, 1, 1);
}

static void launch_wide(struct vka_launch *l, const struct vka_args *a)
{
    struct vka_dispatch d;
    vka_begin(l, &d, "copy", 64, 1, 1);
    for (int i = 0; i < 5; i++)
        vka_bind(l, &d, &a->in[0], VKA_READ);
    vka_bind(l, &d, &a->out[0], VKA_WRITE);
    vka_no_loops(&d);
    vka_emit(l, &d, 1, 1, 1);
}

static bool needs_subgroups(const struct vka_limits *limits, const struct vka_args *args)
{
    (void)args;
    return limits->subgroup_arithmetic;
}

// x + 1 as relu(x + 1) - relu(-x - 1)
static void expand_add(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    vka_tensor x = vka_affine(g, node->in[0], 1, 1);
    out[0] =
        vka_sub(g, vka_act(g, x, VKA_ACT_RELU), vka_act(g, vka_affine(g, x, -1, 0), VKA_ACT_RELU));
    out[1] = vka_affine(g, x, 1, 1);
}

static void expand_nothing(vka_graph *g, const struct vka_op_node *node,
                           vka_tensor out[VKA_MAX_OUT])
{
    (void)g;
    out[0] = node->in[0];
}

static void expand_turned(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    vka_tensor x = vka_affine(g, node->in[0], 1, 1);
    out[0] = vka_transpose(g, vka_transpose(g, x, 0, 1), 0, 1);
    out[1] = x;
    if (node->n_out == 1)
        out[0] = vka_slice_step(g, x, 0, vka_dim(g, x, 0) - 1, vka_dim(g, x, 0), -1);
}

static void expand_twice(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    vka_tensor y = vka_affine(g, node->in[0], 1, 1);
    out[0] = y;
    out[1] = y;
}

static void expand_wrong(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    out[0] = vka_reshape(g, node->in[0], VKA_SHAPE(1, 2, 3));
}

static const struct vka_variant plain_variants[] = {{"plain", NULL, launch_copy}, {0}};
static const struct vka_variant wide_variants[] = {
    {"subgroup", needs_subgroups, launch_copy}, {"wide", NULL, launch_wide}, {0}};
static const struct vka_variant picky_variants[] = {{"subgroup", needs_subgroups, launch_copy},
                                                    {0}};

static const struct vka_op op_add = {
    .name = "add_one", .infer = infer_same, .cpu = add_cpu, .variants = plain_variants};
static const struct vka_op op_two = {
    .name = "two", .infer = infer_two, .cpu = add_cpu, .variants = plain_variants};
static const struct vka_op op_fused = {.name = "fused",
                                       .flags = VKA_OP_FUSED,
                                       .infer = infer_same,
                                       .cpu = add_cpu,
                                       .variants = wide_variants,
                                       .expand = expand_add};
static const struct vka_op op_nothing = {
    .name = "nothing", .infer = infer_same, .expand = expand_nothing};
static const struct vka_op op_turned = {
    .name = "turned", .infer = infer_two, .expand = expand_turned};
static const struct vka_op op_reversed = {
    .name = "reversed", .infer = infer_same, .expand = expand_turned};
static const struct vka_op op_twice = {.name = "twice", .infer = infer_two, .expand = expand_twice};
static const struct vka_op op_wrong = {
    .name = "wrong", .infer = infer_same, .expand = expand_wrong};
static const struct vka_op op_cpu_only = {.name = "cpu_only", .infer = infer_same, .cpu = add_cpu};
static const struct vka_op op_picky = {
    .name = "picky", .infer = infer_same, .cpu = add_cpu, .variants = picky_variants};
static const struct vka_op op_wide = {
    .name = "wide", .infer = infer_same, .cpu = add_cpu, .variants = wide_variants};
static const struct vka_op op_device_only = {
    .name = "device_only", .infer = infer_same, .variants = plain_variants};

// --- help ---

enum { N = 6 };
static const float x_data[N] = {-3, -1, 0, 1, 2, 5};

static vka_tensor add(vka_graph *g, const struct vka_op *op, vka_tensor x)
{
    return vka_add_node(g, op, NULL, 1, &x, NULL);
}

static vka_tensor start(struct rig *rig)
{
    rig_start(rig);
    return rig_input(rig, "x", VKA_F32, VKA_SHAPE(2, 3));
}

static vka_tensor again(struct rig *rig)
{
    rig_new_graph(rig);
    return rig_input(rig, "x", VKA_F32, VKA_SHAPE(2, 3));
}

// Nodes of the graph once lowered for the CPU, or for a device of the least limits.
static size_t steps(struct rig *rig, bool device, bool expand)
{
    struct vka_program *p;
    struct vka_limits limits = rig_least_limits();
    rig_assert_ok(vka_program_create(rig->graph, device ? &limits : NULL, VKA_F32, expand, &p));
    size_t count = p->g->node_count;
    vka_program_destroy(p);
    return count;
}

static void expect_values(struct rig *rig, const vka_plan_params *params, const float *want)
{
    float y[N];
    vka_plan *plan = rig_plan(rig, params);
    for (int round = 0; round < 2; round++) {
        memset(y, 0x7f, sizeof y);
        rig_assert_ok(rig_run_xy(plan, x_data, N, y, N));
        assert_memory_equal(y, want, sizeof y);
    }
    vka_plan_destroy(plan);
}

static void expect_plus(struct rig *rig, const vka_plan_params *params, float more)
{
    float want[N];
    for (int i = 0; i < N; i++)
        want[i] = x_data[i] + more;
    expect_values(rig, params, want);
}

// --- what is needed ---

static void test_unneeded(void **state)
{
    (void)state;
    struct rig rig;
    vka_tensor x = start(&rig), out[VKA_MAX_OUT];
    vka_tensor y = add(rig.graph, &op_add, x);
    vka_add_node(rig.graph, &op_two, NULL, 1, &y, out);
    add(rig.graph, &op_add, add(rig.graph, &op_add, out[1]));
    vka_output(rig.graph, "y", out[0]);
    assert_int_equal(rig.graph->node_count, 4);
    assert_int_equal(steps(&rig, false, false), 2);
    assert_int_equal(steps(&rig, true, false), 2);
    struct vka_program *p;
    rig_assert_ok(vka_program_create(rig.graph, NULL, VKA_F32, false, &p));
    assert_true(p->g->nodes[1].out[0] > 0);
    assert_int_equal(p->g->nodes[1].out[1], 0); // not wanted, no memory
    vka_program_destroy(p);
    expect_plus(&rig, NULL, 2);
    rig_end(&rig);
}

// Of an operation whose expansion makes both, the one that is asked for.
static void test_unneeded_part(void **state)
{
    (void)state;
    struct rig rig;
    vka_tensor x = start(&rig), out[VKA_MAX_OUT];
    vka_add_node(rig.graph, &op_turned, NULL, 1, &x, out);
    vka_output(rig.graph, "y", out[1]);
    assert_int_equal(steps(&rig, false, false), 1);
    expect_plus(&rig, NULL, 1);
    rig_end(&rig);
}

// A check is wanted by itself: wrong ids are an error whether their rows are used or not.
static void test_check_stays(void **state)
{
    (void)state;
    struct rig rig;
    vka_tensor x = start(&rig);
    vka_tensor ids = rig_input(&rig, "ids", VKA_I32, VKA_SHAPE(4));
    vka_gather(rig.graph, x, vka_binary(rig.graph, VKA_ADD, ids, ids));
    vka_output(rig.graph, "y", add(rig.graph, &op_add, x));
    assert_int_equal(steps(&rig, false, false), 3); // the sum, its check, y
    rig_end(&rig);
}

// --- known values ---

static void test_folding(void **state)
{
    (void)state;
    struct rig rig;
    struct vka_program *p;
    static const float w[] = {1, -2, 3, -4, 5, -6};
    float want[N];
    vka_tensor x = start(&rig);
    rig_add_weight(&rig, "w", VKA_SHAPE(2, 3), w);
    x = again(&rig);
    vka_tensor k = vka_act(rig.graph, rig_weight(&rig, "w"), VKA_ACT_RELU);
    k = vka_mul(rig.graph, k, vka_constant_scalar(rig.graph, 2));
    vka_output(rig.graph, "y", vka_add(rig.graph, x, vka_affine(rig.graph, k, 1, 1)));
    rig_assert_ok(vka_program_create(rig.graph, NULL, VKA_F32, false, &p));
    assert_int_equal(p->g->node_count, 1);
    assert_int_equal(p->weight_bytes, 0);
    assert_int_equal(p->constant_bytes, VKA_ALIGNMENT); // the last of them alone
    vka_program_destroy(p);
    for (int i = 0; i < N; i++)
        want[i] = x_data[i] + (w[i] > 0 ? 2 * w[i] : 0) + 1;
    expect_values(&rig, NULL, want);
    rig_end(&rig);
}

// Once when the plan is made, never when it runs.
static void test_folded_once(void **state)
{
    (void)state;
    struct rig rig;
    float y[N];
    vka_tensor x = start(&rig), out[VKA_MAX_OUT];
    vka_tensor k = vka_constant(rig.graph, VKA_F32, &(vka_shape){2, {2, 3}}, x_data);
    vka_add_node(rig.graph, &op_two, NULL, 1, &k, out);
    vka_output(rig.graph, "y", vka_add(rig.graph, x, vka_sub(rig.graph, out[1], out[0])));
    kernel_runs = 0;
    vka_plan *plan = rig_plan(&rig, NULL);
    assert_int_equal(kernel_runs, 1);
    rig_assert_ok(rig_run_xy(plan, x_data, N, y, N));
    rig_assert_ok(rig_run_xy(plan, x_data, N, y, N));
    assert_int_equal(kernel_runs, 1);
    assert_true(y[0] == x_data[0] + 1);
    vka_plan_destroy(plan);
    rig_end(&rig);
}

// Known operands of an operation that has an expansion alone.
static void test_folded_expansion(void **state)
{
    (void)state;
    struct rig rig;
    vka_tensor x = start(&rig), out[VKA_MAX_OUT];
    vka_tensor k = vka_constant(rig.graph, VKA_F32, &(vka_shape){2, {2, 3}}, (float[N]){0});
    vka_add_node(rig.graph, &op_turned, NULL, 1, &k, out);
    vka_output(rig.graph, "y", vka_add(rig.graph, x, vka_add(rig.graph, out[0], out[1])));
    assert_int_equal(steps(&rig, false, false), 1);
    assert_int_equal(steps(&rig, true, false), 1);
    expect_plus(&rig, NULL, 2);
    rig_end(&rig);
}

// --- forms ---

static void test_expanded(void **state)
{
    (void)state;
    struct rig rig;
    struct vka_limits limits = rig_least_limits();
    struct vka_program *p;
    vka_tensor x = start(&rig);
    vka_output(rig.graph, "y", add(rig.graph, &op_fused, x));
    assert_int_equal(steps(&rig, false, false), 1);
    assert_int_equal(steps(&rig, false, true), 5);
    assert_int_equal(steps(&rig, true, false), 5); // no variant fits
    limits.subgroup_arithmetic = true;
    rig_assert_ok(vka_program_create(rig.graph, &limits, VKA_F32, false, &p));
    assert_int_equal(p->g->node_count, 1);
    assert_string_equal(p->g->nodes[0].variant->name, "subgroup");
    vka_program_destroy(p);
    limits.subgroup_arithmetic = false;
    limits.storage_buffers = 8; // the second one fits now
    rig_assert_ok(vka_program_create(rig.graph, &limits, VKA_F32, false, &p));
    assert_string_equal(p->g->nodes[0].variant->name, "wide");
    vka_program_destroy(p);
    expect_plus(&rig, NULL, 1);
    expect_plus(&rig, &(vka_plan_params){.expand = true}, 1);
    rig_end(&rig);
}

// Expansions that give back an operand, a view, or one tensor for two results.
static void test_odd_expansions(void **state)
{
    (void)state;
    struct rig rig;
    static const float reversed[N] = {2, 3, 6, -2, 0, 1};
    vka_tensor out[VKA_MAX_OUT], x = start(&rig);
    vka_output(rig.graph, "y", add(rig.graph, &op_nothing, x));
    expect_plus(&rig, NULL, 0);
    x = again(&rig);
    vka_output(rig.graph, "y", add(rig.graph, &op_nothing, add(rig.graph, &op_add, x)));
    expect_plus(&rig, NULL, 1);
    x = again(&rig);
    vka_output(rig.graph, "y", add(rig.graph, &op_reversed, x));
    expect_values(&rig, NULL, reversed);
    x = again(&rig);
    vka_add_node(rig.graph, &op_twice, NULL, 1, &x, out);
    vka_output(rig.graph, "y", vka_sub(rig.graph, vka_affine(rig.graph, out[0], 2, 0), out[1]));
    expect_plus(&rig, NULL, 1);
    rig_end(&rig);
}

static void expect_refused(struct rig *rig, bool device, const char *a, const char *b)
{
    struct vka_program *p;
    struct vka_limits limits = rig_least_limits();
    assert_int_equal(vka_program_create(rig->graph, device ? &limits : NULL, VKA_F32, false, &p),
                     VKA_ERROR_UNSUPPORTED);
    assert_null(p);
    unit_assert_error_has(a);
    unit_assert_error_has(b);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const struct vka_op *op;
        bool device;
        const char *why;
    } cases[] = {
        {&op_cpu_only, true, "no GPU variant"},
        {&op_picky, true, "variant 'subgroup'"},
        {&op_wide, true, "6 storage buffers; the device offers 4"},
        {&op_device_only, false, "no CPU kernel"},
    };
    struct rig rig;
    start(&rig);
    for (size_t i = 0; i < VKA_COUNT(cases); i++) {
        vka_tensor x = again(&rig);
        vka_output(rig.graph, "y", add(rig.graph, cases[i].op, x));
        expect_refused(&rig, cases[i].device, cases[i].op->name, cases[i].why);
    }
    rig_end(&rig);
}

// What can't be folded for want of a CPU kernel says so, too.
static void test_refused_known(void **state)
{
    (void)state;
    struct rig rig;
    vka_tensor x = start(&rig), k = vka_constant_scalar(rig.graph, 1);
    vka_output(rig.graph, "y", vka_add(rig.graph, x, add(rig.graph, &op_device_only, k)));
    expect_refused(&rig, true, "device_only", "no CPU kernel");
    rig_end(&rig);
}

static void test_failing_expansion(void **state)
{
    (void)state;
    struct rig rig;
    struct vka_program *p;
    vka_tensor x = start(&rig);
    vka_output(rig.graph, "y", add(rig.graph, &op_wrong, vka_slice(rig.graph, x, 1, 0, 2)));
    assert_int_equal(vka_program_create(rig.graph, NULL, VKA_F32, false, &p), VKA_ERROR_INVALID);
    unit_assert_error_has("[2, 2]");
    unit_assert_error_has("[1, 2, 3]");
    rig_assert_ok(vka_graph_status(rig.graph)); // the graph is as it was
    rig_end(&rig);
}

static void test_too_large(void **state)
{
    (void)state;
    struct rig rig;
    struct vka_program *p;
    struct vka_limits limits = rig_least_limits();
    rig_start(&rig);
    vka_tensor x = rig_input(&rig, "x", VKA_F32, VKA_SHAPE(64, 1024));
    vka_tensor y = vka_act(rig.graph, x, VKA_ACT_RELU);
    vka_output(rig.graph, "y", vka_act(rig.graph, y, VKA_ACT_EXP));
    limits.storage_range = 256 * 1024 - 4;
    assert_int_equal(vka_program_create(rig.graph, &limits, VKA_F32, false, &p),
                     VKA_ERROR_UNSUPPORTED);
    unit_assert_error_has("262144 bytes");
    unit_assert_error_has("262140");
    unit_assert_error_has("unary");
    limits.storage_range = 256 * 1024;
    limits.allocation = 256 * 1024 - 1;
    assert_int_equal(vka_program_create(rig.graph, &limits, VKA_F32, false, &p),
                     VKA_ERROR_UNSUPPORTED);
    unit_assert_error_has("262144 bytes");
    unit_assert_error_has("262143");
    limits.allocation = 256 * 1024;
    rig_assert_ok(vka_program_create(rig.graph, &limits, VKA_F32, false, &p));
    vka_program_destroy(p);
    limits.storage_range = limits.allocation = 128 * 1024; // enough for 16 bits
    rig_assert_ok(vka_program_create(rig.graph, &limits, VKA_F16, false, &p));
    vka_program_destroy(p);
    rig_end(&rig);
}

// Plans y = x w for the least limits; the bytes of w that are bound, no more of anything at a time
// than may be.
static uint64_t bound_bytes(struct rig *rig, vka_tensor x, vka_tensor w)
{
    struct vka_program *p;
    struct vka_limits limits = rig_least_limits();
    vka_output(rig->graph, "y", vka_matmul(rig->graph, x, w, NULL));
    rig_assert_ok(vka_program_create(rig->graph, &limits, VKA_F32, false, &p));
    uint64_t bytes = 0;
    for (size_t i = 0; i < p->dispatch_count; i++) {
        for (int k = 0; k < p->dispatches[i].n_bindings; k++) {
            const struct vka_binding *b = &p->dispatches[i].bindings[k];
            assert_true(b->end - b->begin <= limits.storage_range);
            if (p->g->values[b->base].source == 1 && p->g->values[b->base].store == VKA_STORE_INPUT)
                bytes += b->end - b->begin;
        }
    }
    vka_program_destroy(p);
    return bytes;
}

// Weights that no binding holds are taken in parts, of wide layers and of long sums.
static void test_wide_product(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig);
    vka_tensor x = rig_input(&rig, "x", VKA_F32, VKA_SHAPE(1, 1024));
    vka_tensor w = rig_input(&rig, "w", VKA_F32, VKA_SHAPE(99999, 1024));
    assert_int_equal(bound_bytes(&rig, x, vka_transpose(rig.graph, w, 0, 1)), 99999 * 1024 * 4);
    rig_end(&rig);

    rig_start(&rig);
    x = rig_input(&rig, "x", VKA_F32, VKA_SHAPE(1, 50000000));
    w = rig_input(&rig, "w", VKA_F32, VKA_SHAPE(50000000, 1));
    uint64_t bytes = bound_bytes(&rig, x, w);
    assert_true(bytes >= 200000000 && bytes < 201000000); // bindings begin at aligned places
    rig_end(&rig);
}

// x [m, k] by a weight [k, n], or [n, k] turned, on a driver that is a program whose bindings hold
// 16 KiB; the axes of the weight as it is bound, or 0 where the program is refused.
static int axes_of_weight(struct rig *rig, int64_t m, int64_t k, int64_t n, bool turned)
{
    static const float zeros[64 * 64];
    struct vka_program *p;
    struct vka_limits limits = rig_large_limits(true);
    vka_shape shape = turned ? VKA_SHAPE(n, k) : VKA_SHAPE(k, n);
    limits.storage_range = 16 << 10;
    assert_true(k * n <= (int64_t)VKA_COUNT(zeros));
    rig_new_graph(rig);
    vka_tensor x = rig_input(rig, "x", VKA_F32, VKA_SHAPE(m, k));
    vka_tensor w = vka_constant(rig->graph, VKA_F32, &shape, zeros);
    w = turned ? vka_transpose(rig->graph, w, 0, 1) : w;
    vka_output(rig->graph, "y", vka_matmul(rig->graph, x, w, NULL));
    if (vka_program_create(rig->graph, &limits, VKA_F32, false, &p) != VKA_OK)
        return 0;
    int axes = vka_rank(p->g, p->g->nodes[0].in[1]);
    vka_program_destroy(p);
    return axes;
}

// A weight is packed where the device can take the product then. Else it is as it was, and what
// doesn't fit is told.
static void test_packed_weight(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig);
    for (int turned = 0; turned < 2; turned++) {
        assert_int_equal(axes_of_weight(&rig, 64, 64, 64, turned), 3);
        assert_int_equal(axes_of_weight(&rig, 4, 64, 64, turned), 2);
        assert_int_equal(axes_of_weight(&rig, 100, 64, 36, turned), 0);
        unit_assert_error_has("matmul doesn't fit the device");
        unit_assert_error_has("[100, 64] takes 25600 bytes; one binding of the device holds 16384");
        assert_int_equal(axes_of_weight(&rig, 100, 16, 64, turned), 0);
        unit_assert_error_has("[100, 64] takes 25600 bytes; one binding of the device holds 16384");
    }
    rig_end(&rig);
}

// --- the graph stays as it is ---

static void test_untouched(void **state)
{
    (void)state;
    struct rig rig;
    vka_tensor x = start(&rig), out[VKA_MAX_OUT];
    vka_add_node(rig.graph, &op_turned, NULL, 1, &x, out);
    vka_tensor k = vka_act(rig.graph, vka_constant_scalar(rig.graph, 3), VKA_ACT_NEG);
    vka_output(rig.graph, "y", vka_mul(rig.graph, out[0], k));
    vka_output(rig.graph, "z", add(rig.graph, &op_fused, out[1]));
    size_t values = rig.graph->value_count * sizeof *rig.graph->values;
    size_t nodes = rig.graph->node_count * sizeof *rig.graph->nodes;
    void *old_values = vka_alloc(rig.context, values, 1), *old_nodes;
    old_nodes = vka_alloc(rig.context, nodes, 1);
    memcpy(old_values, rig.graph->values, values);
    memcpy(old_nodes, rig.graph->nodes, nodes);
    size_t first = steps(&rig, false, false);
    assert_true(steps(&rig, true, true) >= first);
    assert_int_equal(steps(&rig, false, false), first);
    assert_memory_equal(old_values, rig.graph->values, values);
    assert_memory_equal(old_nodes, rig.graph->nodes, nodes);
    vka_free(rig.context, old_values);
    vka_free(rig.context, old_nodes);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unneeded),          cmocka_unit_test(test_unneeded_part),
        cmocka_unit_test(test_check_stays),       cmocka_unit_test(test_folding),
        cmocka_unit_test(test_folded_once),       cmocka_unit_test(test_folded_expansion),
        cmocka_unit_test(test_expanded),          cmocka_unit_test(test_odd_expansions),
        cmocka_unit_test(test_refused),           cmocka_unit_test(test_refused_known),
        cmocka_unit_test(test_failing_expansion), cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_wide_product),      cmocka_unit_test(test_packed_weight),
        cmocka_unit_test(test_untouched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
