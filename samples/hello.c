// SPDX-License-Identifier: MIT
//
// The smallest program: an attention block on the best device, with numbers of our own.
//     cc hello.c $(pkg-config --cflags --libs vkattn)
#include <stdio.h>
#include <vkattn/vkattn.h>

int main(int argc, char **argv)
{
    vka_context *context;
    vka_device *device;
    vka_graph *graph;
    vka_plan *plan;
    const char *select = argc == 3 ? argv[2] : NULL; // hello --device D
    if (vka_context_create(NULL, &context) || vka_device_open(context, select, &device))
        return fprintf(stderr, "%s\n", vka_last_error()), 1;

    // Three queries look at three keys and mix their values: 1 batch, 1 head, 2 numbers each.
    vka_shape shape = {4, {1, 1, 3, 2}};
    if (vka_graph_create(context, NULL, &graph))
        return fprintf(stderr, "%s\n", vka_last_error()), 1;
    vka_tensor q = vka_input(graph, "q", VKA_F32, &shape);
    vka_tensor kv = vka_input(graph, "kv", VKA_F32, &shape);
    vka_node attend = vka_block(graph, "sdpa", "attend", VKA_ATTRS(vka_attr_bool("causal", true)),
                                VKA_INPUTS({"q", q}, {"k", kv}, {"v", kv}));
    vka_output(graph, "y", vka_out(graph, attend, "y"));
    if (vka_plan_create(device, graph, NULL, &plan)) // tells any error made above
        return fprintf(stderr, "%s\n", vka_last_error()), 1;

    float x[] = {1, 0, 0, 1, 1, 1}, y[6];
    const vka_io in[] = {{"q", VKA_F32, x, sizeof x}, {"kv", VKA_F32, x, sizeof x}, {0}};
    const vka_io out[] = {{"y", VKA_F32, y, sizeof y}, {0}};
    if (vka_plan_run(plan, in, out)) // as often as you like
        return fprintf(stderr, "%s\n", vka_last_error()), 1;
    for (int i = 0; i < 3; i++)
        printf("%.4f %.4f\n", y[2 * i], y[2 * i + 1]);

    vka_plan_destroy(plan);
    vka_graph_destroy(graph);
    vka_device_close(device);
    vka_context_destroy(context);
    return 0;
}
