// SPDX-License-Identifier: MIT
//
// Every case file of every block, as a triangle: the file against the CPU path (is the block
// right?), the file against each Vulkan device (is the shader right?), fused against taken apart
// (is the fusion right?). Which side is red names the file to open.
//
//   test_blocks_cases [--f16 | --bf16] [--results] [ID...]
//
// --f16, --bf16: floats stored in 16 bits, on the devices that have them; what hangs on a choice
// that rounding decides isn't judged. A bf16 holds so little of an input that the file's numbers
// may be out of reach (a softmax of -1500 and -1501): there the inputs are rounded first, and what
// the CPU path makes of them in f32 is to be met. --results: a line
// "result,BLOCK,DEVICE,CASES,ERROR,OPERATIONS" for each block and device, of the fused plans
// (tests/results.sh collects them). IDs: the cases of these blocks alone.
#include "unit.h"

#include "case_io.h"
#include "graph/graph.h"
#include "ops/op.h"
#include "util/half.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEVICES = 8, MAX_NAMES = 256, MAX_OPS = 64 };
// What a good implementation in f32 shows: on the CPU, and on a device, whose exp and division may
// be off by a few units in the last place.
static const double cpu_bound = 1e-5, device_bound = 2e-5, f16_bound = 2e-2, bf16_bound = 8 * 2e-2;

static vka_context *context;
static vka_device *devices[MAX_DEVICES], *reference; // bf16: the CPU path
static int device_count;
static vka_dtype real; // how floats are stored
static bool results;
static size_t rows, unjudged;
static double worst[MAX_DEVICES], worst_of_block[MAX_DEVICES];
static bool ops_of_block[MAX_DEVICES][MAX_OPS];

static void to_stderr(void *user, vka_log_level level, const char *message)
{
    (void)user;
    if (level == VKA_LOG_WARN)
        fprintf(stderr, "%s\n", message);
}

static bool stores(const vka_device_info *info)
{
    return real == VKA_F32 || (real == VKA_F16 ? info->f16 : info->bf16);
}

static int open_devices(void **state)
{
    (void)state;
    vka_context_params params = {.log = to_stderr,
                                 .validation = getenv("VKATTN_VALIDATION") == NULL};
    if (vka_context_create(&params, &context) != VKA_OK)
        return -1;
    for (int i = vka_device_count(context) - 1; i >= 0 && device_count < MAX_DEVICES; i--) {
        char select[16] = "cpu";
        if (i < vka_device_count(context) - 1)
            snprintf(select, sizeof select, "%d", i);
        if (vka_device_open(context, select, &devices[device_count]) != VKA_OK)
            return -1;
        if (!stores(vka_device_of(devices[device_count]))) {
            vka_device_close(devices[device_count]);
            continue;
        }
        printf("device %d: %s\n", device_count, vka_device_of(devices[device_count])->name);
        device_count++;
    }
    if (real == VKA_BF16 && vka_device_open(context, "cpu", &reference) != VKA_OK)
        return -1;
    if (device_count == (real == VKA_F32 ? 1 : 0))
        printf("no Vulkan device stores %s: the shaders' side is skipped\n", vka_dtype_name(real));
    return 0;
}

static int close_devices(void **state)
{
    (void)state;
    for (int i = 0; i < device_count; i++) {
        printf("worst err on %s: %.1e\n", vka_device_of(devices[i])->name, worst[i]);
        vka_device_close(devices[i]);
    }
    vka_device_close(reference);
    printf("%zu outputs compared, %zu hang on choices\n", rows, unjudged);
    int spoken = vka_context_validation_count(context);
    printf("validation: %s\n", spoken < 0 ? "not active" : spoken == 0 ? "silent" : "SPOKE");
    vka_context_destroy(context);
    return spoken > 0 ? -1 : 0;
}

static void note_ops(int device, const vka_report *report)
{
    const struct vka_op *op;
    for (int i = 0; i < MAX_OPS && (op = vka_op_at(i)); i++) {
        for (size_t k = 0; k < report->step_count; k++)
            ops_of_block[device][i] |= strcmp(report->steps[k].op, op->name) == 0;
    }
}

// The floats among a case's inputs in bf16; `room` holds them.
static void round_inputs(const struct vka_case *c, vka_io *inputs, void *room[CASE_MAX_IO])
{
    assert_true(c->in_count <= CASE_MAX_IO);
    for (size_t i = 0; i < c->in_count; i++) {
        uint64_t count = inputs[i].bytes / sizeof(float), bad;
        if (inputs[i].dtype != VKA_F32)
            continue;
        room[i] = malloc(count * sizeof(uint16_t) + 1);
        assert_non_null(room[i]);
        vka_convert_in(inputs[i].data, VKA_F32, room[i], VKA_F32, VKA_BF16, count, &bad);
        inputs[i] = (vka_io){inputs[i].name, VKA_BF16, room[i], count * sizeof(uint16_t)};
    }
}

static vka_result run_plan(const struct vka_case *c, vka_plan *plan, vka_io *outputs)
{
    void *room[CASE_MAX_IO] = {NULL};
    vka_io *inputs = calloc(c->in_count + 1, sizeof *inputs);
    vka_case_inputs(c, inputs);
    if (real == VKA_BF16)
        round_inputs(c, inputs, room);
    vka_result result = vka_plan_run(plan, inputs, outputs);
    for (int i = 0; i < CASE_MAX_IO; i++)
        free(room[i]);
    free(inputs);
    return result;
}

// What the CPU path makes of the rounded inputs.
static vka_result run_reference(struct vka_case *c, vka_io *outputs)
{
    vka_graph *graph = NULL;
    vka_plan *plan = NULL;
    vka_result result = vka_case_build(c, &graph);
    if (result == VKA_OK)
        result = vka_plan_create(reference, graph, NULL, &plan);
    if (result == VKA_OK)
        result = run_plan(c, plan, outputs);
    vka_plan_destroy(plan);
    vka_graph_destroy(graph);
    return result;
}

// `choices`, by output: to be freed with vka_free.
static vka_result run(struct vka_case *c, int device, bool expand, vka_io *outputs, bool **choices)
{
    vka_graph *graph = NULL;
    vka_plan *plan = NULL;
    vka_plan_params params = {.expand = expand, .dtype = real};
    vka_result result = vka_case_build(c, &graph);
    if (result == VKA_OK)
        result = vka_plan_create(devices[device], graph, &params, &plan);
    if (result == VKA_OK)
        result = run_plan(c, plan, outputs);
    *choices = result == VKA_OK ? vka_graph_choices(graph) : NULL;
    if (result == VKA_OK && !expand)
        note_ops(device, vka_plan_report(plan));
    vka_plan_destroy(plan);
    vka_graph_destroy(graph);
    return result;
}

static void note_error(int device, bool expand, double err)
{
    worst[device] = err > worst[device] ? err : worst[device];
    if (!expand)
        worst_of_block[device] = err > worst_of_block[device] ? err : worst_of_block[device];
}

static double bound_of(int device)
{
    if (real != VKA_F32)
        return real == VKA_F16 ? f16_bound : bf16_bound;
    return device == 0 ? cpu_bound : device_bound;
}

// `wanted`: NULL, or instead of what the file has.
static int compare(const char *path, const struct vka_case *c, int device, bool expand,
                   const vka_io *wanted, const vka_io *outputs, const bool *choices)
{
    int wrong = 0;
    const char *mode = expand ? " (expanded)" : "";
    for (size_t i = 0; i < c->out_count; i++) {
        double bound = bound_of(device);
        struct vka_safetensor want = c->out[i];
        if (wanted) {
            want.dtype = (int)wanted[i].dtype;
            want.data = wanted[i].data;
            want.bytes = wanted[i].bytes;
        }
        struct vka_difference d = vka_case_compare(&want, outputs[i].data, bound);
        rows++;
        bool judged = real == VKA_F32 || !choices[i];
        unjudged += !judged;
        if (!judged)
            continue;
        if (d.same) {
            note_error(device, expand, d.err);
            continue;
        }
        printf("FAIL %s %s on %s%s: err %.1e, got %.8g want %.8g\n", path, c->out[i].name,
               vka_device_of(devices[device])->name, mode, d.err, d.got, d.want);
        wrong++;
    }
    return wrong;
}

static int run_case_on(const char *path, struct vka_case *c, int device, bool expand,
                       const vka_io *wanted, vka_io *outputs)
{
    int wrong = 1;
    bool *choices = NULL;
    for (size_t i = 0; i < c->out_count; i++)
        memset(outputs[i].data, 0xc5, outputs[i].bytes);
    if (run(c, device, expand, outputs, &choices) == VKA_OK && choices)
        wrong = compare(path, c, device, expand, wanted, outputs, choices);
    else
        printf("ERROR %s on %s: %s\n", path, vka_device_of(devices[device])->name,
               vka_last_error());
    vka_free(context, choices);
    return wrong;
}

static int run_case(const char *path)
{
    struct vka_case *c;
    int wrong = 0;
    if (vka_case_open(context, path, &c) != VKA_OK) {
        printf("ERROR %s\n", vka_last_error());
        return 1;
    }
    struct case_outputs outputs, wanted;
    case_outputs_make(c, &outputs);
    case_outputs_make(c, &wanted);
    if (real == VKA_BF16 && run_reference(c, wanted.io) != VKA_OK) {
        printf("ERROR %s on the CPU: %s\n", path, vka_last_error());
        wrong++;
    }
    for (int d = 0; d < device_count; d++) {
        for (int expand = 0; expand < (real == VKA_F32 ? 2 : 1); expand++)
            wrong +=
                run_case_on(path, c, d, expand, real == VKA_BF16 ? wanted.io : NULL, outputs.io);
    }
    case_outputs_free(&wanted);
    case_outputs_free(&outputs);
    vka_case_close(c);
    return wrong;
}

static void print_result(const char *id, int device, size_t cases)
{
    bool cpu = vka_device_of(devices[device])->type == VKA_DEVICE_CPU;
    printf("result,%s,%s,%zu,%.1e,", id, cpu ? "cpu" : "vulkan", cases, worst_of_block[device]);
    for (int i = 0; i < MAX_OPS && vka_op_at(i); i++) {
        if (ops_of_block[device][i])
            printf(" %s", vka_op_at(i)->name);
    }
    printf("\n");
}

static void cases_of_block(void **state)
{
    const char *id = *state;
    char folder[1024], path[2048], *names[MAX_NAMES];
    if (!vka_block_find(id))
        fail_msg("there are cases of '%s', which is no block", id);
    snprintf(folder, sizeof folder, "%s/%s", VKA_CASES, id);
    if (device_count == 0) {
        print_message("skipped: %s: no device stores %s\n", id, vka_dtype_name(real));
        skip();
    }
    size_t count = case_list(folder, names, MAX_NAMES);
    int wrong = 0;
    memset(worst_of_block, 0, sizeof worst_of_block);
    memset(ops_of_block, 0, sizeof ops_of_block);
    for (size_t i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        wrong += run_case(path);
        free(names[i]);
    }
    for (int d = 0; results && d < device_count; d++)
        print_result(id, d, count);
    printf("%s: %zu cases, %d wrong rows\n", id, count, wrong);
    assert_true(count > 0);
    assert_int_equal(wrong, 0);
}

int main(int argc, char **argv)
{
    static char *names[MAX_NAMES];
    static struct CMUnitTest tests[MAX_NAMES];
    size_t count = 0;
    int first = 1;
    for (; first < argc && argv[first][0] == '-'; first++) {
        if (strcmp(argv[first], "--f16") == 0)
            real = VKA_F16;
        if (strcmp(argv[first], "--bf16") == 0)
            real = VKA_BF16;
        results |= strcmp(argv[first], "--results") == 0;
    }
    if (first == argc)
        count = case_list(VKA_CASES, names, MAX_NAMES);
    for (int i = first; i < argc && count < MAX_NAMES; i++)
        names[count++] = argv[i];
    for (size_t i = 0; i < count; i++)
        tests[i] = (struct CMUnitTest){names[i], cases_of_block, NULL, NULL, names[i]};
    if (count == 0) {
        fprintf(stderr, "no cases in %s\n", VKA_CASES);
        return 1;
    }
    return _cmocka_run_group_tests("blocks", tests, count, open_devices, close_devices);
}
