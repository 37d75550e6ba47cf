// SPDX-License-Identifier: MIT
//
// The spotlight network on real pictures, on every device, against what PyTorch made of them in
// 64-bit floats (tests/samples/spotlight/expected.safetensors; export_expected.py wrote it).
#include "cli/image.h"
#include "io/case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define MODEL    VKA_SOURCE "/samples/spotlight/spotlight.json"
#define WEIGHTS  VKA_SOURCE "/samples/spotlight/spotlight.safetensors"
#define FOLDER   VKA_SOURCE "/tests/samples/spotlight"
#define EXPECTED FOLDER "/expected.safetensors"

enum { PICTURES = 6 };
static const double bound = 1e-5;
static const char *const outputs[] = {"y", "logits", "map", NULL};

static vka_context *context;
static vka_model *model;
static vka_weights *weights;
static struct vka_safetensors *expected;

static int open_all(void **state)
{
    (void)state;
    vka_context_params params = {.validation = getenv("VKATTN_VALIDATION") == NULL};
    bool ok = vka_context_create(&params, &context) == VKA_OK &&
              vka_model_load(context, MODEL, &model) == VKA_OK &&
              vka_weights_load(context, WEIGHTS, &weights) == VKA_OK &&
              vka_safetensors_open(context, EXPECTED, &expected) == VKA_OK;
    if (!ok)
        fprintf(stderr, "%s\n", vka_last_error());
    return ok ? 0 : -1;
}

static int close_all(void **state)
{
    (void)state;
    int spoken = vka_context_validation_count(context);
    vka_safetensors_close(expected);
    vka_weights_destroy(weights);
    vka_model_destroy(model);
    vka_context_destroy(context);
    return spoken > 0 ? -1 : 0;
}

static float *prepare(const struct image *image)
{
    float mean[3], std[3];
    size_t pixels = (size_t)image->width * (size_t)image->height;
    float *input = malloc(pixels * 3 * sizeof *input);
    assert_non_null(input);
    vka_model_get_image(model, mean, std);
    for (size_t i = 0; i < pixels * 3; i++)
        input[i] = (image->rgb[i] - mean[i / pixels]) / std[i / pixels];
    return input;
}

static vka_plan *plan_for(vka_device *device, const struct image *image)
{
    const vka_model_bind bind[] = {{"image", {4, {1, 3, image->height, image->width}}}, {0}};
    vka_graph *graph;
    vka_plan *plan;
    assert_int_equal(vka_model_build(model, weights, bind, outputs, &graph), VKA_OK);
    assert_int_equal(vka_plan_create(device, graph, NULL, &plan), VKA_OK);
    vka_graph_destroy(graph);
    return plan;
}

static void look_at(vka_device *device, int number)
{
    char path[512], error[IMAGE_ERROR], name[64];
    struct vka_safetensor want[3];
    vka_io out[4] = {0};
    struct image image;
    snprintf(path, sizeof path, "%s/scene%d.png", FOLDER, number);
    assert_true(image_load(path, &image, error));
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "scene%d.%s", number, outputs[i]);
        long index = vka_safetensors_find(expected, name);
        assert_true(index >= 0);
        assert_int_equal(vka_safetensors_get(expected, (size_t)index, &want[i]), VKA_OK);
        out[i] = (vka_io){outputs[i], VKA_F32, malloc(want[i].bytes), want[i].bytes};
    }
    vka_plan *plan = plan_for(device, &image);
    float *input = prepare(&image);
    const vka_io in[] = {{"image", VKA_F32, input,
                          (uint64_t)image.width * (uint64_t)image.height * 3 * sizeof(float)},
                         {0}};
    assert_int_equal(vka_plan_run(plan, in, out), VKA_OK);
    for (int i = 0; i < 3; i++) {
        struct vka_difference d = vka_case_compare(&want[i], out[i].data, bound);
        printf("scene%d %-6s on %s: err %.1e\n", number, outputs[i], vka_device_of(device)->name,
               d.err);
        assert_true(d.same);
        free(out[i].data);
    }
    free(input);
    vka_plan_destroy(plan);
    image_free(&image);
}

static void look_on(const char *select)
{
    vka_device *device;
    assert_int_equal(vka_device_open(context, select, &device), VKA_OK);
    for (int i = 0; i < PICTURES; i++)
        look_at(device, i);
    vka_device_close(device);
}

static void test_cpu(void **state)
{
    (void)state;
    look_on("cpu");
}

static void test_vulkan(void **state)
{
    (void)state;
    int count = vka_device_count(context) - 1;
    if (count == 0) {
        printf("no Vulkan device: skipped\n");
        skip();
    }
    for (int i = 0; i < count; i++) {
        char select[16];
        snprintf(select, sizeof select, "%d", i);
        look_on(select);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cpu), cmocka_unit_test(test_vulkan)};
    return cmocka_run_group_tests_name("spotlight", tests, open_all, close_all);
}
