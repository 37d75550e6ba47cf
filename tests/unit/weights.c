// SPDX-License-Identifier: MIT
//
// Weight sets: adding, finding, loading, and the floats made of them.
#include "io/weights.h"
#include "io/safetensors.h"
#include "unit.h"
#include "util/half.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const float ramp[] = {0, 1, 2, 3, 4, 5, 6, 7};

static void test_add_and_find(void **state)
{
    struct unit_fixture *f = *state;
    vka_weights *w;
    vka_shape shape = {1, {8}};
    char name[32];
    assert_int_equal(vka_weights_create(&f->context, &w), VKA_OK);
    assert_int_equal(vka_weights_index(w, "a"), -1);
    for (int i = 0; i < 500; i++) { // 211 and 500 have no common factor: each name once
        snprintf(name, sizeof name, "layer.%d.weight", i * 211 % 500);
        assert_int_equal(vka_weights_add(w, name, VKA_F32, &shape, ramp), VKA_OK);
    }
    memset(name, 'x', sizeof name);
    assert_int_equal(vka_weights_count(w), 500);
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "layer.%d.weight", i);
        int index = vka_weights_index(w, name);
        assert_true(index >= 0);
        assert_string_equal(w->entries[index].name, name);
        if (index > 0)
            assert_true(strcmp(w->entries[index - 1].name, name) < 0);
    }
    assert_int_equal(vka_weights_index(w, "layer.500.weight"), -1);
    assert_int_equal(vka_weights_index(w, ""), -1);
    vka_weights_destroy(w);
    vka_weights_destroy(NULL);
}

static void test_what_cannot_be_added(void **state)
{
    struct unit_fixture *f = *state;
    vka_weights *w;
    vka_shape shape = {1, {8}}, negative = {1, {-1}}, large = {2, {INT64_MAX, 3}}, deep = {9, {1}};
    assert_int_equal(vka_weights_create(&f->context, &w), VKA_OK);
    assert_int_equal(vka_weights_add(w, "a", VKA_F32, &shape, ramp), VKA_OK);
    assert_int_equal(vka_weights_add(w, "a", VKA_F32, &shape, ramp), VKA_ERROR_INVALID);
    unit_assert_error_has("weight \"a\" is there already");
    assert_int_equal(vka_weights_add(w, "b", VKA_F32, &negative, ramp), VKA_ERROR_INVALID);
    assert_int_equal(vka_weights_add(w, "b", VKA_F32, &large, ramp), VKA_ERROR_INVALID);
    assert_int_equal(vka_weights_add(w, "b", VKA_F32, &deep, ramp), VKA_ERROR_INVALID);
    assert_int_equal(vka_weights_add(w, "b", (vka_dtype)99, &shape, ramp), VKA_ERROR_INVALID);
    assert_int_equal(vka_weights_add(w, NULL, VKA_F32, &shape, ramp), VKA_ERROR_INVALID);
    assert_int_equal(vka_weights_add(w, "", VKA_F32, &shape, ramp), VKA_ERROR_INVALID);
    unit_assert_error_has("no name");
    assert_int_equal(vka_weights_add(w, "b", VKA_F32, NULL, ramp), VKA_ERROR_INVALID);
    unit_assert_error_has("\"b\"");
    assert_int_equal(vka_weights_count(w), 1);
    vka_weights_destroy(w);
    assert_int_equal(vka_weights_load(&f->context, NULL, &w), VKA_ERROR_INVALID);
    unit_assert_error_has("no file is named");
    assert_null(w);
}

static void test_floats(void **state)
{
    struct unit_fixture *f = *state;
    vka_weights *w;
    vka_shape shape = {1, {4}}, none = {1, {0}};
    unsigned char shifted[8 * sizeof(float)];
    uint16_t halves[4], brains[4];
    memcpy(shifted + 1, ramp, 4 * sizeof(float));
    for (int i = 0; i < 4; i++) {
        halves[i] = vka_f32_to_f16(ramp[i]);
        brains[i] = vka_f32_to_bf16(ramp[i]);
    }
    assert_int_equal(vka_weights_create(&f->context, &w), VKA_OK);
    vka_weights_add(w, "0", VKA_F32, &shape, ramp);
    vka_weights_add(w, "1", VKA_F32, &shape, shifted + 1);
    vka_weights_add(w, "2", VKA_F16, &shape, halves);
    vka_weights_add(w, "3", VKA_BF16, &shape, brains);
    vka_weights_add(w, "4", VKA_F32, &none, NULL);
    vka_weights_add(w, "5", VKA_F32, &shape, NULL);
    vka_weights_add(w, "6", VKA_I64, &shape, ramp);
    assert_ptr_equal(vka_weights_f32(w, 0), ramp);
    for (int i = 0; i < 4; i++) {
        const float *floats = vka_weights_f32(w, i);
        assert_memory_equal(floats, ramp, 4 * sizeof(float));
        assert_ptr_equal(vka_weights_f32(w, i), floats);
    }
    assert_non_null(vka_weights_f32(w, 4));
    assert_null(vka_weights_f32(w, 5));
    unit_assert_error_has("weight \"5\" has no data");
    assert_null(vka_weights_f32(w, 6));
    unit_assert_error_has("weight \"6\" is I64");
    vka_weights_destroy(w);
}

enum { THREADS = 4, LARGE = 100000 };

static void *ask(void *weights)
{
    return (void *)(uintptr_t)vka_weights_f32(weights, 0);
}

static void test_one_copy_for_all_threads(void **state)
{
    struct unit_fixture *f = *state;
    vka_weights *w;
    vka_shape shape = {1, {LARGE}};
    uint16_t *halves = calloc(LARGE, sizeof *halves);
    pthread_t threads[THREADS];
    void *got[THREADS];
    assert_int_equal(vka_weights_create(&f->context, &w), VKA_OK);
    vka_weights_add(w, "h", VKA_F16, &shape, halves);
    size_t before = f->memory.blocks;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask, w), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], &got[i]), 0);
    for (int i = 0; i < THREADS; i++)
        assert_ptr_equal(got[i], got[0]);
    assert_non_null(got[0]);
    assert_int_equal(f->memory.blocks, before + 1);
    vka_weights_destroy(w);
    free(halves);
}

static void test_load(void **state)
{
    struct unit_fixture *f = *state;
    const char *path = unit_path("w.safetensors");
    const struct vka_safetensors_item items[] = {
        {"fc.weight", VKA_F32, {2, {2, 4}}, ramp},
        {"fc.bias", VKA_F16, {1, {2}}, ramp},
        {"bn.num_batches_tracked", VKA_I64, {0, {0}}, ramp}};
    vka_weights *w;
    assert_int_equal(vka_safetensors_write(&f->context, path, items, 3, NULL), VKA_OK);
    assert_int_equal(vka_weights_load(&f->context, path, &w), VKA_OK);
    assert_int_equal(vka_weights_count(w), 3);
    int at = vka_weights_index(w, "fc.weight");
    assert_memory_equal(vka_weights_f32(w, at), ramp, sizeof ramp);
    assert_int_equal(w->entries[at].shape.dim[1], 4);
    vka_shape shape = {1, {8}};
    assert_int_equal(vka_weights_add(w, "more", VKA_F32, &shape, ramp), VKA_OK);
    assert_true(vka_weights_index(w, "more") >= 0);
    vka_weights_destroy(w);
    assert_int_equal(vka_weights_load(&f->context, unit_path("none"), &w), VKA_ERROR_NOT_FOUND);
    assert_null(w);
    unlink(path);
}

static void test_a_type_that_cannot_be_used(void **state)
{
    struct unit_fixture *f = *state;
    char file[] =
        "........{\"big\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]}}01234567";
    memcpy(file, (char[]){sizeof file - 1 - 16, 0, 0, 0, 0, 0, 0, 0}, 8);
    const char *path = unit_path("f64.safetensors");
    vka_weights *w;
    unit_write_file(path, file, sizeof file - 1);
    assert_int_equal(vka_weights_load(&f->context, path, &w), VKA_ERROR_UNSUPPORTED);
    unit_assert_error_has("f64.safetensors: tensor \"big\" has the dtype F64");
    unlink(path);
}

static void test_every_failing_allocation(void **state)
{
    struct unit_fixture *f = *state;
    const char *path = unit_path("w.safetensors");
    const struct vka_safetensors_item items[] = {{"a", VKA_F16, {1, {4}}, ramp},
                                                 {"b", VKA_F32, {1, {2}}, ramp}};
    assert_int_equal(vka_safetensors_write(&f->context, path, items, 2, NULL), VKA_OK);
    bool done = false;
    for (size_t n = 1; !done; n++) {
        vka_weights *w;
        vka_shape shape = {1, {8}};
        f->memory.asked = 0;
        f->memory.fail_at = n;
        vka_result result = vka_weights_load(&f->context, path, &w);
        if (result == VKA_OK)
            result = vka_weights_add(w, "c", VKA_F32, &shape, ramp);
        if (result == VKA_OK && !vka_weights_f32(w, 0))
            result = VKA_ERROR_OUT_OF_MEMORY;
        done = result == VKA_OK;
        assert_true(done || result == VKA_ERROR_OUT_OF_MEMORY);
        assert_true(!done || n > 8);
        vka_weights_destroy(w);
        assert_int_equal(f->memory.blocks, 0);
    }
    unlink(path);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, unit_setup, unit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_add_and_find),
                                       TEST(test_what_cannot_be_added),
                                       TEST(test_floats),
                                       TEST(test_one_copy_for_all_threads),
                                       TEST(test_load),
                                       TEST(test_a_type_that_cannot_be_used),
                                       TEST(test_every_failing_allocation)};
    return cmocka_run_group_tests_name("weights", tests, NULL, NULL);
}
