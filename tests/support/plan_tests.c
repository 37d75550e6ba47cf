// SPDX-License-Identifier: MIT
#include "plan_tests.h"

#include <string.h>

const char *plan_device = "cpu";
const float plan_x[PLAN_N] = {-3, -1, 0, 1, 2, 5};

void plan_expect(vka_result result, vka_result want, const char *a, const char *b)
{
    if (result != want)
        print_error("%s: %s\n", vka_result_string(result), vka_last_error());
    assert_int_equal(result, want);
    unit_assert_error_has(a);
    unit_assert_error_has(b);
}

void small_reset(struct small *s)
{
    vka_io in[] = {{"x", VKA_F32, s->x, sizeof s->x},
                   {"i", VKA_I32, s->i, sizeof s->i},
                   {"b", VKA_BOOL, s->b, sizeof s->b}};
    vka_io out[] = {{"y", VKA_F32, s->y, sizeof s->y},
                    {"k", VKA_I32, s->k, sizeof s->k},
                    {"n", VKA_BOOL, s->n, sizeof s->n}};
    memset(s->in, 0, sizeof s->in);
    memset(s->out, 0, sizeof s->out);
    memcpy(s->in, in, sizeof in);
    memcpy(s->out, out, sizeof out);
}

void small_start(struct small *s, const vka_plan_params *params)
{
    memset(s, 0, sizeof *s);
    rig_start_on(&s->rig, plan_device);
    vka_graph *g = s->rig.graph;
    vka_tensor x = rig_input(&s->rig, "x", VKA_F32, VKA_SHAPE(2, 3));
    vka_tensor i = rig_input(&s->rig, "i", VKA_I32, VKA_SHAPE(2, 3));
    vka_tensor b = rig_input(&s->rig, "b", VKA_BOOL, VKA_SHAPE(2, 3));
    vka_output(g, "y", vka_affine(g, x, 1, 1));
    vka_output(g, "k", vka_add(g, i, i));
    vka_output(g, "n", vka_binary(g, VKA_XOR, b, vka_binary(g, VKA_EQ, i, i)));
    for (int k = 0; k < PLAN_N; k++) {
        s->x[k] = plan_x[k];
        s->i[k] = k * 1000 - 2000;
        s->b[k] = (uint8_t)(k % 2 ? k : 0); // whatever isn't 0 is true
    }
    small_reset(s);
    s->plan = rig_plan(&s->rig, params);
}

void small_expect_right(struct small *s)
{
    small_reset(s);
    memset(s->y, 0x7f, sizeof s->y);
    memset(s->k, 0x7f, sizeof s->k);
    memset(s->n, 0x7f, sizeof s->n);
    rig_assert_ok(vka_plan_run(s->plan, s->in, s->out));
    for (int k = 0; k < PLAN_N; k++)
        assert_true(s->y[k] == s->x[k] + 1 && s->k[k] == 2 * s->i[k] && s->n[k] == !s->b[k]);
}

void small_end(struct small *s)
{
    vka_plan_destroy(s->plan);
    rig_end(&s->rig);
}

// --- wrong data ---

// One field of one input or output is changed; the run fails with both texts.
struct wrong {
    int which; // of x, i, b or y, k, n
    vka_io io; // a name or size that isn't 0, or a type that isn't -1, takes its place
    const char *a, *b;
};

static void expect_wrong(struct small *s, vka_io *list, const struct wrong *w)
{
    small_reset(s);
    vka_io *io = &list[w->which];
    if (w->io.name)
        io->name = w->io.name;
    if (w->io.bytes)
        io->bytes = w->io.bytes == UINT64_MAX ? 0 : w->io.bytes;
    if ((int)w->io.dtype != -1)
        io->dtype = w->io.dtype;
    else if (!w->io.name && !w->io.bytes)
        io->data = NULL;
    plan_expect(vka_plan_run(s->plan, s->in, s->out), VKA_ERROR_INVALID, w->a, w->b);
    small_expect_right(s);
}

#define SAME ((vka_dtype)-1)

void plan_input_errors(void **state)
{
    (void)state;
    static const struct wrong wrong[] = {
        {0, {"z", SAME, NULL, 0}, "no input 'z'", ""},
        {0, {"", SAME, NULL, 0}, "no input ''", ""},
        {0, {"y", SAME, NULL, 0}, "no input 'y'", ""},
        {1, {"x", SAME, NULL, 0}, "'x'", ""},
        {0, {NULL, VKA_I32, NULL, 0}, "input 'x' is F32", "I32 was given"},
        {0, {NULL, VKA_U8, NULL, 0}, "input 'x' is F32", "U8 was given"},
        {0, {NULL, VKA_BOOL, NULL, 0}, "input 'x' is F32", "BOOL was given"},
        {0, {NULL, VKA_F16, NULL, 0}, "'x' of shape [2, 3] takes 12 bytes", "24 were given"},
        {0, {NULL, (vka_dtype)77, NULL, 0}, "input 'x' is F32", "? was given"},
        {1, {NULL, VKA_F32, NULL, 0}, "input 'i' is I32", "F32 was given"},
        {1, {NULL, VKA_U8, NULL, 0}, "input 'i' is I32", "U8 was given"},
        {1, {NULL, VKA_I64, NULL, 0}, "'i' of shape [2, 3] takes 48 bytes", "24 were given"},
        {2, {NULL, VKA_I32, NULL, 0}, "input 'b' is BOOL", "I32 was given"},
        {0, {NULL, SAME, NULL, 20}, "takes 24 bytes as F32", "20 were given"},
        {0, {NULL, SAME, NULL, 28}, "takes 24 bytes as F32", "28 were given"},
        {0, {NULL, SAME, NULL, UINT64_MAX}, "takes 24 bytes as F32", "0 were given"},
        {0,
         {NULL, SAME, NULL, UINT64_MAX - 1},
         "takes 24 bytes",
         "18446744073709551614 were given"},
        {0, {NULL, SAME, NULL, 0}, "'x'", "no data"},
        {2, {NULL, SAME, NULL, 0}, "'b'", "no data"},
    };
    struct small s;
    small_start(&s, NULL);
    for (size_t i = 0; i < VKA_COUNT(wrong); i++)
        expect_wrong(&s, s.in, &wrong[i]);
    s.in[3] = s.in[1]; // twice
    plan_expect(vka_plan_run(s.plan, s.in, s.out), VKA_ERROR_INVALID, "input 'i' is given twice",
                "");
    small_reset(&s);
    s.in[2].name = NULL; // the last is missing
    plan_expect(vka_plan_run(s.plan, s.in, s.out), VKA_ERROR_INVALID, "input 'b' was not given",
                "");
    plan_expect(vka_plan_run(s.plan, NULL, s.out), VKA_ERROR_INVALID, "input 'x' was not given",
                "");
    small_expect_right(&s);
    small_end(&s);
}

void plan_output_errors(void **state)
{
    (void)state;
    static const struct wrong wrong[] = {
        {0, {"x", SAME, NULL, 0}, "no output 'x'", ""},
        {0, {"", SAME, NULL, 0}, "no output ''", ""},
        {0, {NULL, VKA_I32, NULL, 0}, "output 'y' is F32", "I32 was given"},
        {0, {NULL, VKA_BF16, NULL, 0}, "output 'y' of shape [2, 3] takes 12", "24 were given"},
        {1, {NULL, VKA_F32, NULL, 0}, "output 'k' is I32", "F32 was given"},
        {1, {NULL, VKA_I64, NULL, 0}, "output 'k' of shape [2, 3] takes 48", "24 were given"},
        {2, {NULL, VKA_F32, NULL, 0}, "output 'n' is BOOL", "F32 was given"},
        {2, {NULL, SAME, NULL, 5}, "output 'n' of shape [2, 3] takes 6", "5 were given"},
        {1, {NULL, SAME, NULL, 0}, "output 'k'", "no data"},
    };
    struct small s;
    small_start(&s, NULL);
    for (size_t i = 0; i < VKA_COUNT(wrong); i++)
        expect_wrong(&s, s.out, &wrong[i]);
    small_end(&s);
}

// --- one run in flight ---

void plan_in_flight(void **state)
{
    (void)state;
    struct small s;
    vka_io wrong[] = {{"y", VKA_I32, NULL, 0}, {0}};
    small_start(&s, NULL);
    plan_expect(vka_plan_wait(s.plan, s.out), VKA_ERROR_BUSY, "no run", "in flight");
    rig_assert_ok(vka_plan_submit(s.plan, s.in));
    plan_expect(vka_plan_submit(s.plan, s.in), VKA_ERROR_BUSY, "in flight", "");
    plan_expect(vka_plan_run(s.plan, s.in, s.out), VKA_ERROR_BUSY, "in flight", "");
    // A wait for what doesn't exist leaves the run as it is.
    plan_expect(vka_plan_wait(s.plan, wrong), VKA_ERROR_INVALID, "'y'", "");
    rig_assert_ok(vka_plan_wait(s.plan, s.out));
    assert_true(s.y[0] == s.x[0] + 1 && s.k[5] == 2 * s.i[5]);
    plan_expect(vka_plan_wait(s.plan, s.out), VKA_ERROR_BUSY, "no run", "in flight");
    plan_expect(vka_plan_submit(s.plan, NULL), VKA_ERROR_INVALID, "'x'", "");
    plan_expect(vka_plan_wait(s.plan, s.out), VKA_ERROR_BUSY, "no run", "in flight");
    small_expect_right(&s);
    rig_assert_ok(vka_plan_submit(s.plan, s.in)); // destroyed in flight
    small_end(&s);
}

// --- creation ---

void plan_creation_errors(void **state)
{
    (void)state;
    struct rig rig, other;
    vka_plan *plan = (vka_plan *)&rig;
    rig_start_on(&rig, plan_device);
    plan_expect(vka_plan_create(rig.device, rig.graph, NULL, &plan), VKA_ERROR_INVALID, "no output",
                "");
    assert_null(plan);
    vka_tensor x = rig_input(&rig, "x", VKA_F32, VKA_SHAPE(2, 3));
    vka_output(rig.graph, "y", vka_affine(rig.graph, x, 1, 1));
    plan_expect(vka_plan_create(rig.device, rig.graph, &(vka_plan_params){.dtype = VKA_I32}, &plan),
                VKA_ERROR_INVALID, "I32", "F16");
    const vka_device_info *info = vka_device_of(rig.device);
    if (!info->bf16)
        plan_expect(
            vka_plan_create(rig.device, rig.graph, &(vka_plan_params){.dtype = VKA_BF16}, &plan),
            VKA_ERROR_UNSUPPORTED, info->f16 ? "VKATTN_BF16" : "16-bit",
            info->f16 ? "" : info->name);
    if (!info->f16)
        plan_expect(
            vka_plan_create(rig.device, rig.graph, &(vka_plan_params){.dtype = VKA_F16}, &plan),
            VKA_ERROR_UNSUPPORTED, "16-bit", info->name);
    rig_start(&other);
    plan_expect(vka_plan_create(other.device, rig.graph, NULL, &plan), VKA_ERROR_INVALID, "context",
                "");
    rig_end(&other);
    vka_add(rig.graph, x, rig_input(&rig, "z", VKA_F32, VKA_SHAPE(2, 4)));
    plan_expect(vka_plan_create(rig.device, rig.graph, NULL, &plan), VKA_ERROR_INVALID, "[2, 3]",
                "[2, 4]");
    assert_null(plan);
    vka_plan_destroy(NULL);
    rig_end(&rig);
}

void plan_report(void **state)
{
    (void)state;
    for (int profile = 0; profile < 2; profile++) {
        struct small s;
        double sum = 0;
        small_start(&s, &(vka_plan_params){.profile = profile});
        small_expect_right(&s);
        for (int round = 0; round < 2; round++) {
            const vka_report *r = vka_plan_report(s.plan);
            assert_string_equal(r->device, vka_device_of(s.rig.device)->name);
            assert_int_equal(r->step_count, 4);
            assert_true(r->input_bytes >= 3 * 24 && r->output_bytes >= 3 * 24);
            assert_int_equal(r->temporary_bytes, VKA_ALIGNMENT); // what "n" is xored with
            assert_int_equal(r->dispatches, s.rig.device->impl ? 4 : 0);
            assert_int_equal(r->barriers, s.rig.device->impl ? 1 : 0);
            sum = 0;
            for (size_t i = 0; i < r->step_count; i++) {
                assert_int_equal(r->steps[i].dispatches, s.rig.device->impl ? 1 : 0);
                assert_true(r->steps[i].bytes >= 48 && r->steps[i].ms >= 0);
                sum += r->steps[i].ms;
            }
            assert_true(profile ? r->ms > 0 && sum <= r->ms * 1.001 + 1e-9
                                : r->ms == 0 && sum == 0);
        }
        small_end(&s);
    }
}
