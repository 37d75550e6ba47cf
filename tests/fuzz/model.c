// SPDX-License-Identifier: MIT
//
// Any bytes as a model file. A graph is made of what is taken for one: the inputs get small sizes,
// one for each name.
#include "fuzz.h"
#include "io/model.h"

static int64_t size_of_name(const char *name)
{
    return 1 + (unsigned char)name[0] % 4;
}

static void build(vka_model *model)
{
    vka_model_bind binds[9] = {{0}};
    vka_graph *graph;
    for (int i = 0; i < 8; i++) {
        const vka_model_input *input = vka_model_get_input(model, i);
        if (!input)
            break;
        binds[i].name = input->name;
        binds[i].shape.rank = input->rank;
        for (int a = 0; a < input->rank; a++)
            binds[i].shape.dim[a] = input->axis[a] ? size_of_name(input->axis[a]) : input->dim[a];
    }
    if (vka_model_build(model, NULL, binds, NULL, &graph) == VKA_OK)
        vka_graph_destroy(graph);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_memory memory = {0, 64 << 20, true};
    struct vka_context context = fuzz_context(&memory);
    vka_model *model;
    if (vka_model_parse(&context, (const char *)data, size, &model) == VKA_OK) {
        build(model);
        vka_model_destroy(model);
    }
    if (memory.live != 0)
        abort();
    return 0;
}
