// SPDX-License-Identifier: MIT
#include "cli/session.h"
#include "util/context.h"

#include <stdlib.h>
#include <string.h>

static bool check(struct session *s, vka_result result)
{
    if (result != VKA_OK)
        s->code = cli_failed(result);
    return result == VKA_OK;
}

static bool out_of_memory(struct session *s)
{
    fprintf(stderr, "vkattn: out of memory\n");
    s->code = EXIT_WRONG;
    return false;
}

bool session_open(struct session *s, const char *select, const char *model, const char *weights)
{
    *s = (struct session){.code = EXIT_USAGE};
    s->context = cli_context(false, select);
    if (!s->context) {
        s->code = EXIT_WRONG;
        return false;
    }
    s->device = cli_device(s->context, select);
    if (!s->device || !check(s, vka_model_load(s->context, model, &s->model)))
        return false;
    return !weights || check(s, vka_weights_load(s->context, weights, &s->weights));
}

void session_close(struct session *s)
{
    vka_plan_destroy(s->plan);
    vka_graph_destroy(s->graph);
    vka_weights_destroy(s->weights);
    vka_model_destroy(s->model);
    vka_device_close(s->device);
    vka_context_destroy(s->context);
    for (size_t i = 0; i < s->input_count; i++)
        cli_tensor_free(&s->inputs[i]);
    free(s->inputs);
}

bool session_add(struct session *s, struct cli_tensor *tensor)
{
    struct cli_tensor *more = realloc(s->inputs, (s->input_count + 1) * sizeof *more);
    if (!more) {
        cli_tensor_free(tensor);
        return out_of_memory(s);
    }
    s->inputs = more;
    s->inputs[s->input_count++] = *tensor;
    return true;
}

bool session_plan(struct session *s, const char *const *outputs, bool profile)
{
    vka_model_bind *binds = calloc(s->input_count + 1, sizeof *binds);
    if (!binds)
        return out_of_memory(s);
    for (size_t i = 0; i < s->input_count; i++)
        binds[i] = (vka_model_bind){s->inputs[i].name, s->inputs[i].shape};
    vka_result result = vka_model_build(s->model, s->weights, binds, outputs, &s->graph);
    free(binds);
    vka_plan_params params = {.profile = profile};
    if (result == VKA_OK)
        result = vka_plan_create(s->device, s->graph, &params, &s->plan);
    return check(s, result);
}

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
    t->data = malloc((size_t)t->bytes);
    return t->data ? true : out_of_memory(s);
}

bool session_run(struct session *s, const char *const *outputs, size_t count,
                 struct cli_tensor *tensors)
{
    vka_io *in = calloc(s->input_count + 1, sizeof *in), *out = calloc(count + 1, sizeof *out);
    bool ok = in && out ? true : out_of_memory(s);
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
