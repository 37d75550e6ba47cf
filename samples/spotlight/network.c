// SPDX-License-Identifier: MIT
//
// From files to a plan. Each call's first error is the one that is told (vka_last_error).
#include "network.h"

#include <stdio.h>
#include <stdlib.h>

vka_result network_open(vka_context *context, struct network *n)
{
    const char *folder = getenv("SPOTLIGHT_DIR");
    char model[1024], weights[1024];
    snprintf(model, sizeof model, "%s/spotlight.json", folder ? folder : SPOTLIGHT_DIR);
    snprintf(weights, sizeof weights, "%s/spotlight.safetensors", folder ? folder : SPOTLIGHT_DIR);
    vka_result result = vka_model_load(context, model, &n->model);
    return result ? result : vka_weights_load(context, weights, &n->weights);
}

void network_close(struct network *n)
{
    vka_weights_destroy(n->weights);
    vka_model_destroy(n->model);
}

vka_result network_plan(const struct network *n, vka_device *device, int width, int height,
                        const char *const *outputs, vka_shape *shapes, vka_plan **plan)
{
    const vka_model_bind bind[] = {{"image", {4, {1, 3, height, width}}}, {0}};
    vka_graph *graph;
    *plan = NULL;
    vka_result result = vka_model_build(n->model, n->weights, bind, outputs, &graph);
    if (result)
        return result;
    for (int i = 0; outputs[i] && !result; i++)
        result = vka_output_info(graph, outputs[i], NULL, &shapes[i]) ? VKA_OK : VKA_ERROR_INVALID;
    if (!result)
        result = vka_plan_create(device, graph, NULL, plan);
    vka_graph_destroy(graph);
    return result;
}
