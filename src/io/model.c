// SPDX-License-Identifier: MIT
//
// Model files: loading them and what the public header tells of a model.
#include "io/model.h"

#include "io/file.h"

#include <string.h>

// Editors of Windows may put a byte order mark before the text.
static void pass_mark(const char **text, size_t *length)
{
    static const char mark[] = {'\xef', '\xbb', '\xbf'};
    if (*length < sizeof mark || memcmp(*text, mark, sizeof mark) != 0)
        return;
    *text += sizeof mark;
    *length -= sizeof mark;
}

static vka_result parse(vka_model *m, const char *text, size_t length)
{
    if (length > VKA_MODEL_BYTES)
        return vka_error(m->context, VKA_ERROR_UNSUPPORTED,
                         "%s: a model file of %zu bytes; the limit is %d", m->path, length,
                         VKA_MODEL_BYTES);
    pass_mark(&text, &length);
    vka_result result = vka_attr_parse(m->context, m->path, text, length, &m->doc);
    if (result == VKA_OK)
        result = vka_model_take(m);
    if (result == VKA_OK)
        result = vka_model_name_all(m);
    return result == VKA_OK ? vka_model_connect(m) : result;
}

static vka_result create(vka_context *context, const char *path, const char *text, size_t length,
                         vka_model **model)
{
    vka_model *m = vka_calloc(context, 1, sizeof *m);
    if (!m)
        return vka_out_of_memory(context);
    m->context = context;
    m->path = vka_strdup(context, path);
    vka_result result =
        m->path ? parse(m, text, length) : vka_out_of_memory_for(context, "the model %s", path);
    if (result == VKA_OK)
        *model = m;
    else
        vka_model_destroy(m);
    return result;
}

vka_result vka_model_parse(vka_context *context, const char *text, size_t length, vka_model **model)
{
    *model = NULL;
    if (!text)
        return vka_error(context, VKA_ERROR_INVALID, "a model without a text");
    return create(context, "model", text, length, model);
}

vka_result vka_model_load(vka_context *context, const char *path, vka_model **model)
{
    struct vka_file file;
    *model = NULL;
    vka_result result = vka_file_open(context, path, &file);
    if (result != VKA_OK)
        return result;
    result = create(context, path, file.data, (size_t)file.size, model);
    vka_file_close(context, &file);
    return result;
}

void vka_model_destroy(vka_model *model)
{
    if (!model)
        return;
    vka_context *context = model->context;
    for (size_t i = 0; i < model->extra_count; i++)
        vka_free(context, model->extras[i].text);
    vka_free(context, model->extras);
    vka_free(context, model->inputs);
    vka_free(context, model->nodes);
    vka_free(context, model->edges);
    vka_free(context, model->outputs);
    vka_free(context, model->names);
    vka_free(context, model->order);
    vka_free(context, model->doc);
    vka_free(context, model->path);
    vka_free(context, model);
}

const vka_model_input *vka_model_get_input(const vka_model *model, int index)
{
    return index >= 0 && (size_t)index < model->input_count ? &model->inputs[index] : NULL;
}

const char *vka_model_get_output(const vka_model *model, int index)
{
    return index >= 0 && (size_t)index < model->output_count ? model->outputs[index].name : NULL;
}

void vka_model_get_image(const vka_model *model, float mean[3], float std[3])
{
    memcpy(mean, model->mean, sizeof model->mean);
    memcpy(std, model->std, sizeof model->std);
}

const char *vka_model_get_extra(const vka_model *model, const char *key)
{
    for (size_t i = 0; i < model->extra_count; i++) {
        if (strcmp(model->extras[i].name, key) == 0)
            return model->extras[i].text;
    }
    return NULL;
}
