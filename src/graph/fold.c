// SPDX-License-Identifier: MIT
//
// Folding: what hangs on weights and constants alone is computed when the plan is made, by the CPU
// kernels. Eval-mode batch norm in weights, packed and transposed weights come about this way.
#include "cpu/threads.h"
#include "graph/program.h"
#include "io/weights.h"

static bool no_memory(vka_graph *g)
{
    vka_fail_memory(g, NULL);
    return false;
}

static bool known_data(vka_graph *g, struct vka_array *a)
{
    if (!vka_present(a))
        return true;
    const struct vka_value *base = &g->values[a->id];
    // Read only: the cast takes nothing away that kernels rely on.
    const void *data = base->store == VKA_STORE_CONSTANT
                           ? base->data
                           : (const void *)vka_weights_f32(g->weights, base->source);
    if (!data) {
        vka_fail_as(g, VKA_ERROR_OUT_OF_MEMORY, "%s", vka_last_error());
        return false;
    }
    a->data = (char *)data + a->offset * 4;
    return true;
}

static bool make_outputs(vka_graph *g, struct vka_args *args)
{
    for (int i = 0; i < args->n_out; i++) {
        struct vka_array *a = &args->out[i];
        if (!vka_present(a))
            continue;
        a->data = vka_alloc_data(g->context, (uint64_t)vka_array_count(a) * 4);
        if (!a->data)
            return no_memory(g);
        g->values[a->id].data = a->data;
        g->values[a->id].store = VKA_STORE_CONSTANT;
    }
    return true;
}

bool vka_fold_node(struct vka_program *p, const struct vka_op_node *node)
{
    vka_graph *g = p->g;
    struct vka_args args;
    vka_program_args(p, node, &args);
    args.known = 0; // there is one run only
    for (int i = 0; i < args.n_in; i++) {
        if (!known_data(g, &args.in[i]))
            return false;
    }
    if (!make_outputs(g, &args))
        return false;
    struct vka_cpu_run run = {.args = &args, .threads = g->context->threads};
    size_t scratch =
        node->op->cpu_scratch ? node->op->cpu_scratch(&args, vka_threads_count(run.threads)) : 0;
    if (scratch && !(run.scratch = vka_alloc_data(g->context, scratch)))
        return no_memory(g);
    node->op->cpu(&run);
    vka_free_data(g->context, run.scratch);
    return true;
}
