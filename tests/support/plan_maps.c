// SPDX-License-Identifier: MIT
//
// Tests of plans' own memory, written and read in place.
#include "plan_tests.h"

#include <string.h>

enum { N = PLAN_N };

static vka_io map(vka_plan *plan, const char *name, vka_dtype dtype, size_t bytes)
{
    vka_io io;
    rig_assert_ok(vka_plan_map(plan, name, &io));
    assert_string_equal(io.name, name);
    assert_int_equal(io.dtype, dtype);
    assert_int_equal(io.bytes, bytes);
    assert_true((uintptr_t)io.data % 64 == 0);
    return io;
}

// Runs with x, i, y and k in place; the caller's own stay as they are.
static void expect_in_place(struct small *s, const vka_io mapped[4], float add)
{
    float *x = mapped[0].data, *y = mapped[2].data;
    int32_t *i = mapped[1].data, *k = mapped[3].data;
    const vka_io in[] = {mapped[0], mapped[1], s->in[2], {0}};
    const vka_io out[] = {mapped[2], mapped[3], {0}};
    for (int n = 0; n < N; n++) {
        x[n] = plan_x[n] + add;
        i[n] = n + (int)add;
    }
    memset(s->y, 0x7f, sizeof s->y);
    rig_assert_ok(vka_plan_run(s->plan, in, out));
    for (int n = 0; n < N; n++) {
        assert_true(x[n] == plan_x[n] + add && y[n] == plan_x[n] + add + 1);
        assert_true(i[n] == n + (int)add && k[n] == 2 * i[n]);
        assert_true(s->y[n] != s->y[n] || s->y[n] > 1e38f); // as memset left it
    }
    x[0] += 1; // inputs stay, so that what has changed is all that is written
    rig_assert_ok(vka_plan_submit(s->plan, in));
    rig_assert_ok(vka_plan_wait(s->plan, NULL));
    assert_true(y[0] == x[0] + 1 && y[1] == x[1] + 1);
}

void plan_mapped(void **state)
{
    (void)state;
    struct small s;
    small_start(&s, NULL);
    for (int round = 0; round < 3; round++) {
        vka_io mapped[] = {
            map(s.plan, "x", VKA_F32, sizeof s.x), map(s.plan, "i", VKA_I32, sizeof s.i),
            map(s.plan, "y", VKA_F32, sizeof s.y), map(s.plan, "k", VKA_I32, sizeof s.k)};
        expect_in_place(&s, mapped, (float)round);
        small_expect_right(&s); // by copies, from elsewhere
        expect_in_place(&s, mapped, 50);
        if (round == 1) // the caller's y was the place of the last run's
            rig_assert_ok(vka_plan_run(s.plan, s.in, s.out));
        vka_io again = map(s.plan, "y", VKA_F32, sizeof s.y);
        assert_true(again.data == mapped[2].data);
    }
    small_end(&s);
}

// Under another name of the same plan it would be read while it is written.
void plan_mapped_elsewhere(void **state)
{
    (void)state;
    struct small s;
    small_start(&s, NULL);
    vka_io x = map(s.plan, "x", VKA_F32, sizeof s.x), y = map(s.plan, "y", VKA_F32, sizeof s.y);
    small_expect_right(&s);
    s.in[0].data = y.data;
    plan_expect(vka_plan_run(s.plan, s.in, s.out), VKA_ERROR_INVALID, "input 'x'", "of 'y'");
    s.in[0].data = (float *)x.data + 1;
    plan_expect(vka_plan_run(s.plan, s.in, s.out), VKA_ERROR_INVALID, "input 'x'", "a part of");
    s.in[0].data = s.x;
    s.out[0].data = x.data;
    plan_expect(vka_plan_run(s.plan, s.in, s.out), VKA_ERROR_INVALID, "output 'y'", "of 'x'");
    rig_assert_ok(vka_plan_submit(s.plan, s.in));
    plan_expect(vka_plan_wait(s.plan, s.out), VKA_ERROR_INVALID, "output 'y'", "of 'x'");
    s.out[0].data = s.y;
    rig_assert_ok(vka_plan_wait(s.plan, s.out));
    // Another plan's memory is memory like any other.
    vka_plan *other = rig_plan(&s.rig, NULL);
    vka_io into = map(other, "x", VKA_F32, sizeof s.x);
    rig_assert_ok(
        vka_plan_run(s.plan, s.in, (vka_io[]){{"y", VKA_F32, into.data, into.bytes}, {0}}));
    s.in[0] = into;
    rig_assert_ok(vka_plan_run(other, s.in, s.out));
    for (int n = 0; n < N; n++)
        assert_true(s.y[n] == plan_x[n] + 2);
    vka_plan_destroy(other);
    small_end(&s);
}

void plan_map_errors(void **state)
{
    (void)state;
    struct small s;
    vka_io io;
    small_start(&s, NULL);
    plan_expect(vka_plan_map(s.plan, "z", &io), VKA_ERROR_INVALID, "'z'", "no input or output");
    assert_null(io.data);
    plan_expect(vka_plan_map(s.plan, NULL, &io), VKA_ERROR_INVALID, "without", "name");
    plan_expect(vka_plan_map(s.plan, "b", &io), VKA_ERROR_UNSUPPORTED, "'b'", "BOOL");
    plan_expect(vka_plan_map(s.plan, "n", &io), VKA_ERROR_UNSUPPORTED, "'n'", "BOOL");
    rig_assert_ok(vka_plan_submit(s.plan, s.in));
    plan_expect(vka_plan_map(s.plan, "x", &io), VKA_ERROR_BUSY, "run", "in flight");
    rig_assert_ok(vka_plan_wait(s.plan, NULL));
    s.in[0] = map(s.plan, "x", VKA_F32, sizeof s.x);
    s.in[0].dtype = VKA_F16;
    s.in[0].bytes /= 2;
    plan_expect(vka_plan_run(s.plan, s.in, s.out), VKA_ERROR_INVALID, "'x'", "F16");
    s.in[0].dtype = VKA_F32;
    s.in[0].bytes *= 2;
    s.out[0] = map(s.plan, "y", VKA_F32, sizeof s.y);
    s.out[0].dtype = VKA_F16;
    s.out[0].bytes /= 2;
    plan_expect(vka_plan_run(s.plan, s.in, s.out), VKA_ERROR_INVALID, "output 'y'", "F16");
    small_end(&s);
    small_start(&s, NULL);
    small_expect_right(&s);
    small_end(&s);
}

// Of a plan that stores halves: as they are stored.
void plan_mapped_halves(void **state)
{
    (void)state;
    struct small s;
    small_start(&s, NULL);
    const vka_plan_params params = {.dtype = VKA_F16};
    if (vka_device_of(s.rig.device)->f16) {
        vka_plan_destroy(s.plan);
        s.plan = rig_plan(&s.rig, &params);
        vka_io x = map(s.plan, "x", VKA_F16, N * 2), y = map(s.plan, "y", VKA_F16, N * 2);
        uint16_t *in = x.data, *out = y.data;
        for (int n = 0; n < N; n++)
            in[n] = 0x3c00; // 1
        s.in[0] = x;
        s.out[0] = y;
        rig_assert_ok(vka_plan_run(s.plan, s.in, s.out));
        for (int n = 0; n < N; n++)
            assert_int_equal(out[n], 0x4000); // 2
    } else {
        plan_expect(vka_plan_create(s.rig.device, s.rig.graph, &params, &(vka_plan *){NULL}),
                    VKA_ERROR_UNSUPPORTED, "no", "16-bit");
    }
    small_end(&s);
}
