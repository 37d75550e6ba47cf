// SPDX-License-Identifier: MIT
//
// Plans: a program and an executor's part, data in and out, checks of the data, the report.
#include "graph/carry.h"
#include "graph/plan.h"
#include "util/half.h"

#include <string.h>

// --- creation ---

static vka_result make_plan(vka_plan *plan, const vka_graph *graph, const vka_plan_params *params)
{
    const vka_device *device = plan->device;
    vka_dtype real = params->dtype;
    bool on_cpu = device->info.type == VKA_DEVICE_CPU;
    if (real != VKA_F32 && real != VKA_F16 && real != VKA_BF16)
        return vka_error(plan->context, VKA_ERROR_INVALID,
                         "a plan's dtype is F32, F16 or BF16, not %s", vka_dtype_name(real));
    if (real != VKA_F32 && !device->info.f16)
        return vka_error(plan->context, VKA_ERROR_UNSUPPORTED,
                         "the device '%s' has no 16-bit float storage", device->info.name);
    if (real == VKA_BF16 && !device->info.bf16)
        return vka_error(plan->context, VKA_ERROR_UNSUPPORTED,
                         "this build has no shaders that store BF16 (VKATTN_BF16)");
    vka_result result = vka_program_create(graph, on_cpu ? NULL : &device->limits, real,
                                           params->expand, &plan->program);
    if (result != VKA_OK)
        return result;
    const vka_graph *g = plan->program->g;
    plan->given = vka_calloc(plan->context, g->input_count + 1, sizeof *plan->given);
    plan->outside =
        vka_calloc(plan->context, g->input_count + g->output_count + 1, sizeof *plan->outside);
    plan->bound_out = vka_calloc(plan->context, g->output_count + 1, sizeof *plan->bound_out);
    plan->mapped =
        vka_calloc(plan->context, g->input_count + g->output_count + 1, sizeof *plan->mapped);
    plan->node_ms = vka_calloc(plan->context, g->node_count + 1, sizeof *plan->node_ms);
    plan->steps = vka_calloc(plan->context, g->node_count + 1, sizeof *plan->steps);
    if (!plan->given || !plan->bound_out || !plan->mapped || !plan->outside || !plan->node_ms ||
        !plan->steps)
        return vka_out_of_memory(plan->context);
    return device->executor->create(plan->device, plan->program, params->profile, &plan->impl);
}

vka_result vka_plan_create(vka_device *device, vka_graph *graph, const vka_plan_params *params,
                           vka_plan **plan)
{
    *plan = NULL;
    const vka_plan_params defaults = {0};
    vka_result result = vka_graph_status(graph);
    if (result != VKA_OK)
        return result;
    if (graph->context != device->context)
        return vka_error(device->context, VKA_ERROR_INVALID,
                         "the graph and the device are of different contexts");
    if (graph->output_count == 0)
        return vka_error(graph->context, VKA_ERROR_INVALID, "the graph has no output");
    vka_plan *p = vka_calloc(device->context, 1, sizeof *p);
    if (!p)
        return vka_out_of_memory(device->context);
    p->context = device->context;
    p->device = device;
    p->profile = params && params->profile;
    result = make_plan(p, graph, params ? params : &defaults);
    if (result != VKA_OK)
        vka_plan_destroy(p);
    else
        *plan = p;
    return result;
}

void vka_plan_destroy(vka_plan *plan)
{
    if (!plan)
        return;
    if (plan->in_flight)
        plan->device->executor->wait(plan->impl); // its memory is still in use
    if (plan->impl)
        plan->device->executor->destroy(plan->impl);
    vka_program_destroy(plan->program);
    vka_free(plan->context, plan->given);
    vka_free(plan->context, plan->bound_out);
    vka_free(plan->context, plan->mapped);
    vka_free(plan->context, plan->outside);
    vka_free(plan->context, plan->node_ms);
    vka_free(plan->context, plan->steps);
    vka_free(plan->context, plan);
}

// --- data in ---

int vka_find_end(const struct vka_endpoint *ends, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(ends[i].name, name) == 0)
            return (int)i;
    }
    return -1;
}

bool vka_find_input_or_output(const struct vka_program *p, const char *name, size_t *end)
{
    int i = vka_find_end(p->g->inputs, p->g->input_count, name);
    if (i < 0) {
        i = vka_find_end(p->g->outputs, p->public_outputs, name);
        if (i < 0)
            return false;
        i += (int)p->g->input_count;
    }
    *end = (size_t)i;
    return true;
}

const struct vka_endpoint *vka_end_of(const struct vka_program *p, size_t end)
{
    const vka_graph *g = p->g;
    return end < g->input_count ? &g->inputs[end] : &g->outputs[end - g->input_count];
}

// As what the plan keeps an input or output.
static vka_dtype stored_as(const vka_plan *plan, size_t end)
{
    vka_dtype dtype = vka_type(plan->program->g, vka_end_of(plan->program, end)->tensor);
    return dtype == VKA_F32 ? plan->program->real : dtype;
}

static uint64_t stored_bytes(const vka_plan *plan, size_t end)
{
    return (uint64_t)vka_elements(plan->program->g, vka_end_of(plan->program, end)->tensor) *
           vka_dtype_size(stored_as(plan, end));
}

// Memory of the plan itself that the application was given (vka_plan_map) serves what it is of
// alone, as it is stored: a step may read it while another writes.
static vka_result check_mapped(const vka_plan *plan, const vka_io *io, size_t end, const char *kind)
{
    size_t ends = plan->program->g->input_count + plan->program->public_outputs;
    uintptr_t begin = (uintptr_t)io->data;
    if (plan->mapped[end] == io->data) {
        if (io->dtype == stored_as(plan, end))
            return VKA_OK;
        return vka_error(plan->context, VKA_ERROR_INVALID,
                         "%s '%s' is in the plan's own memory as %s, but %s was given", kind,
                         io->name, vka_dtype_name(stored_as(plan, end)), vka_dtype_name(io->dtype));
    }
    for (size_t i = 0; i < ends; i++) {
        uintptr_t own = (uintptr_t)plan->mapped[i];
        if (own && begin < own + stored_bytes(plan, i) && own < begin + io->bytes)
            return vka_error(plan->context, VKA_ERROR_INVALID,
                             i == end ? "%s '%s' was given a part of the plan's own memory of '%s'"
                                      : "%s '%s' was given the plan's own memory of '%s'",
                             kind, io->name, vka_end_of(plan->program, i)->name);
    }
    return VKA_OK;
}

static vka_result check_io(const vka_plan *plan, const vka_io *io, size_t end, const char *kind)
{
    vka_tensor t = vka_end_of(plan->program, end)->tensor;
    const vka_graph *g = plan->program->g;
    char text[VKA_SHAPE_TEXT];
    vka_dtype dtype = vka_type(g, t);
    vka_shape shape = vka_shape_of(g, t);
    if (!vka_dtype_converts(io->dtype, dtype))
        return vka_error(plan->context, VKA_ERROR_INVALID, "%s '%s' is %s, but %s was given", kind,
                         io->name, vka_dtype_name(dtype), vka_dtype_name(io->dtype));
    uint64_t bytes = (uint64_t)vka_elements(g, t) * vka_dtype_size(io->dtype);
    if (!io->data)
        return vka_error(plan->context, VKA_ERROR_INVALID, "%s '%s' was given no data", kind,
                         io->name);
    if (io->bytes != bytes)
        return vka_error(plan->context, VKA_ERROR_INVALID,
                         "%s '%s' of shape %s takes %llu bytes as %s, but %llu were given", kind,
                         io->name, vka_shape_text(&shape, text), (unsigned long long)bytes,
                         vka_dtype_name(io->dtype), (unsigned long long)io->bytes);
    return check_mapped(plan, io, end, kind);
}

static vka_result check_values(const vka_plan *plan, const vka_io *io, vka_tensor base,
                               const int32_t *values)
{
    const vka_graph *g = plan->program->g;
    for (size_t c = 0; c < g->check_count; c++) {
        const struct vka_check *check = &g->checks[c];
        if (check->tensor != base)
            continue;
        for (int64_t i = 0; i < vka_elements(g, base); i++) {
            if (values[i] < check->lo || values[i] > check->hi)
                return vka_error(plan->context, VKA_ERROR_DATA,
                                 "%s: input '%s': element %lld is %d; it must lie in %lld..%lld",
                                 check->what, io->name, (long long)i, values[i],
                                 (long long)check->lo, (long long)check->hi);
        }
    }
    return VKA_OK;
}

static bool usable_in_place(const vka_plan *plan, const vka_io *io, vka_dtype dtype)
{
    return io->dtype == dtype && dtype != VKA_BOOL && plan->program->real == VKA_F32 &&
           (uintptr_t)io->data % 4 == 0;
}

static vka_result copy_input(const vka_plan *plan, const vka_io *io, vka_tensor t, void *into)
{
    vka_dtype dtype = vka_type(plan->program->g, t);
    uint64_t bad = 0;
    if (!into)
        return vka_out_of_memory_for(plan->context, "input '%s'", io->name);
    if (io->data == into) // it is there already (vka_plan_map)
        return VKA_OK;
    if (!vka_carry_in(plan->context->threads, io->data, io->dtype, into, dtype, plan->program->real,
                      (uint64_t)vka_elements(plan->program->g, t), &bad))
        return vka_error(plan->context, VKA_ERROR_DATA,
                         "input '%s': element %llu doesn't fit 32 bits", io->name,
                         (unsigned long long)bad);
    return VKA_OK;
}

static vka_result take_input(vka_plan *plan, const vka_io *io, size_t i)
{
    const vka_graph *g = plan->program->g;
    const struct vka_executor *ex = plan->device->executor;
    vka_tensor t = g->inputs[i].tensor;
    vka_dtype dtype = vka_type(g, t);
    vka_result result = check_io(plan, io, i, "input");
    if (result != VKA_OK)
        return result;
    const void *data = io->data;
    if (ex->bind_input && usable_in_place(plan, io, dtype)) {
        ex->bind_input(plan->impl, i, data);
    } else {
        void *into = ex->input(plan->impl, i);
        result = copy_input(plan, io, t, into);
        if (result != VKA_OK)
            return result;
        data = into;
    }
    return dtype == VKA_I32 ? check_values(plan, io, t, data) : VKA_OK;
}

static vka_result take_inputs(vka_plan *plan, const vka_io *inputs)
{
    const vka_graph *g = plan->program->g;
    memset(plan->given, 0, g->input_count * sizeof *plan->given);
    for (const vka_io *io = inputs; io && io->name; io++) {
        int i = vka_find_end(g->inputs, g->input_count, io->name);
        if (i < 0)
            return vka_error(plan->context, VKA_ERROR_INVALID, "the graph has no input '%s'",
                             io->name);
        if (plan->given[i])
            return vka_error(plan->context, VKA_ERROR_INVALID, "input '%s' is given twice",
                             io->name);
        if (plan->outside[i])
            return vka_error(plan->context, VKA_ERROR_INVALID,
                             "input '%s' is bound to a buffer, no data can be given", io->name);
        vka_result result = take_input(plan, io, (size_t)i);
        if (result != VKA_OK)
            return result;
        plan->given[i] = true;
    }
    for (size_t i = 0; i < g->input_count; i++) {
        if (!plan->given[i] && !plan->outside[i])
            return vka_error(plan->context, VKA_ERROR_INVALID, "input '%s' was not given",
                             g->inputs[i].name);
    }
    return VKA_OK;
}

// --- data out ---

static vka_result check_outputs(const vka_plan *plan, const vka_io *outputs)
{
    const struct vka_program *p = plan->program;
    for (const vka_io *io = outputs; io && io->name; io++) {
        int i = vka_find_end(p->g->outputs, p->public_outputs, io->name);
        if (i < 0)
            return vka_error(plan->context, VKA_ERROR_INVALID, "the graph has no output '%s'",
                             io->name);
        if (plan->outside[p->g->input_count + (size_t)i])
            return vka_error(plan->context, VKA_ERROR_INVALID,
                             "output '%s' is bound to a buffer, it can't be copied out", io->name);
        vka_result result = check_io(plan, io, p->g->input_count + (size_t)i, "output");
        if (result != VKA_OK)
            return result;
    }
    return VKA_OK;
}

static bool overlaps(const vka_io *io, const vka_io *list)
{
    uintptr_t begin = (uintptr_t)io->data, end = begin + (uintptr_t)io->bytes;
    for (; list && list->name; list++) {
        uintptr_t other = (uintptr_t)list->data;
        if (list != io && begin < other + (uintptr_t)list->bytes && other < end)
            return true;
    }
    return false;
}

// Where the caller's memory serves twice, an output written too soon would be read again: such
// outputs are copied out at the end.
static void bind_outputs(vka_plan *plan, const vka_io *inputs, const vka_io *outputs)
{
    const vka_graph *g = plan->program->g;
    const struct vka_executor *ex = plan->device->executor;
    if (!ex->bind_output)
        return;
    for (size_t i = 0; i < g->output_count; i++) {
        if (plan->bound_out[i])
            ex->bind_output(plan->impl, i, NULL);
        plan->bound_out[i] = false;
    }
    for (const vka_io *io = outputs; io && io->name; io++) {
        int i = vka_find_end(g->outputs, plan->program->public_outputs, io->name);
        if (!usable_in_place(plan, io, vka_type(g, g->outputs[i].tensor)) || overlaps(io, inputs) ||
            overlaps(io, outputs))
            continue;
        ex->bind_output(plan->impl, (size_t)i, io->data);
        plan->bound_out[i] = true;
    }
}

// What steps on the device found out of range.
static vka_result check_found(const vka_plan *plan)
{
    const vka_graph *g = plan->program->g;
    size_t output = plan->program->public_outputs;
    for (size_t c = 0; c < g->check_count; c++) {
        const struct vka_check *check = &g->checks[c];
        if (!check->found)
            continue;
        const int32_t *found = plan->device->executor->output(plan->impl, output++);
        if (found[0] >= 0)
            return vka_error(plan->context, VKA_ERROR_DATA,
                             "%s: element %d is %d; it must lie in %lld..%lld", check->what,
                             found[0], found[1], (long long)check->lo, (long long)check->hi);
    }
    return VKA_OK;
}

static void copy_outputs(vka_plan *plan, const vka_io *outputs)
{
    const struct vka_program *p = plan->program;
    for (const vka_io *io = outputs; io && io->name; io++) {
        int i = vka_find_end(p->g->outputs, p->public_outputs, io->name);
        vka_tensor t = p->g->outputs[i].tensor;
        const void *data = plan->device->executor->output(plan->impl, (size_t)i);
        if (data != io->data)
            vka_carry_out(plan->context->threads, data, vka_type(p->g, t), p->real, io->data,
                          io->dtype, (uint64_t)vka_elements(p->g, t));
    }
}

// --- the plan's own memory ---

static vka_result check_mappable(const vka_plan *plan, size_t end)
{
    const struct vka_endpoint *e = vka_end_of(plan->program, end);
    if (plan->in_flight)
        return vka_error(plan->context, VKA_ERROR_BUSY, "a run of this plan is in flight");
    if (plan->outside[end])
        return vka_error(plan->context, VKA_ERROR_INVALID,
                         "'%s' is bound to a buffer, not in the plan's own memory", e->name);
    if (vka_type(plan->program->g, e->tensor) == VKA_BOOL)
        return vka_error(plan->context, VKA_ERROR_UNSUPPORTED,
                         "'%s' is BOOL, which plans don't keep as bytes: it is to be copied",
                         e->name);
    return VKA_OK;
}

static void *own_memory(vka_plan *plan, size_t end)
{
    const struct vka_executor *ex = plan->device->executor;
    size_t inputs = plan->program->g->input_count;
    if (end < inputs)
        return ex->input(plan->impl, end);
    if (plan->bound_out[end - inputs])
        ex->bind_output(plan->impl, end - inputs, NULL);
    plan->bound_out[end - inputs] = false;
    return (void *)ex->output(plan->impl, end - inputs);
}

vka_result vka_plan_map(vka_plan *plan, const char *name, vka_io *io)
{
    size_t end;
    *io = (vka_io){0};
    if (!name)
        return vka_error(plan->context, VKA_ERROR_INVALID, "an input or output without a name");
    if (!vka_find_input_or_output(plan->program, name, &end))
        return vka_error(plan->context, VKA_ERROR_INVALID, "the graph has no input or output '%s'",
                         name);
    vka_result result = check_mappable(plan, end);
    if (result != VKA_OK)
        return result;
    plan->mapped[end] = own_memory(plan, end);
    if (!plan->mapped[end])
        return vka_out_of_memory_for(plan->context, "'%s'", name);
    *io = (vka_io){vka_end_of(plan->program, end)->name, stored_as(plan, end), plan->mapped[end],
                   stored_bytes(plan, end)};
    return VKA_OK;
}

// --- runs ---

static vka_result start(vka_plan *plan, const vka_io *inputs, const vka_io *bind)
{
    if (plan->in_flight)
        return vka_error(plan->context, VKA_ERROR_BUSY, "a run of this plan is in flight");
    vka_result result = take_inputs(plan, inputs);
    if (result == VKA_OK)
        bind_outputs(plan, inputs, bind);
    return result;
}

static vka_result submit(vka_plan *plan, const vka_io *inputs, const vka_io *bind)
{
    vka_result result = start(plan, inputs, bind);
    if (result != VKA_OK)
        return result;
    result = plan->device->executor->submit(plan->impl);
    plan->in_flight = result == VKA_OK;
    return result;
}

vka_result vka_plan_submit_by(vka_plan *plan, const vka_io *inputs,
                              vka_result (*submit_by)(void *impl, const void *arg), const void *arg)
{
    vka_result result = start(plan, inputs, NULL);
    if (result != VKA_OK)
        return result;
    result = submit_by(plan->impl, arg);
    plan->in_flight = result == VKA_OK;
    return result;
}

vka_result vka_plan_submit(vka_plan *plan, const vka_io *inputs)
{
    return submit(plan, inputs, NULL);
}

vka_result vka_plan_wait(vka_plan *plan, const vka_io *outputs)
{
    if (!plan->in_flight)
        return vka_error(plan->context, VKA_ERROR_BUSY, "no run of this plan is in flight");
    vka_result result = check_outputs(plan, outputs);
    if (result != VKA_OK)
        return result;
    plan->in_flight = false;
    result = plan->device->executor->wait(plan->impl);
    if (result == VKA_OK)
        result = check_found(plan);
    if (result == VKA_OK)
        copy_outputs(plan, outputs);
    return result;
}

vka_result vka_plan_run(vka_plan *plan, const vka_io *inputs, const vka_io *outputs)
{
    vka_result result = check_outputs(plan, outputs);
    if (result == VKA_OK)
        result = submit(plan, inputs, outputs);
    return result == VKA_OK ? vka_plan_wait(plan, outputs) : result;
}

// --- the report ---

double vka_node_flops(const struct vka_program *p, const struct vka_op_node *node)
{
    struct vka_args args;
    double most = 0;
    vka_program_args(p, node, &args);
    if (node->op->flops)
        return node->op->flops(&args);
    for (int i = 0; i < args.n_in + args.n_out; i++) {
        const struct vka_array *a = i < args.n_in ? &args.in[i] : &args.out[i - args.n_in];
        double count = vka_present(a) ? (double)vka_array_count(a) : 0;
        most = count > most ? count : most;
    }
    return most;
}

static void report_step(const vka_plan *plan, size_t i, vka_report_step *step)
{
    const vka_graph *g = plan->program->g;
    const struct vka_op_node *node = &g->nodes[i];
    *step = (vka_report_step){.block = node->path,
                              .op = node->op->name,
                              .variant = node->variant ? node->variant->name : "cpu",
                              .ms = plan->node_ms[i]};
    for (int k = 0; k < node->n_in; k++) {
        if (node->in[k])
            step->bytes += (uint64_t)vka_elements(g, node->in[k]) *
                           vka_element_size(plan->program, vka_type(g, node->in[k]));
    }
    for (int k = 0; k < node->n_out; k++) {
        if (node->out[k])
            step->bytes += vka_base_bytes(plan->program, node->out[k]);
    }
    step->flops = vka_node_flops(plan->program, node);
}

const vka_report *vka_plan_report(vka_plan *plan)
{
    const struct vka_program *p = plan->program;
    vka_report *r = &plan->report;
    *r = (vka_report){.device = plan->device->info.name,
                      .step_count = p->g->node_count,
                      .steps = plan->steps,
                      .input_bytes = p->input_bytes,
                      .output_bytes = p->output_bytes,
                      .weight_bytes = p->weight_bytes,
                      .constant_bytes = p->constant_bytes + p->kept_bytes,
                      .dispatches = (uint32_t)p->dispatch_count};
    if (plan->profile && !plan->in_flight)
        plan->device->executor->times(plan->impl, plan->node_ms, &r->ms);
    for (size_t i = 0; i < p->g->node_count; i++)
        report_step(plan, i, &plan->steps[i]);
    for (size_t i = 0; i < p->dispatch_count; i++) {
        plan->steps[p->dispatches[i].node].dispatches++;
        r->barriers += p->dispatches[i].barrier_before;
    }
    for (int i = 0; i < p->slab_count; i++)
        r->temporary_bytes += p->slabs[i];
    return r;
}
