// SPDX-License-Identifier: MIT
//
// Placing blocks: names, inputs, weights and outputs that are wrong, and what each error says.
// Attributes have attributes.c.
#include "rig.h"

#include "blocks/block.h"

#include <stdio.h>
#include <string.h>

static struct rig rig;
static const float numbers[4096];

// The weights of an se block of 4 channels with 2 hidden ones under a prefix.
static void add_se(const char *prefix)
{
    static const struct {
        const char *name;
        vka_shape shape;
    } weights[] = {{"fc1.weight", {2, {2, 4}}},
                   {"fc1.bias", {1, {2}}},
                   {"fc2.weight", {2, {4, 2}}},
                   {"fc2.bias", {1, {4}}}};
    for (size_t i = 0; i < VKA_COUNT(weights); i++) {
        char name[128];
        snprintf(name, sizeof name, "%s%s", prefix, weights[i].name);
        rig_add_weight(&rig, name, weights[i].shape, numbers);
    }
}

static const vka_attr reduction[] = {{"reduction", VKA_ATTR_INT, false, 2, 0, NULL, NULL, 0}, {0}};

static vka_tensor map(void)
{
    return rig_input(&rig, "x", VKA_F32, VKA_SHAPE(1, 4, 5, 5));
}

static vka_node place(const char *id, const char *name)
{
    return vka_block(rig.graph, id, name, reduction, VKA_INPUTS({"x", map()}));
}

static void expect_failed(const char *a, const char *b)
{
    rig_assert_failed(rig.graph, a, b);
    rig_new_graph(&rig);
}

// --- names ---

static void test_names(void **state)
{
    (void)state;
    add_se("a.");
    rig_new_graph(&rig);
    assert_int_equal(place("se", "a"), 1);
    rig_assert_ok(vka_graph_status(rig.graph));
    vka_tensor x = rig_input(&rig, "z", VKA_F32, VKA_SHAPE(1, 4, 5, 5));
    assert_int_equal(vka_block(rig.graph, "se", "a", reduction, VKA_INPUTS({"x", x})), 0);
    expect_failed("two blocks are named 'a'", NULL);
    place("se", "");
    expect_failed("'se' needs a name", NULL);
    place("se", NULL);
    expect_failed("'se' needs a name", NULL);
    place("se", "a/b");
    expect_failed("without '/'", NULL);
    place("sea", "a");
    expect_failed("a: ", "there is no block 'sea'");
    place(NULL, "a");
    expect_failed("there is no block ''", NULL);
    place("", NULL);
    expect_failed("there is no block ''", NULL);
}

// A name may be long: weights are looked up by all of it.
static void test_long_names(void **state)
{
    (void)state;
    static char name[3001], weight[3100];
    memset(name, 'n', sizeof name - 1);
    snprintf(weight, sizeof weight, "%s.weight", name);
    rig_add_weight(&rig, weight, VKA_SHAPE(3, 4), numbers);
    rig_new_graph(&rig);
    vka_tensor x = rig_input(&rig, name, VKA_F32, VKA_SHAPE(2, 4));
    vka_node n = vka_block(rig.graph, "linear", name, NULL, VKA_INPUTS({"x", x}));
    vka_output(rig.graph, name, vka_out(rig.graph, n, "y"));
    rig_assert_ok(vka_graph_status(rig.graph));
    vka_plan *plan = rig_plan(&rig, NULL);
    assert_string_equal(vka_plan_report(plan)->steps[0].block, name);
    vka_plan_destroy(plan);
    vka_output(rig.graph, name, x);
    rig_assert_failed(rig.graph, "two outputs are named 'nnnnn", NULL);
}

static void test_prefixes(void **state)
{
    (void)state;
    add_se("");
    add_se("deep.er.");
    rig_new_graph(&rig);
    vka_tensor x = map();
    const vka_named *in = VKA_INPUTS({"x", x});
    assert_int_equal(vka_block_prefixed(rig.graph, "se", "a", "", reduction, in), 1);
    assert_int_equal(vka_block_prefixed(rig.graph, "se", "b", NULL, reduction, in), 2);
    assert_int_equal(vka_block_prefixed(rig.graph, "se", "c", "deep.er", reduction, in), 3);
    rig_assert_ok(vka_graph_status(rig.graph));
    vka_block_prefixed(rig.graph, "se", "d", "deep", reduction, in);
    expect_failed("d (se): ", "weight 'deep.fc1.weight' of shape [2, 4] is missing");
}

// --- inputs ---

static void test_inputs(void **state)
{
    (void)state;
    vka_tensor x = map(), k = rig_input(&rig, "k", VKA_I32, VKA_SHAPE(1, 4, 5, 5));
    const vka_named wrong[][3] = {
        {{"y", x}},           {{"x", k}},          {{"residual", x}}, {{"x", 0}},
        {{"x", x}, {"x", x}}, {{"x", x}, {"", x}}, {{"x", 99}},       {{"x", -1}},
    };
    static const char *const says[] = {"no input 'y' (inputs: x, residual)",
                                       "'x' is I32, but must be F32",
                                       "input 'x' is missing",
                                       "input 'x' is missing",
                                       "'x' is given twice",
                                       "no input ''",
                                       "'x' is no tensor of this graph",
                                       "'x' is no tensor of this graph"};
    for (size_t i = 0; i < VKA_COUNT(wrong); i++) {
        rig_new_graph(&rig);
        assert_int_equal(map(), x);
        rig_input(&rig, "k", VKA_I32, VKA_SHAPE(1, 4, 5, 5));
        vka_block(rig.graph, "se", "a", reduction, wrong[i]);
        rig_assert_failed(rig.graph, "a (se): ", says[i]);
    }
    rig_new_graph(&rig);
    vka_block(rig.graph, "se", "a", NULL, NULL);
    expect_failed("input 'x' is missing", NULL);
    vka_tensor flat = rig_input(&rig, "x", VKA_F32, VKA_SHAPE(4, 5, 5));
    vka_block(rig.graph, "se", "a", NULL, VKA_INPUTS({"x", flat}));
    expect_failed("[4, 5, 5]", "4 axes");
}

static void test_graph_inputs(void **state)
{
    (void)state;
    vka_shape shape = {1, {4}};
    map();
    vka_input(rig.graph, "x", VKA_F32, &shape);
    expect_failed("two inputs are named 'x'", NULL);
    vka_input(rig.graph, "", VKA_F32, &shape);
    expect_failed("an input without a name", NULL);
    vka_input(rig.graph, NULL, VKA_F32, &shape);
    expect_failed("an input without a name", NULL);
    vka_input(rig.graph, "x", VKA_F32, NULL);
    expect_failed("input 'x' has no shape", NULL);
    static const vka_dtype dtypes[] = {VKA_F16, VKA_BF16, VKA_I64, VKA_U8, (vka_dtype)50};
    for (size_t i = 0; i < VKA_COUNT(dtypes); i++) {
        vka_input(rig.graph, "x", dtypes[i], &shape);
        expect_failed("F32, I32 or BOOL", vka_dtype_name(dtypes[i]));
    }
    static const vka_shape shapes[] = {{2, {3, 0}}, {1, {-1}},           {9, {1}},
                                       {-1, {0}},   {2, {INT64_MAX, 2}}, {1, {INT64_MAX / 2}}};
    static const char *const says[] = {"[3, 0]",  "[-1]",      "rank 9",
                                       "rank -1", "too large", "fewer than 2^61 elements"};
    for (size_t i = 0; i < VKA_COUNT(shapes); i++) {
        vka_input(rig.graph, "x", VKA_F32, &shapes[i]);
        expect_failed(says[i], NULL);
    }
}

// --- weights ---

static void expect_weight(vka_dtype dtype, vka_shape shape, const char *a, const char *b)
{
    rig_end(&rig);
    rig_start(&rig);
    rig_assert_ok(vka_weights_add(rig.weights, "a.weight", dtype, &shape, numbers));
    rig_new_graph(&rig);
    vka_tensor x = rig_input(&rig, "x", VKA_F32, VKA_SHAPE(2, 4));
    vka_block(rig.graph, "linear", "a", NULL, VKA_INPUTS({"x", x}));
    if (a)
        rig_assert_failed(rig.graph, a, b);
    else
        rig_assert_ok(vka_graph_status(rig.graph));
}

static void test_weights(void **state)
{
    (void)state;
    vka_tensor x = rig_input(&rig, "x", VKA_F32, VKA_SHAPE(2, 4));
    vka_block(rig.graph, "linear", "a", NULL, VKA_INPUTS({"x", x})); // no set at all
    rig_assert_failed(rig.graph, "a (linear): weight 'a.weight' of shape [?, 4] is missing", NULL);
    expect_weight(VKA_F32, VKA_SHAPE(3, 4), NULL, NULL);
    expect_weight(VKA_F16, VKA_SHAPE(3, 4), NULL, NULL);
    expect_weight(VKA_BF16, VKA_SHAPE(3, 4, 1, 1), NULL, NULL); // trailing ones
    expect_weight(VKA_F32, VKA_SHAPE(3, 5), "'a.weight' has shape [3, 5]", "must have [?, 4]");
    expect_weight(VKA_F32, VKA_SHAPE(4), "[4]", "[?, 4]");
    expect_weight(VKA_F32, VKA_SHAPE(1, 3, 4), "[1, 3, 4]", "[?, 4]"); // leading ones aren't
    expect_weight(VKA_F32, VKA_SHAPE(3, 4, 2), "[3, 4, 2]", "[?, 4]");
    expect_weight(VKA_F32, VKA_SHAPE(0, 4), "[0, 4]", "[?, 4]");
    expect_weight(VKA_I32, VKA_SHAPE(3, 4), "'a.weight' is I32", "float");
    expect_weight(VKA_BOOL, VKA_SHAPE(3, 4), "'a.weight' is BOOL", "float");
}

// The weights of a norm of one channel: the first `count`.
static void add_norm(const char *prefix, size_t count)
{
    static const char *const names[] = {"running_mean", "running_var", "weight", "bias"};
    for (size_t i = 0; i < count; i++) {
        char name[128];
        snprintf(name, sizeof name, "%s%s", prefix, names[i]);
        rig_add_weight(&rig, name, VKA_SHAPE(1), numbers);
    }
}

// A norm's weight and bias may be absent where the block's table says so, and there alone.
static void test_norms(void **state)
{
    static const char *const missing[] = {
        NULL, NULL, "weight 'a.spatial.bn.weight' of shape [1] is missing",
        "weight 'a.spatial.bn.bias' of shape [1] is missing", NULL};
    (void)state;
    for (size_t count = 2; count <= 4; count++) {
        rig_end(&rig);
        rig_start(&rig);
        add_norm("b.", count);
        add_norm("a.spatial.bn.", count);
        rig_add_weight(&rig, "a.spatial.conv.weight", VKA_SHAPE(1, 2, 7, 7), numbers);
        rig_new_graph(&rig);
        vka_tensor x = rig_input(&rig, "x", VKA_F32, VKA_SHAPE(2, 1, 3, 3));
        vka_block(rig.graph, "batch_norm", "b", NULL, VKA_INPUTS({"x", x}));
        rig_assert_ok(vka_graph_status(rig.graph));
        vka_block(rig.graph, "cbam", "a", VKA_ATTRS(vka_attr_string("part", "spatial")),
                  VKA_INPUTS({"x", x}));
        if (missing[count])
            rig_assert_failed(rig.graph, missing[count], NULL);
        else
            rig_assert_ok(vka_graph_status(rig.graph));
    }
}

// A layer that may be absent as a whole isn't passed over where a part of it is there.
static void test_parts_of_layers(void **state)
{
    static const char *const cases[][2] = {
        {"a.post1.bn.weight", "weight 'a.post1.bn.bias' of shape [1] is missing"},
        {"a.proj_g1.bias", "weight 'a.proj_g1.weight' of shape [1, 1] is missing"},
    };
    (void)state;
    for (size_t i = 0; i < VKA_COUNT(cases); i++) {
        rig_end(&rig);
        rig_start(&rig);
        rig_add_weight(&rig, cases[i][0], VKA_SHAPE(1), numbers);
        rig_new_graph(&rig);
        vka_tensor l1 = rig_input(&rig, "l1", VKA_F32, VKA_SHAPE(2, 1, 3, 3));
        vka_tensor g = rig_input(&rig, "g", VKA_F32, VKA_SHAPE(2, 1));
        vka_block(rig.graph, "learn_to_pay_attention", "a",
                  VKA_ATTRS(vka_attr_int("levels", 1), vka_attr_string("compat", "dp"),
                            vka_attr_bool("classify", false)),
                  VKA_INPUTS({"l1", l1}, {"g", g}));
        rig_assert_failed(rig.graph, cases[i][1], NULL);
    }
}

// Ones may be missing at the end, too.
static void test_fewer_axes(void **state)
{
    (void)state;
    rig_add_weight(&rig, "a.spatial.conv.weight", VKA_SHAPE(1, 2), numbers);
    add_norm("a.spatial.bn.", 4);
    rig_new_graph(&rig);
    vka_block(rig.graph, "cbam", "a",
              VKA_ATTRS(vka_attr_string("part", "spatial"), vka_attr_int("kernel_size", 1)),
              VKA_INPUTS({"x", map()}));
    rig_assert_ok(vka_graph_check_surplus(rig.graph));
    rig_new_graph(&rig);
    vka_block(rig.graph, "cbam", "a",
              VKA_ATTRS(vka_attr_string("part", "spatial"), vka_attr_int("kernel_size", 3)),
              VKA_INPUTS({"x", map()}));
    expect_failed("'a.spatial.conv.weight' has shape [1, 2]", "must have [1, 2, 3, 3]");
}

static void test_declared(void **state)
{
    (void)state;
    for (int folded = 0; folded < 2; folded++) {
        vka_plan *plan;
        rig_end(&rig);
        rig_start(&rig);
        rig_add_weight(&rig, "w", VKA_SHAPE(4), NULL);
        rig_new_graph(&rig);
        vka_tensor w = rig_weight(&rig, "w");
        vka_tensor x = rig_input(&rig, "x", VKA_F32, VKA_SHAPE(4));
        vka_output(rig.graph, "y",
                   vka_add(rig.graph, x, folded ? vka_affine(rig.graph, w, 2, 0) : w));
        rig_assert_ok(vka_graph_status(rig.graph)); // enough to look at
        assert_int_equal(vka_plan_create(rig.device, rig.graph, NULL, &plan), VKA_ERROR_INVALID);
        unit_assert_error_has("weight 'w' has no data");
    }
}

static void test_empty_weight(void **state)
{
    (void)state;
    rig_add_weight(&rig, "a.weight", VKA_SHAPE(0, 4), NULL);
    rig_new_graph(&rig);
    vka_tensor x = rig_input(&rig, "x", VKA_F32, VKA_SHAPE(2, 4));
    vka_block(rig.graph, "linear", "a", NULL, VKA_INPUTS({"x", x}));
    rig_assert_failed(rig.graph, "a", "0");
}

static void test_late_weight(void **state)
{
    (void)state;
    rig_add_weight(&rig, "b", VKA_SHAPE(4), numbers);
    rig_new_graph(&rig);
    assert_int_equal(vka_weights_add(rig.weights, "a", VKA_F32, &(vka_shape){1, {4}}, numbers),
                     VKA_ERROR_INVALID);
    unit_assert_error_has("\"a\" comes too late");
    assert_int_equal(vka_weights_count(rig.weights), 1);
}

static void test_surplus(void **state)
{
    (void)state;
    add_se("a.");
    rig_add_weight(&rig, "a.bn.num_batches_tracked", VKA_SHAPE(1), numbers);
    rig_add_weight(&rig, "b.weight", VKA_SHAPE(3, 4), numbers);
    rig_new_graph(&rig);
    place("se", "a");
    assert_int_equal(vka_graph_check_surplus(rig.graph), VKA_ERROR_INVALID);
    unit_assert_error_has("weight 'b.weight' belongs to no block");
    rig_new_graph(&rig);
    place("se", "a");
    vka_tensor x = rig_input(&rig, "z", VKA_F32, VKA_SHAPE(2, 4));
    vka_block(rig.graph, "linear", "b", NULL, VKA_INPUTS({"x", x}));
    rig_assert_ok(vka_graph_check_surplus(rig.graph));
    rig_new_graph(&rig); // without a set there is no surplus
    vka_graph *g;
    rig_assert_ok(vka_graph_create(rig.context, NULL, &g));
    rig_assert_ok(vka_graph_check_surplus(g));
    vka_graph_destroy(g);
}

// Known to the block, but of no use in its mode.
static void test_unused(void **state)
{
    (void)state;
    add_se("a.");
    rig_new_graph(&rig);
    vka_block(rig.graph, "se", "a",
              VKA_ATTRS(vka_attr_int("reduction", 2), vka_attr_bool("bias", false)),
              VKA_INPUTS({"x", map()}));
    rig_assert_ok(vka_graph_check_surplus(rig.graph));
}

// --- outputs ---

static void test_outputs(void **state)
{
    (void)state;
    add_se("a.");
    rig_new_graph(&rig);
    vka_node n = place("se", "a");
    assert_string_equal(vka_out_name(rig.graph, n, 0), "y");
    assert_string_equal(vka_out_name(rig.graph, n, 1), "attn");
    assert_null(vka_out_name(rig.graph, n, 2));
    assert_null(vka_out_name(rig.graph, n, -1));
    assert_null(vka_out_name(rig.graph, 0, 0));
    assert_null(vka_out_name(rig.graph, n + 1, 0));
    static const char *const wrong[] = {"z", "", "Y", NULL};
    for (size_t i = 0; i < VKA_COUNT(wrong); i++) {
        rig_new_graph(&rig);
        n = place("se", "a");
        assert_int_equal(vka_out(rig.graph, n, wrong[i]), 0);
        rig_assert_failed(rig.graph, "a (se): there is no output '", "(outputs: ");
    }
    static const vka_node nodes[] = {0, -1, 2, 1000000};
    for (size_t i = 0; i < VKA_COUNT(nodes); i++) {
        rig_new_graph(&rig);
        place("se", "a");
        assert_int_equal(vka_out(rig.graph, nodes[i], "y"), 0);
        rig_assert_failed(rig.graph, "'y' of a node that isn't of this graph", NULL);
    }
}

static void test_graph_outputs(void **state)
{
    (void)state;
    vka_tensor x = map();
    vka_output(rig.graph, "y", x);
    vka_output(rig.graph, "y", x);
    expect_failed("two outputs are named 'y'", NULL);
    static const vka_tensor wrong[] = {0, -1, 2, 1000000};
    for (size_t i = 0; i < VKA_COUNT(wrong); i++) {
        map();
        vka_output(rig.graph, "y", wrong[i]);
        expect_failed("output 'y' is given no tensor", NULL);
    }
    vka_output(rig.graph, "", map());
    expect_failed("an output without a name", NULL);
    vka_output(rig.graph, NULL, map());
    expect_failed("an output without a name", NULL);
    vka_dtype dtype;
    vka_shape shape;
    x = rig_input(&rig, "k", VKA_I32, VKA_SHAPE(2, 3));
    assert_true(vka_tensor_info(rig.graph, x, &dtype, &shape));
    assert_true(dtype == VKA_I32 && vka_shape_equal(&shape, &(vka_shape){2, {2, 3}}));
    assert_true(vka_tensor_info(rig.graph, x, NULL, NULL));
    assert_false(vka_tensor_info(rig.graph, 0, &dtype, &shape));
    assert_false(vka_tensor_info(rig.graph, x + 1, &dtype, &shape));
    assert_false(vka_tensor_info(rig.graph, -1, &dtype, &shape));
}

// --- attributes that point nowhere; the others have attributes.c ---

static void expect_attr(vka_attr attr, const char *says)
{
    rig_new_graph(&rig);
    vka_tensor x = rig_input(&rig, "x", VKA_F32, VKA_SHAPE(1, 16, 5, 5));
    vka_block(rig.graph, "cbam", "a", VKA_ATTRS(attr), VKA_INPUTS({"x", x}));
    rig_assert_failed(rig.graph, "a (cbam): ", says);
}

static void test_find(void **state)
{
    (void)state;
    assert_string_equal(vka_block_find("relu")->id, "relu");
    assert_null(vka_block_find("no such block"));
    assert_null(vka_block_find(""));
    assert_null(vka_block_find(NULL));
}

static void test_attributes(void **state)
{
    (void)state;
    vka_attr null = {.name = "reduction", .type = VKA_ATTR_NULL}, odd = null, items[2];
    odd.type = (vka_attr_type)99;
    expect_attr(null, "'reduction' is null, but must be int");
    expect_attr(odd, "'reduction' is ?, but must be int");
    expect_attr(vka_attr_string("part", NULL), "'part' is a string without its text");
    expect_attr(vka_attr_string(NULL, "both"), "no attribute ''");
    expect_attr(vka_attr_list("pool_types", NULL, 2), "'pool_types' is a list without");
    expect_attr(vka_attr_list("pool_types", NULL, 0), "'pool_types' is empty");
    items[0] = vka_attr_string(NULL, "avg");
    items[1] = vka_attr_string(NULL, NULL);
    expect_attr(vka_attr_list("pool_types", items, 2), "'pool_types' is a list without");
    items[1] = vka_attr_int(NULL, 3);
    expect_attr(vka_attr_list("pool_types", items, 2), "must be list of string");
    items[1] = vka_attr_string(NULL, "sum");
    expect_attr(vka_attr_list("pool_types", items, 2), "must be avg|max|lp|lse");
    expect_attr(vka_attr_double("kernel_size", 3.0), "'kernel_size' is 3.0, but must be int");
    expect_attr(vka_attr_int("kernel_size", INT64_MAX), "weight 'a.channel.fc1.weight'");
}

#define TEST(name) RIG_TEST(name, &rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_names),        TEST(test_long_names),
        TEST(test_prefixes),     TEST(test_inputs),
        TEST(test_graph_inputs), TEST(test_weights),
        TEST(test_norms),        TEST(test_parts_of_layers),
        TEST(test_fewer_axes),   TEST(test_declared),
        TEST(test_empty_weight), TEST(test_late_weight),
        TEST(test_surplus),      TEST(test_unused),
        TEST(test_outputs),      TEST(test_graph_outputs),
        TEST(test_find),         TEST(test_attributes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
