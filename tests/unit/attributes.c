// SPDX-License-Identifier: MIT
//
// Attributes of a block against its table: types, ranges with both ends, unknown and doubled names.
#include "vkattn/vkattn.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static vka_context *context;

static int open_context(void **state)
{
    (void)state;
    return vka_context_create(&(vka_context_params){.no_vulkan = true}, &context) == VKA_OK ? 0
                                                                                            : -1;
}

static int close_context(void **state)
{
    (void)state;
    vka_context_destroy(context);
    return 0;
}

// The error of block `id` with these attributes; without weights every build fails in the end, on
// the first weight where the attributes are right.
static const char *error_of(const char *id, const vka_attr *attrs)
{
    vka_graph *g = NULL;
    assert_int_equal(vka_graph_create(context, NULL, &g), VKA_OK);
    vka_shape shape = {4, {1, 64, 5, 5}};
    vka_tensor x = vka_input(g, "x", VKA_F32, &shape);
    vka_block(g, id, "b", attrs, VKA_INPUTS({"x", x}));
    assert_int_equal(vka_graph_status(g), VKA_ERROR_INVALID);
    vka_graph_destroy(g);
    return vka_last_error();
}

static void says(const char *id, vka_attr attr, const char *text)
{
    const char *error = error_of(id, VKA_ATTRS(attr));
    if (!strstr(error, text))
        fail_msg("%s: got \"%s\", wanted \"%s\"", id, error, text);
}

static void ends_of_ranges(void **state)
{
    (void)state;
    static const char missing[] = "weight 'b.channel.fc.0.weight'";
    says("bam", vka_attr_int("num_dilated", 0), missing);
    says("bam", vka_attr_int("num_dilated", 1000), missing);
    says("bam", vka_attr_int("num_dilated", -1), "'num_dilated' is -1, but must be 0..1000");
    says("bam", vka_attr_int("num_dilated", 1001), "'num_dilated' is 1001, but must be 0..1000");
    says("bam", vka_attr_int("num_layers", 1), missing);
    says("bam", vka_attr_int("num_layers", 0), "'num_layers' is 0, but must be 1..1000");
    says("bam", vka_attr_int("reduction", 1), missing);
    says("bam", vka_attr_int("reduction", 0), "'reduction' is 0, but must be >= 1");
    says("bam", vka_attr_double("bn_eps", 1e-30), missing);
    says("bam", vka_attr_int("bn_eps", 0), "'bn_eps' is 0, but must be > 0");
    says("bam", vka_attr_double("bn_eps", (double)INFINITY), "'bn_eps' is inf, but must be > 0");
}

static void types_and_words(void **state)
{
    (void)state;
    says("bam", vka_attr_string("combine", "add"), "weight 'b.channel.fc.0.weight'");
    says("bam", vka_attr_string("combine", "ad"), "'combine' is \"ad\", but must be mul|add");
    says("bam", vka_attr_double("reduction", 2.0), "'reduction' is 2.0, but must be int");
    says("bam", vka_attr_bool("combine", true), "'combine' is true, but must be string");
    says("bam", vka_attr_int("Reduction", 2),
         "there is no attribute 'Reduction' (there are: reduction, num_layers, num_dilated, ");
    says("relu", vka_attr_int("x", 2), "there is no attribute 'x' (the block has none)");
    says("learn_to_pay_attention", vka_attr_string("compat", "dp"), "input 'x'");
}

static void lists(void **state)
{
    (void)state;
    vka_attr three[] = {vka_attr_int(NULL, 3), vka_attr_int(NULL, 0)};
    says("sk", vka_attr_list("kernels", three, 2),
         "'kernels' is a list of 2 (3, ...), but must be "
         "1..1000000000");
    says("sk", vka_attr_list("kernels", three, 1), "'dilations' has 2 values, 'kernels' has 1");
    says("sk", vka_attr_int("kernels", 3), "'kernels' is 3, but must be list of int");
    three[1].i = 5;
    const vka_attr split[] = {vka_attr_list("kernels", three, 1),
                              vka_attr_bool("split_input", true),
                              {0}}; // shares of no branches
    assert_non_null(strstr(error_of("sk", split), "'dilations' has 2 values, 'kernels' has 1"));
}

// Sizes whose sums or products go beyond 64 bits, more sizes than a tensor has axes.
static void too_large(void **state)
{
    (void)state;
    const int64_t most = INT64_MAX;
    vka_attr nine[9], sizes[] = {vka_attr_int(NULL, most), vka_attr_int(NULL, most)};
    for (int i = 0; i < 9; i++)
        nine[i] = vka_attr_int(NULL, 1);
    says("layer_norm", vka_attr_list("normalized_shape", nine, 9),
         "'normalized_shape' has 9 sizes, but x has shape [1, 64, 5, 5]");
    says("layer_norm", vka_attr_list("normalized_shape", nine, 5), "'normalized_shape' has 5");
    says("layer_norm", vka_attr_list("normalized_shape", nine, 4),
         "'normalized_shape' is [1, 1, 1, 1], but x has shape [1, 64, 5, 5]");
    says("resize", vka_attr_int("size", most), "spatial axis 0 becomes 9223372036854775807");
    says("resize", vka_attr_list("size", sizes, 2), "spatial axis 0 becomes 9223372036854775807");
    const int64_t paddings[] = {2, (int64_t)1 << 62, most};
    for (int i = 0; i < 3; i++) {
        const vka_attr attrs[] = {
            vka_attr_int("kernel_size", 3), vka_attr_int("padding", paddings[i]), {0}};
        assert_non_null(strstr(error_of("max_pool", attrs), "is more than half the window 3"));
        assert_non_null(strstr(error_of("avg_pool", attrs), "is more than half the window 3"));
    }
}

// The error of a feedback network of `layers`.
static void network_says(const vka_attr *layers, size_t count, const char *text)
{
    says("feedback", vka_attr_list("layers", layers, count), text);
}

static vka_attr layer(const vka_attr *keys, size_t count)
{
    vka_attr a = vka_attr_list(NULL, keys, count);
    a.type = VKA_ATTR_OBJECT;
    return a;
}

static void objects(void **state)
{
    (void)state;
    vka_attr conv[] = {vka_attr_string("type", "conv"), vka_attr_int("stride", 0)};
    vka_attr pool[] = {vka_attr_string("type", "maxpool"), vka_attr_int("kernel", 6),
                       vka_attr_int("kernel", 2)};
    vka_attr relu[] = {vka_attr_string("type", "relu"), vka_attr_int("stride", 1)};
    vka_attr other[] = {vka_attr_string("type", "gelu"), vka_attr_int("type", 1)};
    vka_attr list[] = {layer(relu, 1), layer(conv, 2)};
    network_says(list, 2, "layer 1 (conv): 'stride' is 0, but must be an int from 1");
    list[1] = layer(conv, 1);
    network_says(list, 2, "weight 'b.layers.1.weight'");
    conv[1] = vka_attr_int("padding", -1);
    list[1] = layer(conv, 2);
    network_says(list, 2, "'padding' is -1, but must be an int from 0");
    conv[1] = vka_attr_double("stride", 1);
    network_says(list, 2, "'stride' is no int");
    conv[1] = vka_attr_int("kernel", 3);
    network_says(list, 2, "layer 1 (conv) has no key 'kernel'");
    list[1] = layer(relu, 2);
    network_says(list, 2, "layer 1 (relu) has no key 'stride'");
    list[1] = layer(pool, 1);
    network_says(list, 2, "layer 1 (maxpool) has no kernel");
    list[1] = layer(pool, 2);
    network_says(list, 2, "window of 6 x 6 and padding 0, too large for its input [1, 64, 5, 5]");
    list[1] = layer(pool, 3);
    network_says(list, 2, "layer 1 has 'kernel' twice");
    list[1] = layer(other, 1);
    network_says(list, 2, "layer 1 has the type 'gelu', but must be conv, relu, maxpool or linear");
    list[1] = layer(&other[1], 1);
    network_says(list, 2, "layer 1 has the type 'no string'");
    list[1] = layer(other, 0);
    network_says(list, 2, "layer 1 has no type");
    network_says(list, 1, "the last layer must give [N, K], but gives [1, 64, 5, 5]");
    network_says(list, 0, "'layers' has 0 layers, but must have 1 to 10000");
    network_says(relu, 1, "must be list of object");
}

static void given_twice(void **state)
{
    (void)state;
    const char *error =
        error_of("bam", VKA_ATTRS(vka_attr_int("reduction", 2), vka_attr_int("reduction", 4)));
    assert_non_null(strstr(error, "attribute 'reduction' is given twice"));
}

static void missing(void **state)
{
    (void)state;
    assert_non_null(strstr(error_of("transformer_encoder_layer", NULL),
                           "attribute 'num_heads' (int) is missing"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_of_ranges), cmocka_unit_test(types_and_words),
        cmocka_unit_test(lists),          cmocka_unit_test(given_twice),
        cmocka_unit_test(missing),        cmocka_unit_test(objects),
        cmocka_unit_test(too_large),
    };
    return cmocka_run_group_tests_name("attributes", tests, open_context, close_context);
}
