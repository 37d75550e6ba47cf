// SPDX-License-Identifier: MIT
//
// Model files that are well-formed: what they tell, and the graphs made of them.
#include "io/model.h"
#include "graph/graph.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static vka_model *parse(struct unit_fixture *f, const char *text)
{
    vka_model *model;
    if (vka_model_parse(&f->context, text, strlen(text), &model) != VKA_OK)
        fail_msg("%s", vka_last_error());
    return model;
}

// Two towers that meet; the nodes stand in the wrong order.
static const char towers[] =
    "{\"vkattn\": 1,"
    " \"inputs\": {\"a\": [1, \"N\", 4], \"b\": {\"shape\": [\"N\", 4], \"dtype\": \"F32\"},"
    "   \"mask\": {\"shape\": [\"N\", \"M\"], \"dtype\": \"bool\", \"optional\": true},"
    "   \"extra\": {\"shape\": [\"N\", 4], \"optional\": true}},"
    " \"nodes\": ["
    "   {\"name\": \"sum\", \"block\": \"add\", \"in\": {\"a\": \"fc.1.y\", \"b\": \"act\"}},"
    "   {\"name\": \"fc.1\", \"block\": \"linear\", \"in\": {\"x\": \"a\"}},"
    "   {\"name\": \"act\", \"block\": \"leaky_relu\", \"in\": {\"x\": \"b\"},"
    "    \"attrs\": {\"negative_slope\": 0.5}}],"
    " \"outputs\": {\"y\": \"sum\", \"hidden\": \"fc.1\"},"
    " \"image\": {\"mean\": [0.5, 1, 2], \"std\": [0.25, 1, 3]},"
    " \"classes\": [\"cat\", \"d\\u00f6g\", 3.0], \"x_note\": {\"k\": null}}";

static void test_what_a_model_tells(void **state)
{
    struct unit_fixture *f = *state;
    vka_model *m = parse(f, towers);
    const vka_model_input *a = vka_model_get_input(m, 0), *mask = vka_model_get_input(m, 2);
    assert_string_equal(a->name, "a");
    assert_int_equal(a->dtype, VKA_F32);
    assert_int_equal(a->rank, 3);
    assert_int_equal(a->dim[0], 1);
    assert_null(a->axis[0]);
    assert_string_equal(a->axis[1], "N");
    assert_false(a->optional);
    assert_int_equal(mask->dtype, VKA_BOOL);
    assert_true(mask->optional);
    assert_null(vka_model_get_input(m, 4));
    assert_null(vka_model_get_input(m, -1));
    assert_string_equal(vka_model_get_output(m, 0), "y");
    assert_string_equal(vka_model_get_output(m, 1), "hidden");
    assert_null(vka_model_get_output(m, 2));
    assert_null(vka_model_get_output(m, -1));
    assert_string_equal(vka_model_get_extra(m, "classes"), "[\"cat\", \"d\xc3\xb6g\", 3.0]");
    assert_string_equal(vka_model_get_extra(m, "x_note"), "{\"k\": null}");
    assert_null(vka_model_get_extra(m, "nodes"));
    assert_null(vka_model_get_extra(m, "x_other"));
    float mean[3], std[3];
    vka_model_get_image(m, mean, std);
    assert_true(mean[0] == 0.5f && mean[1] == 1 && mean[2] == 2);
    assert_true(std[0] == 0.25f && std[1] == 1 && std[2] == 3);
    vka_model_destroy(m);
    vka_model_destroy(NULL);
}

#define NODE(name, from) "{\"name\":\"" name "\",\"block\":\"relu\",\"in\":{\"x\":\"" from "\"}}"
#define ONE_INPUT(nodes, outputs)                                                                  \
    "{\"vkattn\":1,\"inputs\":{\"x\":[2]},\"nodes\":[" nodes "],\"outputs\":{" outputs "}}"

static void test_defaults(void **state)
{
    struct unit_fixture *f = *state;
    vka_model *m = parse(f, ONE_INPUT(NODE("a", "x"), "\"y\":\"a\""));
    float mean[3], std[3];
    vka_model_get_image(m, mean, std);
    for (int i = 0; i < 3; i++)
        assert_true(mean[i] == 0 && std[i] == 1);
    assert_null(vka_model_get_extra(m, "classes"));
    assert_string_equal(m->nodes[0].prefix, "a");
    vka_model_destroy(m);
}

static void resolves(const vka_model *m, const char *text, int input, int node, const char *output)
{
    struct vka_model_reference from;
    assert_true(vka_model_resolve(m, text, &from));
    assert_int_equal(from.input, input);
    assert_int_equal(from.node, node);
    if (output)
        assert_string_equal(from.output, output);
}

static void test_the_longest_name_first(void **state)
{
    struct unit_fixture *f = *state;
    vka_model *m = parse(
        f,
        "{\"vkattn\":1,\"inputs\":{\"x\":[2],\"in.put\":[2]},\"nodes\":[" NODE("a", "x") "," NODE(
            "a.b", "x") "," NODE("a.b.c", "x") "," NODE("b", "x") "],\"outputs\":{\"y\":\"a\"}}");
    resolves(m, "x", 0, -1, NULL);
    resolves(m, "in.put", 1, -1, NULL);
    resolves(m, "a", -1, 0, "y");
    resolves(m, "a.y", -1, 0, "y");
    resolves(m, "a.b", -1, 1, "y");
    resolves(m, "a.b.y", -1, 1, "y");
    resolves(m, "a.b.c", -1, 2, "y");
    resolves(m, "a.b.c.d", -1, 2, "d");
    resolves(m, "a.b.d.c", -1, 1, "d.c");
    resolves(m, "a.c", -1, 0, "c");
    resolves(m, "b.a.b", -1, 3, "a.b");
    struct vka_model_reference from;
    assert_false(vka_model_resolve(m, "x.y", &from));
    assert_false(vka_model_resolve(m, "in", &from));
    assert_false(vka_model_resolve(m, "a.", &from));
    assert_false(vka_model_resolve(m, "ab", &from));
    vka_model_destroy(m);
}

// Each node hangs on the next one: a recursive walk would need as much stack.
static void test_a_long_chain(void **state)
{
    struct unit_fixture *f = *state;
    enum { COUNT = 100000 };
    char *text = malloc(COUNT * 64 + 256);
    size_t at = (size_t)sprintf(text, "{\"vkattn\":1,\"inputs\":{\"n%d\":[2]},\"nodes\":[", COUNT);
    for (int i = 0; i < COUNT; i++)
        at += (size_t)sprintf(text + at,
                              "%s{\"name\":\"n%d\",\"block\":\"relu\",\"in\":{\"x\":\"n%d\"}}",
                              i ? "," : "", i, i + 1);
    sprintf(text + at, "],\"outputs\":{\"y\":\"n0\"}}");
    vka_model *m = parse(f, text);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(m->order[i], COUNT - 1 - i);
    vka_model_destroy(m);
    free(text);
}

static void test_load(void **state)
{
    struct unit_fixture *f = *state;
    const char *path = unit_path("m.json");
    vka_model *m;
    unit_write_file(path, towers, sizeof towers - 1);
    assert_int_equal(vka_model_load(&f->context, path, &m), VKA_OK);
    vka_model_destroy(m);
    unit_write_file(path, towers, sizeof towers - 2);
    assert_int_equal(vka_model_load(&f->context, path, &m), VKA_ERROR_FORMAT);
    unit_assert_error_has("m.json: line 1");
    unlink(path);
    assert_int_equal(vka_model_load(&f->context, path, &m), VKA_ERROR_NOT_FOUND);
    assert_int_equal(vka_model_load(&f->context, "/tmp", &m), VKA_ERROR_IO);
    assert_null(m);
}

// --- graphs ---

static const float numbers[64] = {1, 2, 3};

static vka_weights *weights_of(struct unit_fixture *f, const char *weight, const char *bias)
{
    vka_weights *w;
    vka_shape matrix = {2, {4, 4}}, vector = {1, {4}};
    assert_int_equal(vka_weights_create(&f->context, &w), VKA_OK);
    assert_int_equal(vka_weights_add(w, weight, VKA_F32, &matrix, numbers), VKA_OK);
    assert_int_equal(vka_weights_add(w, bias, VKA_F32, &vector, numbers), VKA_OK);
    return w;
}

static void test_build(void **state)
{
    struct unit_fixture *f = *state;
    static const vka_model_bind binds[] = {{"b", {2, {3, 4}}}, {"a", {3, {1, 3, 4}}}, {0}};
    vka_weights *w = weights_of(f, "fc.1.weight", "fc.1.bias");
    vka_model *m = parse(f, towers);
    vka_graph *g;
    if (vka_model_build(m, w, binds, NULL, &g) != VKA_OK)
        fail_msg("%s", vka_last_error());
    assert_int_equal(g->input_count, 2);
    assert_string_equal(g->inputs[0].name, "a");
    assert_int_equal(g->output_count, 2);
    assert_string_equal(g->outputs[1].name, "hidden");
    assert_string_equal(g->placed[3].name, "sum"); // [0] isn't used
    vka_dtype dtype;
    vka_shape shape, want = {3, {1, 3, 4}};
    assert_true(vka_tensor_info(g, g->outputs[0].tensor, &dtype, &shape));
    assert_true(dtype == VKA_F32 && vka_shape_equal(&shape, &want));
    vka_graph_destroy(g);
    // Some outputs, and one that the model doesn't name.
    static const char *const chosen[] = {"act.y", "y", NULL};
    assert_int_equal(vka_model_build(m, w, binds, chosen, &g), VKA_OK);
    assert_int_equal(g->output_count, 2);
    assert_string_equal(g->outputs[0].name, "act.y");
    vka_graph_destroy(g);
    vka_model_destroy(m);
    vka_weights_destroy(w);
}

static void fails(struct unit_fixture *f, const char *text, vka_weights *w,
                  const vka_model_bind *binds, const char *const *outputs, const char *says)
{
    vka_graph *g;
    vka_model *m = parse(f, text);
    assert_int_equal(vka_model_build(m, w, binds, outputs, &g), VKA_ERROR_INVALID);
    assert_null(g);
    unit_assert_error_has(says);
    vka_model_destroy(m);
}

static void test_wrong_inputs(void **state)
{
    struct unit_fixture *f = *state;
    static const struct {
        vka_model_bind binds[5];
        const char *says;
    } rows[] = {
        {{{0}}, "input \"a\" is missing"},
        {{{"a", {3, {1, 3, 4}}}}, "input \"b\" is missing"},
        {{{"a", {3, {1, 3, 4}}}, {"b", {2, {3, 4}}}, {"c", {0, {0}}}},
         "the model has no input \"c\""},
        {{{"a", {3, {1, 3, 4}}}, {"a", {3, {1, 3, 4}}}}, "input \"a\" is given twice"},
        {{{"a", {2, {3, 4}}}, {"b", {2, {3, 4}}}},
         "input \"a\" has the shape [3, 4], but the model wants [1, \"N\", 4]"},
        {{{"a", {3, {2, 3, 4}}}, {"b", {2, {3, 4}}}},
         "input \"a\" has the shape [2, 3, 4], but the model wants [1, \"N\", 4]"},
        {{{"a", {3, {1, 0, 4}}}, {"b", {2, {0, 4}}}}, "input \"a\" has the shape [1, 0, 4]"},
        {{{"a", {3, {1, -3, 4}}}, {"b", {2, {-3, 4}}}}, "input \"a\" has the shape [1, -3, 4]"},
        {{{"b", {2, {5, 4}}}, {"a", {3, {1, 3, 4}}}},
         "the size \"N\" is 3 in input \"a\" (axis 1) and 5 in input \"b\" (axis 0)"},
        {{{"a", {3, {1, 3, 4}}}, {"b", {2, {3, 4}}}, {"mask", {2, {2, 7}}}},
         "the size \"N\" is 3 in input \"a\" (axis 1) and 2 in input \"mask\" (axis 0)"},
    };
    vka_weights *w = weights_of(f, "fc.1.weight", "fc.1.bias");
    for (size_t i = 0; i < VKA_COUNT(rows); i++)
        fails(f, towers, w, rows[i].binds, NULL, rows[i].says);
    vka_weights_destroy(w);
}

static const vka_model_bind x_bind[] = {{"x", {1, {2}}}, {0}};

static void test_wrong_outputs_and_nodes(void **state)
{
    struct unit_fixture *f = *state;
    static const char *const outputs[][2] = {{"z", NULL}, {"a.z", NULL}, {"x.y", NULL}, {"", NULL}};
    static const char *const says[] = {"\"z\" is neither an output of the model nor a node",
                                       "a (relu): there is no output 'z' here (outputs: y)",
                                       "\"x.y\" is neither", "\"\" is neither"};
    static const char *const twice[] = {"a", "a", NULL};
    const char *text = ONE_INPUT(NODE("a", "x"), "\"y\":\"a\"");
    for (size_t i = 0; i < VKA_COUNT(outputs); i++)
        fails(f, text, NULL, x_bind, outputs[i], says[i]);
    fails(f, text, NULL, x_bind, twice, "two outputs are named 'a'");
    static const struct {
        const char *node, *says;
    } nodes[] = {
        {"\"block\":\"rel\"", "there is no block 'rel'"},
        {"\"block\":\"\"", "there is no block ''"},
        {"\"block\":\"relu\"", "input 'x' is missing"},
        {"\"block\":\"relu\",\"in\":{\"z\":\"x\"}", "there is no input 'z'"},
        {"\"block\":\"relu\",\"in\":{\"x\":\"x\"},\"attrs\":{\"k\":1}", "'k'"},
        {"\"block\":\"leaky_relu\",\"in\":{\"x\":\"x\"},\"attrs\":{\"negative_slope\":\"a\"}",
         "'negative_slope'"},
        {"\"block\":\"linear\",\"in\":{\"x\":\"x\"}", "weight 'node7.weight'"}};
    for (size_t i = 0; i < VKA_COUNT(nodes); i++) {
        char model[512];
        snprintf(model, sizeof model, ONE_INPUT("{\"name\":\"node7\",%s}", "\"y\":\"node7\""),
                 nodes[i].node);
        fails(f, model, NULL, x_bind, NULL, nodes[i].says);
        unit_assert_error_has("node7");
    }
}

static void test_optional_inputs(void **state)
{
    struct unit_fixture *f = *state;
    static const char text[] =
        "{\"vkattn\":1,\"inputs\":{\"x\":[2],\"more\":{\"shape\":[2],\"optional\":true}},"
        "\"nodes\":[{\"name\":\"c\",\"block\":\"concat\",\"attrs\":{\"dim\":0},"
        "\"in\":{\"x\":\"x\",\"x_1\":\"more\"}},{\"name\":\"a\",\"block\":\"relu\",\"in\":{\"x\":"
        "\"c\"}}],"
        "\"outputs\":{\"y\":\"a\"}}";
    static const vka_model_bind both[] = {{"x", {1, {2}}}, {"more", {1, {2}}}, {0}};
    vka_model *m = parse(f, text);
    for (int given = 0; given < 2; given++) {
        vka_graph *g;
        vka_dtype dtype;
        vka_shape shape;
        if (vka_model_build(m, NULL, given ? both : x_bind, NULL, &g) != VKA_OK)
            fail_msg("%s", vka_last_error());
        assert_true(vka_tensor_info(g, g->outputs[0].tensor, &dtype, &shape));
        assert_int_equal(shape.dim[0], given ? 4 : 2);
        vka_graph_destroy(g);
    }
    static const char *const output[] = {"more", NULL};
    vka_graph *g;
    assert_int_equal(vka_model_build(m, NULL, x_bind, output, &g), VKA_ERROR_INVALID);
    unit_assert_error_has("output \"more\" is the input \"more\", which isn't given");
    vka_model_destroy(m);
    // A node that can't do without it.
    fails(f,
          "{\"vkattn\":1,\"inputs\":{\"x\":{\"shape\":[2],\"optional\":true}},"
          "\"nodes\":[" NODE("a", "x") "],\"outputs\":{\"y\":\"a\"}}",
          NULL, NULL, NULL, "a (relu): input 'x' is missing");
}

// The node's own name, another prefix, none.
static void test_prefixes(void **state)
{
    struct unit_fixture *f = *state;
    static const struct {
        const char *key, *weight, *bias;
    } rows[] = {{"", "fc.weight", "fc.bias"},
                {",\"weights\":\"module.head\"", "module.head.weight", "module.head.bias"},
                {",\"weights\":\"\"", "weight", "bias"}};
    static const vka_model_bind bind[] = {{"x", {2, {1, 4}}}, {0}};
    for (size_t i = 0; i < VKA_COUNT(rows); i++) {
        char text[512];
        vka_graph *g;
        snprintf(text, sizeof text,
                 "{\"vkattn\":1,\"inputs\":{\"x\":[1,4]},\"nodes\":[{\"name\":\"fc\","
                 "\"block\":\"linear\",\"in\":{\"x\":\"x\"}%s}],\"outputs\":{\"y\":\"fc\"}}",
                 rows[i].key);
        vka_weights *w = weights_of(f, rows[i].weight, rows[i].bias);
        vka_model *m = parse(f, text);
        if (vka_model_build(m, w, bind, NULL, &g) != VKA_OK)
            fail_msg("%s", vka_last_error());
        vka_graph_destroy(g);
        vka_model_destroy(m);
        vka_weights_destroy(w); // a set that was used takes no more
        w = weights_of(f, rows[i].weight, rows[i].bias);
        vka_shape shape = {1, {4}};
        assert_int_equal(vka_weights_add(w, "bn.num_batches_tracked", VKA_I64, &shape, numbers),
                         VKA_OK);
        assert_int_equal(vka_weights_add(w, "surplus", VKA_F32, &shape, numbers), VKA_OK);
        fails(f, text, w, bind, NULL, "weight 'surplus' belongs to no block");
        vka_weights_destroy(w);
        w = weights_of(f, rows[i].weight, "other");
        vka_shape square = {2, {4, 5}};
        assert_int_equal(vka_weights_add(w, "y", VKA_F32, &square, numbers), VKA_OK);
        fails(f, text, w, bind, NULL, "belongs to no block");
        vka_weights_destroy(w);
    }
}

static void test_every_failing_allocation(void **state)
{
    struct unit_fixture *f = *state;
    static const vka_model_bind binds[] = {{"b", {2, {3, 4}}}, {"a", {3, {1, 3, 4}}}, {0}};
    vka_weights *w = weights_of(f, "fc.1.weight", "fc.1.bias");
    size_t before = f->memory.blocks;
    bool done = false;
    for (size_t n = 1; !done; n++) {
        vka_model *m;
        vka_graph *g = NULL;
        f->memory.asked = 0;
        f->memory.fail_at = n;
        vka_result result = vka_model_parse(&f->context, towers, sizeof towers - 1, &m);
        if (result == VKA_OK)
            result = vka_model_build(m, w, binds, NULL, &g);
        done = result == VKA_OK;
        if (!done && result != VKA_ERROR_OUT_OF_MEMORY)
            fail_msg("allocation %zu: %s", n, vka_last_error());
        vka_graph_destroy(g);
        vka_model_destroy(m);
        assert_int_equal(f->memory.blocks, before);
        assert_true(!done || n > 30);
    }
    vka_weights_destroy(w);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, unit_setup, unit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_what_a_model_tells),
                                       TEST(test_defaults),
                                       TEST(test_the_longest_name_first),
                                       TEST(test_a_long_chain),
                                       TEST(test_load),
                                       TEST(test_build),
                                       TEST(test_wrong_inputs),
                                       TEST(test_wrong_outputs_and_nodes),
                                       TEST(test_optional_inputs),
                                       TEST(test_prefixes),
                                       TEST(test_every_failing_allocation)};
    return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
