// SPDX-License-Identifier: MIT
//
// Case files: opening them, their graphs, and the comparison of results.
#include "io/case.h"
#include "io/weights.h"
#include "unit.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const float ramp[] = {0, 1, 2, 3, 4, 5, 6, 7};

static vka_result open_with(struct unit_fixture *f, const struct vka_safetensors_item *items,
                            size_t count, const char *const *metadata, struct vka_case **c)
{
    const char *path = unit_path("case.safetensors");
    assert_int_equal(vka_safetensors_write(&f->context, path, items, count, metadata), VKA_OK);
    vka_result result = vka_case_open(&f->context, path, c);
    unlink(path); // what is open stays
    return result;
}

static const struct vka_safetensors_item good_items[] = {{"in.a", VKA_F32, {1, {4}}, ramp},
                                                         {"in.b", VKA_F16, {1, {4}}, ramp},
                                                         {"out.y", VKA_F32, {1, {4}}, ramp}};
static const char *const good_metadata[] = {"block", "add", "attrs", "{}", NULL};

static void test_open(void **state)
{
    struct unit_fixture *f = *state;
    const struct vka_safetensors_item items[] = {{"in.x", VKA_F32, {2, {2, 2}}, ramp},
                                                 {"in.x_1", VKA_I64, {1, {1}}, ramp},
                                                 {"w.fc.weight", VKA_F32, {1, {8}}, ramp},
                                                 {"out.y", VKA_F32, {0, {0}}, ramp},
                                                 {"out.attn", VKA_U8, {1, {3}}, ramp}};
    const char *const metadata[] = {"block",  "mha",  "attrs", "{\"k\": [1, 2]}",
                                    "source", "here", NULL};
    struct vka_case *c;
    assert_int_equal(open_with(f, items, VKA_COUNT(items), metadata, &c), VKA_OK);
    assert_string_equal(c->block, "mha");
    assert_string_equal(c->source, "here");
    assert_int_equal(c->attrs->items[0].count, 2);
    assert_int_equal(c->in_count, 2);
    assert_int_equal(c->out_count, 2);
    assert_string_equal(c->in[1].name, "x_1");
    assert_int_equal(vka_weights_count(c->weights), 1);
    assert_int_equal(vka_weights_index(c->weights, "fc.weight"), 0);
    vka_io inputs[3];
    vka_case_inputs(c, inputs);
    assert_string_equal(inputs[0].name, "x");
    assert_int_equal(inputs[0].bytes, 16);
    assert_int_equal(inputs[1].dtype, VKA_I64);
    assert_null(inputs[2].name);
    vka_case_close(c);
    vka_case_close(NULL);
}

static void test_what_cannot_be_opened(void **state)
{
    struct unit_fixture *f = *state;
    static const struct {
        const char *const metadata[5];
        const char *says;
    } texts[] = {{{"attrs", "{}"}, "has no \"block\""},
                 {{"block", "", "attrs", "{}"}, "has no \"block\""},
                 {{"block", "add", "attrs", "[]"}, "attrs is a JSON object, not list"},
                 {{"block", "add", "attrs", "{"}, "attrs: line 1, column 2"},
                 {{"block", "add", "attrs", ""}, "attrs: line 1, column 1"},
                 {{"block", "add", "attrs", "{\"a\": 1, \"a\": 2}"}, "stands twice: \"a\""}};
    struct vka_case *c;
    for (size_t i = 0; i < VKA_COUNT(texts); i++) {
        assert_int_equal(open_with(f, good_items, 3, texts[i].metadata, &c), VKA_ERROR_FORMAT);
        assert_null(c);
        unit_assert_error_has("case.safetensors");
        unit_assert_error_has(texts[i].says);
    }
    static const char *const names[] = {"x", "in.", "w.", "out.", "IN.x", "input.x", "in"};
    for (size_t i = 0; i < VKA_COUNT(names); i++) {
        const struct vka_safetensors_item items[] = {good_items[2],
                                                     {names[i], VKA_F32, {1, {1}}, ramp}};
        assert_int_equal(open_with(f, items, 2, good_metadata, &c), VKA_ERROR_FORMAT);
        unit_assert_error_has("is called neither in.NAME, w.NAME nor out.NAME");
        unit_assert_error_has(names[i]);
    }
    assert_int_equal(open_with(f, good_items, 2, good_metadata, &c), VKA_ERROR_FORMAT);
    unit_assert_error_has("no tensor out.NAME");
    assert_int_equal(vka_case_open(&f->context, unit_path("none"), &c), VKA_ERROR_NOT_FOUND);
}

static void test_every_failing_allocation(void **state)
{
    struct unit_fixture *f = *state;
    const char *path = unit_path("case.safetensors");
    bool done = false;
    assert_int_equal(vka_safetensors_write(&f->context, path, good_items, 3, good_metadata),
                     VKA_OK);
    for (size_t n = 1; !done; n++) {
        struct vka_case *c;
        f->memory.asked = 0;
        f->memory.fail_at = n;
        vka_result result = vka_case_open(&f->context, path, &c);
        done = result == VKA_OK;
        assert_true(done || result == VKA_ERROR_OUT_OF_MEMORY);
        vka_case_close(c);
        assert_int_equal(f->memory.blocks, 0);
        assert_true(!done || n > 10);
    }
    unlink(path);
}

// --- graphs ---

static void test_build(void **state)
{
    struct unit_fixture *f = *state;
    struct vka_case *c;
    vka_graph *graph;
    assert_int_equal(open_with(f, good_items, 3, good_metadata, &c), VKA_OK);
    vka_result result = vka_case_build(c, &graph);
    if (result != VKA_OK)
        fail_msg("%s", vka_last_error());
    vka_graph_destroy(graph);
    vka_case_close(c);
}

static void test_what_cannot_be_built(void **state)
{
    struct unit_fixture *f = *state;
    static const struct {
        struct vka_safetensors_item extra;
        size_t from, count; // of the good items
        const char *says;
    } rows[] = {
        {{"out.y", VKA_F32, {1, {3}}, ramp},
         0,
         2,
         "out.y is F32 [3] in the file, the block gives F32 [4]"},
        {{"out.y", VKA_I32, {1, {4}}, ramp},
         0,
         2,
         "out.y is I32 [4] in the file, the block gives F32 [4]"},
        {{"out.z", VKA_F32, {1, {4}}, ramp}, 0, 2, "no output 'z'"},
        {{"in.c", VKA_F32, {1, {4}}, ramp}, 0, 3, "no input 'c'"},
        {{"w.weight", VKA_F32, {1, {4}}, ramp}, 0, 3, "weight 'weight' belongs to no block"},
        {{"in.a", VKA_F32, {1, {3}}, ramp}, 1, 2, "[3]"},
        {{"in.a", VKA_U8, {1, {4}}, ramp}, 1, 2, "input 'a' is BOOL"},
        {{"out.y", VKA_F32, {1, {4}}, ramp}, 0, 1, "input 'b' is missing"}};
    struct vka_case *c;
    vka_graph *graph;
    for (size_t i = 0; i < VKA_COUNT(rows); i++) {
        struct vka_safetensors_item items[4] = {rows[i].extra};
        memcpy(items + 1, good_items + rows[i].from, rows[i].count * sizeof items[0]);
        assert_int_equal(open_with(f, items, 1 + rows[i].count, good_metadata, &c), VKA_OK);
        assert_int_equal(vka_case_build(c, &graph), VKA_ERROR_INVALID);
        assert_null(graph);
        unit_assert_error_has(rows[i].says);
        vka_case_close(c);
    }
    static const struct {
        const char *block, *attrs, *says;
    } texts[] = {{"ad", "{}", "no block 'ad'"}, {"add", "{\"k\": 1}", "'k'"}};
    for (size_t i = 0; i < VKA_COUNT(texts); i++) {
        const char *const metadata[] = {"block", texts[i].block, "attrs", texts[i].attrs, NULL};
        assert_int_equal(open_with(f, good_items, 3, metadata, &c), VKA_OK);
        assert_int_equal(vka_case_build(c, &graph), VKA_ERROR_INVALID);
        unit_assert_error_has(texts[i].says);
        vka_case_close(c);
    }
}

// --- comparing ---

static struct vka_difference compare(const float *want, const float *got, int64_t count,
                                     double bound)
{
    const struct vka_safetensor tensor = {"y",          "F32", VKA_F32,
                                          {1, {count}}, want,  (uint64_t)count * sizeof(float)};
    return vka_case_compare(&tensor, got, bound);
}

static void test_compare_reals(void **state)
{
    (void)state;
    const float want[] = {1, -4, 2}, got[] = {1, -4.5f, 2.25f};
    struct vka_difference d = compare(want, got, 3, 0.2);
    assert_true(d.same && d.err == 0.125);
    assert_true(compare(want, got, 3, 0.125).same);
    d = compare(want, got, 3, 0.1);
    assert_false(d.same);
    assert_int_equal(d.first.dim[0], 1);
    assert_true(d.got == -4.5 && d.want == -4);
    d = compare(want, got, 3, 0.05);
    assert_int_equal(d.first.dim[0], 1);
    // Where all is zero, what came out counts itself.
    const float zeros[] = {0, -0.0f, 0}, small[] = {0, 0, -0.25f};
    d = compare(zeros, small, 3, 0.5);
    assert_true(d.same && d.err == 0.25);
    d = compare(zeros, small, 3, 0.1);
    assert_true(!d.same && d.first.dim[0] == 2);
    assert_true(compare(zeros, zeros, 3, 0).same);
    assert_true(compare(zeros, zeros, 0, 0).same);
}

static void test_compare_what_is_not_finite(void **state)
{
    (void)state;
    const float want[] = {1, INFINITY, -INFINITY, NAN, 2};
    const float same[] = {1, INFINITY, -INFINITY, -NAN, 2};
    struct vka_difference d = compare(want, same, 5, 0);
    assert_true(d.same && d.err == 0);
    static const float wrong[] = {NAN, -INFINITY, 3e38f, 0, INFINITY};
    for (int i = 0; i < 5; i++) {
        float got[5];
        memcpy(got, same, sizeof got);
        got[i] = wrong[i];
        d = compare(want, got, 5, 1e9);
        assert_false(d.same);
        assert_int_equal(d.first.dim[0], i);
        assert_true(isfinite(d.err));
    }
    const float none[] = {NAN, INFINITY};
    d = compare(none, none, 2, 0);
    assert_true(d.same && d.err == 0);
}

static void test_compare_other_types(void **state)
{
    (void)state;
    const uint16_t halves[] = {0x3c00, 0x4000};
    const float reals[] = {1, 2.5f};
    struct vka_safetensor want = {"y", "F16", VKA_F16, {2, {1, 2}}, halves, 4};
    struct vka_difference d = vka_case_compare(&want, reals, 0.1);
    assert_true(!d.same && d.err == 0.25 && d.first.rank == 2 && d.first.dim[1] == 1);
    const int64_t wide[] = {5, (int64_t)1 << 40};
    const int32_t narrow[] = {5, 0};
    want = (struct vka_safetensor){"y", "I64", VKA_I64, {1, {2}}, wide, 16};
    d = vka_case_compare(&want, narrow, 1e9);
    assert_true(!d.same && d.err == 1 && d.first.dim[0] == 1 && d.want == 1099511627776.0);
    want.shape.dim[0] = 1;
    want.bytes = 8;
    d = vka_case_compare(&want, narrow, 0);
    assert_true(d.same && d.err == 0);
    const unsigned char bytes[] = {0, 7, 1}, flags[] = {0, 1, 0};
    want = (struct vka_safetensor){"y", "U8", VKA_U8, {1, {3}}, bytes, 3};
    d = vka_case_compare(&want, flags, 0);
    assert_true(!d.same && d.err == 1 && d.first.dim[0] == 2);
    const float one = 1, other = 3;
    want = (struct vka_safetensor){"y", "F32", VKA_F32, {0, {0}}, &one, 4};
    d = vka_case_compare(&want, &other, 1);
    assert_true(!d.same && d.err == 2 && d.first.rank == 0);
}

// --- the files of this source tree ---

static size_t open_folder(struct unit_fixture *f, const char *folder)
{
    size_t count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        char path[1024];
        struct vka_case *c;
        if (!strstr(entry->d_name, ".safetensors"))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (vka_case_open(&f->context, path, &c) != VKA_OK)
            fail_msg("%s", vka_last_error());
        for (size_t i = 0; i < c->out_count; i++) {
            bool equal_type = vka_case_dtype(c->out[i].dtype) == (vka_dtype)c->out[i].dtype;
            assert_true(!equal_type || vka_case_compare(&c->out[i], c->out[i].data, 0).same);
        }
        vka_case_close(c);
        count++;
    }
    closedir(dir);
    return count;
}

static void test_all_cases_open(void **state)
{
    size_t count = 0;
    DIR *dir = opendir(VKA_CASES);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        char folder[512];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(folder, sizeof folder, "%s/%s", VKA_CASES, entry->d_name);
        count += open_folder(*state, folder);
    }
    closedir(dir);
    assert_true(count >= 200);
    print_message("%zu case files\n", count);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, unit_setup, unit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_open),
                                       TEST(test_what_cannot_be_opened),
                                       TEST(test_every_failing_allocation),
                                       TEST(test_build),
                                       TEST(test_what_cannot_be_built),
                                       TEST(test_compare_reals),
                                       TEST(test_compare_what_is_not_finite),
                                       TEST(test_compare_other_types),
                                       TEST(test_all_cases_open)};
    return cmocka_run_group_tests_name("case", tests, NULL, NULL);
}
