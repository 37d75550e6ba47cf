// SPDX-License-Identifier: MIT
//
// Which outputs of a graph hang on choices that a rounding error may decide otherwise.
#include "ops/ops.h"
#include "unit.h"

struct fixture {
    struct vka_context context;
    struct unit_memory memory;
    vka_graph *g;
    vka_tensor x, y, n; // floats, floats, integers
};

static int setup(void **state)
{
    static struct fixture f;
    vka_shape shape = {2, {3, 4}};
    f = (struct fixture){0};
    unit_context(&f.context, &f.memory);
    if (vka_graph_create(&f.context, NULL, &f.g) != VKA_OK)
        return 1;
    f.x = vka_input(f.g, "x", VKA_F32, &shape);
    f.y = vka_input(f.g, "y", VKA_F32, &shape);
    f.n = vka_input(f.g, "n", VKA_I32, &shape);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    vka_graph_destroy(f->g);
    return f->memory.blocks != 0;
}

static bool hangs(struct fixture *f, vka_tensor t)
{
    vka_output(f->g, "out", t);
    assert_int_equal(vka_graph_status(f->g), VKA_OK);
    bool *choices = vka_graph_choices(f->g);
    assert_non_null(choices);
    bool result = choices[0];
    vka_free(&f->context, choices);
    return result;
}

static void test_smooth(void **state)
{
    struct fixture *f = *state;
    assert_false(hangs(f, vka_act(f->g, vka_mul(f->g, f->x, f->y), VKA_ACT_RELU)));
}

static void test_input_itself(void **state)
{
    struct fixture *f = *state;
    assert_false(hangs(f, f->n));
}

static void test_integers_of_integers(void **state)
{
    struct fixture *f = *state;
    vka_tensor more = vka_binary(f->g, VKA_LT, f->n, vka_binary(f->g, VKA_ADD, f->n, f->n));
    assert_false(hangs(f, vka_where(f->g, more, f->x, f->y)));
}

static void test_argmax(void **state)
{
    struct fixture *f = *state;
    assert_true(hangs(f, vka_argmax(f->g, f->x, 1, false)));
}

static void test_passing(void **state)
{
    struct fixture *f = *state;
    assert_true(hangs(f, vka_binary(f->g, VKA_PASS, f->x, f->y)));
}

static void test_routing(void **state)
{
    struct fixture *f = *state;
    struct vka_pool pool = {.max = true, .kernel = {1}};
    vka_tensor x = vka_unsqueeze(f->g, f->x, 0), y = vka_unsqueeze(f->g, f->y, 0);
    assert_true(hangs(f, vka_pool_back(f->g, x, y, &pool)));
}

static void test_what_hangs_on_it(void **state)
{
    struct fixture *f = *state;
    vka_tensor best = vka_argmax(f->g, f->x, 1, false);
    vka_tensor rows = vka_gather_known(f->g, f->y, best);
    assert_true(hangs(f, vka_transpose(f->g, vka_act(f->g, rows, VKA_ACT_TANH), 0, 1)));
}

static void test_comparison(void **state)
{
    struct fixture *f = *state;
    vka_tensor more = vka_binary(f->g, VKA_GT, f->x, f->y);
    assert_true(hangs(f, vka_where(f->g, more, f->x, f->y)));
}

static void test_sign(void **state)
{
    struct fixture *f = *state;
    vka_tensor more = vka_binary(f->g, VKA_GT, f->x, vka_constant_scalar(f->g, 0));
    assert_true(hangs(f, vka_cast(f->g, more, VKA_F32)));
}

static void test_guard(void **state)
{
    struct fixture *f = *state;
    vka_tensor zero = vka_constant_scalar(f->g, 0), one = vka_constant_scalar(f->g, 1);
    vka_tensor none = vka_binary(f->g, VKA_EQ, f->x, zero);
    assert_false(hangs(f, vka_div(f->g, f->y, vka_where(f->g, none, one, f->x))));
}

static void test_equal_to_another_number(void **state)
{
    struct fixture *f = *state;
    vka_tensor one = vka_constant_scalar(f->g, 1), is = vka_binary(f->g, VKA_EQ, f->x, one);
    assert_true(hangs(f, vka_where(f->g, is, f->x, f->y)));
}

static void test_floor(void **state)
{
    struct fixture *f = *state;
    assert_true(hangs(f, vka_add(f->g, f->y, vka_act(f->g, f->x, VKA_ACT_FLOOR))));
}

static void test_out_of_memory(void **state)
{
    struct fixture *f = *state;
    vka_output(f->g, "out", vka_add(f->g, f->x, f->y));
    for (size_t at = 1; at <= 2; at++) {
        f->memory.fail_at = f->memory.asked + at;
        assert_null(vka_graph_choices(f->g));
    }
    f->memory.fail_at = 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_smooth),
        TEST(test_input_itself),
        TEST(test_integers_of_integers),
        TEST(test_argmax),
        TEST(test_passing),
        TEST(test_routing),
        TEST(test_what_hangs_on_it),
        TEST(test_comparison),
        TEST(test_sign),
        TEST(test_guard),
        TEST(test_equal_to_another_number),
        TEST(test_floor),
        TEST(test_out_of_memory),
    };
    return cmocka_run_group_tests_name("choices", tests, NULL, NULL);
}
