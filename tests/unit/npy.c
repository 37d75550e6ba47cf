// SPDX-License-Identifier: MIT
//
// .npy files: what NumPy writes, what it doesn't, and the round trip.
#include "cli/npy.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// A file with this header and data of `size` bytes, 1, 2, 3, ...
static vka_result read_text(struct unit_fixture *f, int version, const char *header, size_t size,
                            struct vka_npy *npy)
{
    const char *path = unit_path("a.npy");
    unsigned char bytes[1024] = "\x93NUMPY";
    size_t length = strlen(header), at = 8;
    bytes[6] = (unsigned char)version;
    bytes[at++] = (unsigned char)length;
    bytes[at++] = (unsigned char)(length >> 8);
    at += version > 1 ? 2 : 0;
    memcpy(bytes + at, header, length);
    for (size_t i = 0; i < size; i++)
        bytes[at + length + i] = (unsigned char)(i + 1);
    unit_write_file(path, bytes, at + length + size);
    vka_result result = vka_npy_read(&f->context, path, npy);
    unlink(path);
    return result;
}

static void test_types(void **state)
{
    static const struct {
        const char *name;
        vka_dtype dtype;
        size_t size;
    } types[] = {{"<f4", VKA_F32, 4}, {"<f2", VKA_F16, 2}, {"<i4", VKA_I32, 4},
                 {"<i8", VKA_I64, 8}, {"|u1", VKA_U8, 1},  {"|b1", VKA_BOOL, 1},
                 {"<f8", VKA_F32, 8}};
    struct unit_fixture *f = *state;
    for (size_t i = 0; i < VKA_COUNT(types); i++) {
        for (int version = 1; version <= 3; version++) {
            char header[128];
            struct vka_npy npy;
            snprintf(header, sizeof header,
                     "{'descr': '%s', 'fortran_order': False, 'shape': (2, 3), }   \n",
                     types[i].name);
            assert_int_equal(read_text(f, version, header, 6 * types[i].size, &npy), VKA_OK);
            assert_int_equal(npy.dtype, types[i].dtype);
            assert_int_equal(npy.shape.rank, 2);
            assert_int_equal(npy.shape.dim[1], 3);
            assert_int_equal(npy.bytes, 6 * vka_dtype_size(npy.dtype));
            if (!npy.converted)
                assert_memory_equal(npy.data, "\1\2\3\4\5\6", 6);
            vka_npy_free(&f->context, &npy);
        }
    }
}

static void test_forms_of_a_header(void **state)
{
    static const struct {
        const char *header;
        int rank;
        size_t size;
    } rows[] = {{"{'descr': '<f4', 'fortran_order': False, 'shape': (), }\n", 0, 4},
                {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n", 1, 8},
                {"{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }\n", 1, 8},
                {"{'shape':(1,0,3),'descr':\"<f4\",'fortran_order':False}", 3, 0},
                {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1), }\n", 8, 4}};
    struct unit_fixture *f = *state;
    for (size_t i = 0; i < VKA_COUNT(rows); i++) {
        struct vka_npy npy;
        assert_int_equal(read_text(f, 1, rows[i].header, rows[i].size, &npy), VKA_OK);
        assert_int_equal(npy.shape.rank, rows[i].rank);
        vka_npy_free(&f->context, &npy);
    }
}

static void test_doubles(void **state)
{
    struct unit_fixture *f = *state;
    const char *path = unit_path("d.npy");
    static const double values[] = {0.5, -1e300, 3.25};
    static const char header[] = "\x93NUMPY\1\0\x38\0{'descr': '<f8', 'fortran_order': False, "
                                 "'shape': (3,), }";
    char bytes[sizeof header - 1 + sizeof values];
    struct vka_npy npy;
    memcpy(bytes, header, sizeof header - 1);
    bytes[8] = (char)(sizeof header - 1 - 10);
    memcpy(bytes + sizeof header - 1, values, sizeof values);
    unit_write_file(path, bytes, sizeof bytes);
    assert_int_equal(vka_npy_read(&f->context, path, &npy), VKA_OK);
    const float *floats = npy.data;
    assert_true(floats[0] == 0.5f && floats[1] < -3.4e38f && floats[2] == 3.25f);
    vka_npy_free(&f->context, &npy);
    unlink(path);
}

static void test_malformed(void **state)
{
    static const char *const headers[] = {
        "",
        "{",
        "}",
        "{}",
        "[]",
        "{'descr': '<f4'}",
        "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'shape': (1,)}",
        "{'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'descr': '<f4'}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': Tru, 'shape': (1,)}",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4, 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': 1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': [1]}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1.0,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (0,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x",
        "{'descr': '<f4' 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807,2)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}"};
    struct unit_fixture *f = *state;
    struct vka_npy npy;
    for (size_t i = 0; i < VKA_COUNT(headers); i++) {
        vka_result result = read_text(f, 1, headers[i], 4, &npy);
        if (result != VKA_ERROR_FORMAT)
            fail_msg("%s: %s", headers[i], vka_result_string(result));
        assert_int_equal(f->memory.blocks, 0);
    }
    assert_int_equal(read_text(f, 4, "{}", 0, &npy), VKA_ERROR_FORMAT);
    assert_int_equal(read_text(f, 0, "{}", 0, &npy), VKA_ERROR_FORMAT);
}

static void test_unsupported(void **state)
{
    static const char *const names[] = {">f4", "<f16", "<c8", "|i1", "<i2",
                                        "<u4", "|O",   "<U3", "|V4", "\x1b[0m"};
    struct unit_fixture *f = *state;
    struct vka_npy npy;
    for (size_t i = 0; i < VKA_COUNT(names); i++) {
        char header[128];
        snprintf(header, sizeof header,
                 "{'descr': '%s', 'fortran_order': False, 'shape': (1,), }\n", names[i]);
        assert_int_equal(read_text(f, 1, header, 4, &npy), VKA_ERROR_UNSUPPORTED);
        unit_assert_error_has(names[i][0] == '\x1b' ? "\\u001b" : names[i]);
    }
    const char *fortran = "{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1), }\n";
    assert_int_equal(read_text(f, 1, fortran, 4, &npy), VKA_ERROR_UNSUPPORTED);
    unit_assert_error_has("Fortran");
}

static void test_round_trip(void **state)
{
    static const unsigned char raw[64] = {1, 0, 1};
    static const vka_dtype types[] = {VKA_F32, VKA_F16, VKA_I32, VKA_I64, VKA_U8, VKA_BOOL};
    static const vka_shape shapes[] = {
        {0, {0}}, {1, {3}}, {2, {2, 2}}, {3, {2, 0, 3}}, {8, {1, 1, 1, 1, 1, 1, 1, 2}}};
    struct unit_fixture *f = *state;
    const char *path = unit_path("r.npy");
    for (size_t i = 0; i < VKA_COUNT(types) * VKA_COUNT(shapes); i++) {
        vka_dtype dtype = types[i % VKA_COUNT(types)];
        const vka_shape *shape = &shapes[i / VKA_COUNT(types)];
        struct vka_npy npy;
        uint64_t count;
        assert_int_equal(vka_npy_write(&f->context, path, dtype, shape, raw), VKA_OK);
        assert_int_equal(vka_npy_read(&f->context, path, &npy), VKA_OK);
        assert_true(vka_shape_count(shape, &count));
        assert_int_equal(npy.dtype, dtype);
        assert_true(vka_shape_equal(&npy.shape, shape));
        assert_int_equal(npy.bytes, count * vka_dtype_size(dtype));
        assert_int_equal((uintptr_t)npy.data % 64, 0);
        if (npy.bytes)
            assert_memory_equal(npy.data, raw, npy.bytes);
        vka_npy_free(&f->context, &npy);
    }
    // Cut off after every byte.
    size_t size;
    assert_int_equal(vka_npy_write(&f->context, path, VKA_F32, &shapes[2], raw), VKA_OK);
    char *bytes = unit_read_file(path, &size);
    for (size_t part = 0; part < size; part++) {
        struct vka_npy npy;
        unit_write_file(path, bytes, part);
        assert_int_equal(vka_npy_read(&f->context, path, &npy), VKA_ERROR_FORMAT);
    }
    free(bytes);
    unlink(path);
    assert_int_equal(vka_npy_write(&f->context, path, VKA_BF16, &shapes[1], raw),
                     VKA_ERROR_INVALID);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, unit_setup, unit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_types),       TEST(test_forms_of_a_header),
                                       TEST(test_doubles),     TEST(test_malformed),
                                       TEST(test_unsupported), TEST(test_round_trip)};
    return cmocka_run_group_tests_name("npy", tests, NULL, NULL);
}
