// SPDX-License-Identifier: MIT
//
// What plans hold between inputs and outputs. No matrix of all pairs and no unfolded copy is stored
// where no map is asked for: q, k and v (each once), one map of the output's size and a few numbers
// a position are enough. Each block states its budget in floats. On the CPU path, and for devices
// as small as Vulkan allows and as large as they are today: no driver is needed to plan.
#include "rig.h"

enum { INPUTS = 4, WEIGHTS = 16 };

struct tensor {
    const char *name;
    vka_shape shape;
};
#define T(name, ...)                                                                               \
    {                                                                                              \
        name,                                                                                      \
        {                                                                                          \
            (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),                             \
            {                                                                                      \
                __VA_ARGS__                                                                        \
            }                                                                                      \
        }                                                                                          \
    }

struct memory_case {
    const char *name, *id;
    vka_attr attrs[6];
    struct tensor inputs[INPUTS], weights[WEIGHTS];
    uint64_t floats; // the budget
    bool many;       // needs more than 4 storage buffers: not on the smallest device
};

static struct rig rig;
static const float zeros[1 << 18];

static int start(void **state)
{
    (void)state;
    rig_start(&rig);
    return 0;
}

static int end(void **state)
{
    (void)state;
    rig_end(&rig);
    return 0;
}

// --- devices ---

static uint64_t temporaries(const struct vka_program *p)
{
    uint64_t bytes = 0;
    for (int i = 0; i < p->slab_count; i++)
        bytes += p->slabs[i];
    return bytes;
}

// What the steps make.
static void print_steps(const struct vka_program *p)
{
    for (size_t i = 0; i < p->g->node_count; i++) {
        const struct vka_op_node *node = &p->g->nodes[i];
        char text[VKA_SHAPE_TEXT];
        print_error("    %s %s\n", node->op->name,
                    vka_shape_text(&p->g->values[node->out[0]].shape, text));
    }
}

// --- cases ---

static void build(const struct memory_case *c)
{
    for (const struct tensor *w = c->weights; w->name; w++)
        rig_add_weight(&rig, w->name, w->shape, zeros);
    rig_new_graph(&rig);
    vka_named inputs[INPUTS + 1] = {{0}};
    for (int i = 0; i < INPUTS && c->inputs[i].name; i++)
        inputs[i] = (vka_named){c->inputs[i].name,
                                rig_input(&rig, c->inputs[i].name, VKA_F32, c->inputs[i].shape)};
    vka_node n = vka_block_prefixed(rig.graph, c->id, "b", "", c->attrs, inputs);
    vka_output(rig.graph, "y", vka_out(rig.graph, n, "y"));
    rig_assert_ok(vka_graph_status(rig.graph));
}

static uint64_t weight_floats(const struct memory_case *c)
{
    uint64_t floats = 0, count = 0;
    for (const struct tensor *w = c->weights; w->name && vka_shape_count(&w->shape, &count); w++)
        floats += count;
    return floats;
}

static int check(const struct memory_case *c, const char *device, const struct vka_limits *limits)
{
    enum { ROUNDING = 16 * VKA_ALIGNMENT }; // a few tensors' ends
    struct vka_program *p;
    rig_assert_ok(vka_program_create(rig.graph, limits, VKA_F32, false, &p));
    // Constants count, in which weights may stand again in other forms: a mask of all pairs is one.
    uint64_t bytes = temporaries(p) + p->constant_bytes;
    uint64_t budget = (c->floats + 2 * weight_floats(c)) * 4 + ROUNDING;
    if (bytes > budget) {
        print_error("%s, %s: %llu bytes of temporaries and constants, the budget is %llu\n",
                    c->name, device, (unsigned long long)bytes, (unsigned long long)budget);
        print_steps(p);
    }
    vka_program_destroy(p);
    return bytes > budget;
}

static int check_all(const struct memory_case *c)
{
    struct vka_limits least = rig_least_limits(), gpu = rig_large_limits(false),
                      program = rig_large_limits(true);
    build(c);
    int wrong = check(c, "cpu", NULL);
    wrong += c->many ? 0 : check(c, "the smallest device", &least);
    wrong += check(c, "a GPU", &gpu);
    return wrong + check(c, "a device that is a program", &program);
}

#define INT(name, value)                                                                           \
    {                                                                                              \
        name, VKA_ATTR_INT, false, value, 0, NULL, NULL, 0                                         \
    }
#define YES(name)                                                                                  \
    {                                                                                              \
        name, VKA_ATTR_BOOL, true, 0, 0, NULL, NULL, 0                                             \
    }
#define TEXT(name, value)                                                                          \
    {                                                                                              \
        name, VKA_ATTR_STRING, false, 0, 0, value, NULL, 0                                         \
    }

// x [1, 256, 56, 56], 128 inner channels.
enum { P56 = 56 * 56, P28 = 28 * 28, P97 = 97 * 97, P32 = 32 * 32 };
#define NONLOCAL(...)                                                                              \
    .id = "nonlocal", .inputs = {T("x", 1, 256, 56, 56)},                                          \
    .weights = {T("g.weight", 128, 256),                                                           \
                T("g.bias", 128),                                                                  \
                T("theta.weight", 128, 256),                                                       \
                T("theta.bias", 128),                                                              \
                T("phi.weight", 128, 256),                                                         \
                T("phi.bias", 128),                                                                \
                T("conv_out.weight", 256, 128),                                                    \
                T("conv_out.bias", 256),                                                           \
                T("bn.weight", 256),                                                               \
                T("bn.bias", 256),                                                                 \
                T("bn.running_mean", 256),                                                         \
                T("bn.running_var", 256),                                                          \
                T("concat_project.weight", 1, 256)},                                               \
    .attrs = {__VA_ARGS__}

static const struct memory_case cases[] = {
    // Nothing at all; a quarter of q, k, v and y would be 2 * 2^21.
    {.name = "sdpa",
     .id = "sdpa",
     .inputs = {T("q", 1, 8, 4096, 64), T("k", 1, 8, 4096, 64), T("v", 1, 8, 4096, 64)},
     .floats = 0},
    {.name = "sdpa, longer",
     .id = "sdpa",
     .inputs = {T("q", 1, 8, 65536, 64), T("k", 1, 8, 65536, 64), T("v", 1, 8, 65536, 64)},
     .floats = 0},
    {.name = "sdpa, causal, shared heads",
     .id = "sdpa",
     .attrs = {YES("causal")},
     .inputs = {T("q", 1, 8, 16384, 64), T("k", 1, 2, 16384, 64), T("v", 1, 2, 16384, 64)},
     .floats = 0},
    // q, k, v, what comes out of the heads.
    {.name = "mha",
     .id = "mha",
     .attrs = {INT("num_heads", 2)},
     .inputs = {T("q", 1, 4096, 64), T("k", 1, 4096, 64), T("v", 1, 4096, 64)},
     .weights = {T("in_proj_weight", 192, 64), T("in_proj_bias", 192), T("out_proj.weight", 64, 64),
                 T("out_proj.bias", 64)},
     .floats = 4 * 4096 * 64},
    {.name = "mha, longer",
     .id = "mha",
     .attrs = {INT("num_heads", 2)},
     .inputs = {T("q", 1, 32768, 64), T("k", 1, 32768, 64), T("v", 1, 32768, 64)},
     .weights = {T("in_proj_weight", 192, 64), T("in_proj_bias", 192), T("out_proj.weight", 64, 64),
                 T("out_proj.bias", 64)},
     .floats = 4 * 32768 * 64},
    // q, k, v, k and v with one more, what comes out of the heads.
    {.name = "mha, causal, a learned key",
     .id = "mha",
     .attrs = {INT("num_heads", 2), YES("causal")},
     .inputs = {T("q", 1, 4096, 64), T("k", 1, 4096, 64), T("v", 1, 4096, 64)},
     .weights = {T("in_proj_weight", 192, 64), T("out_proj.weight", 64, 64), T("bias_k", 1, 1, 64),
                 T("bias_v", 1, 1, 64)},
     .floats = 6 * 4097 * 64},
    {.name = "nonlocal, embedded_gaussian", NONLOCAL({0}), .floats = (3 * 128 + 256) * P56},
    {.name = "nonlocal, embedded_gaussian, pooled",
     NONLOCAL(YES("sub_sample")),
     .floats = (3 * 128 + 256) * P56},
    {.name = "nonlocal, gaussian",
     NONLOCAL(TEXT("mode", "gaussian")),
     .floats = (256 + 128 + 256) * P56},
    {.name = "nonlocal, dot_product",
     NONLOCAL(TEXT("mode", "dot_product")),
     .floats = (3 * 128 + 256) * P56},
    {.name = "nonlocal, concatenation",
     NONLOCAL(TEXT("mode", "concatenation")),
     .floats = (3 * 128 + 256) * P56},
    // q, k, v, the map between the passes.
    {.name = "criss_cross",
     .id = "criss_cross",
     .inputs = {T("x", 1, 64, 97, 97)},
     .weights = {T("query.weight", 8, 64), T("query.bias", 8), T("key.weight", 8, 64),
                 T("key.bias", 8), T("value.weight", 64, 64), T("value.bias", 64), T("gamma", 1)},
     .floats = (8 + 8 + 64 + 64) * P97},
    // x itself is what is gathered; maps of 64 descriptors for gathering and distributing, 128 out.
    {.name = "double_attention",
     .id = "double_attention",
     .inputs = {T("x", 1, 256, 28, 28)},
     .weights = {T("conv_a.weight", 128, 256), T("conv_a.bias", 128), T("conv_b.weight", 64, 256),
                 T("conv_b.bias", 64), T("conv_v.weight", 64, 256), T("conv_v.bias", 64)},
     .floats = (64 + 64 + 128) * P28},
    {.name = "double_attention, reconstructed",
     .id = "double_attention",
     .attrs = {YES("reconstruct"), YES("residual")},
     .inputs = {T("x", 1, 256, 28, 28)},
     .weights = {T("conv_a.weight", 128, 256), T("conv_b.weight", 64, 256),
                 T("conv_v.weight", 64, 256), T("conv_reconstruct.weight", 256, 128)},
     .floats = (64 + 64 + 256) * P28},
    {.name = "cgnl",
     .id = "cgnl",
     .attrs = {INT("groups", 8)},
     .inputs = {T("x", 1, 256, 28, 28)},
     .weights = {T("t.weight", 128, 256), T("p.weight", 128, 256), T("g.weight", 128, 256),
                 T("z.weight", 256, 16), T("gn.weight", 256), T("gn.bias", 256)},
     .floats = (3 * 128 + 256) * P28 + 256 * 16}, // z times the sums, too
    {.name = "cgnl, rbf",
     .id = "cgnl",
     .attrs = {TEXT("kernel", "rbf"), INT("order", 3), INT("groups", 8)},
     .inputs = {T("x", 1, 256, 28, 28)},
     .weights = {T("t.weight", 128, 256), T("p.weight", 128, 256), T("g.weight", 128, 256),
                 T("z.weight", 256, 16), T("gn.weight", 256), T("gn.bias", 256)},
     .floats = (3 * 128 + 256) * P28},
    {.name = "sagan",
     .id = "sagan",
     .inputs = {T("x", 1, 256, 32, 32)},
     .weights = {T("query.weight", 32, 256), T("key.weight", 32, 256), T("value.weight", 256, 256),
                 T("gamma", 1)},
     .floats = (32 + 32 + 256 + 256) * P32},
    {.name = "sagan, pooled",
     .id = "sagan",
     .attrs = {YES("pool"), YES("out_conv")},
     .inputs = {T("x", 1, 256, 32, 32)},
     .weights = {T("query.weight", 32, 256), T("key.weight", 32, 256), T("value.weight", 128, 256),
                 T("out.weight", 256, 128), T("gamma", 1)},
     .floats = (32 + 32 + 128 + 256) * P32},
    // q, k, v; 28 + 28 energies of a query with rows and columns; then both joined to q, and picks
    // for them to k. 8 heads of 32.
    {.name = "generalized_attention",
     .id = "generalized_attention",
     .attrs = {INT("num_heads", 8)},
     .inputs = {T("x", 1, 256, 28, 28)},
     .weights = {T("query_conv.weight", 256, 256), T("key_conv.weight", 256, 256),
                 T("value_conv.weight", 256, 256), T("appr_geom_fc_x.weight", 256, 128),
                 T("appr_geom_fc_y.weight", 256, 128), T("appr_bias", 256), T("geom_bias", 256),
                 T("proj_conv.weight", 256, 256), T("proj_conv.bias", 256), T("gamma", 1)},
     .floats = (3 * 256 + 8 * 56 + 2 * (256 + 8 * 56)) * P28},
    // Its samples are never laid out: nothing between x and y, but where the bias is a step apart.
    {.name = "deform_conv",
     .id = "deform_conv",
     .attrs = {INT("padding", 1)},
     .inputs = {T("x", 1, 64, 56, 56), T("offset", 1, 18, 56, 56)},
     .weights = {T("weight", 64, 64, 3, 3), T("bias", 64)},
     .floats = 64 * P56},
    // Not even that where the bias is bound beside the weight.
    {.name = "deform_conv, five buffers",
     .id = "deform_conv",
     .attrs = {INT("padding", 1)},
     .inputs = {T("x", 1, 64, 56, 56), T("offset", 1, 18, 56, 56)},
     .weights = {T("weight", 64, 64, 3, 3), T("bias", 64)},
     .floats = 0,
     .many = true},
    {.name = "deform_conv, five buffers, longer",
     .id = "deform_conv",
     .attrs = {INT("padding", 1)},
     .inputs = {T("x", 1, 64, 224, 224), T("offset", 1, 18, 224, 224)},
     .weights = {T("weight", 64, 64, 3, 3), T("bias", 64)},
     .floats = 0,
     .many = true},
    // x under the first gate, two descriptors of a place and their gate.
    {.name = "cbam",
     .id = "cbam",
     .attrs = {INT("reduction", 16)},
     .inputs = {T("x", 1, 256, 56, 56)},
     .weights = {T("channel.fc1.weight", 16, 256), T("channel.fc1.bias", 16),
                 T("channel.fc2.weight", 256, 16), T("channel.fc2.bias", 256),
                 T("spatial.conv.weight", 1, 2, 7, 7), T("spatial.bn.weight", 1),
                 T("spatial.bn.bias", 1), T("spatial.bn.running_mean", 1),
                 T("spatial.bn.running_var", 1)},
     .floats = (256 + 5) * P56},
    // q, k, the weighted sums. On the smallest device the weights of the windows are stored.
    {.name = "local_relation",
     .id = "local_relation",
     .attrs = {INT("groups", 8), INT("qk_channels", 8), TEXT("geometry", "none")},
     .inputs = {T("x", 1, 64, 56, 56)},
     .weights = {T("query.weight", 8, 64, 1, 1), T("query.bias", 8), T("key.weight", 8, 64, 1, 1),
                 T("key.bias", 8), T("proj.weight", 64, 64, 1, 1), T("proj.bias", 64)},
     .floats = (8 + 8 + 64) * P56,
     .many = true},
    // k and v of the padded map, q. On the smallest device the weights of the windows are stored.
    {.name = "sasa",
     .id = "sasa",
     .attrs = {INT("out_channels", 64), INT("groups", 8)},
     .inputs = {T("x", 1, 64, 56, 56)},
     .weights = {T("query.weight", 64, 8), T("key.weight", 64, 8), T("value.weight", 64, 8),
                 T("rel_h", 4, 7), T("rel_w", 4, 7)},
     .floats = (2 * 64) * 62 * 62 + (64 + 64) * P56,
     .many = true},
};

static void run_case(void **state)
{
    assert_int_equal(check_all(*state), 0);
}

int main(void)
{
    struct CMUnitTest tests[VKA_COUNT(cases)];
    for (size_t i = 0; i < VKA_COUNT(cases); i++)
        tests[i] =
            (struct CMUnitTest){cases[i].name, run_case, start, end, (void *)(uintptr_t)&cases[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
