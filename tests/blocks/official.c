// SPDX-License-Identifier: MIT
//
// Every case once more on the CPU, its weights under their official names and in the layouts that
// these have: bit for bit the same outputs. Of a block whose weights have none, an error that says
// so.
//
//   test_blocks_official [ID...]
#include "unit.h"

#include "blocks/names.h"
#include "case_io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAMES = 256, CHOICES = 5 }; // official names of a weight

static vka_context *context;
static vka_device *device;

static int open_device(void **state)
{
    (void)state;
    if (vka_context_create(NULL, &context) != VKA_OK)
        return -1;
    return vka_device_open(context, "cpu", &device) == VKA_OK ? 0 : -1;
}

static int close_device(void **state)
{
    (void)state;
    vka_device_close(device);
    vka_context_destroy(context);
    return 0;
}

// --- a set under official names ---

// [out, in, kernel...] of `size` bytes an element to [kernel..., in, out].
static void transpose_back(const vka_shape *shape, size_t size, const char *from, char *to)
{
    uint64_t out = (uint64_t)shape->dim[0], in = (uint64_t)shape->dim[1], kernel = 1;
    for (int i = 2; i < shape->rank; i++)
        kernel *= (uint64_t)shape->dim[i];
    for (uint64_t o = 0; o < out; o++) {
        for (uint64_t i = 0; i < in; i++) {
            for (uint64_t k = 0; k < kernel; k++)
                memcpy(to + ((k * in + i) * out + o) * size,
                       from + ((o * in + i) * kernel + k) * size, size);
        }
    }
}

// Adds the entry under one of its official names, the choice-th or the last before; false where
// that one is taken.
static bool add_as(vka_weights *set, const char *id, const struct vka_weight_entry *e, int choice,
                   char **data)
{
    char name[256];
    const vka_weight_info *row = vka_weight_find(vka_block_find(id)->weights, e->name, NULL);
    const char *list = row ? row->official : "";
    struct vka_official o = {.form = VKA_FORM_PLAIN};
    while (choice > 0 && !vka_official_name(id, e->name, choice, name, sizeof name))
        choice--;
    if (!vka_official_name(id, e->name, choice, name, sizeof name))
        snprintf(name, sizeof name, "%s", e->name);
    for (int i = 0; i <= choice; i++)
        vka_official_next(&list, &o);
    if (vka_weights_index(set, name) >= 0)
        return false;
    vka_shape shape = e->shape;
    *data = malloc((size_t)e->bytes + 1);
    memcpy(*data, e->data, (size_t)e->bytes);
    if (o.form == VKA_FORM_TRANSPOSED && shape.rank >= 2) {
        transpose_back(&e->shape, vka_dtype_size(e->dtype), e->data, *data);
        shape = vka_form_shape_back(o.form, &e->shape);
    }
    assert_int_equal(vka_weights_add(set, name, e->dtype, &shape, *data), VKA_OK);
    return true;
}

static vka_weights *renamed(const struct vka_case *c, int choice, char **data)
{
    vka_weights *set;
    assert_int_equal(vka_weights_create(context, &set), VKA_OK);
    assert_int_equal(vka_weights_official(set), VKA_OK);
    for (size_t i = 0; i < c->weights->count; i++) {
        const struct vka_weight_entry *e = &c->weights->entries[i];
        int k = choice;
        while (!add_as(set, c->block, e, k, &data[i]))
            assert_true(k-- > 0);
    }
    return set;
}

// --- runs ---

static vka_result run(struct vka_case *c, struct case_outputs *outputs)
{
    vka_graph *graph = NULL;
    vka_result result = vka_case_build(c, &graph);
    if (result == VKA_OK)
        result = case_run(device, c, graph, NULL, outputs);
    vka_graph_destroy(graph);
    return result;
}

// The case with its weights under the choice-th names; whether it is as it should be.
static bool same_again(struct vka_case *c, int choice, const struct case_outputs *want)
{
    const vka_weight_info *weights = vka_block_find(c->block)->weights;
    char **data = calloc(c->weights->count + 1, sizeof *data);
    vka_weights *own = c->weights, *set = renamed(c, choice, data);
    struct case_outputs got;
    case_outputs_make(c, &got);
    c->weights = set;
    bool good = run(c, &got) == VKA_OK;
    c->weights = own;
    if (weights->name && !vka_official_any(weights)) {
        good = !good && strstr(vka_last_error(), "weights have no official names");
    } else {
        for (size_t i = 0; good && i < c->out_count; i++)
            good = memcmp(got.io[i].data, want->io[i].data, (size_t)want->io[i].bytes) == 0;
    }
    vka_weights_destroy(set);
    case_outputs_free(&got);
    for (size_t i = 0; i < own->count; i++)
        free(data[i]);
    free(data);
    return good;
}

static int run_case(const char *path)
{
    struct vka_case *c;
    int wrong = 0;
    assert_int_equal(vka_case_open(context, path, &c), VKA_OK);
    struct case_outputs want;
    case_outputs_make(c, &want);
    assert_int_equal(run(c, &want), VKA_OK);
    for (int choice = 0; choice < CHOICES; choice++) {
        if (same_again(c, choice, &want))
            continue;
        printf("FAIL %s, names %d: %s\n", path, choice, vka_last_error());
        wrong++;
    }
    case_outputs_free(&want);
    vka_case_close(c);
    return wrong;
}

// --- all ---

static void cases_of_block(void **state)
{
    char folder[1024], path[2048], *names[MAX_NAMES];
    int wrong = 0;
    snprintf(folder, sizeof folder, "%s/%s", VKA_CASES, (const char *)*state);
    size_t count = case_list(folder, names, MAX_NAMES);
    for (size_t i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        wrong += run_case(path);
        free(names[i]);
    }
    assert_true(count > 0);
    assert_int_equal(wrong, 0);
}

int main(int argc, char **argv)
{
    static char *names[MAX_NAMES];
    static struct CMUnitTest tests[MAX_NAMES];
    size_t count = argc > 1 ? 0 : case_list(VKA_CASES, names, MAX_NAMES), listed = count;
    for (int i = 1; i < argc && count < MAX_NAMES; i++)
        names[count++] = argv[i];
    for (size_t i = 0; i < count; i++)
        tests[i] = (struct CMUnitTest){names[i], cases_of_block, NULL, NULL, names[i]};
    if (count == 0) {
        fprintf(stderr, "no cases in %s\n", VKA_CASES);
        return 1;
    }
    int failed = _cmocka_run_group_tests("official", tests, count, open_device, close_device);
    for (size_t i = 0; i < listed; i++)
        free(names[i]);
    return failed;
}
