// SPDX-License-Identifier: MIT
//
// The harness behind tests/ops: fills, forms, runs and comparisons.
#include "op_data.h"

#include "graph/plan.h"
#include "ops/op.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { REPLAYS = 25, FEW_REPLAYS = 3, GUARD = 64, MARGIN = 64, MOST_DEVICES = 8, LARGE = 1 << 16 };

// How the operands lie in memory.
enum form { DENSE, IN_PLACE, TRANSPOSED, STEPPED, REVERSED, REPEATED, FORMS };
enum { BF16_MORE = 8 }; // three bits of precision less than f16
static const char *const form_names[] = {"dense",   "in place", "transposed",
                                         "stepped", "reversed", "repeated"};

struct target {
    vka_context *context;
    vka_device *device;
    bool f16, bf16;
};

static struct harness {
    const char *op;
    uint64_t seed;
    vka_context *alone, *several; // one thread without Vulkan; several, with the layer
    struct target cpu, cpu_alone, gpu[MOST_DEVICES];
    int gpus;
} h;

struct job { // one cmocka test
    const struct op_case *c;
    const struct op_error *error;
    int gpu; // -1: the CPU
    char name[160];
};

// --- forms: the shape stored, where each element lies in it, and the view that leads there ---

static int repeated_axis(const vka_shape *shape)
{
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dim[i] > 1)
            return i;
    }
    return -1;
}

static vka_shape stored_shape(enum form form, const vka_shape *shape)
{
    vka_shape stored = *shape;
    for (int i = 0; i < shape->rank; i++) {
        if (form == TRANSPOSED)
            stored.dim[i] = shape->dim[shape->rank - 1 - i];
        else if (form == STEPPED)
            stored.dim[i] = i + 2 >= shape->rank ? shape->dim[i] * 2 + 1 : shape->dim[i];
        else if (form == REPEATED && i == repeated_axis(shape))
            stored.dim[i] = 1;
    }
    return stored;
}

static int64_t stored_index(enum form form, const vka_shape *shape, int64_t index)
{
    vka_shape stored = stored_shape(form, shape);
    int64_t from[VKA_MAX_RANK], to[VKA_MAX_RANK];
    op_coords(shape, index, from);
    for (int i = 0; i < shape->rank; i++) {
        to[i] = from[i];
        if (form == TRANSPOSED)
            to[i] = from[shape->rank - 1 - i];
        else if (form == STEPPED)
            to[i] = i + 2 >= shape->rank ? from[i] * 2 + 1 : from[i];
        else if (form == REVERSED)
            to[i] = shape->dim[i] - 1 - from[i];
        else if (form == REPEATED && i == repeated_axis(shape))
            to[i] = 0;
    }
    return op_index(&stored, to);
}

static vka_tensor view_of(vka_graph *g, enum form form, vka_tensor t, const vka_shape *shape)
{
    int order[VKA_MAX_RANK];
    for (int i = 0; i < shape->rank; i++) {
        order[i] = shape->rank - 1 - i;
        if (form == STEPPED && i + 2 >= shape->rank)
            t = vka_slice_step(g, t, i, 1, shape->dim[i], 2);
        else if (form == REVERSED)
            t = vka_slice_step(g, t, i, shape->dim[i] - 1, shape->dim[i], -1);
    }
    if (form == TRANSPOSED && shape->rank > 0)
        t = vka_permute(g, t, order);
    return form == REPEATED ? vka_broadcast_to(g, t, *shape) : t;
}

// --- one experiment: a case in a form, with its data and its definition's results ---

struct experiment {
    const struct op_case *c;
    enum form form;
    vka_dtype real;                   // how floats are stored
    bool expand;                      // a fused op as its definition in others
    struct op_tensor in[OP_OPERANDS]; // as the op sees them
    void *stored[OP_OPERANDS];        // as they are passed to a run
    uint64_t stored_bytes[OP_OPERANDS];
    struct op_tensor out[OP_RESULTS];
    int n_out;
    float guard[GUARD];
};

static const char *const input_names[] = {"in0", "in1", "in2", "in3", "in4"};
static const char *const output_names[] = {"out0", "out1"};

static void make_operand(struct experiment *e, int k, uint64_t *state)
{
    const struct op_operand *o = &e->c->in[k];
    vka_shape shape = stored_shape(e->form, &o->shape);
    int64_t count = op_count(&shape);
    size_t size = vka_dtype_size(o->dtype);
    double *values = test_malloc((size_t)count * sizeof *values);
    e->stored[k] = test_malloc((size_t)count * size);
    e->stored_bytes[k] = (uint64_t)count * size;
    for (int64_t i = 0; i < count; i++) {
        values[i] = op_fill_value(o, state);
        if (o->dtype == VKA_F32) {
            values[i] = op_rounded(values[i], e->real);
            ((float *)e->stored[k])[i] = (float)values[i];
        } else if (o->dtype == VKA_I32) {
            ((int32_t *)e->stored[k])[i] = (int32_t)values[i];
        } else {
            ((uint8_t *)e->stored[k])[i] = (uint8_t)values[i];
        }
    }
    e->in[k] = op_tensor_of(o->dtype, &o->shape);
    for (int64_t i = 0; i < e->in[k].count; i++)
        e->in[k].v[i] = values[stored_index(e->form, &o->shape, i)];
    test_free(values);
}

static vka_graph *build(struct experiment *e, vka_context *context)
{
    vka_graph *g;
    assert_int_equal(vka_graph_create(context, NULL, &g), VKA_OK);
    vka_shape guard = {1, {GUARD}};
    vka_tensor in[OP_OPERANDS] = {0}, out[VKA_MAX_OUT] = {0};
    vka_tensor pattern = vka_input(g, "pattern", VKA_F32, &guard);
    vka_output(g, "before", vka_copy(g, pattern));
    vka_tensor after = vka_copy(g, pattern);
    for (int k = 0; k < OP_OPERANDS; k++) {
        const struct op_operand *o = &e->c->in[k];
        if (!o->present)
            continue;
        vka_shape shape = stored_shape(e->form, &o->shape);
        in[k] = vka_input(g, input_names[k], o->dtype, &shape);
        in[k] = view_of(g, e->form, in[k], &o->shape);
    }
    if (e->form == IN_PLACE)
        in[0] = vka_copy(g, in[0]);
    e->c->build(g, e->c, in, out);
    for (e->n_out = 0; e->n_out < OP_RESULTS && out[e->n_out]; e->n_out++) {
        vka_tensor result = e->form == IN_PLACE ? vka_copy(g, out[e->n_out]) : out[e->n_out];
        vka_output(g, output_names[e->n_out], result);
    }
    vka_output(g, "after", after);
    if (vka_graph_status(g) != VKA_OK)
        fail_msg("%s", vka_last_error());
    assert_true(e->n_out >= 1);
    return g;
}

static void define(struct experiment *e, const vka_graph *g)
{
    char want[VKA_SHAPE_TEXT], got[VKA_SHAPE_TEXT];
    for (int k = 0; k < e->n_out; k++) {
        vka_tensor t = g->outputs[1 + k].tensor;
        vka_shape shape = vka_shape_of(g, t);
        if (k == 0 && !vka_shape_equal(&shape, &e->c->out))
            fail_msg("the result's shape is %s, not %s", vka_shape_text(&shape, got),
                     vka_shape_text(&e->c->out, want));
        e->out[k] = op_tensor_of(vka_type(g, t), &shape);
    }
    e->c->define(e->c, e->in, e->out);
}

static void start(struct experiment *e, const struct op_case *c, enum form form, vka_dtype real)
{
    *e = (struct experiment){.c = c, .form = form, .real = real};
    uint64_t state = op_seed(h.seed, c->name, (uint64_t)form * 2 + (uint64_t)real);
    for (int k = 0; k < OP_OPERANDS; k++) {
        if (c->in[k].present)
            make_operand(e, k, &state);
    }
    for (int i = 0; i < GUARD; i++)
        e->guard[i] = (float)(i * 7 % 64 - 30);
}

static void finish(struct experiment *e)
{
    for (int k = 0; k < OP_OPERANDS; k++) {
        if (e->in[k].v) {
            test_free(e->in[k].v);
            test_free(e->stored[k]);
        }
    }
    for (int k = 0; k < e->n_out; k++)
        test_free(e->out[k].v);
}

// --- comparison ---

static double value_of(const struct op_tensor *t, const void *data, int64_t i)
{
    if (t->dtype == VKA_F32)
        return ((const float *)data)[i];
    return t->dtype == VKA_I32 ? ((const int32_t *)data)[i] : ((const uint8_t *)data)[i];
}

static bool same_bits(double want, double got)
{
    float a = (float)want, b = (float)got;
    return memcmp(&a, &b, sizeof a) == 0;
}

// Both finite, or the same infinity, or both NaN.
static bool same_kind(double want, double got)
{
    if (isnan(want) || isnan(got))
        return isnan(want) && isnan(got);
    return isinf(want) || isinf(got) ? want == got : true;
}

static void compare(const struct experiment *e, const struct target *t, int k, const void *data)
{
    const struct op_tensor *want = &e->out[k];
    bool exact = want->dtype != VKA_F32 || (e->c->bound == 0 && e->real == VKA_F32);
    double most = 0, worst = 0, bound = e->c->bound;
    if (e->real != VKA_F32)
        bound += (e->c->bound16 > 0 ? e->c->bound16 : 6e-4) * (e->real == VKA_BF16 ? BF16_MORE : 1);
    if (e->expand)
        bound *= 8; // each of the primitives rounds
    int64_t at = 0;
    for (int64_t i = 0; i < want->count; i++) {
        double w = want->v[i];
        if (e->real != VKA_F32 && want->dtype == VKA_F32)
            w = op_rounded(w, e->real);
        double g = value_of(want, data, i);
        bool wrong = exact ? !(want->dtype == VKA_F32 ? same_bits(w, g) : w == g)
                           : !same_kind(want->dtype == VKA_F32 ? (float)w : w, g);
        double diff = wrong ? INFINITY : isfinite(w) ? fabs(g - w) : 0;
        if (diff > worst) {
            worst = diff;
            at = i;
        }
        if (isfinite(w) && fabs(w) > most)
            most = fabs(w);
    }
    if (worst <= bound * most)
        return;
    fail_msg("%s, %s, %s: result %d is %.9g at %lld, should be %.9g; max|diff|/max|ref| %.3g, "
             "bound %.3g; VKATTN_SEED=%llu",
             vka_device_of(t->device)->name, e->expand ? "expanded" : form_names[e->form],
             vka_dtype_name(e->real), k, value_of(want, data, at), (long long)at, want->v[at],
             worst / most, bound, (unsigned long long)h.seed);
}

// --- running ---

struct results {
    unsigned char *room[OP_RESULTS]; // MARGIN bytes, the result, MARGIN bytes
    void *data[OP_RESULTS];
    uint64_t bytes[OP_RESULTS];
    float before[GUARD], after[GUARD];
};

static void check_margins(const struct results *r, int k)
{
    for (int i = 0; i < MARGIN; i++) {
        assert_int_equal(r->room[k][i], 0xa5);
        assert_int_equal(r->room[k][MARGIN + r->bytes[k] + (uint64_t)i], 0xa5);
    }
}

static void run_once(struct experiment *e, vka_plan *plan, struct results *r)
{
    vka_io in[OP_OPERANDS + 2] = {{"pattern", VKA_F32, e->guard, sizeof e->guard}};
    vka_io out[OP_RESULTS + 3] = {{"before", VKA_F32, r->before, sizeof r->before},
                                  {"after", VKA_F32, r->after, sizeof r->after}};
    int n = 1;
    for (int k = 0; k < OP_OPERANDS; k++) {
        if (e->in[k].v)
            in[n++] = (vka_io){input_names[k], e->in[k].dtype, e->stored[k], e->stored_bytes[k]};
    }
    for (int k = 0; k < e->n_out; k++) {
        memset(r->room[k], 0xa5, r->bytes[k] + 2 * MARGIN);
        out[2 + k] = (vka_io){output_names[k], e->out[k].dtype, r->data[k], r->bytes[k]};
    }
    if (vka_plan_run(plan, in, out) != VKA_OK)
        fail_msg("%s", vka_last_error());
    assert_memory_equal(r->before, e->guard, sizeof e->guard);
    assert_memory_equal(r->after, e->guard, sizeof e->guard);
    for (int k = 0; k < e->n_out; k++)
        check_margins(r, k); // the CPU path writes into this memory itself
}

static struct results room_for(const struct experiment *e)
{
    struct results r = {0};
    for (int k = 0; k < e->n_out; k++) {
        r.bytes[k] = (uint64_t)e->out[k].count * vka_dtype_size(e->out[k].dtype);
        r.room[k] = test_malloc((size_t)r.bytes[k] + 2 * MARGIN);
        r.data[k] = r.room[k] + MARGIN;
    }
    return r;
}

static void free_results(const struct experiment *e, struct results *r)
{
    for (int k = 0; k < e->n_out; k++)
        test_free(r->room[k]);
}

// Runs the experiment on a device again and again; the first run's results are left in `first`.
static void run_on(struct experiment *e, const struct target *t, int replays, struct results *first)
{
    vka_graph *g = build(e, t->context);
    if (!e->out[0].v)
        define(e, g);
    if (!first->data[0])
        *first = room_for(e);
    vka_plan_params params = {.dtype = e->real, .expand = e->expand};
    vka_plan *plan;
    uint32_t turns = t->device->limits.max_turns;
    if (e->c->turns)
        t->device->limits.max_turns = e->c->turns;
    vka_result planned = vka_plan_create(t->device, g, &params, &plan);
    t->device->limits.max_turns = turns;
    if (planned != VKA_OK)
        fail_msg("%s, %s: %s", vka_device_of(t->device)->name, form_names[e->form],
                 vka_last_error());
    if (plan->program->device)
        op_check_turns(t->context, plan->program);
    struct results again = room_for(e);
    run_once(e, plan, first);
    for (int i = 1; i < replays; i++) {
        run_once(e, plan, &again);
        for (int k = 0; k < e->n_out; k++)
            assert_memory_equal(again.data[k], first->data[k], (size_t)first->bytes[k]);
    }
    for (int k = 0; k < e->n_out; k++)
        compare(e, t, k, first->data[k]);
    free_results(e, &again);
    vka_plan_destroy(plan);
    vka_graph_destroy(g);
}

static void run_form_cpu(const struct op_case *c, enum form form)
{
    struct experiment e;
    struct results first = {0}, alone = {0};
    start(&e, c, form, VKA_F32);
    run_on(&e, &h.cpu, FEW_REPLAYS, &first);
    run_on(&e, &h.cpu_alone, 1, &alone);
    for (int k = 0; k < e.n_out; k++) // the number of threads changes no bit
        assert_memory_equal(first.data[k], alone.data[k], (size_t)first.bytes[k]);
    free_results(&e, &first);
    free_results(&e, &alone);
    finish(&e);
}

static void run_form_gpu(const struct op_case *c, enum form form, const struct target *t,
                         vka_dtype real)
{
    struct experiment e;
    struct results first = {0};
    start(&e, c, form, real);
    run_on(&e, t, form <= IN_PLACE && e.in[0].count < LARGE ? REPLAYS : FEW_REPLAYS, &first);
    free_results(&e, &first);
    finish(&e);
}

// A fused op against the same definition, run as its expansion.
static void run_expanded(const struct op_case *c, const struct target *t)
{
    const struct vka_op *op = vka_op_find(h.op);
    if (!op || !(op->flags & VKA_OP_FUSED))
        return;
    struct experiment e;
    struct results first = {0};
    start(&e, c, DENSE, VKA_F32);
    e.expand = true;
    run_on(&e, t, FEW_REPLAYS, &first);
    free_results(&e, &first);
    finish(&e);
}

static void test_case(void **state)
{
    const struct job *job = *state;
    int forms = job->c->dense_only ? IN_PLACE + 1 : FORMS;
    run_expanded(job->c, job->gpu < 0 ? &h.cpu : &h.gpu[job->gpu]);
    for (int form = DENSE; form < forms; form++) {
        if (job->gpu < 0) {
            run_form_cpu(job->c, (enum form)form);
            continue;
        }
        const struct target *t = &h.gpu[job->gpu];
        run_form_gpu(job->c, (enum form)form, t, VKA_F32);
        if (t->f16)
            run_form_gpu(job->c, (enum form)form, t, VKA_F16);
        if (t->bf16 && (form == DENSE || form == TRANSPOSED)) // the rest are as in f16
            run_form_gpu(job->c, (enum form)form, t, VKA_BF16);
    }
    assert_true(vka_context_validation_count(h.several) <= 0);
}

static void test_error(void **state)
{
    const struct op_error *error = ((const struct job *)*state)->error;
    vka_graph *g;
    vka_tensor in[OP_OPERANDS] = {0};
    assert_int_equal(vka_graph_create(h.alone, NULL, &g), VKA_OK);
    for (int k = 0; k < OP_OPERANDS; k++) {
        if (error->in[k].present)
            in[k] = vka_input(g, input_names[k], error->in[k].dtype, &error->in[k].shape);
    }
    error->build(g, in);
    assert_int_equal(vka_graph_status(g), VKA_ERROR_INVALID);
    if (!strstr(vka_last_error(), error->says))
        fail_msg("the message is '%s', without '%s'", vka_last_error(), error->says);
    vka_graph_destroy(g);
}

static void test_no_device(void **state)
{
    (void)state;
    print_message("no Vulkan device on this machine: the shaders of %s are not tested\n", h.op);
    skip();
}

// --- the whole ---

static void log_message(void *user, vka_log_level level, const char *message)
{
    (void)user;
    if (level == VKA_LOG_WARN)
        fprintf(stderr, "%s\n", message);
}

static void open_device(vka_context *context, const char *select, struct target *t)
{
    t->context = context;
    if (vka_device_open(context, select, &t->device) != VKA_OK) {
        fprintf(stderr, "%s: %s\n", select, vka_last_error());
        exit(1);
    }
    t->f16 = vka_device_of(t->device)->f16;
    t->bf16 = vka_device_of(t->device)->bf16;
}

static void open_all(void)
{
    vka_context_params alone = {.threads = 1, .no_vulkan = true};
    vka_context_params several = {.threads = 3, .validation = true, .log = log_message};
    if (vka_context_create(&alone, &h.alone) != VKA_OK ||
        vka_context_create(&several, &h.several) != VKA_OK) {
        fprintf(stderr, "no context: %s\n", vka_last_error());
        exit(1);
    }
    open_device(h.alone, "cpu", &h.cpu_alone);
    open_device(h.several, "cpu", &h.cpu);
    int count = vka_device_count(h.several);
    for (int i = 0; i < count && h.gpus < MOST_DEVICES; i++) {
        vka_device_info info;
        char select[32];
        if (vka_device_get_info(h.several, i, &info) != VKA_OK || info.type == VKA_DEVICE_CPU)
            continue;
        snprintf(select, sizeof select, "vulkan:%d", info.vulkan_index);
        open_device(h.several, select, &h.gpu[h.gpus++]);
        printf("%s on %s, f32%s%s\n", h.op, info.name, info.f16 ? ", f16" : "",
               info.bf16 ? ", bf16" : "");
    }
}

static void close_all(void)
{
    for (int i = 0; i < h.gpus; i++)
        vka_device_close(h.gpu[i].device);
    vka_device_close(h.cpu.device);
    vka_device_close(h.cpu_alone.device);
    vka_context_destroy(h.several);
    vka_context_destroy(h.alone);
}

static struct job *add_job(struct job *job, struct CMUnitTest *test, CMUnitTestFunction fn)
{
    *test = (struct CMUnitTest){job->name, fn, NULL, NULL, job};
    return job;
}

int op_test_run(const char *op, const struct op_case *cases, size_t count,
                const struct op_error *errors, size_t error_count)
{
    const char *seed = getenv("VKATTN_SEED");
    h.op = op;
    h.seed = seed ? strtoull(seed, NULL, 10) : 1;
    printf("%s: VKATTN_SEED=%llu\n", op, (unsigned long long)h.seed);
    open_all();
    size_t most = count * (size_t)(h.gpus + 1) + error_count + 1, n = 0;
    struct job *jobs = calloc(most, sizeof *jobs);
    struct CMUnitTest *tests = calloc(most, sizeof *tests);
    if (!jobs || !tests)
        return 1;
    for (size_t i = 0; i < count; i++) {
        for (int gpu = -1; gpu < h.gpus; gpu++, n++) {
            jobs[n] = (struct job){.c = &cases[i], .gpu = gpu};
            snprintf(jobs[n].name, sizeof jobs[n].name, "%s, %s", cases[i].name,
                     gpu < 0 ? "cpu" : vka_device_of(h.gpu[gpu].device)->name);
            add_job(&jobs[n], &tests[n], test_case);
        }
    }
    for (size_t i = 0; i < error_count; i++, n++) {
        jobs[n] = (struct job){.error = &errors[i]};
        snprintf(jobs[n].name, sizeof jobs[n].name, "refused: %s", errors[i].name);
        add_job(&jobs[n], &tests[n], test_error);
    }
    if (h.gpus == 0) {
        snprintf(jobs[n].name, sizeof jobs[n].name, "vulkan");
        add_job(&jobs[n], &tests[n], test_no_device);
        n++;
    }
    int failed = _cmocka_run_group_tests(op, tests, n, NULL, NULL);
    close_all();
    free(jobs);
    free(tests);
    return failed;
}
