// SPDX-License-Identifier: MIT
//
// A C program that has nothing but the public header: an SE gate over two channels, on the device
// that its argument names.
#include <math.h>
#include <stdio.h>
#include <vkattn/vkattn.h>

// y = x * sigmoid(w2 relu(w1 mean(x))): channel 0 has the mean 2, channel 1 the mean 0.
static int right(const float *y)
{
    const double gate = 1 / (1 + exp(-2.0));
    return fabs(y[0] - 1 * gate) < 1e-5 && fabs(y[1] - 3 * gate) < 1e-5 && y[2] == 0 && y[3] == 0;
}

static int run(vka_context *context, vka_device *device)
{
    static const float one[] = {1, 1}, x[] = {1, 3, 0, 0};
    const vka_shape map = {4, {1, 2, 1, 2}}, first = {2, {1, 2}}, second = {2, {2, 1}};
    float y[4] = {0};
    vka_weights *weights;
    vka_graph *graph = NULL;
    vka_plan *plan = NULL;
    if (vka_weights_create(context, &weights))
        return 1;
    vka_weights_add(weights, "gate.fc1.weight", VKA_F32, &first, one);
    vka_weights_add(weights, "gate.fc2.weight", VKA_F32, &second, one);
    vka_graph_create(context, weights, &graph);
    vka_node gate = vka_block(graph, "se", "gate",
                              VKA_ATTRS(vka_attr_int("reduction", 2), vka_attr_bool("bias", false)),
                              VKA_INPUTS({"x", vka_input(graph, "x", VKA_F32, &map)}));
    vka_output(graph, "y", vka_out(graph, gate, "y"));
    const vka_io in[] = {{"x", VKA_F32, (void *)x, sizeof x}, {0}};
    const vka_io out[] = {{"y", VKA_F32, y, sizeof y}, {0}};
    int failed =
        vka_plan_create(device, graph, NULL, &plan) || vka_plan_run(plan, in, out) || !right(y);
    if (failed)
        fprintf(stderr, "%g %g %g %g: %s\n", y[0], y[1], y[2], y[3], vka_last_error());
    vka_plan_destroy(plan);
    vka_graph_destroy(graph);
    vka_weights_destroy(weights);
    return failed;
}

int main(int argc, char **argv)
{
    vka_context *context;
    vka_device *device;
    if (vka_context_create(NULL, &context))
        return 1;
    if (vka_device_open(context, argc > 1 ? argv[1] : "cpu", &device)) {
        fprintf(stderr, "%s\n", vka_last_error());
        vka_context_destroy(context);
        return 1;
    }
    printf("C on %s\n", vka_device_of(device)->name);
    int failed = run(context, device);
    vka_device_close(device);
    vka_context_destroy(context);
    return failed;
}
