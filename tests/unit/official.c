// SPDX-License-Identifier: MIT
//
// Official names: what they are, what the errors say, the layouts that are converted, and weights
// that no block has a use for.
#include "rig.h"

#include "blocks/names.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static struct rig rig;
static const float numbers[4096];

struct tensor {
    const char *name; // NULL ends the list
    vka_shape shape;
};

// A new set and a graph over it.
static void use(const struct tensor *list)
{
    rig_end(&rig);
    rig_start(&rig);
    for (; list->name; list++)
        rig_add_weight(&rig, list->name, list->shape, numbers);
    rig_new_graph(&rig);
}

static const vka_attr reduction[] = {{"reduction", VKA_ATTR_INT, false, 2, 0, NULL, NULL, 0}, {0}};
static const vka_attr one[] = {{"reduction", VKA_ATTR_INT, false, 1, 0, NULL, NULL, 0},
                               {"num_layers", VKA_ATTR_INT, false, 2, 0, NULL, NULL, 0},
                               {0}};

static vka_node place(const char *id, const char *prefix, const vka_attr *attrs)
{
    vka_tensor x = rig_input(&rig, "x", VKA_F32, VKA_SHAPE(1, 4, 5, 5));
    return vka_block_official(rig.graph, id, "it", prefix, attrs, VKA_INPUTS({"x", x}));
}

// --- names ---

static void expect_name(const char *id, const char *weight, int choice, const char *want)
{
    char name[128] = "left over";
    assert_int_equal(vka_official_name(id, weight, choice, name, sizeof name), strlen(want));
    assert_string_equal(name, want);
}

static void test_names(void **state)
{
    (void)state;
    char cut[6] = "";
    expect_name("cbam", "channel.fc1.weight", 0, "ChannelGate.mlp.1.weight");
    expect_name("cbam", "channel.fc1.weight", 1, "");
    expect_name("cbam", "channel.fc1.weight", -1, "");
    expect_name("cbam", "channel.fc3.weight", 0, "");
    expect_name("cbam", NULL, 0, "");
    expect_name("cbamm", "channel.fc1.weight", 0, "");
    expect_name(NULL, "channel.fc1.weight", 0, "");
    expect_name("bam", "channel.bn.12.bias", 0, "channel_att.gate_c.gate_c_bn_13.bias");
    expect_name("se", "fc1.weight", 1, "fc.0.weight");
    expect_name("dgmn", "offset.3.weight", 0, "off_convd.weight");
    expect_name("dgmn", "offset.25.weight", 0, "off_convz.weight");
    expect_name("dgmn", "offset.26.weight", 0, ""); // there is no letter behind z
    expect_name("dgmn", "gamma.3", 0, "gamma4");
    expect_name("learn_to_pay_attention", "proj_l1.weight", 0, "projector.op.weight");
    expect_name("learn_to_pay_attention", "proj_l2.weight", 0, "");
    expect_name("sca", "spatial.h_proj.weight", 0, "decoder_Wd_att_res5c_branch2b_2");
    expect_name("seq2seq", "fc.weight", 0, "");
    assert_int_equal(vka_official_name("se", "fc1.weight", 0, cut, sizeof cut), 10);
    assert_string_equal(cut, "fc1.w");
    assert_int_equal(vka_official_name("se", "fc1.weight", 0, NULL, 0), 10);
}

static bool fits(const char *pattern, const char *name)
{
    return vka_name_fits(pattern, strlen(pattern), name, NULL);
}

static void test_patterns(void **state)
{
    (void)state;
    struct vka_numbers n;
    assert_true(vka_name_fits("a.{i}.b{i}", 10, "a.12.b0", &n));
    assert_int_equal(n.count, 2);
    assert_int_equal(n.value[0], 12);
    assert_int_equal(n.value[1], 0);
    assert_true(vka_name_fits("g{i+1}", 6, "g12", &n));
    assert_int_equal(n.value[0], 11);
    assert_true(vka_name_fits("c{a}", 4, "cc", &n));
    assert_int_equal(n.value[0], 2);
    assert_false(fits("g{i+1}", "g0"));
    assert_false(fits("g{i}", "g"));
    assert_false(fits("g{i}", "g01"));
    assert_false(fits("g{i}", "g1234567"));
    assert_false(fits("g{i}", "g1x"));
    assert_false(fits("c{a}", "cA"));
    assert_false(fits("c{a}", "c"));
    assert_false(fits("{i}{i}{i}{i}{i}", "12345"));
    assert_false(fits("abc", "ab"));
    assert_true(fits("", ""));
    assert_false(fits("", "a"));
}

// --- what is wrong with a set ---

static void expect_failed(const char *a, const char *b)
{
    rig_assert_failed(rig.graph, a, b);
}

static void test_missing(void **state)
{
    (void)state;
    use((const struct tensor[]){{"att.fc.0.weight", {2, {2, 4}}}, {0}});
    place("se", "att", reduction);
    expect_failed("it (se): weight 'att.fc1.bias' or 'att.fc.0.bias' (fc1.bias)",
                  " of shape [2] is missing");
    use((const struct tensor[]){{"fc1.weight", {2, {2, 4}}}, {0}});
    place("cbam", "", reduction);
    expect_failed("it (cbam): weight 'ChannelGate.mlp.1.weight' (channel.fc1.weight) of shape",
                  "[2, 4] is missing");
}

static void test_wrong_shape(void **state)
{
    (void)state;
    use((const struct tensor[]){{"m.ChannelGate.mlp.1.weight", {2, {4, 2}}}, {0}});
    place("cbam", "m", reduction);
    expect_failed("it (cbam): weight 'm.ChannelGate.mlp.1.weight' (channel.fc1.weight) has shape ",
                  "[4, 2], but must have [2, 4]");
    // As it lies in the file, where the layout is another one.
    use((const struct tensor[]){{"Wc_att_res5c_branch2b_1", {2, {5, 3}}}, {0}});
    vka_tensor x = rig_input(&rig, "x", VKA_F32, VKA_SHAPE(1, 4, 5, 5));
    vka_tensor h = rig_input(&rig, "h", VKA_F32, VKA_SHAPE(1, 3));
    vka_block_official(rig.graph, "sca", "it", "", NULL, VKA_INPUTS({"x", x}, {"h", h}));
    expect_failed("'Wc_att_res5c_branch2b_1' (channel.v_proj.weight) has shape [5, 3], but must ",
                  "have [1, ?]");
}

// Axes of size 1 may stand anywhere under an official name.
static void test_axes_of_one(void **state)
{
    (void)state;
    use((const struct tensor[]){{"fc1.weight", {4, {2, 4, 1, 1}}},
                                {"fc1.bias", {3, {1, 2, 1}}},
                                {"fc2.weight", {3, {4, 1, 2}}},
                                {"fc2.bias", {2, {1, 4}}},
                                {0}});
    place("se", "", reduction);
    rig_assert_ok(vka_graph_check_surplus(rig.graph));
    use((const struct tensor[]){{"fc1.weight", {3, {1, 2, 4}}}, {0}});
    vka_tensor x = rig_input(&rig, "x", VKA_F32, VKA_SHAPE(1, 4, 5, 5));
    vka_block_prefixed(rig.graph, "se", "it", "", reduction, VKA_INPUTS({"x", x}));
    expect_failed("weight 'fc1.weight' has shape [1, 2, 4], but must have [2, 4]", NULL);
}

static void test_surplus(void **state)
{
    (void)state;
    use((const struct tensor[]){{"fc1.weight", {2, {2, 4}}},
                                {"fc1.bias", {1, {2}}},
                                {"fc2.weight", {2, {4, 2}}},
                                {"fc2.bias", {1, {4}}},
                                {"fc.0.weight", {2, {2, 4}}},
                                {0}});
    place("se", "", reduction);
    rig_assert_ok(vka_graph_status(rig.graph));
    assert_int_equal(vka_graph_check_surplus(rig.graph), VKA_ERROR_INVALID);
    unit_assert_error_has("it (se): weight 'fc.0.weight' is one more than the block uses");
    use((const struct tensor[]){{"conv.weight", {3, {1, 1, 3}}}, {"mlp.weight", {1, {1}}}, {0}});
    place("eca", "", VKA_ATTRS(vka_attr_int("kernel_size", 3)));
    assert_int_equal(vka_graph_check_surplus(rig.graph), VKA_ERROR_INVALID);
    unit_assert_error_has("weight 'mlp.weight' belongs to no block");
}

static void test_no_names(void **state)
{
    (void)state;
    use((const struct tensor[]){{"cls.0.weight", {2, {2, 4}}}, {0}});
    place("ma_cnn", "", VKA_ATTRS(vka_attr_int("groups", 1)));
    expect_failed("it (ma_cnn): ", "the block's weights have no official names");
    use((const struct tensor[]){{0}});
    place("relu", "", NULL); // without weights there is nothing to name
    rig_assert_ok(vka_graph_status(rig.graph));
}

// Where one of the layers is missing, the last one isn't taken for two.
static void test_one_for_two(void **state)
{
    (void)state;
    const char *c = "channel_att.gate_c.gate_c_";
    static const char *const kinds[] = {"weight", "bias", "running_mean", "running_var"};
    rig_end(&rig);
    rig_start(&rig);
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < 4; k++) {
            char name[96];
            vka_shape shape = {k == 0 ? 2 : 1, {4, 4}}, single = {1, {4}};
            snprintf(name, sizeof name, "%sbn_%d.%s", c, i + 1, kinds[k]);
            rig_add_weight(&rig, name, single, numbers);
            snprintf(name, sizeof name, "%sfc_%s.%s", c, i ? "final" : "0", kinds[k]);
            if (k < 2)
                rig_add_weight(&rig, name, shape, numbers);
        }
    }
    rig_new_graph(&rig);
    place("bam", "", one);
    expect_failed("gate_c_fc_final.", "(channel.fc.2.");
    expect_failed("is 'channel.fc.1.", " already");
}

// --- layouts ---

static const float *as(const char *name, enum vka_form form, const char *partner)
{
    int index = vka_weights_index(rig.weights, name);
    int beside = partner ? vka_weights_index(rig.weights, partner) : -1;
    assert_true(vka_weights_form(rig.weights, index, form, beside));
    assert_true(vka_weights_form(rig.weights, index, form, beside));
    assert_false(vka_weights_form(rig.weights, index, (enum vka_form)((form + 1) % 4), beside));
    const float *data = vka_weights_f32(rig.weights, index);
    assert_non_null(data);
    return data;
}

static void test_layouts(void **state)
{
    (void)state;
    static const float ramp[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, v[] = {3, 0, -4}, g = 10;
    static const float m[] = {2, 0, 0, 1}, u[] = {1, 1};
    rig_add_weight(&rig, "two", VKA_SHAPE(2, 3), ramp);        // [in, out]
    rig_add_weight(&rig, "four", VKA_SHAPE(1, 2, 2, 3), ramp); // [h, w, in, out]
    rig_add_weight(&rig, "w_v", VKA_SHAPE(1, 3), v);
    rig_add_weight(&rig, "w_g", (vka_shape){0}, &g);
    rig_add_weight(&rig, "m", VKA_SHAPE(2, 2, 1, 1), m);
    rig_add_weight(&rig, "u0", VKA_SHAPE(1, 2), u);
    static const float two[] = {0, 3, 1, 4, 2, 5};
    static const float four[] = {0, 6, 3, 9, 1, 7, 4, 10, 2, 8, 5, 11};
    assert_memory_equal(as("two", VKA_FORM_TRANSPOSED, NULL), two, sizeof two);
    assert_memory_equal(as("four", VKA_FORM_TRANSPOSED, NULL), four, sizeof four);
    vka_shape stored = VKA_SHAPE(1, 2, 5, 3), turned = vka_form_shape(VKA_FORM_TRANSPOSED, &stored);
    assert_memory_equal(turned.dim, ((int64_t[]){3, 5, 1, 2}), 4 * sizeof *turned.dim);
    turned = vka_form_shape_back(VKA_FORM_TRANSPOSED, &turned);
    assert_memory_equal(turned.dim, stored.dim, 4 * sizeof *turned.dim);
    const float *w = as("w_v", VKA_FORM_NORMED, "w_g");
    assert_true(w[0] == 6 && w[1] == 0 && w[2] == -8);
    // v = [2, 1] / sqrt(5), M v = [4, 1] / sqrt(5): its length is sqrt(17 / 5).
    const float *s = as("m", VKA_FORM_SPECTRAL, "u0");
    assert_true(fabs(s[0] - 2 / sqrt(3.4)) < 1e-6 && fabs(s[3] - 1 / sqrt(3.4)) < 1e-6);
    assert_true(s[1] == 0 && s[2] == 0);
}

// A set holds a weight in one layout: the second block that wants it in another one is told.
static void test_two_layouts(void **state)
{
    (void)state;
    use((const struct tensor[]){{"theta.weight", {4, {1, 4, 1, 1}}}, {"theta.u0", {1, {1}}}, {0}});
    place("sagan", "", NULL); // takes theta.weight, then lacks others
    rig_new_graph(&rig);
    vka_tensor x = rig_input(&rig, "x", VKA_F32, VKA_SHAPE(1, 4, 5, 5));
    vka_block_prefixed(rig.graph, "conv2d", "plain", "theta", NULL, VKA_INPUTS({"x", x}));
    expect_failed("plain (conv2d): weight 'theta.weight' is wanted as it is",
                  "uses it divided by its singular value already");
}

static void test_partners(void **state)
{
    (void)state;
    use((const struct tensor[]){{"theta.weight", {2, {1, 4}}}, {"theta.u0", {2, {1, 3}}}, {0}});
    place("sagan", "", NULL);
    expect_failed("weight 'theta.u0', beside 'theta.weight' (query.weight), has shape [1, 3]",
                  "but must have [1]");
    use((const struct tensor[]){{"v_att.logits.v_net.main.1.weight_v", {2, {3, 4}}}, {0}});
    vka_tensor v = rig_input(&rig, "v", VKA_F32, VKA_SHAPE(1, 2, 4));
    vka_tensor q = rig_input(&rig, "q", VKA_F32, VKA_SHAPE(1, 2, 4));
    vka_block_official(rig.graph, "bilinear_attention", "it", "",
                       VKA_ATTRS(vka_attr_int("glimpse", 1)), VKA_INPUTS({"v", v}, {"q", q}));
    expect_failed("weight 'v_att.logits.v_net.main.1.weight' (att.v_net.weight)", "is missing");
}

// --- weights that the block has no use for, under its own names ---

static void check_own(const char *id, const vka_attr *attrs, const char *says)
{
    vka_tensor x = rig_input(&rig, "x", VKA_F32, VKA_SHAPE(1, 2, 4));
    vka_block_prefixed(rig.graph, id, "it", "", attrs, VKA_INPUTS({"x", x}));
    vka_result result = vka_graph_check_surplus(rig.graph);
    if (!says) {
        rig_assert_ok(result);
        return;
    }
    assert_int_equal(result, VKA_ERROR_INVALID);
    unit_assert_error_has(says);
}

static void test_beyond_the_count(void **state)
{
    (void)state;
    const vka_attr sizes[] = {vka_attr_int("input_size", 4),
                              vka_attr_int("hidden_size", 2),
                              vka_attr_bool("bias", false),
                              {0}};
    struct tensor set[] = {{"weight_ih_l0", {2, {6, 4}}},         {"weight_hh_l0", {2, {6, 2}}},
                           {"weight_ih_l0_reverse", {2, {6, 4}}}, {"bias_ih_l7", {1, {6}}},
                           {"weight_ih_l1", {2, {6, 2}}},         {0}};
    use(set);
    check_own("gru", sizes, "it (gru): weight 'weight_ih_l1' is one more than the block uses");
    set[4].name = NULL; // a direction and biases that this mode hasn't are passed over
    use(set);
    check_own("gru", sizes, NULL);
    set[3].name = "weight_ih_l00";
    use(set);
    check_own("gru", sizes, "weight 'weight_ih_l00' belongs to no block");
}

static const struct tensor layer[] = {
    {"self_attn.in_proj_weight", {2, {12, 4}}},
    {"self_attn.out_proj.weight", {2, {4, 4}}},
    {"linear1.weight", {2, {6, 4}}},
    {"linear2.weight", {2, {4, 6}}},
    {"norm1.weight", {1, {4}}},
    {"norm1.bias", {1, {4}}},
    {"norm2.weight", {1, {4}}},
    {"norm2.bias", {1, {4}}},
    {"self_attn.q_proj_weight", {2, {4, 4}}},
    {"self_attn.bias_k", {3, {1, 1, 4}}},
    {"self_attn.bias_v", {3, {1, 1, 4}}},
};

// What a sub-block would take, the table of the block around it has to list.
static void test_sub_blocks(void **state)
{
    (void)state;
    static const char *const says[] = {NULL, "'self_attn.q_proj_weight' belongs to no block",
                                       "'self_attn.bias_k' belongs to no block"};
    const vka_attr heads[] = {vka_attr_int("num_heads", 2), {0}};
    for (size_t i = 0; i < VKA_COUNT(says); i++) {
        struct tensor set[12] = {{0}};
        memcpy(set, layer, 8 * sizeof *set);
        memcpy(set + 8, layer + (i == 2 ? 9 : 8), (i == 2 ? 2 : i) * sizeof *set);
        use(set);
        check_own("transformer_encoder_layer", heads, says[i]);
    }
}

// --- all of a set ---

static void test_a_set(void **state)
{
    (void)state;
    rig_end(&rig);
    rig_start(&rig);
    rig_add_weight(&rig, "a.conv.weight", VKA_SHAPE(1, 1, 3), numbers);
    rig_add_weight(&rig, "b.fc.0.weight", VKA_SHAPE(2, 4), numbers);
    rig_add_weight(&rig, "b.fc.2.weight", VKA_SHAPE(4, 2), numbers);
    rig_assert_ok(vka_weights_official(rig.weights));
    rig_new_graph(&rig);
    rig_assert_ok(vka_weights_official(rig.weights)); // it is said already
    vka_tensor x = rig_input(&rig, "x", VKA_F32, VKA_SHAPE(1, 4, 5, 5));
    vka_node a = vka_block(rig.graph, "eca", "a", VKA_ATTRS(vka_attr_int("kernel_size", 3)),
                           VKA_INPUTS({"x", x}));
    const vka_attr attrs[] = {vka_attr_int("reduction", 2), vka_attr_bool("bias", false), {0}};
    vka_block(rig.graph, "se", "b", attrs, VKA_INPUTS({"x", vka_out(rig.graph, a, "y")}));
    rig_assert_ok(vka_graph_check_surplus(rig.graph));
}

static void test_too_late(void **state)
{
    (void)state;
    rig_new_graph(&rig);
    assert_int_equal(vka_weights_official(rig.weights), VKA_ERROR_INVALID);
    unit_assert_error_has("comes too late: a graph was made with this set");
}

int main(void)
{
#define TEST(name) RIG_TEST(name, &rig)
    const struct CMUnitTest tests[] = {
        TEST(test_names),       TEST(test_patterns),         TEST(test_missing),
        TEST(test_wrong_shape), TEST(test_axes_of_one),      TEST(test_surplus),
        TEST(test_no_names),    TEST(test_one_for_two),      TEST(test_layouts),
        TEST(test_partners),    TEST(test_beyond_the_count), TEST(test_sub_blocks),
        TEST(test_a_set),       TEST(test_too_late),         TEST(test_two_layouts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
