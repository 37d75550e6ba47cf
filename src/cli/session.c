// SPDX-License-Identifier: MIT
#include "cli/session.h"
#include "util/context.h"

#include <stdlib.h>
#include <string.h>

static bool check(struct session *s, vka_result result)
{
    if (result != VKA_OK)
        s->code = cli_failed(result);
    s->lost |= result == VKA_ERROR_DEVICE_LOST;
    return result == VKA_OK;
}

static bool out_of_memory(struct session *s, const char *what)
{
    s->code = cli_no_memory(what);
    return false;
}

bool session_open(struct session *s, const char *select, const char *model, const char *weights,
                  bool official)
{
    *s = (struct session){.code = EXIT_USAGE};
    s->context = cli_context(false, select);
    if (!s->context) {
        s->code = EXIT_WRONG;
        return false;
    }
    s->device = cli_device(s->context, select, &s->code);
    if (!s->device || !check(s, vka_model_load(s->context, model, &s->model)))
        return false;
    if (!weights)
        return true;
    if (!check(s, vka_weights_load(s->context, weights, &s->weights)))
        return false;
    return !official || check(s, vka_weights_official(s->weights));
}

static void drop_plan(struct session_plan *p)
{
    vka_plan_destroy(p->plan);
    vka_graph_destroy(p->graph);
    free(p->shapes);
    *p = (struct session_plan){0};
}

void session_close(struct session *s)
{
    for (size_t i = 0; i < PLANS_KEPT; i++)
        drop_plan(&s->plans[i]);
    session_clear(s);
    vka_weights_destroy(s->weights);
    vka_model_destroy(s->model);
    vka_device_close(s->device);
    vka_context_destroy(s->context);
}

void session_clear(struct session *s)
{
    for (size_t i = 0; i < s->input_count; i++)
        cli_tensor_free(&s->inputs[i]);
    free(s->inputs);
    s->inputs = NULL;
    s->input_count = 0;
}

bool session_add(struct session *s, struct cli_tensor *tensor)
{
    struct cli_tensor *more = realloc(s->inputs, (s->input_count + 1) * sizeof *more);
    if (!more) {
        cli_tensor_free(tensor);
        return out_of_memory(s, "the list of inputs");
    }
    s->inputs = more;
    s->inputs[s->input_count++] = *tensor;
    return true;
}

// --- plans ---

static bool fits(const struct session *s, const struct session_plan *p)
{
    bool same = p->plan != NULL;
    for (size_t i = 0; i < s->input_count && same; i++) {
        const vka_shape *a = &p->shapes[i], *b = &s->inputs[i].shape;
        same = a->rank == b->rank && memcmp(a->dim, b->dim, (size_t)a->rank * sizeof *a->dim) == 0;
    }
    return same;
}

static vka_result make_plan(struct session *s, const char *const *outputs,
                            const vka_plan_params *params, struct session_plan *p)
{
    vka_model_bind *binds = calloc(s->input_count + 1, sizeof *binds);
    *p = (struct session_plan){.shapes = calloc(s->input_count + 1, sizeof *p->shapes)};
    vka_result result = binds && p->shapes ? VKA_OK : vka_out_of_memory(s->context);
    for (size_t i = 0; i < s->input_count && result == VKA_OK; i++) {
        p->shapes[i] = s->inputs[i].shape;
        binds[i] = (vka_model_bind){s->inputs[i].name, s->inputs[i].shape};
    }
    if (result == VKA_OK)
        result = vka_model_build(s->model, s->weights, binds, outputs, &p->graph);
    free(binds);
    if (result == VKA_OK)
        result = vka_plan_create(s->device, p->graph, params, &p->plan);
    return result;
}

// The plan at `from` comes first, those before it go one further.
static void take_plan(struct session *s, size_t from, const struct session_plan *p)
{
    memmove(s->plans + 1, s->plans, from * sizeof *s->plans);
    s->plans[0] = *p;
    s->graph = p->graph;
    s->plan = p->plan;
}

bool session_plan(struct session *s, const char *const *outputs, bool profile)
{
    vka_plan_params params = {.profile = profile};
    struct session_plan p;
    for (size_t i = 0; i < PLANS_KEPT; i++) {
        p = s->plans[i];
        if (fits(s, &p)) {
            take_plan(s, i, &p);
            return true;
        }
    }
    drop_plan(&s->plans[PLANS_KEPT - 1]);
    vka_result result = make_plan(s, outputs, &params, &p);
    if (result == VKA_ERROR_OUT_OF_MEMORY || result == VKA_ERROR_OUT_OF_DEVICE_MEMORY) {
        drop_plan(&p); // the plans of other sizes hold memory, too
        for (size_t i = 0; i < PLANS_KEPT; i++)
            drop_plan(&s->plans[i]);
        result = make_plan(s, outputs, &params, &p);
    }
    if (check(s, result)) {
        take_plan(s, PLANS_KEPT - 1, &p);
        return true;
    }
    drop_plan(&p);
    return false;
}

// --- runs ---

static bool make_output(struct session *s, const char *name, struct cli_tensor *t)
{
    uint64_t count;
    *t = (struct cli_tensor){.name = name};
    if (!vka_output_info(s->graph, name, &t->dtype, &t->shape)) {
        fprintf(stderr, "vkattn: the model has no output '%s'\n", name);
        s->code = EXIT_USAGE;
        return false;
    }
    vka_shape_count(&t->shape, &count);
    t->bytes = count * vka_dtype_size(t->dtype);
    t->data = malloc(t->bytes ? (size_t)t->bytes : 1);
    return t->data ? true : out_of_memory(s, name);
}

bool session_run(struct session *s, const char *const *outputs, size_t count,
                 struct cli_tensor *tensors)
{
    vka_io *in = calloc(s->input_count + 1, sizeof *in), *out = calloc(count + 1, sizeof *out);
    bool ok = in && out ? true : out_of_memory(s, "the lists of tensors");
    for (size_t i = 0; ok && i < s->input_count; i++)
        in[i] =
            (vka_io){s->inputs[i].name, s->inputs[i].dtype, s->inputs[i].data, s->inputs[i].bytes};
    for (size_t i = 0; ok && i < count; i++) {
        ok = make_output(s, outputs[i], &tensors[i]);
        out[i] = (vka_io){tensors[i].name, tensors[i].dtype, tensors[i].data, tensors[i].bytes};
    }
    ok = ok && check(s, vka_plan_run(s->plan, in, out));
    free(in);
    free(out);
    return ok;
}
