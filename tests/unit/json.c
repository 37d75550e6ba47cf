// SPDX-License-Identifier: MIT
#include "io/json.h"
#include "unit.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The text in memory of exactly its size, so that a byte read too many is seen.
static char *exact(const char *text, size_t size)
{
    char *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, text, size);
    return copy;
}

static bool valid(const char *text, size_t size)
{
    char *copy = exact(text, size);
    struct vka_json j;
    vka_json_start(&j, copy, size);
    bool result = vka_json_skip(&j) && vka_json_end(&j);
    assert_true(result == !j.error);
    assert_true(j.at <= size && j.error_at <= size);
    free(copy);
    return result;
}

#define VALID(text) (valid("" text, sizeof(text) - 1))

static void test_valid(void **state)
{
    (void)state;
    assert_true(VALID("0"));
    assert_true(VALID(" \t\r\n[ ] \n"));
    assert_true(VALID("{}"));
    assert_true(VALID("{\"a\":[1,2.5,-3e-7,true,false,null,\"x\",{\"b\":{}}] , \"c\":0}"));
    assert_true(VALID("-0"));
    assert_true(VALID("-9223372036854775808"));
    assert_true(VALID("9223372036854775807"));
    assert_true(VALID("1E+2"));
    assert_true(VALID("\"\\u00e9\\ud83d\\ude00\\n\\\"\\\\\\/\\b\\f\\r\\t\""));
    assert_true(VALID("\"\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xef\xbf\xbf\""));
    assert_true(VALID("\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\""));
}

static void test_malformed(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        " ",
                                        "[",
                                        "]",
                                        "{",
                                        "}",
                                        "[1",
                                        "[1,]",
                                        "[,1]",
                                        "[1 2]",
                                        "[1,,2]",
                                        "{,}",
                                        "{\"a\"}",
                                        "{\"a\":}",
                                        "{\"a\" 1}",
                                        "{\"a\":1,}",
                                        "{a:1}",
                                        "{1:2}",
                                        "{\"a\":1",
                                        "[1}",
                                        "{\"a\":1]",
                                        "tru",
                                        "True",
                                        "nul",
                                        "NaN",
                                        "Infinity",
                                        "-",
                                        "+1",
                                        "01",
                                        "-01",
                                        "1.",
                                        ".5",
                                        "1.e3",
                                        "1e",
                                        "1e+",
                                        "0x10",
                                        "1_000",
                                        "--1",
                                        "1 1",
                                        "[] []",
                                        "\"a",
                                        "\"\\",
                                        "\"\\x41\"",
                                        "\"\\u12\"",
                                        "\"\\u12g4\"",
                                        "\"\\ud800\"",
                                        "\"\\udc00\"",
                                        "'a'",
                                        "// a\n1",
                                        "1e999",
                                        "-1e999",
                                        "[1]x",
                                        "9223372036854775808",
                                        "-9223372036854775809",
                                        "\"\\ud800\\u0041\"",
                                        "\"\\ud800x\"",
                                        "\"\\udc00\\ud800\"",
                                        "\"\\ud800\\ue000\"",
                                        "\"\\ud800\\udbff\"",
                                        "\"\\u0000\"",
                                        "\"\n\"",
                                        "\"\t\"",
                                        "\"\x1f\"",
                                        "\"\x80\"",
                                        "\"\xc0\x80\"",
                                        "\"\xc1\xbf\"",
                                        "\"\xc3\"",
                                        "\"\xe0\x80\x80\"",
                                        "\"\xe0\x9f\xbf\"",
                                        "\"\xed\xa0\x80\"",
                                        "\"\xf0\x80\x80\x80\"",
                                        "\"\xf0\x8f\xbf\xbf\"",
                                        "\"\xf4\x90\x80\x80\"",
                                        "\"\xf5\x80\x80\x80\"",
                                        "\"\xff\"",
                                        "\"\xe2\x82\"",
                                        "\"\xe2\x28\xa1\"",
                                        "\xef\xbb\xbf{}"};
    for (size_t i = 0; i < VKA_COUNT(texts); i++) {
        if (valid(texts[i], strlen(texts[i])))
            fail_msg("taken for valid: %s", texts[i]);
    }
    assert_false(VALID("\"\0\""));
    assert_false(VALID("1\0"));
    assert_false(VALID("\0"));
}

static void test_every_prefix_is_malformed(void **state)
{
    (void)state;
    const char text[] =
        "{\"a\\u00e9\xc3\xa9\":[-1.5e+3,true,null,{\"b\":\"\\ud83d\\ude00\"}],\"c\":[]}";
    assert_true(
        VALID("{\"a\\u00e9\xc3\xa9\":[-1.5e+3,true,null,{\"b\":\"\\ud83d\\ude00\"}],\"c\":[]}"));
    for (size_t size = 0; size + 1 < sizeof text; size++)
        assert_false(valid(text, size));
}

static void test_depth(void **state)
{
    (void)state;
    char text[2 * VKA_JSON_DEPTH + 2];
    for (int depth = VKA_JSON_DEPTH; depth <= VKA_JSON_DEPTH + 1; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        assert_true(valid(text, 2 * (size_t)depth) == (depth == VKA_JSON_DEPTH));
    }
    size_t deep = 1000000;
    char *many = malloc(deep);
    memset(many, '[', deep);
    assert_false(valid(many, deep));
    free(many);
}

static struct vka_json_value read_one(const char *text)
{
    struct vka_json j;
    struct vka_json_value value;
    vka_json_start(&j, text, strlen(text));
    assert_true(vka_json_value(&j, &value));
    return value;
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum vka_json_kind kind;
        int64_t i;
        double d;
    } rows[] = {{"0", VKA_JSON_INT, 0, 0},
                {"-0", VKA_JSON_INT, 0, 0},
                {"-17", VKA_JSON_INT, -17, 0},
                {"9007199254740993", VKA_JSON_INT, 9007199254740993, 0},
                {"9223372036854775807", VKA_JSON_INT, INT64_MAX, 0},
                {"-9223372036854775808", VKA_JSON_INT, INT64_MIN, 0},
                {"3.0", VKA_JSON_DOUBLE, 0, 3.0},
                {"1e2", VKA_JSON_DOUBLE, 0, 100.0},
                {"-0.0", VKA_JSON_DOUBLE, 0, -0.0},
                {"1e-5", VKA_JSON_DOUBLE, 0, 1e-5},
                {"0.1", VKA_JSON_DOUBLE, 0, 0.1},
                {"5e-324", VKA_JSON_DOUBLE, 0, 5e-324},
                {"1e-999", VKA_JSON_DOUBLE, 0, 0},
                {"1.7976931348623157e308", VKA_JSON_DOUBLE, 0, 1.7976931348623157e308}};
    for (size_t i = 0; i < VKA_COUNT(rows); i++) {
        struct vka_json_value value = read_one(rows[i].text);
        assert_int_equal(value.kind, rows[i].kind);
        assert_true(value.i == rows[i].i);
        assert_memory_equal(&value.d, &rows[i].d, sizeof(double));
        assert_true(value.negative == (rows[i].text[0] == '-'));
    }
}

// A program that uses the library may have set a locale with a decimal comma. Windows has one;
// where none may be installed, the two functions of the C library that follow it are replaced.
#ifdef _WIN32
static void test_numbers_in_a_locale_with_a_comma(void **state)
{
    (void)state;
    if (!setlocale(LC_NUMERIC, "German"))
        unit_skip("this Windows has no German locale");
    char point = *localeconv()->decimal_point;
    double read = read_one("2.5").d;
    setlocale(LC_NUMERIC, "C");
    assert_int_equal(point, ',');
    assert_true(read == 2.5);
}
#else
static bool comma;
struct lconv *__real_localeconv(void);
struct lconv *__wrap_localeconv(void);
double __real_strtod(const char *text, char **end);
double __wrap_strtod(const char *text, char **end);

struct lconv *__wrap_localeconv(void)
{
    static char point[] = ",";
    static struct lconv with_comma;
    if (!comma)
        return __real_localeconv();
    with_comma.decimal_point = point;
    return &with_comma;
}

double __wrap_strtod(const char *text, char **end)
{
    char copy[128];
    if (!comma)
        return __real_strtod(text, end);
    snprintf(copy, sizeof copy, "%.*s", (int)strcspn(text, "."), text);
    if (strchr(copy, ','))
        *strchr(copy, ',') = '.';
    return __real_strtod(copy, end);
}

static void test_numbers_in_a_locale_with_a_comma(void **state)
{
    (void)state;
    comma = true;
    assert_true(strtod("2.5", NULL) == 2.0);
    double read = read_one("2.5").d;
    comma = false;
    assert_true(read == 2.5);
}
#endif

static void test_strings(void **state)
{
    (void)state;
    static const struct {
        const char *json, *plain;
    } rows[] = {{"\"\"", ""},
                {"\"abc\"", "abc"},
                {"\"\\u0041\\n\\t\\b\\f\\r\\/\\\\\\\"\"", "A\n\t\b\f\r/\\\""},
                {"\"\\u00e9\"", "\xc3\xa9"},
                {"\"\\u20AC\"", "\xe2\x82\xac"},
                {"\"\\uD83D\\uDE00\"", "\xf0\x9f\x98\x80"},
                {"\"\\uffff\\u0800\\u07ff\\u0080\"", "\xef\xbf\xbf\xe0\xa0\x80\xdf\xbf\xc2\x80"},
                {"\"\\udbff\\udfff\"", "\xf4\x8f\xbf\xbf"}};
    for (size_t i = 0; i < VKA_COUNT(rows); i++) {
        struct vka_json_value value = read_one(rows[i].json);
        char *plain = malloc(value.length + 1);
        vka_json_string(&value, plain);
        assert_string_equal(plain, rows[i].plain);
        assert_int_equal(value.length, strlen(rows[i].plain));
        assert_true(value.length <= value.raw_size);
        assert_true(vka_json_is(&value, rows[i].plain));
        assert_false(vka_json_is(&value, "other"));
        free(plain);
    }
}

static void test_where(void **state)
{
    (void)state;
    const char text[] = "{\n  \"a\": 1,\n  \"b\": tru\n}";
    struct vka_json j;
    size_t line, column;
    vka_json_start(&j, text, strlen(text));
    assert_false(vka_json_skip(&j));
    vka_json_where(&j, &line, &column);
    assert_int_equal(line, 3);
    assert_int_equal(column, 8);
    assert_string_equal(j.error, "a value is missing");
}

static void test_quote(void **state)
{
    (void)state;
    char buffer[VKA_JSON_QUOTED];
    assert_string_equal(vka_json_quote("a\"b\\c\x1b[0m\n\xc3\xa9", buffer),
                        "\"a\\\"b\\\\c\\u001b[0m\\u000a\xc3\xa9\"");
    // Texts of every length, of one byte and of four bytes a character: valid JSON, and whole
    // where it fits.
    for (size_t bytes = 1; bytes <= 4; bytes += 3) {
        for (size_t n = 0; n < 80 * 4 / bytes; n++) {
            char text[321] = "";
            for (size_t i = 0; i < n; i++)
                memcpy(text + i * bytes, bytes == 1 ? "x" : "\xf0\x9f\x98\x80", bytes);
            text[n * bytes] = '\0';
            vka_json_quote(text, buffer);
            assert_true(valid(buffer, strlen(buffer)));
            bool fits = n * bytes + 3 <= VKA_JSON_QUOTED;
            assert_true(fits == (strlen(buffer) == n * bytes + 2));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),   cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_depth),   cmocka_unit_test(test_every_prefix_is_malformed),
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_numbers_in_a_locale_with_a_comma),
        cmocka_unit_test(test_strings), cmocka_unit_test(test_where),
        cmocka_unit_test(test_quote)};
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
