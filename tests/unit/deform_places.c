// SPDX-License-Identifier: MIT
//
// Deformable convolution from maps with a place's channels side by side (cpu/deform_places.h), by
// itself: sums of many terms of one sign, which a GPU's may be less exact at, and the bits that
// different numbers of threads make.
#include "cpu/deform_places.h"
#include "cpu/threads.h"
#include "unit.h"

#include <math.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct sizes {
    int64_t n, groups, in, out; // channels of a group
    int64_t high, wide, kernel;
    bool keeps; // the weight is packed before
};

static const struct sizes cases[] = {
    {1, 1, 18432, 3, 3, 2, 1, true}, // one tap has more terms than are summed at once
    {2, 2, 1024, 40, 3, 3, 3, false},
    {3, 1, 20, 70, 9, 11, 3, true},
    {3, 1, 4097, 5, 12, 13, 1, false}, // an item is copied at a time
};

static uint64_t numbers = 1;

// Without offsets it is a convolution, which keeps the definition short.
static void make(const struct sizes *s, struct vka_deform_job *job, float **x, float **weight,
                 float **offset)
{
    int64_t taps = s->kernel * s->kernel, places = s->high * s->wide, channels = s->groups * s->in;
    *job = (struct vka_deform_job){.n = s->n,
                                   .groups = s->groups,
                                   .in_channels = s->in,
                                   .out_channels = s->out,
                                   .share = channels,
                                   .in = {s->high, s->wide},
                                   .out = {s->high, s->wide},
                                   .kernel = {s->kernel, s->kernel},
                                   .stride = {1, 1},
                                   .dilation = {1, 1},
                                   .before = {s->kernel / 2, s->kernel / 2},
                                   .x_step = {channels * places, places, s->wide, 1},
                                   .weight_step = {s->in * taps, taps, 1}};
    job->x = *x = unit_floats(&numbers, s->n * channels * places, 0);
    job->weight = *weight = unit_floats(&numbers, s->groups * s->out * s->in * taps, 0);
    job->offset = *offset = calloc(1, sizeof **offset); // steps of 0: the same everywhere
    assert_non_null(*offset);
}

static double at(const struct vka_deform_job *job, int64_t n, int64_t channel, int64_t y, int64_t x)
{
    int64_t taps = job->kernel[0] * job->kernel[1], terms = job->in_channels * taps;
    int64_t first = channel / job->out_channels * job->in_channels;
    double sum = 0;
    for (int64_t k = 0; k < terms; k++) {
        int64_t row = y + k % taps / job->kernel[1] - job->before[0];
        int64_t col = x + k % job->kernel[1] - job->before[1];
        if (row >= 0 && row < job->in[0] && col >= 0 && col < job->in[1])
            sum += (double)job->weight[channel * terms + k] *
                   (double)job->x[n * job->x_step[0] + (first + k / taps) * job->x_step[1] +
                                  row * job->x_step[2] + col];
    }
    return sum;
}

static float *run(const struct sizes *s, struct vka_deform_job *job, int count)
{
    vka_context *context;
    vka_context_params params = {.no_vulkan = true, .threads = count};
    assert_int_equal(vka_context_create(&params, &context), VKA_OK);
    struct vka_threads *threads = context->threads;
    float *y = unit_floats(&numbers, s->n * s->groups * s->out * s->high * s->wide, 0);
    void *weight = NULL;
    void *scratch = vka_alloc_data(
        context, vka_deform_places_scratch(job, s->keeps, vka_threads_count(threads)));
    assert_non_null(scratch);
    if (s->keeps) {
        weight = vka_alloc_data(context, vka_deform_places_weight_size(job));
        assert_non_null(weight);
        vka_deform_places_weight(job, threads, weight);
    }
    job->y = y;
    vka_deform_places_run(job, weight, threads, scratch);
    vka_free_data(context, weight);
    vka_free_data(context, scratch);
    vka_context_destroy(context);
    return y;
}

static void compare(const struct sizes *s, const struct vka_deform_job *job, const float *y)
{
    int64_t places = s->high * s->wide, channels = s->groups * s->out;
    for (int64_t i = 0; i < s->n * channels * places; i++) {
        double want = at(job, i / places / channels, i / places % channels, i % places / s->wide,
                         i % s->wide);
        if (!(fabs(want - (double)y[i]) <= 1e-6 * want))
            fail_msg("case %d, element %lld: %.9g, should be %.9g", (int)(s - cases), (long long)i,
                     (double)y[i], want);
    }
}

static void test_sums(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < VKA_COUNT(cases); i++) {
        const struct sizes *s = &cases[i];
        struct vka_deform_job job;
        float *x, *weight, *offset;
        make(s, &job, &x, &weight, &offset);
        float *alone = run(s, &job, 1), *together = run(s, &job, 3);
        compare(s, &job, alone);
        assert_memory_equal(alone, together,
                            (size_t)(s->n * s->groups * s->out * s->high * s->wide) * 4);
        float *all[] = {x, weight, offset, alone, together};
        for (size_t j = 0; j < VKA_COUNT(all); j++)
            free(all[j]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sums)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
