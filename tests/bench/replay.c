// SPDX-License-Identifier: MIT
//
// What a run of a plan costs the host beyond what Vulkan takes for it, as a Markdown table on
// stdout: the plan's own command buffer, submitted and waited for bare; a run that copies its input
// and output; one on the plan's own memory (vka_plan_map). All three take turns, and the middle of
// many is what counts.
//
//     build/tests/bench_replay [DEVICE] >table.md
#include "graph/plan.h"
#include "util/system.h"
#include "vk/plan.h"

#include <stdio.h>
#include <stdlib.h>

enum { BARE, COPIED, IN_PLACE, KINDS, ROUNDS = 4000 };
static const double most_ms = 400; // of a size

struct job {
    vka_graph *graph;
    vka_plan *plan;
    float *x, *y;
    vka_io in[2][2], out[2][2]; // copied, in place
};

static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "bench_replay: %s: %s\n", what, vka_last_error());
    exit(1);
}

static void need(vka_result result, const char *what)
{
    if (result != VKA_OK)
        give_up(what);
}

static void start(struct job *j, vka_context *context, vka_device *device, int64_t count)
{
    vka_shape shape = {1, {count}};
    uint64_t bytes = (uint64_t)count * sizeof *j->x;
    j->x = calloc((size_t)count, sizeof *j->x);
    j->y = calloc((size_t)count, sizeof *j->y);
    if (!j->x || !j->y)
        give_up("no memory for the data");
    need(vka_graph_create(context, NULL, &j->graph), "a graph");
    vka_tensor x = vka_input(j->graph, "x", VKA_F32, &shape);
    vka_node node = vka_block(j->graph, "relu", "relu", NULL, VKA_INPUTS({"x", x}));
    vka_output(j->graph, "y", vka_out(j->graph, node, "y"));
    need(vka_plan_create(device, j->graph, NULL, &j->plan), "a plan");
    j->in[0][0] = (vka_io){"x", VKA_F32, j->x, bytes};
    j->out[0][0] = (vka_io){"y", VKA_F32, j->y, bytes};
    need(vka_plan_map(j->plan, "x", &j->in[1][0]), "its input");
    need(vka_plan_map(j->plan, "y", &j->out[1][0]), "its output");
}

static void end(struct job *j)
{
    vka_plan_destroy(j->plan);
    vka_graph_destroy(j->graph);
    free(j->x);
    free(j->y);
}

static void submit_bare(const struct vka_vk_plan *plan)
{
    const struct vka_vk_device *d = plan->d;
    VkSubmitInfo info = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                         .commandBufferCount = 1,
                         .pCommandBuffers = plan->commands};
    if (plan->cut_count != 1 || d->vk.vkResetFences(d->handle, 1, &plan->fence) != VK_SUCCESS ||
        d->vk.vkQueueSubmit(d->queue, 1, &info, plan->fence) != VK_SUCCESS ||
        d->vk.vkWaitForFences(d->handle, 1, &plan->fence, VK_TRUE, UINT64_MAX) != VK_SUCCESS)
        give_up("the plan's command buffer");
}

static double run(const struct job *j, int kind)
{
    double begin = vka_sys_ms();
    if (kind == BARE)
        submit_bare(j->plan->impl);
    else
        need(vka_plan_run(j->plan, j->in[kind - COPIED], j->out[kind - COPIED]), "a run");
    return (vka_sys_ms() - begin) * 1e3;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(const struct job *j, double middle[KINDS])
{
    static double us[KINDS][ROUNDS];
    size_t count = 0;
    run(j, COPIED); // compiles, and touches all pages
    run(j, IN_PLACE);
    for (double begin = vka_sys_ms(); count < ROUNDS && vka_sys_ms() < begin + most_ms; count++) {
        for (int kind = 0; kind < KINDS; kind++)
            us[kind][count] = run(j, kind);
    }
    for (int kind = 0; kind < KINDS; kind++) {
        qsort(us[kind], count, sizeof us[kind][0], by_size);
        middle[kind] = us[kind][count / 2];
    }
}

int main(int argc, char **argv)
{
    static const int64_t sizes[] = {16, 4096, 65536, 1048576};
    vka_context *context;
    vka_device *device;
    need(vka_context_create(NULL, &context), "a context");
    need(vka_device_open(context, argc > 1 ? argv[1] : "vulkan", &device), "a Vulkan device");
    if (device->executor != &vka_vk_executor)
        give_up("a Vulkan device is needed");
    printf("Microseconds on %s.\n\n", vka_device_of(device)->name);
    printf("| floats in and out | bare submit and wait | a run, copying | beyond | a run in place "
           "| beyond |\n|--:|--:|--:|--:|--:|--:|\n");
    for (size_t i = 0; i < VKA_COUNT(sizes); i++) {
        struct job j = {0};
        double m[KINDS];
        start(&j, context, device, sizes[i]);
        measure(&j, m);
        printf("| %lld | %.1f | %.1f | %.1f | %.1f | %.1f |\n", (long long)sizes[i], m[BARE],
               m[COPIED], m[COPIED] - m[BARE], m[IN_PLACE], m[IN_PLACE] - m[BARE]);
        end(&j);
    }
    vka_device_close(device);
    vka_context_destroy(context);
    return 0;
}
