// SPDX-License-Identifier: MIT
#include "plan_tests.h"

#include "random_graph.h"
#include "util/half.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- outputs of every kind ---

enum { N = PLAN_N, KINDS = 12 };
static const float w_data[N] = {1, 2, 3, -4, 5, 6};

static void give(struct rig *rig, vka_io *out, float (*y)[N], int i, vka_tensor t)
{
    static char names[KINDS][16];
    snprintf(names[i], sizeof names[i], "y%d", i);
    vka_output(rig->graph, names[i], t);
    out[i] = (vka_io){names[i], VKA_F32, y[i], sizeof y[i]};
}

static void make_outputs(struct rig *rig, vka_io *out, float (*y)[N])
{
    rig_add_weight(rig, "w", VKA_SHAPE(2, 3), w_data);
    rig_new_graph(rig);
    vka_graph *g = rig->graph;
    vka_tensor x = rig_input(rig, "x", VKA_F32, VKA_SHAPE(2, 3)), w = rig_weight(rig, "w");
    vka_tensor c = vka_constant(g, VKA_F32, &(vka_shape){2, {2, 3}}, plan_x);
    vka_tensor a = vka_affine(g, x, 1, 1), b = vka_affine(g, a, 2, 0);
    vka_tensor tensors[KINDS] = {
        x,                                      // an input itself
        w,                                      // a weight
        c,                                      // a constant
        vka_affine(g, w, 2, 0),                 // computed when the plan is made
        vka_permute(g, x, (const int[]){1, 0}), // views: of an input,
        vka_permute(g, w, (const int[]){1, 0}), // of a weight,
        vka_permute(g, b, (const int[]){1, 0}), // of a result,
        vka_reshape(g, a, VKA_SHAPE(6)),        // of all its bytes
        a,                                      // named a second time, and read by others
        b,
        vka_broadcast_to(g, vka_slice(g, a, 0, 1, 1), VKA_SHAPE(2, 3)),
        vka_copy(g, b),
    };
    for (int i = 0; i < KINDS; i++)
        give(rig, out, y, i, tensors[i]);
}

static float turned(const float *data, int i)
{
    return data[i % 2 * 3 + i / 2];
}

static void expect_outputs(float (*y)[N])
{
    for (int i = 0; i < N; i++) {
        float x = plan_x[i], a = x + 1, b = 2 * a;
        const float want[KINDS] = {x,
                                   w_data[i],
                                   x,
                                   2 * w_data[i],
                                   turned(plan_x, i),
                                   turned(w_data, i),
                                   2 * turned(plan_x, i) + 2,
                                   a,
                                   a,
                                   b,
                                   plan_x[3 + i % 3] + 1,
                                   b};
        for (int k = 0; k < KINDS; k++)
            assert_true(y[k][i] == want[k]);
    }
}

void plan_outputs(void **state)
{
    (void)state;
    struct rig rig;
    float y[KINDS][N];
    vka_io out[KINDS + 1] = {0},
                       in[] = {{"x", VKA_F32, (void *)(uintptr_t)plan_x, sizeof plan_x}, {0}};
    rig_start_on(&rig, plan_device);
    make_outputs(&rig, out, y);
    vka_plan *plan = rig_plan(&rig, NULL);
    for (int round = 0; round < 3; round++) {
        memset(y, 0x7f, sizeof y);
        rig_assert_ok(vka_plan_run(plan, in, out));
        expect_outputs(y);
    }
    vka_plan_destroy(plan);
    rig_end(&rig);
}

// --- types ---

static void write_real(unsigned char *to, vka_dtype dtype, float f)
{
    uint16_t half = dtype == VKA_F16 ? vka_f32_to_f16(f) : vka_f32_to_bf16(f);
    if (dtype == VKA_F32)
        memcpy(to, &f, 4);
    else
        memcpy(to, &half, 2);
}

static float read_real(const unsigned char *from, vka_dtype dtype)
{
    float f;
    uint16_t half;
    memcpy(&f, from, dtype == VKA_F32 ? 4 : 0);
    memcpy(&half, from, 2);
    return dtype == VKA_F32 ? f : dtype == VKA_F16 ? vka_f16_to_f32(half) : vka_bf16_to_f32(half);
}

static int64_t read_int(const unsigned char *from, vka_dtype dtype)
{
    int32_t i;
    int64_t wide;
    memcpy(&i, from, 4);
    if (dtype == VKA_I32)
        return i;
    memcpy(&wide, from, 8);
    return wide;
}

// All inputs and outputs in these types, `off` bytes past an aligned address.
static void run_types(struct small *s, vka_dtype real, vka_dtype integer, vka_dtype truth,
                      size_t off)
{
    // Of exactly the size that is needed, so that a sanitizer sees each byte too many.
    size_t sizes[3] = {N * vka_dtype_size(real), N * vka_dtype_size(integer), N};
    unsigned char *from[3], *to[3];
    small_reset(s);
    for (int i = 0; i < 3; i++) {
        from[i] = malloc(sizes[i] + off);
        to[i] = malloc(sizes[i] + off);
        s->in[i].data = from[i] + off;
        s->out[i].data = to[i] + off;
        s->in[i].bytes = s->out[i].bytes = sizes[i];
        s->in[i].dtype = s->out[i].dtype = (vka_dtype[]){real, integer, truth}[i];
        memset(to[i], 0x55, sizes[i] + off);
    }
    for (int i = 0; i < N; i++) {
        int64_t wide = s->i[i];
        write_real(from[0] + off + (size_t)i * vka_dtype_size(real), real, s->x[i]);
        memcpy(from[1] + off + (size_t)i * vka_dtype_size(integer), &wide, vka_dtype_size(integer));
        from[2][off + (size_t)i] = s->b[i];
    }
    rig_assert_ok(vka_plan_run(s->plan, s->in, s->out));
    for (int i = 0; i < N; i++) {
        assert_true(read_real(to[0] + off + (size_t)i * vka_dtype_size(real), real) == s->x[i] + 1);
        assert_int_equal(read_int(to[1] + off + (size_t)i * vka_dtype_size(integer), integer),
                         2 * s->i[i]);
        assert_int_equal(to[2][off + (size_t)i], !s->b[i]);
    }
    for (int i = 0; i < 3; i++) {
        for (size_t k = 0; k < off; k++)
            assert_int_equal(to[i][k], 0x55);
        free(from[i]);
        free(to[i]);
    }
}

static void run_all_types(const vka_plan_params *params)
{
    static const vka_dtype reals[] = {VKA_F32, VKA_F16, VKA_BF16}, integers[] = {VKA_I32, VKA_I64},
                           truths[] = {VKA_BOOL, VKA_U8};
    static const size_t offs[] = {0, 1, 2, 3, 4, 8};
    struct small s;
    small_start(&s, params);
    for (int round = 0; round < 2; round++) {
        for (int t = 0; t < 6; t++) {
            for (size_t o = 0; o < VKA_COUNT(offs); o++)
                run_types(&s, reals[t % 3], integers[t / 3], truths[t % 2], offs[o]);
        }
        small_expect_right(&s);
    }
    small_end(&s);
}

void plan_conversions(void **state)
{
    (void)state;
    struct rig rig;
    rig_start_on(&rig, plan_device);
    bool f16 = vka_device_of(rig.device)->f16;
    rig_end(&rig);
    run_all_types(NULL);
    if (f16)
        run_all_types(&(vka_plan_params){.dtype = VKA_F16});
}

void plan_wide_integers(void **state)
{
    (void)state;
    static const int64_t values[] = {INT64_C(2147483648), INT64_C(-2147483649), INT64_MAX,
                                     INT64_MIN};
    struct small s;
    small_start(&s, NULL);
    for (size_t v = 0; v < VKA_COUNT(values); v++) {
        int64_t wide[N] = {0, 1, 2, 3, values[v], 5};
        small_reset(&s);
        s.in[1] = (vka_io){"i", VKA_I64, wide, sizeof wide};
        plan_expect(vka_plan_run(s.plan, s.in, s.out), VKA_ERROR_DATA, "input 'i': element 4",
                    "32 bits");
        small_expect_right(&s);
    }
    small_end(&s);
}

// --- numbers out of range ---

static void make_lookup(struct rig *rig, bool computed)
{
    static const float table[] = {0, 1, 10, 11, 20, 21, 30, 31, 40, 41};
    rig_add_weight(rig, "table", VKA_SHAPE(5, 2), table);
    rig_new_graph(rig);
    vka_graph *g = rig->graph;
    vka_tensor ids = rig_input(rig, "ids", VKA_I32, VKA_SHAPE(2, 2));
    vka_tensor base = rig_input(rig, "base", VKA_I32, VKA_SHAPE(1));
    vka_tensor at = computed ? vka_add(g, ids, base) : ids;
    vka_output(g, "y", vka_gather(g, rig_weight(rig, "table"), at));
}

struct lookup {
    int32_t ids[4], base;
    float y[8];
};

static vka_result look_up(vka_plan *plan, struct lookup *l)
{
    vka_io in[] = {
        {"ids", VKA_I32, l->ids, sizeof l->ids}, {"base", VKA_I32, &l->base, sizeof l->base}, {0}};
    vka_io out[] = {{"y", VKA_F32, l->y, sizeof l->y}, {0}};
    return vka_plan_run(plan, in, out);
}

static void run_lookup(bool computed)
{
    static const int32_t wrong[] = {-1, 5, 1000000000, INT32_MIN, INT32_MAX};
    struct rig rig;
    rig_start_on(&rig, plan_device);
    make_lookup(&rig, computed);
    vka_plan *plan = rig_plan(&rig, NULL);
    for (size_t w = 0; w < VKA_COUNT(wrong); w++) {
        char text[32];
        struct lookup l = {.ids = {3, 0, wrong[w], 9}};
        snprintf(text, sizeof text, "element 2 is %d", wrong[w]);
        plan_expect(look_up(plan, &l), VKA_ERROR_DATA, text, "0..4");
        unit_assert_error_has("ids");
        l = (struct lookup){.ids = {3, 0, 4, 1}};
        rig_assert_ok(look_up(plan, &l));
        assert_memory_equal(l.y, ((float[]){30, 31, 0, 1, 40, 41, 10, 11}), sizeof l.y);
    }
    struct lookup l = {.ids = {3, 0, 1, 1}, .base = 1};
    rig_assert_ok(look_up(plan, &l));
    assert_true(l.y[0] == (computed ? 40 : 30));
    vka_plan_destroy(plan);
    rig_end(&rig);
}

void plan_checks(void **state)
{
    (void)state;
    run_lookup(false); // when the data comes in
    run_lookup(true);  // on the device
}

// --- life ---

void plan_graph_gone(void **state)
{
    (void)state;
    struct small s;
    small_start(&s, NULL);
    vka_graph_destroy(s.rig.graph);
    s.rig.graph = NULL;
    small_expect_right(&s);
    s.x[0] = 100;
    small_expect_right(&s);
    assert_string_equal(vka_plan_report(s.plan)->steps[0].op, "unary");
    small_end(&s);
}

void plan_replays(void **state)
{
    (void)state;
    static struct random_graph graph;
    static uint32_t first[RANDOM_OUTPUTS][RANDOM_ELEMENTS];
    static float kept[RANDOM_ELEMENTS];
    struct rig rig;
    rig_start_on(&rig, plan_device);
    random_weights(&rig);
    random_graph_make(&graph, &rig, 5, 50);
    vka_plan *plan = rig_plan(&rig, NULL);
    assert_true(random_graph_differ(&graph, plan, false) < 1e-4);
    memcpy(first, graph.got, sizeof first);
    memcpy(kept, graph.x[0], sizeof kept);
    for (int i = 0; i < 25; i++) {
        if (i % 5 == 4) { // other data in between
            graph.x[0][i] = 0.5f;
            random_graph_differ(&graph, plan, false);
            memcpy(graph.x[0], kept, sizeof kept);
        }
        random_graph_differ(&graph, plan, false);
        assert_memory_equal(first, graph.got, sizeof first);
    }
    vka_plan_destroy(plan);
    rig_end(&rig);
}

// --- pointers ---

void plan_pointers(void **state)
{
    (void)state;
    struct small s;
    float y[3][N];
    int32_t k[N];
    vka_io some[] = {{"k", VKA_I32, k, sizeof k}, {0}};
    vka_io twice[] = {{"y", VKA_F32, y[0], sizeof y[0]},
                      {"k", VKA_I32, k, sizeof k},
                      {"y", VKA_F32, y[1], sizeof y[1]},
                      {0}};
    small_start(&s, NULL);
    for (int round = 0; round < 3; round++) {
        small_expect_right(&s);
        s.x[1] += 1;
        s.i[2] += 1;
        rig_assert_ok(vka_plan_run(s.plan, s.in, some));
        assert_true(k[2] == 2 * s.i[2] && s.k[2] == k[2] - 2); // the other place is as it was
        rig_assert_ok(vka_plan_run(s.plan, s.in, twice));
        for (int i = 0; i < N; i++)
            assert_true(y[0][i] == s.x[i] + 1 && y[1][i] == s.x[i] + 1);
        rig_assert_ok(vka_plan_run(s.plan, s.in, NULL));
        rig_assert_ok(vka_plan_submit(s.plan, s.in));
        rig_assert_ok(vka_plan_wait(s.plan, some));
        vka_io other = {"y", VKA_F32, y[2], sizeof y[2]};
        s.out[0] = other;
        rig_assert_ok(vka_plan_run(s.plan, s.in, s.out));
        assert_true(y[2][1] == s.x[1] + 1);
        rig_assert_ok(vka_plan_submit(s.plan, s.in));
        y[2][1] = -77; // a submit doesn't write where the last run did
        rig_assert_ok(vka_plan_wait(s.plan, NULL));
        assert_true(y[2][1] == -77);
    }
    small_end(&s);
}

// y = x + (x reversed), so that a write over x would be read again.
void plan_same_memory(void **state)
{
    (void)state;
    enum { COUNT = 64 };
    struct rig rig;
    rig_start_on(&rig, plan_device);
    vka_tensor x = rig_input(&rig, "x", VKA_F32, VKA_SHAPE(COUNT));
    vka_tensor reversed = vka_slice_step(rig.graph, x, 0, COUNT - 1, COUNT, -1);
    vka_output(rig.graph, "z", vka_affine(rig.graph, x, 0, 7));
    vka_output(rig.graph, "y", vka_add(rig.graph, x, vka_affine(rig.graph, reversed, 2, 0)));
    vka_plan *plan = rig_plan(&rig, NULL);
    for (int off = -COUNT; off <= COUNT; off += 16) {
        float memory[3 * COUNT], z[COUNT];
        float *in = memory + COUNT, *out = in + off;
        for (int i = 0; i < COUNT; i++)
            in[i] = (float)i;
        vka_io ins[] = {{"x", VKA_F32, in, COUNT * sizeof *in}, {0}};
        vka_io outs[] = {{"z", VKA_F32, off == 0 ? in : z, COUNT * sizeof *in},
                         {"y", VKA_F32, out, COUNT * sizeof *in},
                         {0}};
        rig_assert_ok(vka_plan_run(plan, ins, outs + (off == 0)));
        for (int i = 0; i < COUNT; i++)
            assert_true(out[i] == (float)(i + 2 * (COUNT - 1 - i)));
    }
    vka_plan_destroy(plan);
    rig_end(&rig);
}
