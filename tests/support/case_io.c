// SPDX-License-Identifier: MIT
#include "case_io.h"

#include "unit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void case_outputs_make(const struct vka_case *c, struct case_outputs *r)
{
    memset(r, 0, sizeof *r);
    assert_true(c->out_count <= CASE_MAX_IO);
    for (size_t i = 0; i < c->out_count; i++) {
        vka_dtype dtype = vka_case_dtype((vka_dtype)c->out[i].dtype);
        uint64_t count = 1;
        vka_shape_count(&c->out[i].shape, &count);
        size_t bytes = (size_t)count * vka_dtype_size(dtype);
        r->io[i] = (vka_io){strdup(c->out[i].name), dtype, calloc(1, bytes), bytes};
    }
}

void case_outputs_free(struct case_outputs *r)
{
    for (int i = 0; i < CASE_MAX_IO; i++) {
        free((void *)(uintptr_t)r->io[i].name);
        free(r->io[i].data);
    }
    memset(r, 0, sizeof *r);
}

vka_result case_run(vka_device *device, const struct vka_case *c, vka_graph *graph,
                    const vka_plan_params *params, struct case_outputs *r)
{
    vka_plan *plan;
    vka_io in[CASE_MAX_IO + 1] = {0};
    assert_true(c->in_count <= CASE_MAX_IO);
    vka_case_inputs(c, in);
    vka_result result = vka_plan_create(device, graph, params, &plan);
    if (result == VKA_OK)
        result = vka_plan_run(plan, in, r->io);
    vka_plan_destroy(plan);
    return result;
}

void case_assert_right(const struct vka_case *c, const struct case_outputs *r, double bound)
{
    for (size_t i = 0; i < c->out_count; i++) {
        struct vka_difference d = vka_case_compare(&c->out[i], r->io[i].data, bound);
        if (!d.same)
            fail_msg("%s: output %s differs: %g", c->path, r->io[i].name, d.err);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

size_t case_list(const char *folder, char **names, size_t most)
{
    DIR *dir = opendir(folder);
    size_t count = 0;
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        if (entry->d_name[0] != '.' && count < most)
            names[count++] = strdup(entry->d_name);
    }
    if (dir)
        closedir(dir);
    qsort(names, count, sizeof *names, by_name);
    return count;
}

static bool find_case(const char *id, bool largest, char *path, size_t size)
{
    char folder[512];
    size_t best = 0;
    snprintf(folder, sizeof folder, VKA_CASES "/%s", id);
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char name[1024];
        size_t bytes;
        if (!strstr(entry->d_name, ".safetensors"))
            continue;
        snprintf(name, sizeof name, "%s/%s", folder, entry->d_name);
        free(unit_read_file(name, &bytes));
        if (best > 0 && (largest ? bytes <= best : bytes >= best))
            continue;
        best = bytes;
        snprintf(path, size, "%s", name);
    }
    if (dir)
        closedir(dir);
    return best > 0;
}

bool case_smallest(const char *id, char *path, size_t size)
{
    return find_case(id, false, path, size);
}

bool case_largest(const char *id, char *path, size_t size)
{
    return find_case(id, true, path, size);
}
