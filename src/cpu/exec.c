// SPDX-License-Identifier: MIT
//
// The CPU executor: one block of memory for the arena, kernels called one after the other.
#include "cpu/threads.h"
#include "graph/program.h"
#include "io/weights.h"
#include "util/system.h"

#include <string.h>

struct step {
    struct vka_args args;
    void (*run)(const struct vka_cpu_run *run);
    void *kept;
};

struct cpu_plan {
    vka_context *context;
    struct vka_program *program;
    struct step *steps;
    unsigned char **memory; // by base: where its first element is
    unsigned char *arena, *inputs, *outputs;
    void *scratch;
    bool moved; // a base's place changed since the steps' pointers were set
    bool profile;
    double *node_ms, total_ms;
};

static void cpu_destroy(void *plan)
{
    struct cpu_plan *c = plan;
    if (!c)
        return;
    for (size_t i = 0; c->steps && i < c->program->g->node_count; i++)
        vka_free_data(c->context, c->steps[i].kept);
    vka_free(c->context, c->steps);
    vka_free(c->context, c->memory);
    vka_free(c->context, c->node_ms);
    vka_free_data(c->context, c->arena);
    vka_free_data(c->context, c->inputs);
    vka_free_data(c->context, c->outputs);
    vka_free_data(c->context, c->scratch);
    vka_free(c->context, c);
}

static vka_result place_memory(struct cpu_plan *c)
{
    const struct vka_program *p = c->program;
    const vka_graph *g = p->g;
    for (size_t i = 1; i < g->value_count; i++) {
        const struct vka_value *v = &g->values[i];
        if (v->base != (vka_tensor)i)
            continue;
        if (v->store == VKA_STORE_TEMP && p->places[i].bytes)
            c->memory[i] = c->arena + p->places[i].offset;
        else if (v->store == VKA_STORE_CONSTANT)
            c->memory[i] = v->data;
        else if (v->store == VKA_STORE_WEIGHT && p->places[i].bytes &&
                 !(c->memory[i] = (unsigned char *)vka_weights_f32(g->weights, v->source)))
            return VKA_ERROR_OUT_OF_MEMORY;
    }
    return VKA_OK;
}

static void make_steps(struct cpu_plan *c)
{
    const vka_graph *g = c->program->g;
    for (size_t i = 0; i < g->node_count; i++) {
        vka_program_args(c->program, &g->nodes[i], &c->steps[i].args);
        c->steps[i].run = g->nodes[i].op->cpu;
    }
}

static size_t scratch_of(const struct cpu_plan *c)
{
    const vka_graph *g = c->program->g;
    size_t scratch = 0;
    for (size_t i = 0; i < g->node_count; i++) {
        const struct vka_op *op = g->nodes[i].op;
        size_t size = op->cpu_scratch ? op->cpu_scratch(&c->steps[i].args,
                                                        vka_threads_count(c->context->threads))
                                      : 0;
        scratch = size > scratch ? size : scratch;
    }
    return scratch;
}

// The data of operands that are known; nothing is bound yet.
static void point_known(struct cpu_plan *c, struct vka_args *args)
{
    for (int k = 0; k < args->n_in; k++) {
        if (args->known >> k & 1)
            args->in[k].data = c->memory[args->in[k].id] + args->in[k].offset * 4;
    }
}

// Where there is no memory for it, the step goes the way of operands that aren't known.
static void make_kept(struct cpu_plan *c)
{
    const vka_graph *g = c->program->g;
    for (size_t i = 0; i < g->node_count; i++) {
        const struct vka_op *op = g->nodes[i].op;
        struct step *step = &c->steps[i];
        size_t size = op->cpu_kept ? op->cpu_kept(&step->args) : 0;
        if (size == 0)
            continue;
        step->kept = vka_alloc_data(c->context, size);
        if (!step->kept) {
            step->args.known = 0;
            continue;
        }
        c->program->kept_bytes += size;
        point_known(c, &step->args);
        op->cpu_keep(&step->args, c->context->threads, step->kept);
    }
}

static vka_result cpu_create(vka_device *device, struct vka_program *program, bool profile,
                             void **plan)
{
    vka_context *context = device->context;
    size_t nodes = program->g->node_count;
    struct cpu_plan *c = vka_calloc(context, 1, sizeof *c);
    if (!c)
        return vka_out_of_memory(context);
    c->context = context;
    c->program = program;
    c->profile = profile;
    c->moved = true;
    uint64_t arena = program->slab_count ? program->slabs[0] : 0;
    c->steps = vka_calloc(context, nodes, sizeof *c->steps);
    c->node_ms = vka_calloc(context, nodes + 1, sizeof *c->node_ms);
    c->memory = vka_calloc(context, program->g->value_count, sizeof *c->memory);
    c->arena = vka_alloc_data(context, arena);
    vka_result result = VKA_ERROR_OUT_OF_MEMORY;
    if (c->steps && c->node_ms && c->memory && c->arena) {
        make_steps(c);
        result = place_memory(c);
    }
    if (result == VKA_OK) {
        make_kept(c);
        c->scratch = vka_alloc_data(context, scratch_of(c));
        result = c->scratch ? VKA_OK : VKA_ERROR_OUT_OF_MEMORY;
    }
    if (result != VKA_OK) {
        cpu_destroy(c);
        return vka_out_of_memory_for(context, "the plan's values and scratch");
    }
    *plan = c;
    return VKA_OK;
}

// --- inputs and outputs: own memory only once it is needed; F32 and I32 are used in place ---

static void point_base(struct cpu_plan *c, vka_tensor base, const void *data)
{
    if (c->memory[base] == data)
        return;
    c->memory[base] = (unsigned char *)data; // inputs are never written: no step has one as output
    c->moved = true;
}

static void *own_memory(struct cpu_plan *c, unsigned char **block, uint64_t bytes, vka_tensor base)
{
    if (!*block)
        *block = vka_alloc_data(c->context, bytes);
    if (!*block)
        return NULL;
    unsigned char *at = *block + c->program->places[base].offset;
    point_base(c, base, at);
    return at;
}

static void *cpu_input(void *plan, size_t i)
{
    struct cpu_plan *c = plan;
    return own_memory(c, &c->inputs, c->program->input_bytes, c->program->g->inputs[i].tensor);
}

static const void *cpu_output(void *plan, size_t i)
{
    struct cpu_plan *c = plan;
    vka_tensor base = c->program->g->outputs[i].tensor;
    if (!c->memory[base])
        return own_memory(c, &c->outputs, c->program->output_bytes, base);
    return c->memory[base];
}

static void cpu_bind_input(void *plan, size_t i, const void *data)
{
    struct cpu_plan *c = plan;
    point_base(c, c->program->g->inputs[i].tensor, data);
}

static void cpu_bind_output(void *plan, size_t i, void *data)
{
    struct cpu_plan *c = plan;
    vka_tensor base = c->program->g->outputs[i].tensor;
    if (data)
        point_base(c, base, data);
    else if (c->outputs)
        point_base(c, base, c->outputs + c->program->places[base].offset);
    else
        c->memory[base] = NULL;
}

// --- running ---

static void set_pointers(struct cpu_plan *c)
{
    for (size_t i = 0; i < c->program->g->node_count; i++) {
        struct vka_args *args = &c->steps[i].args;
        for (int k = 0; k < args->n_in; k++) {
            if (vka_present(&args->in[k]))
                args->in[k].data = c->memory[args->in[k].id] + args->in[k].offset * 4;
        }
        for (int k = 0; k < args->n_out; k++) {
            if (vka_present(&args->out[k]))
                args->out[k].data = c->memory[args->out[k].id];
        }
    }
    c->moved = false;
}

static vka_result cpu_submit(void *plan)
{
    struct cpu_plan *c = plan;
    const vka_graph *g = c->program->g;
    for (size_t i = 0; i < g->output_count; i++) {
        if (!cpu_output(plan, i))
            return vka_out_of_memory_for(c->context, "output '%s'", g->outputs[i].name);
    }
    if (c->moved)
        set_pointers(c);
    double start = c->profile ? vka_sys_ms() : 0, last = start;
    for (size_t i = 0; i < g->node_count; i++) {
        const struct step *step = &c->steps[i];
        struct vka_cpu_run run = {&step->args, c->context->threads, c->scratch, step->kept};
        step->run(&run);
        if (c->profile) {
            double now = vka_sys_ms();
            c->node_ms[i] = now - last;
            last = now;
        }
    }
    c->total_ms = last - start;
    return VKA_OK;
}

static vka_result cpu_wait(void *plan)
{
    (void)plan; // the work was done in submit
    return VKA_OK;
}

static void cpu_times(void *plan, double *node_ms, double *total_ms)
{
    struct cpu_plan *c = plan;
    memcpy(node_ms, c->node_ms, c->program->g->node_count * sizeof *node_ms);
    *total_ms = c->total_ms;
}

const struct vka_executor vka_cpu_executor = {
    .create = cpu_create,
    .destroy = cpu_destroy,
    .input = cpu_input,
    .output = cpu_output,
    .bind_input = cpu_bind_input,
    .bind_output = cpu_bind_output,
    .submit = cpu_submit,
    .wait = cpu_wait,
    .times = cpu_times,
};
