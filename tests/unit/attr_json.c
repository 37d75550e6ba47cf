// SPDX-License-Identifier: MIT
//
// Attributes from JSON text and back.
#include "io/attr_json.h"
#include "unit.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static vka_attr *parse(struct unit_fixture *f, const char *text)
{
    vka_attr *tree;
    if (vka_attr_parse(&f->context, "t", text, strlen(text), &tree) != VKA_OK)
        fail_msg("%s", vka_last_error());
    return tree;
}

static void test_types(void **state)
{
    struct unit_fixture *f = *state;
    vka_attr *tree = parse(f, "{\"n\": null, \"b\": true, \"i\": -3, \"d\": 3.0, \"s\": \"a\\nb\","
                              " \"l\": [1, [], {\"x\": 2}], \"o\": {}}");
    assert_int_equal(tree->type, VKA_ATTR_OBJECT);
    assert_null(tree->name);
    assert_int_equal(tree->count, 7);
    assert_int_equal(tree->items[7].type, VKA_ATTR_NONE);
    assert_int_equal(vka_attr_find(tree, "n")->type, VKA_ATTR_NULL);
    assert_true(vka_attr_find(tree, "b")->b);
    assert_int_equal(vka_attr_find(tree, "i")->type, VKA_ATTR_INT);
    assert_int_equal(vka_attr_find(tree, "i")->i, -3);
    assert_int_equal(vka_attr_find(tree, "d")->type, VKA_ATTR_DOUBLE);
    assert_true(vka_attr_find(tree, "d")->d == 3.0);
    assert_string_equal(vka_attr_find(tree, "s")->s, "a\nb");
    const vka_attr *list = vka_attr_find(tree, "l");
    assert_int_equal(list->count, 3);
    assert_null(list->items[0].name);
    assert_int_equal(list->items[1].count, 0);
    assert_int_equal(list->items[1].items[0].type, VKA_ATTR_NONE);
    assert_int_equal(vka_attr_find(&list->items[2], "x")->i, 2);
    assert_int_equal(list->items[3].type, VKA_ATTR_NONE);
    assert_int_equal(vka_attr_find(tree, "o")->items[0].type, VKA_ATTR_NONE);
    assert_null(vka_attr_find(tree, "z"));
    assert_null(vka_attr_find(list, "z"));
    assert_null(vka_attr_find(NULL, "z"));
    vka_free(&f->context, tree);
}

static const char *text_of(const vka_attr *attr, char *buffer, size_t size)
{
    struct vka_json_out out = {buffer, size, 0};
    vka_attr_put(&out, attr);
    return buffer;
}

static void test_to_text(void **state)
{
    struct unit_fixture *f = *state;
    static const char *const texts[] = {"null",
                                        "true",
                                        "false",
                                        "0",
                                        "-9223372036854775808",
                                        "9223372036854775807",
                                        "3.0",
                                        "-0.0",
                                        "0.1",
                                        "1e-05",
                                        "1e+30",
                                        "4.94066e-324",
                                        "\"\"",
                                        "\"a\\\"\\\\\\u0001\xc3\xa9\"",
                                        "[]",
                                        "{}",
                                        "[1, 2.5, \"x\", null, [true]]",
                                        "{\"a\": 1, \"b c\": {\"d\": [{}]}}"};
    char text[256], shown[8];
    for (size_t i = 0; i < VKA_COUNT(texts); i++) {
        vka_attr *tree = parse(f, texts[i]);
        assert_string_equal(text_of(tree, text, sizeof text), texts[i]);
        text_of(tree, shown, sizeof shown); // cut, with a NUL
        assert_int_equal(strlen(shown), strlen(texts[i]) < 7 ? strlen(texts[i]) : 7);
        vka_free(&f->context, tree);
    }
}

static void test_doubles_keep_their_value(void **state)
{
    struct unit_fixture *f = *state;
    uint64_t bits = 1;
    for (int i = 0; i < 2000; i++) {
        double value;
        char text[64];
        bits = bits * 6364136223846793005u + 1442695040888963407u;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            continue;
        vka_attr attr = vka_attr_double(NULL, value);
        vka_attr *tree = parse(f, text_of(&attr, text, sizeof text));
        assert_int_equal(tree->type, VKA_ATTR_DOUBLE);
        assert_memory_equal(&tree->d, &value, sizeof value);
        vka_free(&f->context, tree);
    }
}

static void fails(struct unit_fixture *f, const char *text, const char *says)
{
    vka_attr *tree;
    assert_int_equal(vka_attr_parse(&f->context, "file", text, strlen(text), &tree),
                     VKA_ERROR_FORMAT);
    assert_null(tree);
    unit_assert_error_has(says);
}

static void test_errors(void **state)
{
    struct unit_fixture *f = *state;
    fails(f, "", "file: line 1, column 1: a value is missing");
    fails(f, "{\n \"a\": tru}", "file: line 2, column 7: a value is missing");
    fails(f, "[1, 2", "column 6: ',' or ']' is wanted");
    fails(f, "[1] 2", "column 5: something follows the end");
    fails(f, "{\"a\": 1, \"a\": 2}", "a key that stands twice: \"a\"");
    fails(f, "[{\"b\": {\"c\": 1, \"\\u0063\": 1}}]", "a key that stands twice: \"c\"");
    fails(f, "{\"a\": 99999999999999999999}", "column 7: a number out of range");
    fails(f, "{\"a\": 1e400}", "column 7: a number out of range");
}

// As many keys as to make comparing each with each slow.
static void test_many_keys(void **state)
{
    struct unit_fixture *f = *state;
    enum { COUNT = 200000 };
    char *text = malloc(COUNT * 16 + 16);
    size_t at = (size_t)sprintf(text, "{");
    for (int i = 0; i < COUNT; i++)
        at += (size_t)sprintf(text + at, "%s\"%x\":%d", i ? "," : "", i * 7 % COUNT, i);
    strcpy(text + at, "}");
    vka_attr *tree = parse(f, text);
    assert_int_equal(tree->count, COUNT);
    vka_free(&f->context, tree);
    strcpy(text + at, ",\"1f\":0}");
    fails(f, text, "a key that stands twice: \"1f\"");
    free(text);
}

static void test_every_failing_allocation(void **state)
{
    struct unit_fixture *f = *state;
    static const char text[] = "{\"a\": [1, 2, {\"b\": \"c\", \"d\": []}], \"e\": {}}";
    bool done = false;
    for (size_t n = 1; !done; n++) {
        vka_attr *tree;
        f->memory.asked = 0;
        f->memory.fail_at = n;
        vka_result result = vka_attr_parse(&f->context, "t", text, sizeof text - 1, &tree);
        done = result == VKA_OK;
        assert_true(done || result == VKA_ERROR_OUT_OF_MEMORY);
        vka_free(&f->context, tree);
        assert_int_equal(f->memory.blocks, 0);
        assert_true(!done || n > 3);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, unit_setup, unit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_types),  TEST(test_to_text),   TEST(test_doubles_keep_their_value),
        TEST(test_errors), TEST(test_many_keys), TEST(test_every_failing_allocation)};
    return cmocka_run_group_tests_name("attr_json", tests, NULL, NULL);
}
