// SPDX-License-Identifier: MIT
//
// Convolutions by Winograd's way (cpu/winograd.h) against plain sums in double precision and
// against the direct way, whatever the size: the op takes it for large ones alone.
#include "cpu/winograd.h"
#include "cpu/kernels.h"
#include "cpu/threads.h"
#include "cpu_set.h"
#include "graph/plan.h"
#include "rig.h"

#include <math.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

struct sizes {
    int64_t n, groups, in, out; // channels of a group
    int64_t high, wide, dilation, before, after;
    bool bias, residual;
    int act;
    bool channels_last;
    bool positive; // maps and weights of one sign: sums that only grow
};

static const struct sizes cases[] = {
    {1, 1, 1, 1, 1, 1, 1, 1, 1, false, false, VKA_ACT_NONE, false, false},
    {1, 1, 3, 5, 4, 4, 1, 1, 1, true, false, VKA_ACT_NONE, false, false},
    {2, 1, 17, 33, 7, 9, 1, 1, 1, true, true, VKA_ACT_RELU, false, false},
    {1, 1, 16, 16, 28, 28, 1, 1, 1, false, false, VKA_ACT_RELU, false, false},
    {3, 1, 20, 7, 13, 6, 1, 0, 0, true, false, VKA_ACT_NONE, false, false},
    {1, 1, 5, 18, 5, 70, 1, 0, 2, false, true, VKA_ACT_NONE, false, false},
    {1, 1, 9, 4, 10, 11, 1, 4, 5, true, false, VKA_ACT_SILU, false, false},
    {2, 3, 18, 5, 12, 17, 1, 1, 1, true, true, VKA_ACT_NONE, false, false},
    {1, 2, 4, 40, 9, 9, 2, 2, 2, true, true, VKA_ACT_RELU, false, false},
    {2, 1, 8, 8, 15, 31, 3, 3, 3, false, true, VKA_ACT_RELU, false, false},
    {1, 1, 4, 6, 23, 19, 4, 4, 1, true, false, VKA_ACT_NONE, false, false},
    {1, 1, 4, 4, 41, 45, 20, 20, 20, true, false, VKA_ACT_NONE, false, false},
    {1, 1, 19, 12, 10, 14, 1, 1, 1, true, true, VKA_ACT_RELU, true, false},
    {2, 1, 260, 20, 9, 40, 1, 1, 1, true, false, VKA_ACT_NONE, false, false},
    {2, 1, 66, 70, 21, 50, 1, 1, 1, true, true, VKA_ACT_RELU, false, false},
    {1, 1, 4096, 3, 5, 6, 1, 1, 1, false, false, VKA_ACT_NONE, false, true},
};

struct data {
    struct vka_conv_job job;
    float *x, *weight, *bias, *residual, *out, *direct;
    int64_t outputs;
};

static uint64_t numbers = 1;

static void make_positive(const struct data *d, const struct sizes *s)
{
    for (int64_t i = 0; i < s->n * d->job.x_batch; i++)
        d->x[i] = fabsf(d->x[i]);
    for (int64_t i = 0; i < s->groups * s->out * s->in * 9; i++)
        d->weight[i] = fabsf(d->weight[i]);
}

static void make(const struct sizes *s, struct data *d)
{
    struct vka_conv_job *job = &d->job;
    int64_t in[2] = {s->high, s->wide}, channels = s->groups * s->in;
    *job = (struct vka_conv_job){.n = s->n,
                                 .groups = s->groups,
                                 .in_channels = s->in,
                                 .out_channels = s->out,
                                 .bias_step = 1,
                                 .act = {s->act, 0, 0}};
    job->w = (struct vka_window){{1, 1, 1}, {1, 1, 1}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0}, {0}};
    for (int i = 0; i < 2; i++) {
        job->w.in[1 + i] = in[i];
        job->w.out[1 + i] = in[i] + s->before + s->after - 2 * s->dilation;
        job->w.dilation[1 + i] = s->dilation;
        job->w.before[1 + i] = s->before;
    }
    job->x_batch = channels * s->high * s->wide;
    job->x_channel = s->channels_last ? 1 : s->high * s->wide;
    job->w.step[2] = s->channels_last ? channels : 1;
    job->w.step[1] = s->wide * job->w.step[2];
    int64_t outputs = d->outputs = s->n * s->groups * s->out * vka_product3(job->w.out);
    job->x = d->x = unit_floats(&numbers, s->n * job->x_batch, -1);
    job->weight = d->weight = unit_floats(&numbers, s->groups * s->out * s->in * 9, -1);
    job->bias = d->bias = s->bias ? unit_floats(&numbers, s->groups * s->out, -1) : NULL;
    job->residual = d->residual = s->residual ? unit_floats(&numbers, outputs, -1) : NULL;
    d->out = unit_floats(&numbers, outputs, -1);
    d->direct = unit_floats(&numbers, outputs, -1);
    if (s->positive)
        make_positive(d, s);
}

static void drop(struct data *d)
{
    float *all[] = {d->x, d->weight, d->bias, d->residual, d->out, d->direct};
    for (size_t i = 0; i < VKA_COUNT(all); i++)
        free(all[i]);
}

static double at(const struct data *d, int64_t n, int64_t channel, int64_t y, int64_t x)
{
    const struct vka_conv_job *job = &d->job;
    const struct vka_window *w = &job->w;
    int64_t first = channel / job->out_channels * job->in_channels;
    double sum = job->bias ? job->bias[channel] : 0;
    for (int64_t k = 0; k < job->in_channels * 9; k++) {
        int64_t row = y + k / 3 % 3 * w->dilation[1] - w->before[1];
        int64_t col = x + k % 3 * w->dilation[2] - w->before[2];
        if (row >= 0 && row < w->in[1] && col >= 0 && col < w->in[2])
            sum += (double)job->weight[channel * job->in_channels * 9 + k] *
                   job->x[n * job->x_batch + (first + k / 9) * job->x_channel + row * w->step[1] +
                          col * w->step[2]];
    }
    return sum;
}

static void compare(const struct sizes *s, const struct data *d)
{
    const struct vka_conv_job *job = &d->job;
    int64_t high = job->w.out[1], wide = job->w.out[2], channels = s->groups * s->out;
    // The largest sum is about twice that root; of one sign, about that many quarters.
    double bound = s->positive ? 1e-6 * (double)s->in * 9 / 4 : 8e-6 * sqrt((double)s->in * 9);
    for (int64_t i = 0; i < s->n * channels * high * wide; i++) {
        double want = at(d, i / wide / high / channels, i / wide / high % channels, i / wide % high,
                         i % wide);
        want += job->residual ? job->residual[i] : 0;
        want = s->act == VKA_ACT_RELU   ? fmax(want, 0)
               : s->act == VKA_ACT_SILU ? want / (1 + exp(-want))
                                        : want;
        if (!(fabs(want - (double)d->out[i]) <= bound) ||
            !(fabs((double)d->direct[i] - (double)d->out[i]) <= bound))
            fail_msg("case %d, element %lld: %.9g, directly %.9g, should be %.9g", (int)(s - cases),
                     (long long)i, (double)d->out[i], (double)d->direct[i], want);
    }
}

static void run_both(vka_context *context, struct data *d)
{
    struct vka_conv_job *job = &d->job;
    struct vka_threads *threads = context->threads;
    int count = vka_threads_count(threads);
    void *weight = vka_alloc_data(context, vka_winograd_weight_size(job));
    void *scratch = vka_alloc_data(context, vka_winograd_scratch(job, count));
    char *direct =
        vka_alloc_data(context, vka_conv_weight_size(job) + vka_conv_scratch(job, count));
    assert_true(vka_winograd_fits(job) && weight && scratch && direct);
    job->out = d->direct;
    vka_conv_weight(job, threads, direct);
    vka_conv_run(job, direct, threads, direct + vka_conv_weight_size(job));
    vka_winograd_weight(job, threads, weight);
    job->out = d->out;
    vka_winograd_run(job, weight, threads, scratch);
    vka_free_data(context, weight);
    vka_free_data(context, scratch);
    vka_free_data(context, direct);
}

// Right, and the same bits whatever the number of threads.
static void test_sums(void **state_)
{
    (void)state_;
    skip_without_set();
    vka_context *alone = context_of(1), *together = context_of(3);
    for (size_t i = 0; i < VKA_COUNT(cases); i++) {
        struct data d;
        make(&cases[i], &d);
        run_both(alone, &d);
        compare(&cases[i], &d);
        float *first = d.out;
        d.out = unit_floats(&numbers, d.outputs, -1);
        run_both(together, &d);
        compare(&cases[i], &d);
        assert_memory_equal(first, d.out, (size_t)d.outputs * sizeof *first);
        free(first);
        drop(&d);
    }
    vka_context_destroy(alone);
    vka_context_destroy(together);
}

// A plan takes this way where the weight is known, and keeps 36 numbers for 9.
enum {
    CHANNELS = 40,
    SIDE = 17,
    NUMBERS = CHANNELS * SIDE * SIDE,
    TERMS = CHANNELS * CHANNELS * 9
};

static uint64_t run_plan(struct rig *rig, bool known, const float *x, const float *w, float *y)
{
    const vka_shape shape = {4, {CHANNELS, CHANNELS, 3, 3}};
    rig_new_graph(rig);
    vka_graph *g = rig->graph;
    vka_tensor in = rig_input(rig, "x", VKA_F32, (vka_shape){4, {1, CHANNELS, SIDE, SIDE}});
    vka_tensor weight = known ? rig_weight(rig, "w") : rig_input(rig, "w", VKA_F32, shape);
    struct vka_conv p = {.before = {1, 1}, .after = {1, 1}};
    vka_output(g, "y", vka_conv(g, in, weight, &p));
    vka_plan *plan = rig_plan(rig, NULL);
    // The second input is left out where the weight is known.
    vka_io inputs[] = {{"x", VKA_F32, (void *)(uintptr_t)x, NUMBERS * sizeof *x},
                       {known ? NULL : "w", VKA_F32, (void *)(uintptr_t)w, TERMS * sizeof *w},
                       {0}};
    vka_io outputs[] = {{"y", VKA_F32, y, NUMBERS * sizeof *y}, {0}};
    for (int i = 0; i < 2; i++)
        rig_assert_ok(vka_plan_run(plan, inputs, outputs));
    uint64_t bytes = vka_plan_report(plan)->constant_bytes;
    vka_plan_destroy(plan);
    return bytes;
}

static void test_plan(void **state_)
{
    (void)state_;
    skip_without_set();
    struct rig rig;
    rig_start(&rig);
    float *x = unit_floats(&numbers, NUMBERS, -1), *w = unit_floats(&numbers, TERMS, -1),
          *got = unit_floats(&numbers, NUMBERS, -1);
    float *direct = unit_floats(&numbers, NUMBERS, -1);
    rig_add_weight(&rig, "w", (vka_shape){4, {CHANNELS, CHANNELS, 3, 3}}, w);
    uint64_t without = run_plan(&rig, false, x, w, direct);
    uint64_t with = run_plan(&rig, true, x, w, got);
    assert_true(without < TERMS && with >= 4 * TERMS * sizeof *w);
    for (int i = 0; i < NUMBERS; i++)
        assert_float_equal(direct[i], got[i], 2e-4);
    float *all[] = {x, w, got, direct};
    for (size_t i = 0; i < VKA_COUNT(all); i++)
        free(all[i]);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sums), cmocka_unit_test(test_plan)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
