// SPDX-License-Identifier: MIT
//
// Well-formed safetensors files: reading what the format allows, writing, and the two together.
#include "io/safetensors.h"
#include "io/file.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct vka_safetensors *parse(struct unit_fixture *f, const void *bytes, size_t size)
{
    struct vka_safetensors *file;
    vka_result result = vka_safetensors_parse(&f->context, "t", bytes, size, &file);
    if (result != VKA_OK)
        fail_msg("%s", vka_last_error());
    return file;
}

// Puts the size in front of a header; the file's size.
static size_t make(unsigned char *out, const char *header, size_t data_size)
{
    size_t size = strlen(header);
    memset(out, 0, 8 + size + data_size);
    for (int i = 0; i < 8; i++)
        out[i] = (unsigned char)((uint64_t)size >> 8 * i);
    memcpy(out + 8, header, size);
    for (size_t i = 0; i < data_size; i++)
        out[8 + size + i] = (unsigned char)(i + 1);
    return 8 + size + data_size;
}

static void test_all_types(void **state)
{
    static const struct {
        const char *name;
        unsigned bits;
        int dtype;
    } types[] = {
        {"BOOL", 8, VKA_BOOL}, {"F4", 4, -1},          {"F6_E2M3", 6, -1},     {"F6_E3M2", 6, -1},
        {"U8", 8, VKA_U8},     {"I8", 8, -1},          {"F8_E5M2", 8, -1},     {"F8_E4M3", 8, -1},
        {"F8_E8M0", 8, -1},    {"F8_E4M3FNUZ", 8, -1}, {"F8_E5M2FNUZ", 8, -1}, {"I16", 16, -1},
        {"U16", 16, -1},       {"F16", 16, VKA_F16},   {"BF16", 16, VKA_BF16}, {"I32", 32, VKA_I32},
        {"U32", 32, -1},       {"F32", 32, VKA_F32},   {"C64", 64, -1},        {"F64", 64, -1},
        {"I64", 64, VKA_I64},  {"U64", 64, -1}};
    struct unit_fixture *f = *state;
    assert_int_equal(VKA_COUNT(types), 22);
    for (size_t i = 0; i < VKA_COUNT(types); i++) {
        char header[256];
        unsigned char bytes[512];
        size_t data = types[i].bits * 8 / 8;
        snprintf(header, sizeof header,
                 "{\"t\":{\"dtype\":\"%s\",\"shape\":[2,4],\"data_offsets\":[0,%zu]}}",
                 types[i].name, data);
        struct vka_safetensors *file = parse(f, bytes, make(bytes, header, data));
        struct vka_safetensor tensor;
        assert_int_equal(vka_safetensors_get(file, 0, &tensor), VKA_OK);
        assert_string_equal(tensor.type, types[i].name);
        assert_int_equal(tensor.dtype, types[i].dtype);
        assert_int_equal(tensor.bytes, data);
        vka_result used = vka_safetensors_use(file, 0, &tensor);
        assert_int_equal(used, types[i].dtype < 0 ? VKA_ERROR_UNSUPPORTED : VKA_OK);
        if (used != VKA_OK) {
            unit_assert_error_has("tensor \"t\"");
            unit_assert_error_has(types[i].name);
        }
        vka_safetensors_close(file);
    }
}

static void test_empty_and_rank_0(void **state)
{
    struct unit_fixture *f = *state;
    unsigned char bytes[512];
    struct vka_safetensor t;
    size_t size =
        make(bytes,
             "{\"s\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
             "\"e\":{\"dtype\":\"F32\",\"shape\":[3,0,2],\"data_offsets\":[4,4]},"
             "\"f\":{\"shape\":[0,9223372036854775807],\"data_offsets\":[0,0],"
             "\"dtype\":\"F32\"},"
             "\"\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1],\"data_offsets\":[4,5]}} ",
             5);
    struct vka_safetensors *file = parse(f, bytes, size);
    assert_int_equal(vka_safetensors_count(file), 4);
    assert_int_equal(vka_safetensors_get(file, (size_t)vka_safetensors_find(file, "s"), &t),
                     VKA_OK);
    assert_int_equal(t.shape.rank, 0);
    assert_int_equal(t.bytes, 4);
    assert_memory_equal(t.data, "\1\2\3\4", 4);
    assert_int_equal(vka_safetensors_get(file, (size_t)vka_safetensors_find(file, "e"), &t),
                     VKA_OK);
    assert_int_equal(t.shape.rank, 3);
    assert_int_equal(t.bytes, 0);
    assert_int_equal(vka_safetensors_get(file, (size_t)vka_safetensors_find(file, "f"), &t),
                     VKA_OK);
    assert_int_equal(t.shape.dim[1], INT64_MAX);
    assert_int_equal(vka_safetensors_get(file, (size_t)vka_safetensors_find(file, ""), &t), VKA_OK);
    assert_int_equal(t.shape.rank, 8);
    assert_memory_equal(t.data, "\5", 1);
    assert_int_equal(vka_safetensors_find(file, "nothing"), -1);
    assert_string_equal(vka_safetensors_name(file, 0), "");
    vka_safetensors_close(file);
}

static void test_metadata_and_escapes(void **state)
{
    struct unit_fixture *f = *state;
    unsigned char bytes[512];
    size_t size =
        make(bytes,
             "{ \"\\u005f_metadata__\" : {\"b\":\"\",\"a\":\"{\\\"x\\\": 1}\",\"\":\"e\"},\n"
             "\t\"\\u00e9\":{\"dtype\":\"F\\u00332\",\"shape\":[ 1 ],"
             "\"data\\u005foffsets\":[ 0 , 4 ]}\r\n}    ",
             4);
    struct vka_safetensors *file = parse(f, bytes, size);
    assert_int_equal(vka_safetensors_count(file), 1);
    assert_string_equal(vka_safetensors_name(file, 0), "\xc3\xa9");
    assert_string_equal(vka_safetensors_metadata(file, "a"), "{\"x\": 1}");
    assert_string_equal(vka_safetensors_metadata(file, "b"), "");
    assert_string_equal(vka_safetensors_metadata(file, ""), "e");
    assert_null(vka_safetensors_metadata(file, "c"));
    vka_safetensors_close(file);
}

// Many tensors without data, so that the header is nearly all of the file: the memory taken must
// still be less than the file has bytes.
static void test_memory_is_less_than_the_file(void **state)
{
    struct unit_fixture *f = *state;
    enum { COUNT = 50000 };
    char *header = malloc(COUNT * 80);
    size_t at = (size_t)sprintf(header, "{\"__metadata__\":{");
    for (int i = 0; i < COUNT; i++)
        at += (size_t)sprintf(header + at, "%s\"%x\":\"\"", i ? "," : "", i);
    at += (size_t)sprintf(header + at, "}");
    for (int i = 0; i < COUNT; i++)
        at += (size_t)sprintf(header + at,
                              ",\"%x\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}",
                              COUNT - i);
    sprintf(header + at, "}");
    unsigned char *bytes = malloc(at + 16);
    size_t size = make(bytes, header, 0);
    struct vka_safetensors *file = parse(f, bytes, size);
    assert_true(f->memory.peak <= size + 1024);
    assert_int_equal(vka_safetensors_count(file), COUNT);
    for (size_t i = 1; i < COUNT; i++)
        assert_true(strcmp(vka_safetensors_name(file, i - 1), vka_safetensors_name(file, i)) < 0);
    assert_int_equal(vka_safetensors_find(file, vka_safetensors_name(file, 777)), 777);
    vka_safetensors_close(file);
    free(bytes);
    free(header);
}

// The format's limit: a header of 100,000,000 bytes.
static void test_the_longest_header(void **state)
{
    struct unit_fixture *f = *state;
    enum { MOST = 100000000 };
    unsigned char *bytes = malloc(8 + MOST + 1);
    assert_non_null(bytes);
    memset(bytes, ' ', 8 + MOST + 1);
    memcpy(bytes, (unsigned char[]){0x00, 0xe1, 0xf5, 0x05, 0, 0, 0, 0, '{', '}'}, 10);
    struct vka_safetensors *file = parse(f, bytes, 8 + MOST);
    assert_int_equal(vka_safetensors_count(file), 0);
    vka_safetensors_close(file);
    bytes[0]++;
    assert_int_equal(vka_safetensors_parse(&f->context, "t", bytes, 8 + MOST + 1, &file),
                     VKA_ERROR_FORMAT);
    unit_assert_error_has("a header of 100000001 bytes");
    free(bytes);
}

// Another process may write to the file after it was checked.
static void test_a_shape_that_changes_later(void **state)
{
    struct unit_fixture *f = *state;
    unsigned char bytes[512];
    struct vka_safetensor t;
    size_t size =
        make(bytes, "{\"s\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8);
    struct vka_safetensors *file = parse(f, bytes, size);
    char *shape = strstr((char *)bytes + 8, "[2]");
    assert_non_null(shape);
    static const char *const texts[] = {"[3]", "[x]", "[2,", "   ", "\"a\"", "[]]"};
    for (size_t i = 0; i < VKA_COUNT(texts); i++) {
        memcpy(shape, texts[i], 3);
        assert_int_equal(vka_safetensors_get(file, 0, &t), VKA_ERROR_FORMAT);
        unit_assert_error_has("changed");
    }
    vka_safetensors_close(file);
}

static void test_every_failing_allocation(void **state)
{
    struct unit_fixture *f = *state;
    unsigned char bytes[512];
    size_t size =
        make(bytes, "{\"s\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8);
    struct vka_safetensors *file;
    for (size_t n = 1;; n++) {
        f->memory.asked = 0;
        f->memory.fail_at = n;
        vka_result result = vka_safetensors_parse(&f->context, "t", bytes, size, &file);
        if (result == VKA_OK) {
            assert_true(n > 3);
            break;
        }
        assert_int_equal(result, VKA_ERROR_OUT_OF_MEMORY);
        assert_int_equal(f->memory.blocks, 0);
    }
    vka_safetensors_close(file);
}

static void test_opening_files(void **state)
{
    struct unit_fixture *f = *state;
    struct vka_safetensors *file;
    struct vka_file read;
    unsigned char bytes[512];
    const char *path = unit_path("open.safetensors");
    assert_int_equal(vka_safetensors_open(&f->context, unit_path("none"), &file),
                     VKA_ERROR_NOT_FOUND);
    unit_assert_error_has("none");
    assert_int_equal(vka_safetensors_open(&f->context, VKA_CASES, &file), VKA_ERROR_IO);
    unit_assert_error_has("not a regular file");
    assert_int_equal(vka_safetensors_open(&f->context, UNIT_NOWHERE, &file), VKA_ERROR_IO);
    size_t size =
        make(bytes, "{\"s\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8);
    unit_write_file(path, bytes, size);
    for (size_t part = 0; part < size; part++) {
        unit_write_file(path, bytes, part);
        assert_int_equal(vka_safetensors_open(&f->context, path, &file), VKA_ERROR_FORMAT);
    }
    unit_write_file(path, bytes, size);
    assert_int_equal(vka_safetensors_open(&f->context, path, &file), VKA_OK);
    assert_int_equal(vka_safetensors_count(file), 1);
    vka_safetensors_close(file);
    assert_int_equal(vka_file_read(&f->context, path, &read), VKA_OK);
    assert_int_equal(read.size, size);
    assert_memory_equal(read.data, bytes, size);
    vka_file_close(&f->context, &read);
    unlink(path);
}

static void test_a_pipe(void **state)
{
#ifdef _WIN32
    (void)state;
    unit_skip("Windows has no pipes among its files");
#else
    struct unit_fixture *f = *state;
    struct vka_safetensors *file;
    // Without a writer it must not keep us waiting.
    const char *pipe = unit_path("pipe");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_int_equal(vka_safetensors_open(&f->context, pipe, &file), VKA_ERROR_IO);
    unlink(pipe);
#endif
}

// --- writing ---

static const unsigned char raw[64] = {9, 8, 7, 6, 5, 4, 3, 2, 1};

static void test_round_trip(void **state)
{
    struct unit_fixture *f = *state;
    const char *path = unit_path("written.safetensors");
    const struct vka_safetensors_item items[] = {
        {"flags", VKA_BOOL, {1, {3}}, "\1\0\1"}, {"half", VKA_F16, {2, {1, 3}}, raw},
        {"wide", VKA_I64, {1, {2}}, raw},        {"bytes", VKA_U8, {0, {0}}, raw},
        {"none", VKA_F32, {2, {0, 5}}, NULL},    {"a \"b\"\n\xc3\xa9", VKA_F32, {2, {2, 2}}, raw},
        {"brain", VKA_BF16, {1, {5}}, raw},      {"int", VKA_I32, {1, {1}}, raw},
    };
    const char *const metadata[] = {"block", "cbam", "attrs", "{\"a\": \"\\\\\"}", NULL};
    vka_result written =
        vka_safetensors_write(&f->context, path, items, VKA_COUNT(items), metadata);
    if (written != VKA_OK)
        fail_msg("%s", vka_last_error());
    struct vka_safetensors *file;
    assert_int_equal(vka_safetensors_open(&f->context, path, &file), VKA_OK);
    assert_int_equal(vka_safetensors_count(file), VKA_COUNT(items));
    assert_string_equal(vka_safetensors_metadata(file, "attrs"), metadata[3]);
    for (size_t i = 0; i < VKA_COUNT(items); i++) {
        struct vka_safetensor t;
        long at = vka_safetensors_find(file, items[i].name);
        assert_true(at >= 0);
        assert_int_equal(vka_safetensors_get(file, (size_t)at, &t), VKA_OK);
        assert_int_equal(t.dtype, items[i].dtype);
        assert_true(vka_shape_equal(&t.shape, &items[i].shape));
        assert_int_equal((uintptr_t)t.data % vka_dtype_size(items[i].dtype), 0);
        if (t.bytes)
            assert_memory_equal(t.data, items[i].data, t.bytes);
    }
    vka_safetensors_close(file);
    unlink(path);
    assert_int_equal(unit_count_files(), 0);
}

static void test_nothing_at_all(void **state)
{
    struct unit_fixture *f = *state;
    const char *path = unit_path("empty.safetensors");
    struct vka_safetensors *file;
    assert_int_equal(vka_safetensors_write(&f->context, path, NULL, 0, NULL), VKA_OK);
    assert_int_equal(vka_safetensors_open(&f->context, path, &file), VKA_OK);
    assert_int_equal(vka_safetensors_count(file), 0);
    vka_safetensors_close(file);
    unlink(path);
}

static void test_what_cannot_be_written(void **state)
{
    struct unit_fixture *f = *state;
    const char *path = unit_path("bad.safetensors");
    static const struct {
        struct vka_safetensors_item items[2];
        size_t count;
    } rows[] = {{{{"a", VKA_F32, {1, {1}}, raw}, {"a", VKA_U8, {1, {1}}, raw}}, 2},
                {{{"\xff", VKA_F32, {1, {1}}, raw}}, 1},
                {{{"__metadata__", VKA_F32, {1, {1}}, raw}}, 1},
                {{{"a", VKA_F32, {1, {-1}}, raw}}, 1},
                {{{"a", VKA_F32, {2, {INT64_MAX, 2}}, raw}}, 1},
                {{{"a", VKA_F32, {1, {1}}, NULL}}, 1}};
    for (size_t i = 0; i < VKA_COUNT(rows); i++) {
        assert_int_equal(
            vka_safetensors_write(&f->context, path, rows[i].items, rows[i].count, NULL),
            VKA_ERROR_INVALID);
        assert_int_equal(unit_count_files(), 0);
    }
    const char *const twice[] = {"a", "1", "a", "2", NULL};
    assert_int_equal(vka_safetensors_write(&f->context, path, NULL, 0, twice), VKA_ERROR_INVALID);
    assert_int_equal(unit_count_files(), 0);
    assert_int_equal(vka_safetensors_write(&f->context, unit_path("no/where"), NULL, 0, NULL),
                     VKA_ERROR_NOT_FOUND);
    assert_int_equal(vka_safetensors_write(&f->context, "/tmp", NULL, 0, NULL), VKA_ERROR_IO);
}

// A write that fails (the disk is full) leaves what was there before, and nothing else.
static void test_a_file_is_whole_or_not_there(void **state)
{
    struct unit_fixture *f = *state;
    const char *path = unit_path("whole");
    struct vka_sink sink;
    size_t size;
    unit_write_file(path, "before", 6);
    assert_int_equal(vka_sink_open(&f->context, path, &sink), VKA_OK);
    assert_int_equal(vka_sink_write(&sink, "after", 5), VKA_OK);
    char *text = unit_read_file(path, &size);
    assert_string_equal(text, "before");
    free(text);
    vka_sink_discard(&sink);
    assert_int_equal(unit_count_files(), 1);
    assert_int_equal(vka_sink_open(&f->context, path, &sink), VKA_OK);
    assert_int_equal(vka_sink_write(&sink, "after", 5), VKA_OK);
    assert_int_equal(vka_sink_commit(&sink), VKA_OK);
    text = unit_read_file(path, &size);
    assert_string_equal(text, "after");
    free(text);
    assert_int_equal(unit_count_files(), 1);
    unlink(path);
    const struct vka_safetensors_item item = {"a", VKA_U8, {1, {64}}, raw};
#ifndef _WIN32
    assert_int_equal(vka_safetensors_write(&f->context, "/dev/full", &item, 1, NULL), VKA_ERROR_IO);
#endif
    assert_int_equal(vka_safetensors_write(&f->context, UNIT_NOWHERE, &item, 1, NULL), VKA_OK);
    assert_int_equal(unit_count_files(), 0);
}

static void test_a_link_stays_a_link(void **state)
{
#ifdef _WIN32
    (void)state;
    unit_skip("Windows lets few users make links");
#else
    struct unit_fixture *f = *state;
    const char *path = unit_path("target"), *link = unit_path("link");
    struct vka_sink sink;
    struct stat info;
    size_t size;
    unit_write_file(path, "before", 6);
    assert_int_equal(symlink(path, link), 0);
    assert_int_equal(vka_sink_open(&f->context, link, &sink), VKA_OK);
    assert_int_equal(vka_sink_write(&sink, "after", 5), VKA_OK);
    assert_int_equal(vka_sink_commit(&sink), VKA_OK);
    assert_int_equal(lstat(link, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    char *text = unit_read_file(path, &size);
    assert_string_equal(text, "after");
    free(text);
    unlink(link);
    unlink(path);
#endif
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, unit_setup, unit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_all_types),
                                       TEST(test_empty_and_rank_0),
                                       TEST(test_metadata_and_escapes),
                                       TEST(test_memory_is_less_than_the_file),
                                       TEST(test_the_longest_header),
                                       TEST(test_a_shape_that_changes_later),
                                       TEST(test_every_failing_allocation),
                                       TEST(test_opening_files),
                                       TEST(test_a_pipe),
                                       TEST(test_round_trip),
                                       TEST(test_nothing_at_all),
                                       TEST(test_what_cannot_be_written),
                                       TEST(test_a_file_is_whole_or_not_there),
                                       TEST(test_a_link_stays_a_link)};
    return cmocka_run_group_tests_name("safetensors", tests, NULL, NULL);
}
