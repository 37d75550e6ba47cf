// SPDX-License-Identifier: MIT
//
// Malformed model files: each with the result and with the words that the message must have, the
// name of the node among them where it is a node's fault.
#include "io/model.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AT_LEAST = 60, NODES_AT_LEAST = 25 };

static size_t total, of_nodes;

static void bad(vka_result want, const char *text, const char *says)
{
    struct vka_context context;
    struct unit_memory memory;
    vka_model *model;
    unit_context(&context, &memory);
    size_t size = strlen(text);
    char *exact = malloc(size ? size : 1);
    memcpy(exact, text, size);
    vka_result result = vka_model_parse(&context, exact, size, &model);
    if (result != want)
        fail_msg("%s\n%s: %s", text, vka_result_string(result), vka_last_error());
    assert_null(model);
    assert_int_equal(memory.blocks, 0);
    unit_assert_error_has("model: ");
    unit_assert_error_has(says);
    free(exact);
    total++;
}

static void malformed(const char *text, const char *says)
{
    bad(VKA_ERROR_FORMAT, text, says);
}

#define NODE(name, from)              "{\"name\":\"" name "\",\"in\":{\"x\":\"" from "\"}" RELU "}"
#define RELU                          ",\"block\":\"relu\""
#define INPUTS                        "\"inputs\":{\"image\":[1,3,\"H\",\"W\"]}"
#define NODES                         "\"nodes\":[" NODE("stem", "image") "]"
#define OUTPUTS                       "\"outputs\":{\"y\":\"stem\"}"
#define MODEL(inputs, nodes, outputs) "{\"vkattn\":1," inputs "," nodes "," outputs "}"

static void test_the_unchanged_is_good(void **state)
{
    (void)state;
    struct vka_context context;
    struct unit_memory memory;
    vka_model *model;
    static const char text[] = MODEL(INPUTS, NODES, OUTPUTS);
    unit_context(&context, &memory);
    assert_int_equal(vka_model_parse(&context, text, sizeof text - 1, &model), VKA_OK);
    vka_model_destroy(model);
    for (size_t size = 0; size < sizeof text - 1; size++)
        assert_int_equal(vka_model_parse(&context, text, size, &model), VKA_ERROR_FORMAT);
    assert_int_equal(memory.blocks, 0);
}

static void test_none(void **state)
{
    (void)state;
    struct vka_context context;
    struct unit_memory memory;
    vka_model *model;
    unit_context(&context, &memory);
    assert_int_equal(vka_model_parse(&context, NULL, 5, &model), VKA_ERROR_INVALID);
    unit_assert_error_has("a model without a text");
    assert_null(model);
    assert_int_equal(vka_model_load(&context, NULL, &model), VKA_ERROR_INVALID);
    unit_assert_error_has("no file is named");
    assert_null(model);
    assert_int_equal(memory.blocks, 0);
}

static void test_json(void **state)
{
    (void)state;
    malformed("", "line 1, column 1: a value is missing");
    malformed("{", "line 1, column 2: a key in quotes is wanted");
    malformed("{\n\"vkattn\": 1,\n}", "line 3, column 1: a key in quotes is wanted");
    malformed("{\n  \"vkattn\": 1\n  \"inputs\": {}\n}", "line 3, column 3: ',' or '}' is wanted");
    malformed("{\"vkattn\": 1} x", "line 1, column 15: something follows the end");
    malformed("{\"vkattn\": 1, \"vkattn\": 1}", "a key that stands twice: \"vkattn\"");
    malformed(MODEL(INPUTS, "\"nodes\":[{\"name\":\"stem\",\"name\":\"stem\"}]", OUTPUTS),
              "a key that stands twice: \"name\"");
    malformed("\xef\xbb\xbf{", "line 1, column 2: a key in quotes is wanted");
    malformed("\xef\xbb\xbf\xef\xbb\xbf{}", "line 1, column 1"); // one mark alone is passed over
    malformed("\xef\xbb{}", "line 1, column 1");
    malformed("{\"x_\": \"\xff\"}", "isn't UTF-8");
}

static void test_top(void **state)
{
    (void)state;
    malformed("[]", "the model is an object {..}, not list");
    malformed("1", "the model is an object {..}, not int");
    malformed("{}", "the key \"vkattn\" is missing");
    malformed("{\"vkattn\":1," NODES "," OUTPUTS "}", "the key \"inputs\" is missing");
    malformed("{\"vkattn\":1," INPUTS "," OUTPUTS "}", "the key \"nodes\" is missing");
    malformed("{\"vkattn\":1," INPUTS "," NODES "}", "the key \"outputs\" is missing");
    malformed("{\"vkattn\":\"1\"}", "\"vkattn\" is of type int, not string");
    malformed("{\"vkattn\":1.0}", "\"vkattn\" is of type int, not float");
    bad(VKA_ERROR_UNSUPPORTED, "{\"vkattn\":2," INPUTS "," NODES "," OUTPUTS "}", "version 2");
    bad(VKA_ERROR_UNSUPPORTED, "{\"vkattn\":-1," INPUTS "," NODES "," OUTPUTS "}", "version -1");
    malformed("{\"vkattn\":1,\"node\":[]}",
              "no key \"node\" (keys: vkattn, inputs, nodes, outputs, image)");
    malformed("{\"vkattn\":1,\"Classes\":[]}", "no key \"Classes\"");
    malformed("{\"vkattn\":1,\"x\":[]}", "no key \"x\"");
    malformed("{\"vkattn\":1,\"\\u001b[0m\":[]}", "no key \"\\u001b[0m\"");
    malformed(MODEL("\"inputs\":[]", NODES, OUTPUTS), "\"inputs\" is of type object, not list");
    malformed(MODEL(INPUTS, "\"nodes\":{}", OUTPUTS), "\"nodes\" is of type list, not object");
    malformed(MODEL(INPUTS, NODES, "\"outputs\":[\"stem\"]"), "\"outputs\" is of type object");
    malformed(MODEL(INPUTS, "\"nodes\":[]", OUTPUTS), "\"nodes\" is empty");
    malformed(MODEL(INPUTS, NODES, "\"outputs\":{}"), "\"outputs\" is empty");
}

#define INPUT(value) MODEL("\"inputs\":{\"image\":" value "}", NODES, OUTPUTS)

static void test_inputs(void **state)
{
    (void)state;
    static const char *const sizes =
        "input \"image\": a size is an integer of 1 or more, or a name";
    malformed(INPUT("1"), "input \"image\": a shape [..] or an object");
    malformed(INPUT("\"f32\""), "input \"image\": a shape [..] or an object");
    malformed(INPUT("null"), "input \"image\": a shape [..] or an object");
    malformed(INPUT("[0]"), sizes);
    malformed(INPUT("[1,-1]"), sizes);
    malformed(INPUT("[1.0]"), sizes);
    malformed(INPUT("[\"\"]"), sizes);
    malformed(INPUT("[null]"), sizes);
    malformed(INPUT("[[1]]"), sizes);
    malformed(INPUT("[1,1,1,1,1,1,1,1,1]"), "input \"image\": a shape has at most 8 axes");
    malformed(INPUT("{}"), "input \"image\": the key \"shape\" is missing");
    malformed(INPUT("{\"shape\":1}"), "input \"image\": \"shape\" is of type list, not int");
    malformed(INPUT("{\"shape\":[0]}"), sizes);
    malformed(INPUT("{\"shape\":[1],\"dtype\":\"f64\"}"), "input \"image\": the dtype is \"f32\"");
    malformed(INPUT("{\"shape\":[1],\"dtype\":\"i64\"}"), "input \"image\": the dtype is \"f32\"");
    malformed(INPUT("{\"shape\":[1],\"dtype\":1}"), "input \"image\": \"dtype\" is of type string");
    malformed(INPUT("{\"shape\":[1],\"optional\":1}"), "\"optional\" is of type bool, not int");
    malformed(INPUT("{\"shape\":[1],\"type\":\"f32\"}"), "input \"image\" has no key \"type\"");
    malformed(MODEL("\"inputs\":{\"\":[1]}", NODES, OUTPUTS), "input \"\": a name has");
    malformed(MODEL("\"inputs\":{\"a/b\":[1]}", NODES, OUTPUTS), "input \"a/b\": a name has");
}

// One node; `rest` follows the name.
static void bad_node(vka_result want, const char *rest, const char *says)
{
    char text[1024], where[512];
    snprintf(text, sizeof text, MODEL(INPUTS, "\"nodes\":[{\"name\":\"stem\"%s}]", OUTPUTS), rest);
    snprintf(where, sizeof where, "node \"stem\"%s", says);
    bad(want, text, where);
    of_nodes++;
}

static void test_nodes(void **state)
{
    (void)state;
    static const vka_result format = VKA_ERROR_FORMAT;
    bad_node(format, "", ": the key \"block\" is missing");
    bad_node(format, ",\"block\":1", ": \"block\" is of type string, not int");
    bad_node(format, ",\"block\":null", ": \"block\" is of type string, not null");
    bad_node(format, ",\"block\":\"relu\",\"in\":\"image\"",
             ": \"in\" is of type object, not string");
    bad_node(format, ",\"block\":\"relu\",\"in\":[\"image\"]",
             ": \"in\" is of type object, not list");
    bad_node(format, ",\"block\":\"relu\",\"in\":{\"x\":1}",
             ": input \"x\" is the name of an input");
    bad_node(format, ",\"block\":\"relu\",\"in\":{\"x\":null}", ": input \"x\" is the name of an");
    bad_node(format, ",\"block\":\"relu\",\"in\":{\"x\":[\"image\"]}", ": input \"x\" is the name");
    bad_node(format, ",\"block\":\"relu\",\"attrs\":[]", ": \"attrs\" is of type object, not list");
    bad_node(format, ",\"block\":\"relu\",\"attrs\":1", ": \"attrs\" is of type object, not int");
    bad_node(format, ",\"block\":\"relu\",\"weights\":1",
             ": \"weights\" is of type string, not int");
    bad_node(format, ",\"block\":\"relu\",\"weights\":null", ": \"weights\" is of type string");
    bad_node(format, ",\"block\":\"relu\",\"weights_as\":true",
             ": \"weights_as\" is of type string");
    bad_node(format, ",\"block\":\"relu\",\"weights_as\":\"timm\"",
             ": \"weights_as\" is \"official\", "
             "not \"timm\"");
    bad_node(format, ",\"block\":\"relu\",\"inputs\":{}",
             " has no key \"inputs\" (keys: name, block, in,");
    bad_node(format, ",\"block\":\"relu\",\"attr\":{}", " has no key \"attr\"");
    bad_node(format, ",\"block\":\"relu\",\"stride\":2", " has no key \"stride\"");
    bad_node(format, ",\"block\":\"relu\",\"x_note\":2", " has no key \"x_note\"");
    malformed(MODEL(INPUTS, "\"nodes\":[1]", OUTPUTS), "node 1 of \"nodes\" is an object");
    malformed(MODEL(INPUTS, "\"nodes\":[{\"block\":\"relu\"}]", OUTPUTS),
              "node 1 of \"nodes\": the key \"name\" is missing");
    malformed(MODEL(INPUTS, "\"nodes\":[{\"name\":1}]", OUTPUTS),
              "node 1 of \"nodes\": \"name\" is of type string, not int");
    malformed(MODEL(INPUTS, "\"nodes\":[{\"name\":\"\",\"block\":\"relu\"}]", OUTPUTS),
              "node \"\": a name");
    malformed(MODEL(INPUTS, "\"nodes\":[{\"name\":\"a/b\",\"block\":\"relu\"}]", OUTPUTS),
              "node \"a/b\": a name has 1 to 255 bytes and no '/'");
    char text[1024], name[300];
    memset(name, 'n', sizeof name);
    snprintf(text, sizeof text,
             MODEL(INPUTS, "\"nodes\":[{\"name\":\"%.256s\",\"block\":\"relu\"}]", OUTPUTS), name);
    malformed(text, "nnn...\": a name has");
}

// A node list and outputs; both as JSON.
static void bad_graph(const char *nodes, const char *outputs, const char *says)
{
    char text[2048];
    snprintf(text, sizeof text, "{\"vkattn\":1," INPUTS ",\"nodes\":[%s],\"outputs\":{%s}}", nodes,
             outputs);
    malformed(text, says);
    of_nodes++;
}

static void test_references(void **state)
{
    (void)state;
    bad_graph(NODE("a", "b"), "\"y\":\"a\"",
              "node \"a\": its input \"x\" is \"b\", which is neither");
    bad_graph(NODE("a", ""), "\"y\":\"a\"",
              "node \"a\": its input \"x\" is \"\", which is neither");
    bad_graph(NODE("a", "image.y"), "\"y\":\"a\"", "node \"a\": its input \"x\" is \"image.y\"");
    bad_graph(NODE("a", "b.y"), "\"y\":\"a\"", "node \"a\": its input \"x\" is \"b.y\"");
    bad_graph(NODE("a", "image") "," NODE("b", "a."), "\"y\":\"a\"",
              "node \"b\": its input \"x\" is \"a.\"");
    bad_graph(NODE("a", ".y"), "\"y\":\"a\"", "node \"a\": its input \"x\" is \".y\"");
    bad_graph(NODE("a", "image"), "\"y\":\"b\"", "output \"y\" is \"b\", which is neither");
    bad_graph(NODE("a", "image"), "\"y\":\"\"", "output \"y\" is \"\", which is neither");
    bad_graph(NODE("a", "image"), "\"y\":\"A\"", "output \"y\" is \"A\", which is neither");
    bad_graph(NODE("a", "image"), "\"y\":1", "output \"y\": a name and the node");
    bad_graph(NODE("a", "image"), "\"\":\"a\"", "output \"\": a name and the node");
    bad_graph(NODE("a", "image") "," NODE("a", "image"), "\"y\":\"a\"",
              "the name \"a\" stands twice");
    bad_graph(NODE("b", "image") "," NODE("a", "image") "," NODE("b", "a"), "\"y\":\"a\"",
              "the name \"b\" stands twice");
    bad_graph(NODE("image", "image"), "\"y\":\"image\"", "the name \"image\" stands twice");
}

static void test_cycles(void **state)
{
    (void)state;
    bad_graph(NODE("a", "a"), "\"y\":\"a\"", "wait for each other: \"a\" <- \"a\"");
    bad_graph(NODE("a", "a.attn"), "\"y\":\"a\"", "wait for each other: \"a\" <- \"a\"");
    bad_graph(NODE("a", "b") "," NODE("b", "a"), "\"y\":\"a\"", "\"a\" <- \"b\" <- \"a\"");
    bad_graph(NODE("s", "image") "," NODE("a", "c") "," NODE("b", "a") "," NODE("c", "b"),
              "\"y\":\"s\"", "\"a\" <- \"c\" <- \"b\" <- \"a\"");
    bad_graph(NODE("a", "b") "," NODE("b", "c") "," NODE("c", "b"), "\"y\":\"a\"",
              "other: \"b\" <- \"c\" <- \"b\"");
    bad_graph(NODE("1", "2") "," NODE("2", "3") "," NODE("3", "4") "," NODE("4", "5") "," NODE(
                  "5", "6") "," NODE("6", "7") "," NODE("7", "8") "," NODE("8", "1"),
              "\"y\":\"1\"", "\"5\" <- \"6\" <- ... <- \"1\"");
}

static void test_image(void **state)
{
    (void)state;
    static const struct {
        const char *value, *says;
    } rows[] = {{"1", "\"image\" is of type object, not int"},
                {"{\"mean\":1}", "\"image\": \"mean\" is of type list, not int"},
                {"{\"mean\":[1,2]}", "\"image\": \"mean\" is three numbers"},
                {"{\"mean\":[1,2,3,4]}", "\"image\": \"mean\" is three numbers"},
                {"{\"mean\":[1,2,\"3\"]}", "\"image\": \"mean\" is three numbers"},
                {"{\"mean\":[1,2,1e300]}", "\"image\": \"mean\" is three numbers"},
                {"{\"std\":[1,1,0]}", "\"image\": \"std\" is three numbers above 0"},
                {"{\"std\":[1,-1,1]}", "\"image\": \"std\" is three numbers above 0"},
                {"{\"std\":[1,1,1e-99]}", "\"image\": \"std\" is three numbers above 0"},
                {"{\"scale\":1}", "\"image\" has no key \"scale\" (keys: mean, std)"}};
    for (size_t i = 0; i < VKA_COUNT(rows); i++) {
        char text[1024];
        snprintf(text, sizeof text, "{\"vkattn\":1," INPUTS "," NODES "," OUTPUTS ",\"image\":%s}",
                 rows[i].value);
        malformed(text, rows[i].says);
    }
}

static void test_large(void **state)
{
    (void)state;
    size_t size = VKA_MODEL_BYTES + 1;
    char *text = malloc(size + 1);
    memset(text, ' ', size);
    text[size] = '\0';
    bad(VKA_ERROR_UNSUPPORTED, text, "a model file of 16777217 bytes");
    size_t at = (size_t)sprintf(text, "{\"vkattn\":1,\"inputs\":{");
    for (int i = 0; i <= VKA_MODEL_INPUTS; i++)
        at += (size_t)sprintf(text + at, "%s\"i%d\":[1]", i ? "," : "", i);
    sprintf(text + at, "}," NODES "," OUTPUTS "}");
    bad(VKA_ERROR_UNSUPPORTED, text, "more than 1024 inputs");
    free(text);
}

static void test_enough_were_made(void **state)
{
    (void)state;
    assert_true(total >= AT_LEAST);
    assert_true(of_nodes >= NODES_AT_LEAST);
    print_message("%zu malformed models, %zu with a node at fault\n", total, of_nodes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_unchanged_is_good),
                                       cmocka_unit_test(test_none),
                                       cmocka_unit_test(test_json),
                                       cmocka_unit_test(test_top),
                                       cmocka_unit_test(test_inputs),
                                       cmocka_unit_test(test_nodes),
                                       cmocka_unit_test(test_references),
                                       cmocka_unit_test(test_cycles),
                                       cmocka_unit_test(test_image),
                                       cmocka_unit_test(test_large),
                                       cmocka_unit_test(test_enough_were_made)};
    return cmocka_run_group_tests_name("model_malformed", tests, NULL, NULL);
}
