// SPDX-License-Identifier: MIT
//
// vkattn verify: runs case files and compares what comes out with what they say.
#include "cli/cli.h"
#include "graph/graph.h"
#include "io/case.h"
#include "util/system.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum outcome { PASS, FAIL, ERROR, NOTE, SKIP, OUTCOMES };

struct verify {
    vka_context *context;
    vka_device *device;
    char device_name[64];
    double bound;
    vka_plan_params plan;
    bool json, first_row, official;
    const char *skip; // why no case can be run; NULL: they can
    size_t counts[OUTCOMES];
    double worst;
};

struct row {
    enum outcome outcome;
    const char *file, *output;
    double err;
    char text[640];
};

static const char *const words[] = {"PASS", "FAIL", "ERROR", "NOTE", "SKIP"};

static void print_row(struct verify *v, const struct row *row)
{
    bool compared = row->outcome == PASS || row->outcome == FAIL || row->outcome == NOTE;
    v->counts[row->outcome]++;
    if (row->outcome == PASS && row->err > v->worst)
        v->worst = row->err;
    if (!v->json) {
        printf("%-5s %s %-12s %s", words[row->outcome], row->file, row->output, v->device_name);
        if (compared)
            printf(" err=%.1e", row->err);
        printf("%s%s\n", *row->text ? " " : "", row->text);
        return;
    }
    printf("%s\n{\"result\": \"%s\", \"case\": ", v->first_row ? "[" : ",", words[row->outcome]);
    v->first_row = false;
    cli_json_string(row->file);
    printf(", \"output\": ");
    cli_json_string(row->output);
    printf(", \"device\": ");
    cli_json_string(v->device_name);
    printf(", \"err\": ");
    cli_json_number(compared ? row->err : NAN);
    printf(", \"text\": ");
    cli_json_string(row->text);
    printf("}");
}

// `choice`: in 16 bits rounding may decide otherwise what the output hangs on; it is told, not
// judged.
static void compare_output(struct verify *v, const char *file, const struct vka_safetensor *want,
                           const void *got, bool choice)
{
    struct vka_difference d = vka_case_compare(want, got, v->bound);
    struct row row = {
        .outcome = d.same ? PASS : FAIL, .file = file, .output = want->name, .err = d.err};
    if (choice && v->plan.dtype != VKA_F32)
        row.outcome = NOTE;
    if (!d.same) {
        int at = snprintf(row.text, sizeof row.text, "(first at [");
        for (int i = 0; i < d.first.rank; i++)
            at += snprintf(row.text + at, sizeof row.text - (size_t)at, i ? ",%lld" : "%lld",
                           (long long)d.first.dim[i]);
        snprintf(row.text + at, sizeof row.text - (size_t)at, "], got %.6g want %.6g)", d.got,
                 d.want);
    }
    print_row(v, &row);
}

static size_t output_bytes(const struct vka_safetensor *want)
{
    uint64_t count = 1;
    vka_shape_count(&want->shape, &count);
    return (size_t)count * vka_dtype_size(vka_case_dtype((vka_dtype)want->dtype));
}

static void free_outputs(vka_io *io)
{
    for (vka_io *o = io; o && o->name; o++)
        free(o->data);
    free(io);
}

// Memory for all outputs, filled with a pattern that no result has by chance. NULL: out of memory.
static vka_io *make_outputs(const struct vka_case *c)
{
    vka_io *io = calloc(c->out_count + 1, sizeof *io);
    for (size_t i = 0; io && i < c->out_count; i++) {
        size_t bytes = output_bytes(&c->out[i]);
        io[i] = (vka_io){c->out[i].name, vka_case_dtype((vka_dtype)c->out[i].dtype),
                         malloc(bytes ? bytes : 1), bytes};
        if (!io[i].data) {
            free_outputs(io);
            return NULL;
        }
        memset(io[i].data, 0xc5, bytes);
    }
    return io;
}

// `choices`, by output: to be freed with vka_free.
static vka_result run_case(struct verify *v, struct vka_case *c, const vka_io *outputs,
                           bool **choices)
{
    vka_graph *graph = NULL;
    vka_plan *plan = NULL;
    vka_io *inputs = calloc(c->in_count + 1, sizeof *inputs);
    vka_result result = inputs ? vka_case_build(c, &graph)
                               : vka_out_of_memory_for(v->context, "the list of inputs");
    if (result == VKA_OK)
        result = vka_plan_create(v->device, graph, &v->plan, &plan);
    if (result == VKA_OK) {
        vka_case_inputs(c, inputs);
        result = vka_plan_run(plan, inputs, outputs);
    }
    if (result == VKA_OK && !(*choices = vka_graph_choices(graph)))
        result = vka_out_of_memory(v->context);
    vka_plan_destroy(plan);
    vka_graph_destroy(graph);
    free(inputs);
    return result;
}

// "cbam__both" of ".../cbam__both.safetensors", and of ".../cbam/both.safetensors" for a case of
// cbam.
static void name_row(const char *path, const char *block, char *name, size_t size)
{
    const char *file = vka_sys_base(path);
    bool told = !block || strncmp(file, block, strlen(block)) == 0;
    snprintf(name, size, "%s%s%.200s", told ? "" : block, told ? "" : "__", file);
    char *ending = strstr(name, ".safetensors");
    if (ending)
        *ending = '\0';
}

static void verify_case(struct verify *v, const char *path)
{
    struct vka_case *c;
    vka_result result = vka_case_open(v->context, path, &c);
    char file[256];
    name_row(path, result == VKA_OK ? c->block : NULL, file, sizeof file);
    struct row row = {.outcome = ERROR, .file = file, .output = "-"};
    vka_io *outputs = NULL;
    bool *choices = NULL;
    if (result == VKA_OK && v->official)
        result = vka_weights_official(c->weights);
    if (result == VKA_OK && !v->skip) {
        outputs = make_outputs(c);
        result = outputs ? run_case(v, c, outputs, &choices)
                         : vka_out_of_memory_for(v->context, "the outputs");
    }
    if (result != VKA_OK || v->skip) {
        row.outcome = result == VKA_OK ? SKIP : ERROR;
        snprintf(row.text, sizeof row.text, "%s", result == VKA_OK ? v->skip : vka_last_error());
        print_row(v, &row);
    } else {
        for (size_t i = 0; i < c->out_count; i++)
            compare_output(v, file, &c->out[i], outputs[i].data, choices[i]);
    }
    free_outputs(outputs);
    vka_free(v->context, choices);
    vka_case_close(c);
}

static int close_rows(struct verify *v)
{
    size_t failed = v->counts[FAIL] + v->counts[ERROR];
    if (v->counts[SKIP] && !v->counts[PASS] && !failed)
        fprintf(stderr, "vkattn verify: nothing was verified, every case was skipped\n");
    if (v->json) {
        printf("%s\n]\n", v->first_row ? "[" : "");
        return failed ? EXIT_WRONG : EXIT_DONE;
    }
    if (v->counts[PASS])
        printf("worst err %.1e\n", v->worst);
    printf("%zu passed, %zu failed", v->counts[PASS], failed);
    if (v->counts[SKIP])
        printf(", %zu skipped", v->counts[SKIP]);
    printf("\n");
    return failed ? EXIT_WRONG : EXIT_DONE;
}

static int verify_all(struct verify *v, char **paths, int count)
{
    const vka_device_info *info = vka_device_of(v->device);
    if (info->type == VKA_DEVICE_CPU)
        snprintf(v->device_name, sizeof v->device_name, "cpu");
    else
        snprintf(v->device_name, sizeof v->device_name, "vulkan:%d", info->vulkan_index);
    if (cli_stores(info, v->plan.dtype, &v->skip))
        v->skip = NULL;
    for (int i = 0; i < count; i++) {
        cli_progress((size_t)i, (size_t)count, paths[i]);
        verify_case(v, paths[i]);
    }
    cli_progress((size_t)count, (size_t)count, "");
    int code = close_rows(v);
    if (vka_context_validation_count(v->context) > 0) {
        fprintf(stderr, "vkattn: the validation layer spoke %d times\n",
                vka_context_validation_count(v->context));
        return EXIT_WRONG;
    }
    return code;
}

static double bound_of(vka_dtype dtype)
{
    return dtype == VKA_F32 ? 1e-4 : dtype == VKA_F16 ? 2e-2 : 8 * 2e-2;
}

static bool parse_bound(const char *text, double *bound)
{
    char *end;
    errno = 0;
    *bound = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*bound) && *bound >= 0;
}

static int run(int argc, char **argv)
{
    static const struct option table[] = {
        {"device", required_argument, NULL, 'd'}, {"rtol", required_argument, NULL, 'r'},
        {"dtype", required_argument, NULL, 't'},  {"weights-as", required_argument, NULL, 'w'},
        {"expand", no_argument, NULL, 'e'},       {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},         {0}};
    struct cli_options options = {&cli_verify, "h", "", table, {0}};
    struct verify v = {.bound = -1, .first_row = true};
    const char *select = NULL;
    for (int c; (c = cli_option(&options, argc, argv)) != -1;) {
        if (c == 'h')
            return cli_help(&cli_verify);
        else if (c == 'd')
            select = optarg;
        else if (c == 'e')
            v.plan.expand = true;
        else if (c == 'j')
            v.json = true;
        else if (c == 't' && cli_dtype(&cli_verify, optarg, &v.plan.dtype) >= 0)
            return EXIT_USAGE;
        else if (c == 'r' && !parse_bound(optarg, &v.bound))
            return cli_usage_error(&cli_verify, "--rtol takes a number >= 0, not '%s'", optarg);
        else if (c == 'w' && cli_weights_as(&cli_verify, optarg, &v.official) >= 0)
            return EXIT_USAGE;
        else if (c == '?')
            return cli_usage_error(&cli_verify, "the call is wrong");
    }
    if (optind == argc)
        return cli_usage_error(&cli_verify, "no case file is given");
    if (v.bound < 0)
        v.bound = bound_of(v.plan.dtype);
    v.context = cli_context(false, select);
    if (!v.context)
        return EXIT_WRONG;
    int code;
    v.device = cli_device(v.context, select, &code);
    if (v.device)
        code = verify_all(&v, argv + optind, argc - optind);
    vka_device_close(v.device);
    vka_context_destroy(v.context);
    return code;
}

const struct cli_command cli_verify = {
    "verify",
    "[--device D] [--rtol X] [--dtype f32|f16|bf16] [--expand] [--weights-as official] [--json] "
    "CASE.safetensors...",
    "runs case files and compares the results; --expand takes fused operations apart, --weights-as "
    "official: w.NAME are the official names",
    "--json: [{\"result\": PASS, FAIL, ERROR, NOTE or SKIP, \"case\", \"output\", \"device\",\n"
    "\"err\": null where nothing was compared, \"text\"}, ..]\n",
    run};
