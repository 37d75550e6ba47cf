// SPDX-License-Identifier: MIT
//
// Malformed safetensors files: every rule of the format broken in at least five ways, each with the
// result that must come. The files are made here; the test counts them.
#include "io/safetensors.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum rule {
    SHORTER_THAN_8,
    HEADER_SIZE,
    OPENING_BRACE,
    UTF8,
    JSON_SYNTAX,
    STRING_ESCAPES,
    PADDING,
    NAME_TWICE,
    KEY_TWICE,
    METADATA,
    TENSOR_KEYS,
    DTYPE,
    DTYPE_FORM,
    SHAPE_FORM,
    RANK,
    OVERFLOW,
    WHOLE_BYTES,
    OFFSETS_FORM,
    SIZE_FITS,
    HOLE,
    OVERLAP,
    TAIL,
    PAST_END,
    CUT_OFF,
    RULES,
};

enum { AT_LEAST_A_RULE = 5, AT_LEAST = 200, SMALL_CONSTANT = 1 << 20 };

// What the message must say, where it is the same for all cases of a rule.
static const char *const says[RULES] = {[SHORTER_THAN_8] = "at least 8 are needed",
                                        [OPENING_BRACE] = "doesn't begin with '{'",
                                        [UTF8] = "isn't UTF-8",
                                        [JSON_SYNTAX] = "malformed at byte ",
                                        [PADDING] = "only spaces may follow",
                                        [NAME_TWICE] = "stands twice",
                                        [KEY_TWICE] = "stands twice",
                                        [DTYPE] = "tensor \"a\": unknown dtype",
                                        [DTYPE_FORM] = "malformed at byte ",
                                        [SHAPE_FORM] = "malformed at byte ",
                                        [RANK] = "tensor \"a\": more than 8 axes",
                                        [OVERFLOW] = "tensor \"a\": its size overflows",
                                        [WHOLE_BYTES] = "isn't in whole bytes",
                                        [OFFSETS_FORM] = "malformed at byte ",
                                        [SIZE_FITS] = "data_offsets don't fit the shape",
                                        [HOLE] = "a hole before its data",
                                        [OVERLAP] = "its data overlaps another's",
                                        [TAIL] = "follow the data of the last tensor",
                                        [PAST_END] = "its data lies past the end of the file"};

static size_t made[RULES], total;

static void check_file(enum rule rule, vka_result want, const void *bytes, size_t size)
{
    struct vka_context context;
    struct unit_memory memory;
    struct vka_safetensors *file;
    unit_context(&context, &memory);
    char *exact = malloc(size ? size : 1); // one byte too many would be seen
    memcpy(exact, bytes, size);
    vka_result result = vka_safetensors_parse(&context, "t.safetensors", exact, size, &file);
    if (result != want)
        fail_msg("rule %d, case %zu: %s, expected %s (%s)", rule, made[rule],
                 vka_result_string(result), vka_result_string(want), vka_last_error());
    assert_null(file);
    assert_int_equal(memory.blocks, 0);
    assert_true(memory.peak <= size + SMALL_CONSTANT);
    unit_assert_error_has("t.safetensors: ");
    unit_assert_error_has(says[rule] ? says[rule] : "");
    free(exact);
    made[rule]++;
    total++;
}

// A file of this header and of `data_size` bytes.
static void check_bytes(enum rule rule, vka_result want, const char *header, size_t header_size,
                        size_t data_size)
{
    size_t size = 8 + header_size + data_size;
    unsigned char *bytes = calloc(1, size);
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)((uint64_t)header_size >> 8 * i);
    memcpy(bytes + 8, header, header_size);
    check_file(rule, want, bytes, size);
    free(bytes);
}

static void bad(enum rule rule, const char *header, size_t data_size)
{
    check_bytes(rule, VKA_ERROR_FORMAT, header, strlen(header), data_size);
}

// One tensor of the given dtype, shape and offsets (JSON text each).
static void bad_tensor(enum rule rule, vka_result want, const char *dtype, const char *shape,
                       const char *offsets, size_t data_size)
{
    char header[4096];
    int size =
        snprintf(header, sizeof header, "{\"a\":{\"dtype\":%s,\"shape\":%s,\"data_offsets\":%s}}",
                 dtype, shape, offsets);
    assert_true(size > 0 && (size_t)size < sizeof header);
    check_bytes(rule, want, header, (size_t)size, data_size);
}

#define GOOD  "{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}"
#define NEXT  "{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}"
#define EMPTY "{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}"

// The files that the cases below are changed from are good ones.
static void test_the_unchanged_are_good(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data;
    } rows[] = {{"{}", 0},
                {"{\"a\":" GOOD "}", 4},
                {"{\"a\":" GOOD ",\"b\":" NEXT "}", 8},
                {"{\"b\":" NEXT ",\"a\":" GOOD "}   ", 8},
                {"{\"a\":" EMPTY "}", 0},
                {"{\"__metadata__\":{},\"a\":" EMPTY "}", 0},
                {"{\"__metadata__\":{\"a\":\"b\"}}", 0}};
    for (size_t i = 0; i < VKA_COUNT(rows); i++) {
        struct vka_context context;
        struct unit_memory memory;
        struct vka_safetensors *file;
        unsigned char bytes[512] = {(unsigned char)strlen(rows[i].header)};
        unit_context(&context, &memory);
        memcpy(bytes + 8, rows[i].header, strlen(rows[i].header));
        assert_int_equal(vka_safetensors_parse(&context, "good", bytes,
                                               8 + strlen(rows[i].header) + rows[i].data, &file),
                         VKA_OK);
        vka_safetensors_close(file);
        assert_int_equal(memory.blocks, 0);
    }
}

static void test_sizes_at_the_front(void **state)
{
    (void)state;
    unsigned char zeros[16] = {0};
    for (size_t size = 0; size < 8; size++)
        check_file(SHORTER_THAN_8, VKA_ERROR_FORMAT, zeros, size);
    static const uint64_t sizes[] = {0,
                                     1,
                                     3,
                                     9,
                                     100000000,
                                     100000001,
                                     UINT32_MAX,
                                     (uint64_t)1 << 32,
                                     INT64_MAX,
                                     UINT64_MAX,
                                     UINT64_MAX - 7,
                                     (uint64_t)1 << 63,
                                     UINT64_MAX - 8,
                                     0x7b7d000000000000};
    for (size_t i = 0; i < VKA_COUNT(sizes); i++) {
        unsigned char bytes[10];
        for (int b = 0; b < 8; b++)
            bytes[b] = (unsigned char)(sizes[i] >> 8 * b);
        memcpy(bytes + 8, "{}", 2);
        check_file(HEADER_SIZE, VKA_ERROR_FORMAT, bytes, sizeof bytes);
    }
}

static void test_header_text(void **state)
{
    (void)state;
    static const char *const openings[] = {
        "", " {}", "\n{}", "\xef\xbb\xbf{}", "[]", "null", "\"a\"", "1", "}{", "a{}"};
    for (size_t i = 0; i < VKA_COUNT(openings); i++)
        bad(OPENING_BRACE, openings[i], 0);
    static const char *const syntax[] = {
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":" GOOD,
        "{\"a\":" GOOD ",}",
        "{,\"a\":" GOOD "}",
        "{\"a\" " GOOD "}",
        "{a:" GOOD "}",
        "{'a':" GOOD "}",
        "{\"a\":" GOOD " \"b\":" NEXT "}",
        "{\"a\":" GOOD "]",
        "{\"a\":(1)}",
        "{\"a\":" GOOD ",\"b\":nul}",
        "{1:" GOOD "}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[,1],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1 1],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[01],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[+1],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\" \"shape\":[1],\"data_offsets\":[0,4]}}",
        "{/**/}"};
    for (size_t i = 0; i < VKA_COUNT(syntax); i++)
        bad(JSON_SYNTAX, syntax[i], 4);
}

// What stands in a name, in a key of the metadata and in a value of it.
static void bad_string(enum rule rule, const char *text)
{
    char header[256];
    snprintf(header, sizeof header, "{\"%s\":" EMPTY "}", text);
    bad(rule, header, 0);
    snprintf(header, sizeof header, "{\"__metadata__\":{\"%s\":\"b\"}}", text);
    bad(rule, header, 0);
    snprintf(header, sizeof header, "{\"__metadata__\":{\"a\":\"%s\"}}", text);
    bad(rule, header, 0);
}

static void test_strings(void **state)
{
    (void)state;
    static const char *const not_utf8[] = {"\x80",
                                           "\xbf",
                                           "a\xff",
                                           "\xc0\x80",
                                           "\xc1\xbf",
                                           "\xc3",
                                           "\xe0\x80\x80",
                                           "\xe0\x9f\xbf",
                                           "\xe2\x82",
                                           "\xed\xa0\x80",
                                           "\xed\xbf\xbf",
                                           "\xf0\x80\x80\x80",
                                           "\xf0\x9f\x98",
                                           "\xf4\x90\x80\x80",
                                           "\xf5\x80\x80\x80",
                                           "\xfe"};
    for (size_t i = 0; i < VKA_COUNT(not_utf8); i++)
        bad_string(UTF8, not_utf8[i]);
    static const char *const escapes[] = {
        "\\x41", "\\u12", "\\u12g4", "\\ud800", "\\ud800\\u0041", "\\udc00", "\\u0000",
        "a\nb",  "\t",    "\x01",    "\\",      "\\U00e9"};
    for (size_t i = 0; i < VKA_COUNT(escapes); i++)
        bad_string(STRING_ESCAPES, escapes[i]);
    check_bytes(STRING_ESCAPES, VKA_ERROR_FORMAT, "{\"a\0\":" EMPTY "}",
                sizeof "{\"a\0\":" EMPTY "}" - 1, 0);
}

static void test_padding(void **state)
{
    (void)state;
    static const char *const tails[] = {"\n",  "\t", " \n", "\r",   "x",      "}",        "{}",
                                        " {}", ",",  " ,",  "null", "  \x7f", "\xc2\xa0", "/"};
    for (size_t i = 0; i < VKA_COUNT(tails); i++) {
        char header[256];
        snprintf(header, sizeof header, "{\"a\":" GOOD "}%s", tails[i]);
        bad(PADDING, header, 4);
    }
    check_bytes(PADDING, VKA_ERROR_FORMAT, "{}\0", 3, 0);
    check_bytes(PADDING, VKA_ERROR_FORMAT, "{} \0\0", 5, 0);
    check_bytes(PADDING, VKA_ERROR_FORMAT, "{}\0 ", 4, 0);
}

static void test_what_stands_twice(void **state)
{
    (void)state;
    bad(NAME_TWICE, "{\"a\":" GOOD ",\"a\":" NEXT "}", 8);
    bad(NAME_TWICE, "{\"a\":" GOOD ",\"a\":" GOOD "}", 4);
    bad(NAME_TWICE, "{\"a\":" EMPTY ",\"a\":" EMPTY "}", 0);
    bad(NAME_TWICE, "{\"a\":" GOOD ",\"\\u0061\":" NEXT "}", 8);
    bad(NAME_TWICE, "{\"\":" GOOD ",\"\":" NEXT "}", 8);
    bad(NAME_TWICE, "{\"b\":" EMPTY ",\"a\":" GOOD ",\"b\":" NEXT "}", 8);
    bad(NAME_TWICE, "{\"__metadata__\":{},\"__metadata__\":{}}", 0);
    bad(NAME_TWICE, "{\"__metadata__\":{\"a\":\"b\"},\"\\u005f_metadata__\":{}}", 0);
    bad(KEY_TWICE, "{\"__metadata__\":{\"a\":\"b\",\"a\":\"b\"}}", 0);
    bad(KEY_TWICE, "{\"__metadata__\":{\"a\":\"b\",\"c\":\"d\",\"a\":\"e\"}}", 0);
    bad(KEY_TWICE, "{\"__metadata__\":{\"a\":\"b\",\"\\u0061\":\"c\"}}", 0);
    bad(KEY_TWICE, "{\"__metadata__\":{\"\":\"b\",\"\":\"c\"}}", 0);
    static const char *const keys[] = {"\"dtype\":\"F32\"",      "\"dtype\":\"F16\"",
                                       "\"shape\":[1]",          "\"shape\":[]",
                                       "\"data_offsets\":[0,4]", "\"data_offsets\":[0,8]",
                                       "\"dt\\u0079pe\":\"F32\""};
    for (size_t i = 0; i < VKA_COUNT(keys); i++) {
        char header[256];
        snprintf(header, sizeof header,
                 "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],%s}}", keys[i]);
        bad(KEY_TWICE, header, 4);
    }
}

static void test_metadata(void **state)
{
    (void)state;
    static const char *const values[] = {"null",
                                         "[]",
                                         "\"a\"",
                                         "1",
                                         "true",
                                         "{\"a\":1}",
                                         "{\"a\":null}",
                                         "{\"a\":{}}",
                                         "{\"a\":[\"b\"]}",
                                         "{\"a\":true}",
                                         "{\"a\"}",
                                         "{\"a\":\"b\",\"c\":0}",
                                         "{1:\"a\"}",
                                         GOOD};
    for (size_t i = 0; i < VKA_COUNT(values); i++) {
        char header[256];
        snprintf(header, sizeof header, "{\"__metadata__\":%s}", values[i]);
        bad(METADATA, header, 4);
    }
}

static void test_keys_of_a_tensor(void **state)
{
    (void)state;
    static const char *const values[] = {
        "{}",
        "[]",
        "null",
        "1",
        "\"F32\"",
        "true",
        "{\"dtype\":\"F32\"}",
        "{\"shape\":[1]}",
        "{\"dtype\":\"F32\",\"shape\":[1]}",
        "{\"dtype\":\"F32\",\"data_offsets\":[0,4]}",
        "{\"shape\":[1],\"data_offsets\":[0,4]}",
        "[\"F32\",[1],[0,4]]",
        "{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}",
        "{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"\":null}",
        "{\"Dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}"};
    for (size_t i = 0; i < VKA_COUNT(values); i++) {
        char header[256];
        snprintf(header, sizeof header, "{\"a\":%s}", values[i]);
        bad(TENSOR_KEYS, header, 4);
    }
}

static void test_dtypes(void **state)
{
    (void)state;
    static const char *const unknown[] = {
        "f32",
        "F32 ",
        " F32",
        "",
        "FLOAT",
        "F128",
        "I4",
        "BF32",
        "F8",
        "COMPLEX64",
        ("F32F32F32F32F32F32F32F32F32F32F32F32F32"
         "F32F32F32F32F32F32F32F32F32F32F32F32F32F32F32F32F32F32F32")};
    for (size_t i = 0; i < VKA_COUNT(unknown); i++) {
        char dtype[256];
        snprintf(dtype, sizeof dtype, "\"%s\"", unknown[i]);
        bad_tensor(DTYPE, VKA_ERROR_UNSUPPORTED, dtype, "[1]", "[0,4]", 4);
    }
    static const char *const forms[] = {"1",    "null", "[\"F32\"]",  "{}",
                                        "true", "F32",  "{\"F32\":1}"};
    for (size_t i = 0; i < VKA_COUNT(forms); i++)
        bad_tensor(DTYPE_FORM, VKA_ERROR_FORMAT, forms[i], "[1]", "[0,4]", 4);
}

static void test_shapes(void **state)
{
    (void)state;
    static const char *const forms[] = {"1",
                                        "null",
                                        "\"1\"",
                                        "{}",
                                        "[\"1\"]",
                                        "[1.0]",
                                        "[1e0]",
                                        "[-1]",
                                        "[-0]",
                                        "[null]",
                                        "[true]",
                                        "[[1]]",
                                        "[{}]",
                                        "[0.5]",
                                        "[9223372036854775808]",
                                        "[18446744073709551616]",
                                        "[1,-1]"};
    for (size_t i = 0; i < VKA_COUNT(forms); i++)
        bad_tensor(SHAPE_FORM, VKA_ERROR_FORMAT, "\"F32\"", forms[i], "[0,4]", 4);
    static const int ranks[] = {9, 10, 16, 17, 64, 256, 1000};
    for (size_t i = 0; i < VKA_COUNT(ranks); i++) {
        char shape[2048] = "[";
        for (int r = 0; r < ranks[i]; r++)
            strcat(shape, r ? ",1" : "1");
        bad_tensor(RANK, VKA_ERROR_UNSUPPORTED, "\"F32\"", strcat(shape, "]"), "[0,4]", 4);
    }
    static const struct {
        const char *dtype, *shape;
    } large[] = {{"\"U8\"", "[9223372036854775807]"},
                 {"\"F32\"", "[4611686018427387904]"},
                 {"\"F32\"", "[2305843009213693952,4]"},
                 {"\"U8\"", "[4294967296,4294967296]"},
                 {"\"F32\"", "[4294967296,2147483648]"},
                 {"\"I64\"", "[9223372036854775807,9223372036854775807]"},
                 {"\"F64\"", "[65536,65536,65536,65536]"},
                 {"\"F32\"", "[4294967296,4294967296,0]"},
                 {"\"BOOL\"", "[3,3,3,3,3,3,3,9223372036854775807]"},
                 {"\"F4\"", "[9223372036854775807,2]"}};
    for (size_t i = 0; i < VKA_COUNT(large); i++) {
        bad_tensor(OVERFLOW, VKA_ERROR_FORMAT, large[i].dtype, large[i].shape, "[0,0]", 0);
        bad_tensor(OVERFLOW, VKA_ERROR_FORMAT, large[i].dtype, large[i].shape, "[0,4]", 4);
    }
    static const struct {
        const char *dtype, *shape, *offsets;
    } parts[] = {{"\"F4\"", "[1]", "[0,0]"},      {"\"F4\"", "[1]", "[0,1]"},
                 {"\"F4\"", "[3,3]", "[0,5]"},    {"\"F6_E2M3\"", "[1]", "[0,1]"},
                 {"\"F6_E2M3\"", "[2]", "[0,2]"}, {"\"F6_E3M2\"", "[3]", "[0,2]"},
                 {"\"F6_E3M2\"", "[]", "[0,1]"},  {"\"F4\"", "[]", "[0,0]"}};
    for (size_t i = 0; i < VKA_COUNT(parts); i++)
        bad_tensor(WHOLE_BYTES, VKA_ERROR_FORMAT, parts[i].dtype, parts[i].shape, parts[i].offsets,
                   1);
}

static void test_offsets(void **state)
{
    (void)state;
    static const char *const forms[] = {"0",
                                        "null",
                                        "\"0,4\"",
                                        "{}",
                                        "[]",
                                        "[0]",
                                        "[4]",
                                        "[0,4,4]",
                                        "[0,4,8,12]",
                                        "[\"0\",\"4\"]",
                                        "[0.0,4.0]",
                                        "[0,4e0]",
                                        "[-0,4]",
                                        "[-4,0]",
                                        "[0,-4]",
                                        "[null,4]",
                                        "[[0,4]]",
                                        "{\"0\":4}",
                                        "[0,18446744073709551620]",
                                        "[0,9223372036854775808]"};
    for (size_t i = 0; i < VKA_COUNT(forms); i++)
        bad_tensor(OFFSETS_FORM, VKA_ERROR_FORMAT, "\"F32\"", "[1]", forms[i], 4);
    static const struct {
        const char *shape, *offsets;
        size_t data;
    } sizes[] = {{"[1]", "[0,3]", 3},
                 {"[1]", "[0,5]", 5},
                 {"[1]", "[0,0]", 0},
                 {"[]", "[0,0]", 0},
                 {"[0]", "[0,4]", 4},
                 {"[2]", "[0,4]", 4},
                 {"[1]", "[0,8]", 8},
                 {"[1]", "[4,0]", 4},
                 {"[0]", "[4,0]", 4},
                 {"[2,2]", "[0,15]", 15},
                 {"[1]", "[9223372036854775807,3]", 4}};
    for (size_t i = 0; i < VKA_COUNT(sizes); i++)
        bad_tensor(SIZE_FITS, VKA_ERROR_FORMAT, "\"F32\"", sizes[i].shape, sizes[i].offsets,
                   sizes[i].data);
}

#define AT(b, e) "{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[" #b "," #e "]}"

static void test_places_of_the_data(void **state)
{
    (void)state;
    bad(HOLE, "{\"a\":" AT(1, 5) "}", 5);
    bad(HOLE, "{\"a\":" AT(4, 8) "}", 8);
    bad(HOLE, "{\"a\":" AT(0, 4) ",\"b\":" AT(5, 9) "}", 9);
    bad(HOLE, "{\"b\":" AT(8, 12) ",\"a\":" AT(0, 4) "}", 12);
    bad(HOLE, "{\"a\":" AT(0, 4) ",\"b\":" AT(9223372036854775803, 9223372036854775807) "}", 8);
    bad(HOLE, "{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[4,4]}}", 4);
    bad(OVERLAP, "{\"a\":" AT(0, 4) ",\"b\":" AT(0, 4) "}", 4);
    bad(OVERLAP, "{\"a\":" AT(0, 4) ",\"b\":" AT(3, 7) "}", 7);
    bad(OVERLAP, "{\"b\":" AT(1, 5) ",\"a\":" AT(0, 4) "}", 5);
    bad(OVERLAP, "{\"a\":" AT(0, 4) ",\"b\":" AT(4, 8) ",\"c\":" AT(4, 8) "}", 8);
    bad(OVERLAP, "{\"a\":" AT(0, 4) ",\"b\":" AT(4, 8) ",\"c\":" AT(2, 6) "}", 8);
    bad(OVERLAP,
        "{\"a\":" AT(0, 4) ",\"b\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[2,2]}}", 4);
    for (size_t extra = 1; extra <= 8; extra++)
        bad(TAIL, "{\"a\":" AT(0, 4) "}", 4 + extra);
    bad(TAIL, "{}", 1);
    bad(TAIL, "{\"__metadata__\":{}}", 100);
    bad(TAIL, "{\"a\":" EMPTY "}", 4);
    for (size_t have = 0; have < 8; have++)
        bad(PAST_END, "{\"a\":" AT(0, 4) ",\"b\":" AT(4, 8) "}", have);
}

// A small file with all parts, cut off after every byte.
static void test_cut_off_at_every_byte(void **state)
{
    (void)state;
    const char header[] = "{\"__metadata__\":{\"k\":\"v\"},\"a\":" GOOD ",\"b\":" NEXT "}  ";
    unsigned char bytes[8 + sizeof header - 1 + 8] = {sizeof header - 1};
    memcpy(bytes + 8, header, sizeof header - 1);
    for (size_t size = 0; size < sizeof bytes; size++)
        check_file(CUT_OFF, VKA_ERROR_FORMAT, bytes, size);
}

static void test_enough_were_made(void **state)
{
    (void)state;
    for (int rule = 0; rule < RULES; rule++) {
        if (made[rule] < AT_LEAST_A_RULE)
            fail_msg("rule %d was broken in %zu ways only", rule, made[rule]);
    }
    assert_true(total >= AT_LEAST);
    print_message("%zu malformed files, %d rules\n", total, RULES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_unchanged_are_good),
                                       cmocka_unit_test(test_sizes_at_the_front),
                                       cmocka_unit_test(test_header_text),
                                       cmocka_unit_test(test_strings),
                                       cmocka_unit_test(test_padding),
                                       cmocka_unit_test(test_what_stands_twice),
                                       cmocka_unit_test(test_metadata),
                                       cmocka_unit_test(test_keys_of_a_tensor),
                                       cmocka_unit_test(test_dtypes),
                                       cmocka_unit_test(test_shapes),
                                       cmocka_unit_test(test_offsets),
                                       cmocka_unit_test(test_places_of_the_data),
                                       cmocka_unit_test(test_cut_off_at_every_byte),
                                       cmocka_unit_test(test_enough_were_made)};
    return cmocka_run_group_tests_name("safetensors_malformed", tests, NULL, NULL);
}
