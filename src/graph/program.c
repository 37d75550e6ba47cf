// SPDX-License-Identifier: MIT
#include "graph/program.h"
#include "io/weights.h"

#include <string.h>

uint64_t vka_element_size(const struct vka_program *p, vka_dtype dtype)
{
    return dtype == VKA_F32 ? vka_dtype_size(p->real) : 4;
}

uint64_t vka_base_bytes(const struct vka_program *p, vka_tensor base)
{
    // Elements and bytes were checked when the value was made.
    return (uint64_t)vka_elements(p->g, base) * vka_element_size(p, vka_type(p->g, base));
}

void vka_program_args(const struct vka_program *p, const struct vka_op_node *node,
                      struct vka_args *args)
{
    args->params = node->params;
    args->n_in = node->n_in;
    args->n_out = node->n_out;
    args->known = 0;
    for (int i = 0; i < VKA_MAX_IN; i++)
        vka_value_array(p->g, i < node->n_in ? node->in[i] : 0, &args->in[i]);
    for (int i = 0; i < node->n_in; i++)
        args->known |= (unsigned)(node->in[i] && vka_is_known(p->g, node->in[i])) << i;
    for (int i = 0; i < VKA_MAX_OUT; i++)
        vka_value_array(p->g, i < node->n_out ? node->out[i] : 0, &args->out[i]);
}

static vka_result make(struct vka_program *p, const vka_graph *graph, bool expand)
{
    vka_result result = vka_lower(p, graph, expand);
    if (result == VKA_OK)
        result = vka_place_all(p);
    if (result == VKA_OK && p->device)
        result = vka_launch_all(p);
    if (result == VKA_OK && p->device)
        vka_set_barriers(p);
    return result;
}

vka_result vka_program_create(const vka_graph *graph, const struct vka_limits *limits,
                              vka_dtype real, bool expand, struct vka_program **program)
{
    *program = NULL;
    struct vka_program *p = vka_calloc(graph->context, 1, sizeof *p);
    if (!p)
        return vka_out_of_memory(graph->context);
    p->context = graph->context;
    p->device = limits != NULL;
    p->real = real;
    if (limits)
        p->limits = *limits;
    if (real != VKA_F16)
        p->limits.matrix = (struct vka_matrix_shape){0};
    vka_result result = make(p, graph, expand);
    if (result != VKA_OK)
        vka_program_destroy(p);
    else
        *program = p;
    return result;
}

void vka_program_destroy(struct vka_program *p)
{
    if (!p)
        return;
    vka_graph_destroy(p->g);
    vka_free(p->context, p->places);
    vka_free(p->context, p->slabs);
    vka_free(p->context, p->dispatches);
    vka_free(p->context, p);
}
