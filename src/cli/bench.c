// SPDX-License-Identifier: MIT
//
// vkattn bench: how long a block, a case or a model takes, on each of several devices.
#include "cli/subject.h"
#include "graph/graph.h"
#include "util/system.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_ROUNDS = 3, MOST_ROUNDS = 100, GIVEN_ROUNDS = 1000000 };
static const double enough_ms = 500; // of all rounds together, where their number isn't given

struct bench {
    struct subject_call call;
    const char **devices;
    size_t device_count;
    vka_plan_params plan;
    long rounds; // 0: by the time that one takes
    bool json, first_row, by_step;
};

struct row {
    const char *device;
    double plan, first;         // ms: making the plan, its first run
    double median, least, most; // ms
    long rounds;
    double flops, bytes; // of a run
    size_t steps;
    uint32_t dispatches;
    uint64_t temporaries;
    double *first_steps; // ms of each step in the first run; NULL: not asked for
};

// --- timing ---

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static vka_result run_once(vka_plan *plan, const struct subject *s, double *ms)
{
    double start = vka_sys_ms();
    vka_result result = vka_plan_run(plan, s->inputs, s->outputs);
    *ms = vka_sys_ms() - start;
    return result;
}

static long rounds_of(const struct bench *b, double first_ms)
{
    if (b->rounds)
        return b->rounds;
    double fit = first_ms > 0 ? enough_ms / first_ms : MOST_ROUNDS;
    return fit < LEAST_ROUNDS ? LEAST_ROUNDS : fit > MOST_ROUNDS ? MOST_ROUNDS : (long)fit;
}

static vka_result keep_steps(const struct bench *b, vka_plan *plan, const struct subject *s,
                             struct row *row)
{
    const vka_report *r = vka_plan_report(plan);
    if (!b->by_step)
        return VKA_OK;
    row->first_steps = calloc(r->step_count + 1, sizeof *row->first_steps);
    if (!row->first_steps)
        return vka_out_of_memory(s->context);
    for (size_t i = 0; i < r->step_count; i++)
        row->first_steps[i] = r->steps[i].ms;
    return VKA_OK;
}

// The first run warms up: pages, caches, a driver's own compiler.
static vka_result time_plan(const struct bench *b, vka_plan *plan, const struct subject *s,
                            struct row *row)
{
    vka_result result = run_once(plan, s, &row->first);
    if (result == VKA_OK)
        result = keep_steps(b, plan, s, row);
    row->rounds = rounds_of(b, row->first);
    double *ms = result == VKA_OK ? calloc((size_t)row->rounds, sizeof *ms) : NULL;
    if (result == VKA_OK && !ms)
        result = vka_out_of_memory(s->context);
    for (long i = 0; i < row->rounds && result == VKA_OK; i++)
        result = run_once(plan, s, &ms[i]);
    if (result == VKA_OK) {
        size_t count = (size_t)row->rounds;
        qsort(ms, count, sizeof *ms, by_size);
        row->least = ms[0];
        row->most = ms[count - 1];
        row->median = (ms[(count - 1) / 2] + ms[count / 2]) / 2;
    }
    free(ms);
    return result;
}

static void take_report(vka_plan *plan, struct row *row)
{
    const vka_report *r = vka_plan_report(plan);
    row->device = r->device;
    row->steps = r->step_count;
    row->dispatches = r->dispatches;
    row->temporaries = r->temporary_bytes;
    for (size_t i = 0; i < r->step_count; i++) {
        row->flops += r->steps[i].flops;
        row->bytes += (double)r->steps[i].bytes;
    }
}

// --- printing ---

static void print_inputs(const struct subject *s)
{
    char text[VKA_SHAPE_TEXT];
    for (size_t i = 0; i < s->graph->input_count; i++) {
        vka_shape shape = vka_shape_of(s->graph, s->graph->inputs[i].tensor);
        printf("%s%s %s", i ? ", " : "", s->graph->inputs[i].name, vka_shape_text(&shape, text));
    }
}

static void print_head(const struct subject *s)
{
    printf("%s: ", subject_name(s));
    print_inputs(s);
    printf("\n%-34s %10s %10s %10s %7s %9s %8s %6s %10s %14s\n", "device", "ms", "least", "most",
           "rounds", "GFLOP/s", "GB/s", "steps", "dispatches", "temporaries");
}

static void json_number(const char *name, double value)
{
    printf(", \"%s\": ", name);
    cli_json_number(value);
}

// What a step took in the first run beyond a later one, is its pipeline's compiling where the
// driver puts that off until then.
static void print_steps(const struct row *row, const vka_report *r)
{
    printf("  %-32s %-16s %-20s %10s %10s\n", "block", "op", "variant", "first, ms", "last, ms");
    for (size_t i = 0; i < r->step_count; i++) {
        const vka_report_step *step = &r->steps[i];
        printf("  %-32s %-16s %-20s %10.3f %10.3f\n", step->block, step->op, step->variant,
               row->first_steps[i], step->ms);
    }
}

static void print_row(struct bench *b, const struct subject *s, const struct row *row)
{
    double gflops = row->flops / row->median * 1e-6, gbytes = row->bytes / row->median * 1e-6;
    if (!b->json) {
        printf("%-34.34s %10.4f %10.4f %10.4f %7ld %9.2f %8.2f %6zu %10u %14llu\n", row->device,
               row->median, row->least, row->most, row->rounds, gflops, gbytes, row->steps,
               row->dispatches, (unsigned long long)row->temporaries);
        return;
    }
    printf("%s\n{\"name\": ", b->first_row ? "[" : ",");
    b->first_row = false;
    cli_json_string(subject_name(s));
    printf(", \"inputs\": \"");
    print_inputs(s);
    printf("\", \"device\": ");
    cli_json_string(row->device);
    printf(", \"dtype\": \"%s\"", cli_dtype_word(b->plan.dtype));
    json_number("ms", row->median);
    json_number("least", row->least);
    json_number("most", row->most);
    json_number("plan_ms", row->plan);
    json_number("first_ms", row->first);
    json_number("gflops", gflops);
    json_number("gbytes", gbytes);
    printf(", \"rounds\": %ld, \"steps\": %zu, \"dispatches\": %u, \"temporaries\": %llu}",
           row->rounds, row->steps, row->dispatches, (unsigned long long)row->temporaries);
}

// --- the call ---

static int bench_on(struct bench *b, const struct subject *s, const char *select)
{
    vka_plan *plan = NULL;
    struct row row = {0};
    int code;
    vka_device *device = cli_device(s->context, select, &code);
    if (!device)
        return code;
    double start = vka_sys_ms();
    vka_result result = vka_plan_create(device, s->graph, &b->plan, &plan);
    row.plan = vka_sys_ms() - start;
    if (result == VKA_OK)
        result = time_plan(b, plan, s, &row);
    if (result == VKA_OK) {
        take_report(plan, &row);
        print_row(b, s, &row);
        if (b->by_step)
            print_steps(&row, vka_plan_report(plan));
    }
    free(row.first_steps);
    code = result == VKA_OK ? EXIT_DONE : cli_failed(result);
    vka_plan_destroy(plan);
    vka_device_close(device);
    return code;
}

// So that a wrong name among several is told before the first is timed.
static int check_devices(const struct bench *b, vka_context *context)
{
    int code = EXIT_DONE;
    if (b->device_count == 1)
        return EXIT_DONE;
    for (size_t i = 0; i < b->device_count && code == EXIT_DONE; i++)
        vka_device_close(cli_device(context, b->devices[i], &code));
    return code;
}

static int bench_all(struct bench *b)
{
    struct subject s;
    bool cpu_alone = true;
    for (size_t i = 0; i < b->device_count; i++)
        cpu_alone &= b->devices[i] && strcmp(b->devices[i], "cpu") == 0;
    vka_context *context = cli_context(false, cpu_alone ? "cpu" : NULL);
    if (!context)
        return EXIT_WRONG;
    int code = subject_open(&s, context, &b->call);
    if (code == EXIT_DONE)
        code = check_devices(b, context);
    if (code == EXIT_DONE && !b->json)
        print_head(&s);
    for (size_t i = 0; i < b->device_count && code == EXIT_DONE; i++)
        code = bench_on(b, &s, b->devices[i]);
    if (b->json)
        printf("%s\n]\n", b->first_row ? "[" : "");
    subject_close(&s);
    vka_context_destroy(context);
    return code;
}

static bool parse_rounds(const char *text, long *rounds)
{
    char *end;
    errno = 0;
    *rounds = strtol(text, &end, 10);
    return end != text && *end == '\0' && !errno && *rounds >= 1 && *rounds <= GIVEN_ROUNDS;
}

static int take_option(struct bench *b, int c)
{
    struct subject_call *call = &b->call;
    if (c == 's' && !subject_parse_shape(optarg, &call->shapes[call->shape_count++]))
        return cli_usage_error(&cli_bench,
                               "'%s' isn't NAME=SIZE,SIZE,... of 1 to %d sizes from 1 on", optarg,
                               VKA_MAX_RANK);
    if (c == 'a' && !subject_parse_attr(optarg, &call->attrs[call->attr_count++]))
        return cli_usage_error(&cli_bench, "'%s' isn't NAME=VALUE", optarg);
    if (c == 'r' && !parse_rounds(optarg, &b->rounds))
        return cli_usage_error(&cli_bench, "--rounds is 1..%d, not '%s'", GIVEN_ROUNDS, optarg);
    if (c == 't' && cli_dtype(&cli_bench, optarg, &b->plan.dtype) >= 0)
        return EXIT_USAGE;
    if (c == 'd')
        b->devices[b->device_count++] = optarg;
    if (c == 'w')
        call->weights_path = optarg;
    if (c == 'f')
        return cli_weights_as(&cli_bench, optarg, &call->official);
    call->all |= c == 'l';
    b->plan.expand |= c == 'e';
    b->json |= c == 'j';
    b->by_step |= c == 'p';
    b->plan.profile |= c == 'p';
    return c == '?' ? cli_usage_error(&cli_bench, "the call is wrong") : -1;
}

static int parse(int argc, char **argv, struct bench *b)
{
    static const struct option table[] = {{"shape", required_argument, NULL, 's'},
                                          {"attr", required_argument, NULL, 'a'},
                                          {"weights", required_argument, NULL, 'w'},
                                          {"weights-as", required_argument, NULL, 'f'},
                                          {"device", required_argument, NULL, 'd'},
                                          {"dtype", required_argument, NULL, 't'},
                                          {"rounds", required_argument, NULL, 'r'},
                                          {"expand", no_argument, NULL, 'e'},
                                          {"all", no_argument, NULL, 'l'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"steps", no_argument, NULL, 'p'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    struct cli_options options = {&cli_bench, "h", "sad", table, {0}};
    for (int c; (c = cli_option(&options, argc, argv)) != -1;) {
        int code = c == 'h' ? cli_help(&cli_bench) : take_option(b, c);
        if (code >= 0)
            return code;
    }
    if (optind + 1 != argc)
        return cli_usage_error(&cli_bench, optind == argc ? "nothing to time is given"
                                                          : "more than one thing to time is given");
    if (b->json && b->by_step)
        return cli_usage_error(&cli_bench, "--steps and --json exclude each other");
    b->call.what = argv[optind];
    if (b->device_count == 0)
        b->device_count = 1; // NULL: as VKATTN_DEVICE says
    return -1;
}

static int run(int argc, char **argv)
{
    size_t room = (size_t)argc + 1;
    struct bench b = {.devices = calloc(room, sizeof *b.devices),
                      .call = {.shapes = calloc(room, sizeof *b.call.shapes),
                               .attrs = calloc(room, sizeof *b.call.attrs)},
                      .first_row = true};
    int code = b.devices && b.call.shapes && b.call.attrs ? parse(argc, argv, &b)
                                                          : cli_no_memory("the call");
    if (code < 0)
        code = bench_all(&b);
    free(b.devices);
    free(b.call.shapes);
    free(b.call.attrs);
    return code;
}

const struct cli_command cli_bench = {
    "bench",
    "ID|CASE|MODEL [--shape x=1,256,56,56]... [--attr NAME=VALUE]... [--weights W.safetensors] "
    "[--weights-as official] "
    "[--device D]... [--dtype f32|f16|bf16] [--rounds N] [--all] [--expand] [--json|--steps]",
    "times a block (at its example's sizes where none are given), a case or a model; --all: every "
    "output of the block",
    "--shape NAME=SIZE,...: of the input NAME; w.NAME=SIZE,...: of the weight NAME, as in\n"
    "--shape w.g.weight=64,256; what isn't given is as in the block's example, or follows\n"
    "--steps: a row a step, too: its time in the first run, in which some drivers compile, and in "
    "the last; the device is asked for them, which takes a little of its time\n"
    "--json: [{\"name\", \"inputs\", \"device\", \"dtype\", \"ms\": the median, \"least\", "
    "\"most\",\n"
    "\"plan_ms\": to make the plan, \"first_ms\": of its first run, \"gflops\", \"gbytes\": a "
    "second,\n"
    "\"rounds\", \"steps\", \"dispatches\", \"temporaries\": bytes}, ..]\n",
    run};
