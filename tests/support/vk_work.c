// SPDX-License-Identifier: MIT
//
// y = ((2 x + 1) w + c) / 2 and z = -x, with a context that counts its memory.
#include "vk_work.h"

#include "ops/ops.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- host memory ---

static void *count_alloc(void *user, size_t size)
{
    struct work *work = user;
    if (++work->allocations == work->fail_at)
        return NULL;
    void *ptr = malloc(size);
    work->alive += ptr != NULL;
    return ptr;
}

static void *count_realloc(void *user, void *ptr, size_t size)
{
    struct work *work = user;
    if (++work->allocations == work->fail_at)
        return NULL;
    void *moved = realloc(ptr, size);
    work->alive += !ptr && moved;
    return moved;
}

static void count_free(void *user, void *ptr)
{
    struct work *work = user;
    work->alive -= ptr != NULL;
    free(ptr);
}

static void keep_message(void *user, vka_log_level level, const char *message)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct work *work = user;
    (void)level;
    pthread_mutex_lock(&lock);
    size_t at = strlen(work->log);
    snprintf(work->log + at, sizeof work->log - at, "%s\n", message);
    pthread_mutex_unlock(&lock);
}

// --- the job ---

static float constant_at(int i)
{
    return (float)(i % 5);
}

static void fill(struct work *work)
{
    for (int i = 0; i < WORK_SIZE; i++) {
        work->x[i] = (float)(i % 17 - 8);
        work->w[i] = (float)(i % 7 - 3);
        work->y[i] = work->z[i] = 12345.0f;
    }
}

bool work_right(const struct work *work)
{
    for (int i = 0; i < WORK_SIZE; i++) {
        float y = ((2 * work->x[i] + 1) * work->w[i] + constant_at(i)) / 2;
        if (work->y[i] != y || work->z[i] != -work->x[i])
            return false;
    }
    return true;
}

vka_tensor work_weight(vka_graph *g, int source, const vka_shape *shape)
{
    vka_tensor t = vka_new_value(g, VKA_F32, shape);
    if (t) {
        g->values[t].store = VKA_STORE_WEIGHT;
        g->values[t].source = source;
    }
    return t;
}

vka_result work_graph(vka_context *context, vka_weights *weights, vka_graph **graph)
{
    vka_shape shape = vka_shape_make(1, (int64_t[]){WORK_SIZE});
    vka_result result = vka_graph_create(context, weights, graph);
    if (result != VKA_OK)
        return result;
    vka_graph *g = *graph;
    float constant[WORK_SIZE];
    for (int i = 0; i < WORK_SIZE; i++)
        constant[i] = constant_at(i);
    vka_tensor x = vka_input(g, "x", VKA_F32, &shape);
    vka_tensor w = work_weight(g, 0, &shape);
    vka_tensor c = vka_constant(g, VKA_F32, &shape, constant);
    vka_tensor t = vka_binary(g, VKA_MUL, vka_affine(g, x, 2, 1), w);
    vka_output(g, "y", vka_affine(g, vka_binary(g, VKA_ADD, t, c), 0.5, 0));
    vka_output(g, "z", vka_affine(g, x, -1, 0));
    return vka_graph_status(g);
}

static vka_result build(struct work *work)
{
    vka_shape shape = vka_shape_make(1, (int64_t[]){WORK_SIZE});
    vka_result result = vka_weights_create(work->context, &work->weights);
    if (result == VKA_OK)
        result = vka_weights_add(work->weights, "w", VKA_F32, &shape, work->w);
    return result == VKA_OK ? work_graph(work->context, work->weights, &work->graph) : result;
}

vka_result work_start(struct work *work, bool validation)
{
    work->context = NULL;
    work->device = NULL;
    work->weights = NULL;
    work->graph = NULL;
    work->alive = 0;
    work->allocations = 0;
    work->log[0] = '\0';
    vka_context_params params = {.allocator = {work, count_alloc, count_realloc, count_free},
                                 .log = keep_message,
                                 .log_user = work,
                                 .log_level = VKA_LOG_INFO,
                                 .threads = 2,
                                 .cache = work->cache,
                                 .validation = validation};
    return vka_context_create(&params, &work->context);
}

vka_result work_open(struct work *work, const char *device)
{
    fill(work);
    vka_result result = vka_device_open(work->context, device ? device : "vulkan", &work->device);
    return result == VKA_OK ? build(work) : result;
}

bool work_end(struct work *work)
{
    vka_graph_destroy(work->graph);
    vka_weights_destroy(work->weights);
    vka_device_close(work->device);
    vka_context_destroy(work->context);
    return work->alive == 0;
}

vka_result work_run(struct work *work, vka_plan *plan)
{
    uint64_t bytes = sizeof work->x;
    vka_io in[] = {{"x", VKA_F32, work->x, bytes}, {0}};
    vka_io out[] = {{"y", VKA_F32, work->y, bytes}, {"z", VKA_F32, work->z, bytes}, {0}};
    memset(work->y, 0, bytes);
    memset(work->z, 0, bytes);
    return vka_plan_run(plan, in, out);
}
