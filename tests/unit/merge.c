// SPDX-License-Identifier: MIT
//
// Merging: which passes over a map a plan takes together, and which it must not.
#include "rig.h"

#include <stdio.h>
#include <string.h>

enum { CHANNELS = 1 << 1, PLACES = 1 << 2 | 1 << 3 };

static struct rig rig;
static vka_tensor x, channel, place; // a map, a gate for its channels, one for its places

static bool device_is_cpu;

static void start_with(int64_t width)
{
    rig_start(&rig);
    device_is_cpu = false;
    x = rig_input(&rig, "x", VKA_F32, VKA_SHAPE(2, 8, 3, width));
    channel = rig_input(&rig, "channel", VKA_F32, VKA_SHAPE(2, 8, 1, 1));
    place = rig_input(&rig, "place", VKA_F32, VKA_SHAPE(2, 1, 3, width));
}

static void start(void)
{
    start_with(5);
}

static void operations(bool device, bool expand, char *text, size_t size)
{
    struct vka_limits limits = rig_least_limits();
    limits.is_cpu = device_is_cpu;
    limits.subgroup_size = 8;
    struct vka_program *p;
    rig_assert_ok(vka_program_create(rig.graph, device ? &limits : NULL, VKA_F32, expand, &p));
    text[0] = '\0';
    for (size_t i = 0; i < p->g->node_count; i++) {
        size_t length = strlen(text);
        snprintf(text + length, size - length, "%s%s", i ? " " : "", p->g->nodes[i].op->name);
    }
    vka_program_destroy(p);
}

// Merged on the CPU and on a device; as they were written where fused steps are taken apart.
static void expect(const char *merged, const char *written)
{
    char text[256];
    operations(false, false, text, sizeof text);
    assert_string_equal(text, merged);
    operations(true, false, text, sizeof text);
    assert_string_equal(text, merged);
    operations(false, true, text, sizeof text);
    assert_string_equal(text, written);
    rig_end(&rig);
}

static void reduced(const char *name, enum vka_reduce_kind kind, vka_tensor t, unsigned axes)
{
    vka_output(rig.graph, name, vka_reduce(rig.graph, kind, t, axes, false));
}

static void test_pair(void **state)
{
    (void)state;
    start();
    reduced("largest", VKA_REDUCE_MAX, x, PLACES);
    reduced("mean", VKA_REDUCE_MEAN, x, PLACES);
    expect("mean_max", "reduce reduce");
}

static void test_no_pair(void **state)
{
    (void)state;
    start();
    reduced("largest", VKA_REDUCE_MAX, x, PLACES);
    reduced("mean", VKA_REDUCE_MEAN, x, CHANNELS);
    reduced("sum", VKA_REDUCE_SUM, x, CHANNELS);
    reduced("mean again", VKA_REDUCE_MEAN, x, CHANNELS);
    expect("reduce reduce reduce reduce", "reduce reduce reduce reduce");
}

static void test_two_pairs(void **state)
{
    (void)state;
    start();
    for (int i = 0; i < 2; i++) {
        reduced(i ? "m1" : "m0", VKA_REDUCE_MEAN, x, CHANNELS);
        reduced(i ? "l1" : "l0", VKA_REDUCE_MAX, x, CHANNELS);
    }
    expect("mean_max mean_max", "reduce reduce reduce reduce");
}

static void test_gates(void **state)
{
    (void)state;
    start();
    vka_tensor y = vka_mul(rig.graph, channel, x);
    reduced("mean", VKA_REDUCE_MEAN, y, CHANNELS);
    reduced("largest", VKA_REDUCE_MAX, y, CHANNELS);
    vka_output(rig.graph, "y", vka_mul(rig.graph, y, place));
    expect("mean_max mul3", "binary reduce reduce binary");
}

// A device that is a program has kernels for what is merged, four elements at a time; where maps
// aren't of fours, all stays as it was.
static void on_a_program(int64_t width, const char *want)
{
    char text[256];
    start_with(width);
    device_is_cpu = true;
    vka_tensor y = vka_mul(rig.graph, channel, x);
    reduced("mean", VKA_REDUCE_MEAN, y, CHANNELS);
    reduced("largest", VKA_REDUCE_MAX, y, CHANNELS);
    reduced("x's mean", VKA_REDUCE_MEAN, x, PLACES);
    reduced("x's largest", VKA_REDUCE_MAX, x, PLACES);
    vka_output(rig.graph, "y", vka_mul(rig.graph, y, place));
    operations(true, false, text, sizeof text);
    assert_string_equal(text, want);
    rig_end(&rig);
}

static void test_program(void **state)
{
    (void)state;
    on_a_program(20, "mean_max mean_max mul3");
    on_a_program(5, "binary reduce reduce reduce reduce binary");
}

static void test_gate_of_one(void **state)
{
    (void)state;
    start();
    reduced("largest", VKA_REDUCE_MAX, vka_mul(rig.graph, x, place), CHANNELS);
    expect("mean_max", "binary reduce");
}

static void test_wanted_product(void **state)
{
    (void)state;
    start();
    vka_tensor y = vka_mul(rig.graph, x, channel);
    vka_output(rig.graph, "gated", y);
    vka_output(rig.graph, "y", vka_mul(rig.graph, y, place));
    expect("binary binary", "binary binary");
}

// Two products, of which one is added to the other, then both to a map; a third is wanted itself.
static void test_sums(void **state)
{
    (void)state;
    start();
    vka_tensor first = vka_matmul(rig.graph, x, vka_transpose(rig.graph, x, 2, 3), NULL);
    vka_tensor second = vka_matmul(rig.graph, place, vka_transpose(rig.graph, x, 2, 3), NULL);
    vka_tensor third = vka_matmul(rig.graph, x, vka_transpose(rig.graph, place, 2, 3), NULL);
    vka_output(rig.graph, "third", third);
    vka_tensor sum = vka_binary_act(rig.graph, VKA_ADD, first, second,
                                    (struct vka_activation){VKA_ACT_RELU, 0, 0});
    vka_output(rig.graph, "y", vka_add(rig.graph, sum, third));
    expect("matmul matmul matmul binary", "matmul matmul matmul binary binary");
}

// --- products that aren't a sum's residual ---

// x times its own transpose, [2, 8, 3, 3], and another tensor like it.
static vka_tensor square_of(const struct vka_matmul *p)
{
    return vka_matmul(rig.graph, x, vka_transpose(rig.graph, x, 2, 3), p);
}

static vka_tensor other(void)
{
    return rig_input(&rig, "other", VKA_F32, VKA_SHAPE(2, 8, 3, 3));
}

static void expect_sum_kept(vka_tensor sum)
{
    vka_output(rig.graph, "y", sum);
    expect("matmul binary", "matmul binary");
}

static void test_no_sum(void **state)
{
    (void)state;
    start();
    vka_output(rig.graph, "y", vka_add(rig.graph, square_of(NULL), other())); // one that is
    expect("matmul", "matmul binary");
    start();
    expect_sum_kept(vka_sub(rig.graph, other(), square_of(NULL)));
    start();
    vka_tensor twice = square_of(NULL);
    expect_sum_kept(vka_add(rig.graph, twice, twice));
}

static void test_sum_of_other_shapes(void **state)
{
    (void)state;
    const vka_shape less = VKA_SHAPE(8, 1, 3), more = VKA_SHAPE(4, 2, 8, 3, 3);
    start();
    expect_sum_kept(vka_add(rig.graph, square_of(NULL), rig_input(&rig, "o", VKA_F32, less)));
    start();
    expect_sum_kept(vka_add(rig.graph, rig_input(&rig, "o", VKA_F32, more), square_of(NULL)));
    start(); // a product as it is looked at, not as it was made
    expect_sum_kept(vka_add(rig.graph, vka_transpose(rig.graph, square_of(NULL), 2, 3), other()));
}

static void test_sum_of_a_product_read_elsewhere(void **state)
{
    (void)state;
    start();
    vka_tensor read = square_of(NULL);
    vka_output(rig.graph, "product", read);
    expect_sum_kept(vka_add(rig.graph, read, other()));
    start();
    read = square_of(NULL);
    vka_output(rig.graph, "relu", vka_act(rig.graph, read, VKA_ACT_RELU));
    vka_output(rig.graph, "y", vka_add(rig.graph, read, other()));
    expect("matmul unary binary", "matmul unary binary");
}

// What is done to the product before the sum, or added to it already.
static void test_sum_of_a_product_that_is_ended(void **state)
{
    (void)state;
    start();
    expect_sum_kept(
        vka_add(rig.graph, square_of(&(struct vka_matmul){.act = {VKA_ACT_RELU, 0, 0}}), other()));
    start();
    vka_tensor residual = other(), bias = rig_input(&rig, "bias", VKA_F32, VKA_SHAPE(3));
    vka_tensor ended = square_of(&(struct vka_matmul){.bias = bias, .residual = residual});
    device_is_cpu = true;
    vka_output(rig.graph, "y", vka_add(rig.graph, ended, residual));
    char text[256];
    operations(false, false, text, sizeof text);
    assert_string_equal(text, "matmul binary");
    rig_end(&rig);
}

// The operation that a sum becomes, `apart` others behind its product.
static void expect_far_sum(int apart, const char *wanted)
{
    static char text[8192];
    start();
    vka_tensor product = square_of(NULL), o = other(), last = o;
    for (int i = 0; i < apart; i++)
        last = vka_act(rig.graph, last, VKA_ACT_ABS);
    vka_output(rig.graph, "last", last);
    vka_output(rig.graph, "y", vka_add(rig.graph, product, o));
    operations(false, false, text, sizeof text);
    assert_string_equal(strrchr(text, ' ') + 1, wanted);
    rig_end(&rig);
}

static void test_far_sum(void **state)
{
    (void)state;
    expect_far_sum(200, "matmul");
    expect_far_sum(300, "binary");
}

// A device of 4 storage buffers has no room for a bias and a residual.
static void test_sum_that_does_not_fit(void **state)
{
    (void)state;
    char text[256];
    start();
    vka_tensor bias = rig_input(&rig, "bias", VKA_F32, VKA_SHAPE(3));
    vka_output(rig.graph, "y",
               vka_add(rig.graph, square_of(&(struct vka_matmul){.bias = bias}), other()));
    operations(false, false, text, sizeof text);
    assert_string_equal(text, "matmul");
    operations(true, false, text, sizeof text);
    assert_string_equal(text, "matmul binary");
    rig_end(&rig);
}

static void test_other_readers(void **state)
{
    (void)state;
    start();
    vka_tensor y = vka_mul(rig.graph, x, channel);
    reduced("mean", VKA_REDUCE_MEAN, y, CHANNELS);
    vka_output(rig.graph, "y", vka_act(rig.graph, y, VKA_ACT_RELU));
    expect("binary reduce unary", "binary reduce unary");
}

static void test_views(void **state)
{
    (void)state;
    start();
    vka_tensor y = vka_mul(rig.graph, x, channel);
    reduced("mean", VKA_REDUCE_MEAN, vka_transpose(rig.graph, y, 1, 2), CHANNELS);
    expect("binary reduce", "binary reduce");
}

static void test_later_view(void **state)
{
    (void)state;
    start();
    vka_tensor y = vka_mul(rig.graph, x, channel);
    reduced("mean", VKA_REDUCE_MEAN, y, CHANNELS);
    reduced("largest", VKA_REDUCE_MAX, x, CHANNELS);
    reduced("turned", VKA_REDUCE_MAX, vka_transpose(rig.graph, y, 1, 2), CHANNELS);
    expect("binary reduce reduce reduce", "binary reduce reduce reduce");
}

static void test_square(void **state)
{
    (void)state;
    start();
    vka_tensor y = vka_mul(rig.graph, x, channel);
    vka_output(rig.graph, "y", vka_mul(rig.graph, y, y));
    expect("binary binary", "binary binary");
}

static void test_large_gate(void **state)
{
    (void)state;
    start();
    vka_tensor gate = rig_input(&rig, "gate", VKA_F32, VKA_SHAPE(2, 8, 3, 5));
    reduced("mean", VKA_REDUCE_MEAN, vka_mul(rig.graph, x, gate), CHANNELS);
    expect("binary reduce", "binary reduce");
}

static void test_integers(void **state)
{
    (void)state;
    start();
    vka_tensor n = rig_input(&rig, "n", VKA_I32, VKA_SHAPE(2, 8, 3, 5));
    vka_tensor m = rig_input(&rig, "m", VKA_I32, VKA_SHAPE(8, 1, 1));
    reduced("largest", VKA_REDUCE_MAX, vka_mul(rig.graph, n, m), PLACES);
    expect("binary reduce", "binary reduce");
}

// --- where memory runs out ---

static void write_pair(void)
{
    reduced("largest", VKA_REDUCE_MAX, x, PLACES);
    reduced("mean", VKA_REDUCE_MEAN, x, PLACES);
}

static void write_gate(void)
{
    vka_tensor y = vka_mul(rig.graph, channel, x);
    reduced("largest", VKA_REDUCE_MAX, y, CHANNELS);
}

static void write_mul3(void)
{
    vka_output(rig.graph, "y", vka_mul(rig.graph, vka_mul(rig.graph, channel, x), place));
}

static void write_sum(void)
{
    vka_output(rig.graph, "y", vka_add(rig.graph, square_of(NULL), other()));
}

// Whichever allocation fails, there is no program. So many values that the list of their readers
// fills a piece of the graph's memory: what is merged next asks for another.
static void expect_no_program(void (*write)(void))
{
    start();
    for (int i = 0; i < 3000; i++)
        vka_transpose(rig.graph, x, 2, 3);
    write();
    size_t n = 0, asked;
    do {
        struct vka_program *p;
        n++;
        rig.memory.asked = 0;
        rig.memory.fail_at = n;
        vka_result result = vka_program_create(rig.graph, NULL, VKA_F32, false, &p);
        asked = rig.memory.asked;
        rig.memory.fail_at = 0;
        if (result == VKA_OK)
            vka_program_destroy(p);
        assert_int_equal(result, asked < n ? VKA_OK : VKA_ERROR_OUT_OF_MEMORY);
    } while (asked >= n);
    rig_end(&rig);
}

static void test_memory(void **state)
{
    (void)state;
    expect_no_program(write_pair);
    expect_no_program(write_gate);
    expect_no_program(write_mul3);
    expect_no_program(write_sum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_program),
        cmocka_unit_test(test_pair),
        cmocka_unit_test(test_no_pair),
        cmocka_unit_test(test_two_pairs),
        cmocka_unit_test(test_gates),
        cmocka_unit_test(test_gate_of_one),
        cmocka_unit_test(test_wanted_product),
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_other_readers),
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_square),
        cmocka_unit_test(test_large_gate),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_later_view),
        cmocka_unit_test(test_no_sum),
        cmocka_unit_test(test_sum_of_other_shapes),
        cmocka_unit_test(test_sum_of_a_product_read_elsewhere),
        cmocka_unit_test(test_sum_of_a_product_that_is_ended),
        cmocka_unit_test(test_sum_that_does_not_fit),
        cmocka_unit_test(test_far_sum),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
