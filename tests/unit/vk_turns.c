// SPDX-License-Identifier: MIT
//
// Loops at their longest: drivers that are programs end a shader's loops after 65,535 turns without
// a word, so each op is run on a device with as many turns as a plan lets it take, and with one
// element more, and compared with the CPU path. A launch that tells too few turns gives a wrong
// result here. Every op of the list is in one of the two tables.
#include "ops/ops.h"
#include "unit.h"

#include "graph/plan.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_INPUTS = 6, SEARCH_END = 1 << 21 };

// --- data, the same for both devices ---

struct data {
    vka_graph *g;
    vka_io in[MOST_INPUTS + 1];
    char names[MOST_INPUTS][8];
    int count;
};

static vka_tensor input(struct data *d, vka_shape shape)
{
    snprintf(d->names[d->count], sizeof d->names[0], "in%d", d->count);
    d->in[d->count].name = d->names[d->count];
    uint64_t count = 1;
    vka_shape_count(&shape, &count);
    d->in[d->count].bytes = count * sizeof(float);
    return vka_input(d->g, d->names[d->count++], VKA_F32, &shape);
}

static void fill(struct data *d)
{
    uint32_t state = 1;
    for (int k = 0; k < d->count; k++) {
        d->in[k].dtype = VKA_F32;
        float *v = d->in[k].data = test_malloc((size_t)d->in[k].bytes);
        for (size_t i = 0; i < d->in[k].bytes / sizeof *v; i++) {
            state = state * 1664525u + 1013904223u;
            v[i] = (float)(state >> 8) / 16777216.0f - 0.25f;
        }
    }
}

static void free_data(struct data *d)
{
    for (int k = 0; k < d->count; k++)
        test_free(d->in[k].data);
}

// --- the ops, by a length of theirs ---

struct row {
    const char *op;
    vka_tensor (*build)(struct data *d, int64_t n);
    bool ends; // beyond the limit it is refused, else made in another way
    bool wide; // for subgroups of eight and more on devices that are programs; others expand it
};

static vka_tensor additive(struct data *d, int64_t n)
{
    vka_tensor q = input(d, VKA_SHAPE(1, 1, n)), k = input(d, VKA_SHAPE(1, 2, n));
    return vka_additive(d->g, q, k, input(d, VKA_SHAPE(n)), 0,
                        (struct vka_activation){VKA_ACT_RELU, 0, 0});
}

static vka_tensor relu_pairs(struct data *d, int64_t n)
{
    vka_tensor u = input(d, VKA_SHAPE(1, 2)), w = input(d, VKA_SHAPE(1, n));
    return vka_relu_pairs(d->g, u, w, input(d, VKA_SHAPE(1, 3, n)), 1);
}

static vka_tensor sample_sum(struct data *d, int64_t n)
{
    vka_tensor x = input(d, VKA_SHAPE(1, 2, 4, 4)), at = input(d, VKA_SHAPE(1, 1, 2, n, 3));
    return vka_sample_sum(d->g, x, at, input(d, VKA_SHAPE(1, 1, n, 3)), 1, NULL);
}

static vka_tensor regions(struct data *d, int64_t n)
{
    enum { LANES = 64 };
    int32_t ends[] = {0, 0, LANES, (int32_t)n};
    vka_tensor boxes = vka_constant(d->g, VKA_I32, &(vka_shape){2, {1, 4}}, ends);
    return vka_regions(d->g, input(d, VKA_SHAPE(1, 1, n, LANES)), boxes, false);
}

static vka_tensor pool(struct data *d, int64_t n)
{
    struct vka_pool p = {.kernel = {n}, .stride = {1}};
    return vka_pool(d->g, input(d, VKA_SHAPE(1, 2, n + 1)), &p);
}

static vka_tensor pool_tall(struct data *d, int64_t n)
{
    struct vka_pool p = {.kernel = {n, 1, 1}, .stride = {1, 1, 1}};
    return vka_pool(d->g, input(d, VKA_SHAPE(1, 2, n + 1, 1, 1)), &p);
}

static vka_tensor pool_back(struct data *d, int64_t n)
{
    struct vka_pool p = {.kernel = {n}, .stride = {1}};
    vka_tensor x = input(d, VKA_SHAPE(1, 2, n + 40));
    return vka_pool_back(d->g, x, input(d, VKA_SHAPE(1, 2, 41)), &p);
}

// As many ties as can be: every window looks at all its taps.
static vka_tensor pool_back_ties(struct data *d, int64_t n)
{
    struct vka_pool p = {.kernel = {n}, .stride = {1}};
    vka_tensor x = vka_affine(d->g, input(d, VKA_SHAPE(1, 2, n + 40)), 0, 1);
    return vka_pool_back(d->g, x, input(d, VKA_SHAPE(1, 2, 41)), &p);
}

static vka_tensor bilinear_pool(struct data *d, int64_t n)
{
    vka_tensor w = input(d, VKA_SHAPE(1, 33, n)), x = input(d, VKA_SHAPE(1, 33, 3));
    return vka_bilinear_pool(d->g, w, x, input(d, VKA_SHAPE(1, n, 3)));
}

static vka_tensor bilinear_logits(struct data *d, int64_t n)
{
    vka_tensor x = input(d, VKA_SHAPE(1, 2, n)), y = input(d, VKA_SHAPE(1, 9, n));
    return vka_bilinear_logits(d->g, x, y, input(d, VKA_SHAPE(1, n)), 0);
}

static vka_tensor attend(struct data *d, int64_t queries, int64_t keys, int64_t width)
{
    vka_tensor q = input(d, VKA_SHAPE(1, 1, queries, width));
    vka_tensor k = input(d, VKA_SHAPE(1, 1, keys, width));
    return vka_attention(d->g, q, k, input(d, VKA_SHAPE(1, 1, keys, width)),
                         &(struct vka_attention){.scale = 1}, NULL);
}

static vka_tensor attention(struct data *d, int64_t n)
{
    return attend(d, 2, n, 4);
}

static vka_tensor attention_odd(struct data *d, int64_t n)
{
    return attend(d, 2, n, 7);
}

static vka_tensor attention_rows(struct data *d, int64_t n)
{
    return attend(d, 9, n, 7);
}

static vka_tensor matmul(struct data *d, int64_t n)
{
    return vka_matmul(d->g, input(d, VKA_SHAPE(2, n)), input(d, VKA_SHAPE(n, 3)), NULL);
}

static vka_tensor matmul_tile(struct data *d, int64_t n)
{
    return vka_matmul(d->g, input(d, VKA_SHAPE(17, n)), input(d, VKA_SHAPE(n, 9)), NULL);
}

static vka_tensor conv(struct data *d, int64_t n)
{
    struct vka_conv p = {0};
    return vka_conv(d->g, input(d, VKA_SHAPE(1, n, 3)), input(d, VKA_SHAPE(9, n, 2)), &p);
}

static vka_tensor conv_taps(struct data *d, int64_t n)
{
    struct vka_conv p = {0};
    return vka_conv(d->g, input(d, VKA_SHAPE(1, 1, n + 1)), input(d, VKA_SHAPE(2, 1, n)), &p);
}

static vka_tensor deform_conv(struct data *d, int64_t n)
{
    struct vka_deform_conv p = {0};
    vka_tensor x = input(d, VKA_SHAPE(1, n, 4, 4)), offset = input(d, VKA_SHAPE(1, 18, 2, 2));
    return vka_deform_conv(d->g, x, offset, input(d, VKA_SHAPE(9, n, 3, 3)), &p);
}

static vka_tensor deform_parts(struct data *d, int64_t n)
{
    struct vka_deform_conv p = {.offset_groups = n};
    vka_tensor x = input(d, VKA_SHAPE(1, 3 * n, 2, 2)), at = input(d, VKA_SHAPE(1, 8 * n, 1, 1));
    return vka_deform_conv(d->g, x, at, input(d, VKA_SHAPE(2, 3 * n, 2, 2)), &p);
}

static struct vka_windows windows(int64_t n)
{
    return (struct vka_windows){
        .kernel = {3, n}, .stride = {1, 1}, .dilation = {1, 1}, .out = {1, 2}};
}

static vka_tensor window_attention(struct data *d, int64_t n)
{
    struct vka_window_logits p = {.windows = windows(n), .maps = 1, .scale = 1};
    vka_tensor q = input(d, VKA_SHAPE(1, 2, 1, 2)), k = input(d, VKA_SHAPE(1, 2, 3, n + 1));
    return vka_window_attention(d->g, q, k, input(d, VKA_SHAPE(1, 1, 3, n + 1)), &p, 0);
}

static vka_tensor window_dot(struct data *d, int64_t n)
{
    struct vka_window_logits p = {.windows = windows(n), .maps = 1, .scale = 1};
    vka_tensor q = input(d, VKA_SHAPE(1, 2, 1, 2));
    return vka_window_dot(d->g, q, input(d, VKA_SHAPE(1, 2, 3, n + 1)), &p);
}

static vka_tensor window_sum(struct data *d, int64_t n)
{
    struct vka_windows w = windows(n);
    vka_tensor attn = input(d, VKA_SHAPE(1, 1, 3 * n, 1, 2));
    return vka_window_sum(d->g, attn, input(d, VKA_SHAPE(1, 1, 3, n + 1)), &w, false);
}

static vka_tensor count_boxes(struct data *d, int64_t n)
{
    vka_tensor scores = input(d, VKA_SHAPE(1, 1, n)), boxes = input(d, VKA_SHAPE(1, n, 4));
    return vka_count_boxes(d->g, scores, boxes, input(d, VKA_SHAPE(8, 17)), n < 20 ? n : 20);
}

static vka_tensor mean_max(struct data *d, int64_t n)
{
    vka_tensor out[VKA_MAX_OUT];
    vka_mean_max(d->g, input(d, VKA_SHAPE(n, 32)), 0, 1, false, out);
    return out[0];
}

static vka_tensor focus(struct data *d, int64_t n)
{
    vka_tensor x = input(d, VKA_SHAPE(1, n, 8));
    return vka_focus(d->g, x, vka_affine(d->g, input(d, VKA_SHAPE(n)), 0.001, 0), 0, 0);
}

static const struct row rows[] = {
    {"additive", additive, false, false},
    {"relu_pairs", relu_pairs, false, false},
    {"sample_sum", sample_sum, false, false},
    {"regions", regions, true, false},
    {"pool", pool, true, false},
    {"pool", pool_tall, true, false},
    {"pool_back", pool_back, true, false},
    {"pool_back", pool_back_ties, true, false},
    {"bilinear_pool", bilinear_pool, false, false},
    {"bilinear_logits", bilinear_logits, false, false},
    {"attention", attention, false, false},
    {"attention", attention_odd, false, false},
    {"attention", attention_rows, false, false},
    {"matmul", matmul, false, false},
    {"matmul", matmul_tile, false, false},
    {"conv", conv, false, false},
    {"conv", conv_taps, true, false},
    {"deform_conv", deform_conv, false, false},
    {"deform_conv", deform_parts, false, false},
    {"window_attention", window_attention, false, false},
    {"window_dot", window_dot, false, false},
    {"window_sum", window_sum, false, false},
    {"count_boxes", count_boxes, false, false},
    {"mean_max", mean_max, false, true},
    {"focus", focus, false, false},
};

// Ops that aren't in the table above, and why.
static const struct {
    const char *op, *why;
} others[] = {
    {"unary", "no loops"},
    {"binary", "no loops"},
    {"mul3", "no loops"},
    {"mix", "no loops"},
    {"gated", "fits rows that are longer than its sum; cut into parts"},
    {"channel_pool", "fits a thousand channels and layers of a hundred terms a lane at most"},
    {"copy", "no loops"},
    {"pad", "no loops"},
    {"gather", "no loops"},
    {"where", "no loops"},
    {"concat", "no loops"},
    {"cell", "no loops"},
    {"sample", "no loops"},
    {"zoom", "no loops"},
    {"box", "two turns"},
    {"resize", "eight turns"},
    {"order", "as many turns for every size"},
    {"check", "its dispatches see a part each"},
    {"reduce", "cut long before: test_long_rows"},
    {"argmax", "cut long before: test_long_rows"},
    {"softmax", "cut long before: test_long_rows"},
    {"norm", "cut long before: test_long_rows"},
    {"nms", "its turns grow with the boxes taken: hundreds of thousands, each against all"},
    {"recurrent", "its turns grow with the states: their weight would take gigabytes"},
    {"criss_cross", "its turns grow with a side: the map would take minutes"},
};

static void test_all_ops(void **state)
{
    const struct vka_op *op;
    (void)state;
    for (int i = 0; (op = vka_op_at(i)); i++) {
        int found = 0;
        for (size_t k = 0; k < VKA_COUNT(rows); k++)
            found |= strcmp(rows[k].op, op->name) == 0;
        for (size_t k = 0; k < VKA_COUNT(others); k++)
            found += strcmp(others[k].op, op->name) == 0;
        if (op->variants && found != 1)
            fail_msg("%s is in %s of the tables", op->name, found ? "both" : "none");
    }
}

// --- running ---

static struct {
    vka_context *context;
    vka_device *cpu, *gpu;
} h;

static void make(struct data *d, vka_tensor (*build)(struct data *d, int64_t n), int64_t n)
{
    memset(d, 0, sizeof *d);
    assert_int_equal(vka_graph_create(h.context, NULL, &d->g), VKA_OK);
    vka_output(d->g, "y", build(d, n));
    if (vka_graph_status(d->g) != VKA_OK)
        fail_msg("%s", vka_last_error());
}

// The variant that the device has for the op at this length; NULL: none.
static const struct vka_variant *variant_at(const struct row *row, int64_t n)
{
    struct data d;
    struct vka_program *p = NULL;
    const struct vka_variant *variant = NULL;
    make(&d, row->build, n);
    bool ok = vka_program_create(d.g, &h.gpu->limits, VKA_F32, false, &p) == VKA_OK;
    for (size_t i = 0; ok && i < p->g->node_count; i++) {
        if (strcmp(p->g->nodes[i].op->name, row->op) == 0 && !variant)
            variant = p->g->nodes[i].variant;
    }
    // In halves: two of them.
    for (size_t i = 0, same = 0; ok && i < p->g->node_count; i++) {
        same += strcmp(p->g->nodes[i].op->name, row->op) == 0;
        if (same > 1)
            variant = NULL;
    }
    vka_program_destroy(p);
    vka_graph_destroy(d.g);
    return variant;
}

// What the plan gives, or NULL where it can't be made.
static float *run(vka_device *device, struct data *d, uint64_t *count)
{
    vka_plan *plan;
    *count = (uint64_t)vka_elements(d->g, d->g->outputs[0].tensor);
    if (vka_plan_create(device, d->g, NULL, &plan) != VKA_OK)
        return NULL;
    float *y = test_malloc((size_t)*count * sizeof *y);
    vka_io out[] = {{"y", vka_type(d->g, d->g->outputs[0].tensor), y, *count * sizeof *y}, {0}};
    if (vka_plan_run(plan, d->in, out) != VKA_OK)
        fail_msg("%s", vka_last_error());
    vka_plan_destroy(plan);
    return y;
}

static void compare(const char *name, int64_t n, const float *want, const float *got,
                    uint64_t count)
{
    double most = 0, worst = 0;
    for (uint64_t i = 0; i < count; i++) {
        double size = fabs((double)want[i]), off = fabs((double)want[i] - (double)got[i]);
        most = size > most ? size : most;
        worst = off > worst || isnan(off) ? off : worst; // not fmax, which passes over NaN
    }
    if (!(worst <= 2e-4 * most) || most == 0)
        fail_msg("%s of %lld: off by %g of %g", name, (long long)n, worst, most);
}

static void run_both(const char *name, vka_tensor (*build)(struct data *d, int64_t n), int64_t n,
                     bool refused)
{
    struct data d;
    uint64_t count;
    make(&d, build, n);
    fill(&d);
    float *want = run(h.cpu, &d, &count), *got = run(h.gpu, &d, &count);
    assert_non_null(want);
    if (refused && (got || !strstr(vka_last_error(), "turns; the device makes 65000")))
        fail_msg("%s of %lld: %s", name, (long long)n, got ? "isn't refused" : vka_last_error());
    if (!refused && !got)
        fail_msg("%s of %lld: %s", name, (long long)n, vka_last_error());
    if (got) {
        compare(name, n, want, got, count);
        test_free(got);
    }
    test_free(want);
    free_data(&d);
    vka_graph_destroy(d.g);
}

// The largest n for which the variant is the one at `low`.
static int64_t last_of_variant(const struct row *row, int64_t low)
{
    const struct vka_variant *variant = variant_at(row, low);
    int64_t high = SEARCH_END;
    while (high - low > 1) {
        int64_t middle = (low + high) / 2;
        if (variant_at(row, middle) == variant)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static void test_row(void **state)
{
    const struct row *row = *state;
    int64_t n = 64;
    if (row->wide && !variant_at(row, n)) {
        print_message("skipped: this device takes %s apart\n", row->op);
        skip();
    }
    for (int variants = 0; variant_at(row, n); variants++) {
        n = last_of_variant(row, n);
        print_message("%s, %s: %lld\n", row->op, variant_at(row, n)->name, (long long)n);
        assert_true(n + 1 < SEARCH_END);
        run_both(row->op, row->build, n, false);
        n++;
    }
    assert_true(n > 64);
    run_both(row->op, row->build, n, row->ends);
}

// --- rows that one workgroup would run along for too many turns ---

static vka_tensor logsumexp(struct data *d, int64_t n)
{
    return vka_reduce(d->g, VKA_REDUCE_LOGSUMEXP, input(d, VKA_SHAPE(n)), 1, false);
}

static vka_tensor argmax(struct data *d, int64_t n) // the last one is
{
    int64_t none = 0, one = 1;
    vka_tensor x = vka_pad(d->g, input(d, VKA_SHAPE(n)), VKA_PAD_CONSTANT, &none, &one, 2);
    return vka_argmax(d->g, x, 0, false);
}

static vka_tensor softmax(struct data *d, int64_t n)
{
    return vka_softmax(d->g, input(d, VKA_SHAPE(n)), NULL);
}

static vka_tensor norm(struct data *d, int64_t n)
{
    return vka_norm(d->g, input(d, VKA_SHAPE(n)), 1, 1e-5, 0, 0);
}

static vka_tensor global_pool(struct data *d, int64_t n)
{
    struct vka_pool p = {.kernel = {n, 5000}};
    return vka_pool(d->g, input(d, VKA_SHAPE(1, 1, n, 5000)), &p);
}

// A workgroup of 256 lanes makes 65,535 turns of each loop at most: its lanes see 16.8 M elements,
// a third as many where they go along the row three times.
static void test_long_rows(void **state)
{
    (void)state;
    run_both("logsumexp", logsumexp, 8000009, false);
    run_both("argmax", argmax, 17000003, false);
    run_both("softmax", softmax, 5700007, false);
    run_both("norm", norm, 5700007, false);
    run_both("global pool", global_pool, 4096, false);
}

static int start(void **state)
{
    vka_context_params params = {.threads = 2};
    (void)state;
    if (vka_context_create(&params, &h.context) != VKA_OK ||
        vka_device_open(h.context, "cpu", &h.cpu) != VKA_OK ||
        vka_device_open(h.context, "vulkan", &h.gpu) != VKA_OK)
        return print_message("%s\n", vka_last_error()), 1;
    h.gpu->limits.max_turns = VKA_MOST_TURNS; // whatever the device
    h.gpu->limits.busy = 1;                   // loops as long as can be: nothing is split
    return 0;
}

static int end(void **state)
{
    (void)state;
    vka_device_close(h.gpu);
    vka_device_close(h.cpu);
    vka_context_destroy(h.context);
    return 0;
}

int main(void)
{
    struct CMUnitTest tests[VKA_COUNT(rows) + 2] = {cmocka_unit_test(test_all_ops),
                                                    cmocka_unit_test(test_long_rows)};
    for (size_t i = 0; i < VKA_COUNT(rows); i++)
        tests[2 + i] = (struct CMUnitTest){rows[i].op, test_row, NULL, NULL, (void *)&rows[i]};
    return cmocka_run_group_tests(tests, start, end);
}
