// SPDX-License-Identifier: MIT
//
// The scales of a context transformer: how many there are, their windows, their channels.
#include "vkattn/vkattn.h"

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

// Builds it on two maps, [2, 10, 5, 4] and [`images`, 10, 3, 3]; without weights it fails in the
// end.
static void says(int64_t sources, int64_t k, int64_t images, vka_attr more, const char *text)
{
    vka_graph *g = NULL;
    assert_int_equal(vka_graph_create(context, NULL, &g), VKA_OK);
    vka_shape large = {4, {2, 10, 5, 4}}, small = {4, {images, 10, 3, 3}};
    vka_tensor conf0 = vka_input(g, "conf0", VKA_F32, &large);
    vka_tensor conf1 = vka_input(g, "conf1", VKA_F32, &small);
    vka_block(g, "context_transformer", "b",
              VKA_ATTRS(vka_attr_int("sources", sources), vka_attr_int("k", k), more),
              VKA_INPUTS({"conf0", conf0}, {"conf1", conf1}));
    assert_int_equal(vka_graph_status(g), VKA_ERROR_INVALID);
    vka_graph_destroy(g);
    if (!strstr(vka_last_error(), text))
        fail_msg("got \"%s\", wanted \"%s\"", vka_last_error(), text);
}

static void sources(void **state)
{
    (void)state;
    vka_attr no = vka_attr_bool("softmax", false);
    says(1, 5, 2, no, "weight 'b.wz'"); // conf1 isn't read
    says(2, 5, 2, no, "weight 'b.wz'");
    says(3, 5, 2, no, "input 'conf2' is missing");
    says(7, 5, 2, no, "'pool_kernel' is missing: it has no default for 7 sources");
    says(INT64_MAX, 5, 2, no, "'pool_kernel' is missing");
    says(2, 4, 2, no, "'conf0' has 10 channels, which is no multiple of k 4");
    says(2, 5, 3, no, "'conf1' has shape [3, 10, 3, 3], but must have [2, ?, ?, ?]");
}

static void windows(void **state)
{
    (void)state;
    vka_attr three[] = {vka_attr_int(NULL, 2), vka_attr_int(NULL, INT64_MAX),
                        vka_attr_int(NULL, 1)};
    says(2, 5, 2, vka_attr_list("pool_kernel", three, 1),
         "'pool_kernel' has 1 values, but there are 2 sources");
    says(2, 5, 2, vka_attr_list("pool_stride", three, 3),
         "'pool_stride' has 3 values, but there are 2 sources");
    says(2, 5, 2, vka_attr_list("pool_kernel", three, 2), "weight 'b.wz'");
    says(2, 5, 2, vka_attr_list("pool_stride", three, 2), "weight 'b.wz'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sources), cmocka_unit_test(windows)};
    return cmocka_run_group_tests_name("context_transformer", tests, open_context, close_context);
}
