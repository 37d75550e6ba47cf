// SPDX-License-Identifier: MIT
//
// How many dispatches blocks take, and of which operations: each costs a device a few microseconds
// beside its work, so that more of them are a step back. Planned for a GPU, for a driver that is a
// program, and for devices as small as Vulkan allows; no driver is needed for it.
#include "io/weights.h"
#include "rig.h"

#include <stdio.h>
#include <string.h>

enum { INPUTS = 3 };

struct counted {
    const char *id;
    vka_shape inputs[INPUTS]; // no axes: the first once more
    const char *names[INPUTS];
    vka_attr attrs[2];
    const char *steps;            // on a GPU
    unsigned gpu, program, least; // dispatches
};

static struct rig rig;
static const float zeros[1 << 20];

static vka_result build(const struct counted *c)
{
    vka_named inputs[INPUTS + 1] = {{0}};
    rig_new_graph(&rig);
    for (int i = 0; i < INPUTS && c->names[i]; i++) {
        inputs[i].name = c->names[i];
        inputs[i].tensor = c->inputs[i].rank == 0
                               ? inputs[0].tensor
                               : rig_input(&rig, c->names[i], VKA_F32, c->inputs[i]);
    }
    vka_node n = vka_block_prefixed(rig.graph, c->id, "b", "", c->attrs, inputs);
    vka_output(rig.graph, "y", vka_out(rig.graph, n, "y"));
    return vka_graph_status(rig.graph);
}

// A set is closed once a graph was made with it: from the start again with each weight that a block
// turns out to want.
static void build_all(const struct counted *c)
{
    enum { WEIGHTS = 32 };
    struct {
        char name[64];
        vka_shape shape;
    } found[WEIGHTS];
    for (size_t count = 0; count < WEIGHTS; count++) {
        rig_start(&rig);
        for (size_t i = 0; i < count; i++)
            rig_add_weight(&rig, found[i].name, found[i].shape, zeros);
        if (build(c) == VKA_OK)
            return;
        uint64_t elements = 0;
        if (!rig.weights->wanted)
            rig_assert_ok(vka_graph_status(rig.graph));
        snprintf(found[count].name, sizeof found[count].name, "%s", rig.weights->wanted);
        found[count].shape = rig.weights->wanted_shape;
        for (int i = 0; i < found[count].shape.rank; i++) // 0: any size
            found[count].shape.dim[i] =
                found[count].shape.dim[i] ? found[count].shape.dim[i] : 2048;
        assert_true(vka_shape_count(&found[count].shape, &elements) &&
                    elements <= VKA_COUNT(zeros));
        rig_end(&rig);
    }
    fail_msg("%s wants more than %d weights", c->id, WEIGHTS);
}

static int check(const struct counted *c, const char *device, const struct vka_limits *limits,
                 unsigned want, const char *steps)
{
    struct vka_program *p;
    char text[512] = "";
    rig_assert_ok(vka_program_create(rig.graph, limits, VKA_F32, false, &p));
    for (size_t i = 0, length = 0; i < p->g->node_count; i++, length = strlen(text))
        snprintf(text + length, sizeof text - length, "%s%s", i ? " " : "",
                 p->g->nodes[i].op->name);
    bool wrong = p->dispatch_count != want || (steps && strcmp(steps, text) != 0);
    if (wrong)
        print_error("%s, %s: %zu dispatches (%s), not %u (%s)\n", c->id, device, p->dispatch_count,
                    text, want, steps ? steps : "");
    vka_program_destroy(p);
    return wrong;
}

static int check_all(const struct counted *c)
{
    struct vka_limits least = rig_least_limits(), gpu = rig_large_limits(false),
                      program = rig_large_limits(true);
    gpu.busy = 2048;
    program.busy = 8;
    build_all(c);
    int wrong = check(c, "a GPU", &gpu, c->gpu, c->steps);
    wrong += check(c, "a device that is a program", &program, c->program, NULL);
    wrong += check(c, "the smallest device", &least, c->least, NULL);
    rig_end(&rig);
    return wrong;
}

#define MAP                                                                                        \
    {                                                                                              \
        4,                                                                                         \
        {                                                                                          \
            1, 256, 56, 56                                                                         \
        }                                                                                          \
    }
#define ROWS                                                                                       \
    {                                                                                              \
        3,                                                                                         \
        {                                                                                          \
            1, 1024, 512                                                                           \
        }                                                                                          \
    }
#define HEADS(name)                                                                                \
    {                                                                                              \
        name, VKA_ATTR_INT, false, 8, 0, NULL, NULL, 0                                             \
    }
// Attention is two on a large GPU: its keys are split where the queries alone would leave that
// idle. Of a layer's, none that remains can join the next: that needs whole rows, of which a
// product's workgroup has a part. Workgroups of whole rows would be 64 at most for these sizes, too
// few for a GPU; and for the next product to normalize what it reads, each product's modules would
// be there once more, only to save two steps of 4 MB each, one of which has the layer's result.
static const struct counted cases[] = {
    {"se", {MAP}, {"x"}, {{0}}, "reduce matmul gated", 3, 3, 4},
    {"eca", {MAP}, {"x"}, {{0}}, "reduce gated", 2, 2, 3},
    {"cbam", {MAP}, {"x"}, {{0}}, "mean_max channel_pool conv mul3", 4, 6, 6},
    {"mha",
     {ROWS, ROWS, ROWS},
     {"q", "k", "v"},
     {HEADS("num_heads")},
     "matmul matmul matmul attention matmul",
     6,
     5,
     5},
    {"mha", {ROWS}, {"q", "k", "v"}, {HEADS("num_heads")}, "matmul attention matmul", 4, 3, 3},
    {"transformer_encoder_layer",
     {ROWS},
     {"x"},
     {HEADS("num_heads")},
     "matmul attention matmul norm matmul matmul norm",
     8,
     7,
     7},
    {"transformer_decoder_layer",
     {ROWS, ROWS},
     {"x", "memory"},
     {HEADS("num_heads")},
     "matmul attention matmul norm matmul matmul attention matmul norm matmul matmul norm",
     14,
     12,
     12},
    {"batch_norm", {MAP}, {"x"}, {{0}}, "mul3", 1, 1, 1},
    {"gc", {MAP}, {"x"}, {{0}}, "focus gated", 3, 3, 6},
    {"bam", {MAP}, {"x"}, {{0}}, "reduce matmul matmul matmul conv conv matmul mul3", 8, 8, 8},
    {"sk",
     {MAP},
     {"x"},
     {{0}},
     "conv conv reduce reduce binary matmul matmul softmax mix",
     9,
     9,
     11},
};

static void test_dispatches(void **state)
{
    int wrong = 0;
    (void)state;
    for (size_t i = 0; i < VKA_COUNT(cases); i++)
        wrong += check_all(&cases[i]);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_dispatches)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
