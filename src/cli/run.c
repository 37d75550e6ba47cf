// SPDX-License-Identifier: MIT
//
// vkattn run: a model on inputs from files, its outputs into files.
#include "cli/session.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

struct call {
    const char *model, *weights, *device;
    struct cli_file *inputs, *outputs;
    const char **names; // of the outputs, with a NULL behind
    size_t input_count, output_count;
    bool profile;
};

static bool load_inputs(struct session *s, const struct call *call)
{
    for (size_t i = 0; i < call->input_count; i++) {
        const vka_model_input *input = cli_find_input(s->model, call->inputs[i].name);
        struct cli_tensor tensor;
        if (!input) {
            fprintf(stderr, "vkattn: the model has no input '%s'\n", call->inputs[i].name);
            return false;
        }
        if (!cli_load(s->context, s->model, input, call->inputs[i].path, &tensor) ||
            !session_add(s, &tensor))
            return false;
    }
    return true;
}

static void print_profile(struct session *s)
{
    const vka_report *r = vka_plan_report(s->plan);
    printf("%-32s %-12s %-12s %10s %12s\n", "block", "op", "variant", "ms", "bytes");
    for (size_t i = 0; i < r->step_count; i++)
        printf("%-32s %-12s %-12s %10.4f %12llu\n", r->steps[i].block, r->steps[i].op,
               r->steps[i].variant, r->steps[i].ms, (unsigned long long)r->steps[i].bytes);
    printf("%s: %.4f ms; inputs %llu, outputs %llu, weights %llu, constants %llu, temporaries %llu "
           "bytes; %u dispatches, %u barriers\n",
           r->device, r->ms, (unsigned long long)r->input_bytes,
           (unsigned long long)r->output_bytes, (unsigned long long)r->weight_bytes,
           (unsigned long long)r->constant_bytes, (unsigned long long)r->temporary_bytes,
           r->dispatches, r->barriers);
}

static bool run_once(struct session *s, const struct call *call)
{
    struct cli_tensor *results = calloc(call->output_count + 1, sizeof *results);
    bool ok = results && session_plan(s, call->names, call->profile) &&
              session_run(s, call->names, call->output_count, results);
    if (ok && call->profile)
        print_profile(s);
    if (ok && !cli_save(s->context, call->outputs, results, call->output_count)) {
        s->code = EXIT_WRONG;
        ok = false;
    }
    for (size_t i = 0; results && i < call->output_count; i++)
        cli_tensor_free(&results[i]);
    free(results);
    return ok;
}

static int run_call(const struct call *call)
{
    struct session s;
    bool ok = session_open(&s, call->device, call->model, call->weights) && load_inputs(&s, call) &&
              run_once(&s, call);
    int code = ok ? EXIT_DONE : s.code;
    session_close(&s);
    return code;
}

static int parse(int argc, char **argv, struct call *call)
{
    static const struct option options[] = {{"weights", required_argument, NULL, 'w'},
                                            {"input", required_argument, NULL, 'i'},
                                            {"output", required_argument, NULL, 'o'},
                                            {"device", required_argument, NULL, 'd'},
                                            {"profile", no_argument, NULL, 'p'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    for (int c; (c = getopt_long(argc, argv, "hi:o:", options, NULL)) != -1;) {
        struct cli_file *file = c == 'i'   ? &call->inputs[call->input_count]
                                : c == 'o' ? &call->outputs[call->output_count]
                                           : NULL;
        if (c == 'h')
            return cli_help(&cli_run);
        if (c == '?')
            return cli_usage_error(&cli_run, "the call is wrong");
        if (file && !cli_split(optarg, file))
            return cli_usage_error(&cli_run, "'%s' isn't NAME=FILE", optarg);
        if (c == 'o' && !cli_can_save(file->path))
            return EXIT_USAGE;
        call->input_count += c == 'i';
        if (c == 'o')
            call->names[call->output_count++] = file->name;
        call->weights = c == 'w' ? optarg : call->weights;
        call->device = c == 'd' ? optarg : call->device;
        call->profile |= c == 'p';
    }
    if (optind + 1 != argc)
        return cli_usage_error(&cli_run, optind == argc ? "no model is given"
                                                        : "more than one model is given");
    call->model = argv[optind];
    if (call->output_count == 0)
        return cli_usage_error(&cli_run, "no --output is given");
    return -1;
}

static int run(int argc, char **argv)
{
    struct call call = {.inputs = calloc((size_t)argc, sizeof *call.inputs),
                        .outputs = calloc((size_t)argc, sizeof *call.outputs),
                        .names = calloc((size_t)argc, sizeof *call.names)};
    int code = call.inputs && call.outputs && call.names ? parse(argc, argv, &call) : EXIT_WRONG;
    if (code < 0)
        code = run_call(&call);
    free(call.inputs);
    free(call.outputs);
    free(call.names);
    return code;
}

const struct cli_command cli_run = {
    "run",
    "MODEL --weights W.safetensors --input NAME=FILE... --output NAME=FILE... [--device D] "
    "[--profile]",
    "runs a model; files by ending: .png .jpg .npy .safetensors", run};
