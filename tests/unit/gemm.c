// SPDX-License-Identifier: MIT
//
// Products on the CPU (cpu/gemm.h) against plain sums in double precision: as their operands lie,
// and packed once where they are the same in all runs. Both ways, and any number of threads, give
// the same bits.
#include "cpu/gemm.h"
#include "cpu/threads.h"
#include "cpu_set.h"

#include <math.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct sizes {
    int64_t batch, m, n, k;
    int turned;  // bits of roles: given as [k, m] or [n, k]
    int one;     // bits of roles: the same for the whole batch
    int64_t gap; // between rows of b
    bool bias;
};

enum { A = 1 << VKA_PRODUCT_A, B = 1 << VKA_PRODUCT_B };

static const struct sizes cases[] = {
    {1, 1, 1, 1, 0, 0, 0, false},        {1, 37, 45, 29, 0, 0, 0, true},
    {1, 128, 96, 64, 0, 0, 0, false},    {1, 70, 200, 300, A, 0, 0, true},
    {1, 130, 101, 270, B, 0, 0, true},   {1, 256, 64, 40, A | B, 0, 0, false},
    {3, 40, 96, 33, 0, A, 0, true},      {3, 90, 80, 20, 0, B, 16, false},
    {2, 50, 70, 530, B, B, 0, true},     {2, 64, 33, 17, A, A, 0, false},
    {1, 100, 64, 20, 0, 0, 2032, true},  // rows of b lie far apart, few of them
    {1, 150, 64, 300, 0, 0, 2032, true}, // ..., many
    {1, 150, 90, 48, 0, 0, 1, false},    // ..., and no vector's length
    {1, 3, 200, 90, 0, 0, 0, true},      {1, 300, 5, 70, 0, 0, 0, true},
    {1, 5, 70, 90, B, 0, 0, false},      {1, 700, 90, 40, B, 0, 0, true},
    {1, 150, 2100, 20, B, 0, 0, true}, // wider than a piece
};

static uint64_t numbers = 1;

struct data {
    struct vka_gemm gemm;
    float *a, *b, *zeros, *bias, *out, *expected;
    int64_t outputs;
};

static float *make_side(const struct sizes *s, enum vka_product_role role, int64_t rows,
                        int64_t cols, int64_t gap, struct vka_product_side *side)
{
    bool turned = s->turned >> role & 1, one = s->one >> role & 1;
    int64_t line = (turned ? rows : cols) + gap, lines = turned ? cols : rows;
    *side = (struct vka_product_side){.present = true,
                                      .batch = {one ? 0 : line * lines},
                                      .row = turned ? 1 : line,
                                      .col = turned ? line : 1};
    return unit_floats(&numbers, line * lines * (one ? 1 : s->batch), -1);
}

static void expect(struct data *d)
{
    const struct vka_product *p = &d->gemm.p;
    for (int64_t i = 0; i < d->outputs; i++) {
        int64_t index = i / p->n / p->m, row = i / p->n % p->m, col = i % p->n;
        const struct vka_product_side *a = &p->side[VKA_PRODUCT_A], *b = &p->side[VKA_PRODUCT_B];
        double sum = 0;
        for (int64_t k = 0; k < p->k; k++)
            sum += (double)d->a[index * a->batch[0] + row * a->row + k * a->col] *
                   (double)d->b[index * b->batch[0] + k * b->row + col * b->col];
        d->expected[i] = (float)(0.5 * sum + (d->bias ? d->bias[col] : 0));
    }
}

static void make(const struct sizes *s, struct data *d)
{
    *d = (struct data){.outputs = s->batch * s->m * s->n};
    d->gemm = (struct vka_gemm){.alpha = 0.5f};
    struct vka_product *p = &d->gemm.p;
    *p = (struct vka_product){.rank = 1, .batch = {s->batch}, .m = s->m, .n = s->n, .k = s->k};
    d->a = make_side(s, VKA_PRODUCT_A, s->m, s->k, 0, &p->side[VKA_PRODUCT_A]);
    d->b = make_side(s, VKA_PRODUCT_B, s->k, s->n, s->gap, &p->side[VKA_PRODUCT_B]);
    d->bias = s->bias ? unit_floats(&numbers, s->n, -1) : NULL;
    p->side[VKA_PRODUCT_BIAS] = (struct vka_product_side){.present = s->bias, .col = 1};
    p->side[VKA_PRODUCT_OUT] =
        (struct vka_product_side){.present = true, .batch = {s->m * s->n}, .row = s->n, .col = 1};
    d->gemm.data[VKA_PRODUCT_A] = d->a;
    d->gemm.data[VKA_PRODUCT_B] = d->b;
    d->gemm.data[VKA_PRODUCT_BIAS] = d->bias;
    d->zeros = calloc((size_t)(s->batch * s->k * (s->m + s->n + s->gap)), sizeof(float));
    assert_non_null(d->zeros);
    d->out = unit_floats(&numbers, d->outputs, -1);
    d->expected = unit_floats(&numbers, d->outputs, -1);
    expect(d);
}

static void drop(struct data *d)
{
    float *all[] = {d->a, d->b, d->zeros, d->bias, d->out, d->expected};
    for (size_t i = 0; i < VKA_COUNT(all); i++)
        free(all[i]);
}

// Bytes that were kept.
static size_t run(vka_context *context, struct data *d, unsigned constant)
{
    struct vka_gemm gemm = d->gemm;
    int threads = vka_threads_count(context->threads);
    size_t size = vka_gemm_kept(&gemm.p, constant);
    void *kept = vka_alloc_data(context, size);
    void *scratch = vka_alloc_data(context, vka_gemm_scratch(&gemm.p, constant, threads));
    assert_true(kept && scratch);
    gemm.constant = constant;
    gemm.out = d->out;
    if (size) {
        vka_gemm_keep(&gemm, context->threads, kept);
        gemm.kept = kept;
    }
    // Of one operand, what was kept is all that is read.
    if (size && constant == A)
        gemm.data[VKA_PRODUCT_A] = d->zeros;
    if (size && constant == B)
        gemm.data[VKA_PRODUCT_B] = d->zeros;
    for (int64_t i = 0; i < d->outputs; i++)
        d->out[i] = NAN;
    vka_gemm_run(&gemm, context->threads, scratch);
    vka_free_data(context, kept);
    vka_free_data(context, scratch);
    return size;
}

static void compare(const struct data *d, int number)
{
    double bound = 2e-6 * sqrt((double)d->gemm.p.k);
    for (int64_t i = 0; i < d->outputs; i++) {
        if (!(fabs((double)d->out[i] - (double)d->expected[i]) <= bound))
            fail_msg("case %d, element %lld: %.9g, should be %.9g", number, (long long)i,
                     (double)d->out[i], (double)d->expected[i]);
    }
}

static void test_products(void **unused)
{
    (void)unused;
    skip_without_set();
    vka_context *contexts[] = {context_of(1), context_of(3)};
    int keeps = 0;
    for (int i = 0; i < (int)VKA_COUNT(cases); i++) {
        struct data d;
        make(&cases[i], &d);
        run(contexts[0], &d, 0);
        compare(&d, i);
        size_t bytes = (size_t)d.outputs * sizeof *d.out;
        float *first = malloc(bytes);
        assert_non_null(first);
        memcpy(first, d.out, bytes);
        for (int j = 1; j < 8; j++) {
            size_t size = run(contexts[j / 4], &d, (unsigned)j % 4);
            keeps += size > 0;
            // Matrices of a batch would be kept several times where they overlap.
            assert_true(size == 0 || cases[i].batch == 1 || (cases[i].one & j % 4));
            assert_memory_equal(first, d.out, bytes);
        }
        free(first);
        drop(&d);
    }
    assert_true(keeps > 20); // ways that keep were taken
    vka_context_destroy(contexts[0]);
    vka_context_destroy(contexts[1]);
}

// A large weight is packed in each run: the memory of a second one is dearer.
static void test_large(void **unused)
{
    (void)unused;
    struct vka_product p = {.m = 64, .n = 512, .k = 1024};
    for (int role = 0; role < VKA_PRODUCT_OUT; role++)
        p.side[role] = (struct vka_product_side){.present = role <= VKA_PRODUCT_B, .row = 1};
    p.side[VKA_PRODUCT_A].col = p.side[VKA_PRODUCT_B].col = 1 << 20; // not read as it lies
    p.side[VKA_PRODUCT_OUT] = (struct vka_product_side){.present = true, .row = 512, .col = 1};
    assert_true(vka_gemm_kept(&p, B) >= 512 * 1024 * sizeof(float));
    p.n = p.side[VKA_PRODUCT_OUT].row = 1 << 20;
    assert_int_equal(vka_gemm_kept(&p, B), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_products),
                                       cmocka_unit_test(test_large)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
