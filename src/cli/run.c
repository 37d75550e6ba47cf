// SPDX-License-Identifier: MIT
//
// vkattn run: a model on inputs from files, its outputs into files; once, or for each of a list.
#include "cli/batch.h"
#include "cli/profile.h"
#include "cli/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct call {
    const char *model, *weights, *device;
    struct cli_file *inputs, *outputs;
    const char **names; // of the outputs, with a NULL behind
    size_t input_count, output_count;
    size_t shard, shards; // 0: all of the list
    bool profile, resume, json, official;
};

enum fate { DONE, THERE, FAILED, FATES };

struct work {
    const struct call *call;
    struct batch batch;
    struct session session;
    struct cli_file *files; // the outputs of the item at hand; their paths are malloc'd
    size_t counts[FATES];
    int code;
};

// --- telling ---

static void json_files(const struct work *w, size_t item, enum fate fate)
{
    printf(", \"inputs\": {");
    for (size_t i = 0; i < w->batch.input_count; i++) {
        printf(i ? ", " : "");
        cli_json_string(w->batch.inputs[i].name);
        printf(": ");
        cli_json_string(batch_path(&w->batch, i, item));
    }
    printf("}, \"outputs\": {");
    for (size_t k = 0; k < w->call->output_count && fate != FAILED; k++) {
        printf(k ? ", " : "");
        cli_json_string(w->files[k].name);
        printf(": ");
        cli_json_string(w->files[k].path);
    }
    printf("}");
}

static void json_item(struct work *w, size_t item, enum fate fate)
{
    static const char *const words[FATES] = {"done", "there", "failed"};
    printf("{\"name\": ");
    cli_json_string(batch_stem(&w->batch, item));
    printf(", \"result\": \"%s\"", words[fate]);
    json_files(w, item, fate);
    printf(", \"device\": ");
    cli_json_string(vka_device_of(w->session.device)->name);
    if (w->call->profile && fate == DONE) {
        printf(", \"profile\": ");
        profile_json(vka_plan_report(w->session.plan));
    }
    printf("}\n");
    fflush(stdout); // whoever reads along sees each as it is done
}

static void tell_item(struct work *w, size_t item, enum fate fate)
{
    if (w->call->json) {
        json_item(w, item, fate);
    } else if (w->call->profile && fate == DONE) {
        if (w->batch.named)
            printf("%s\n", batch_stem(&w->batch, item));
        profile_print(vka_plan_report(w->session.plan));
    }
}

// --- one item ---

static bool load_inputs(struct work *w, size_t item)
{
    struct session *s = &w->session;
    session_clear(s);
    for (size_t i = 0; i < w->batch.input_count; i++) {
        const vka_model_input *input = cli_find_input(s->model, w->batch.inputs[i].name);
        struct cli_tensor tensor;
        s->code = cli_load(s->context, s->model, input, batch_path(&w->batch, i, item), &tensor);
        if (s->code != EXIT_DONE || !session_add(s, &tensor))
            return false;
    }
    return true;
}

// Before a run whose results could not be written.
static bool files_fit(struct work *w)
{
    struct session *s = &w->session;
    for (size_t i = 0; i < w->call->output_count; i++) {
        vka_dtype dtype;
        vka_shape shape;
        if (vka_output_info(s->graph, w->files[i].name, &dtype, &shape) &&
            !cli_can_hold(w->files[i].path, w->files[i].name, dtype, &shape)) {
            s->code = EXIT_USAGE;
            return false;
        }
    }
    return true;
}

static bool run_item(struct work *w, size_t item)
{
    const struct call *call = w->call;
    struct session *s = &w->session;
    struct cli_tensor *results = calloc(call->output_count + 1, sizeof *results);
    if (!results)
        s->code = cli_no_memory("the list of outputs");
    bool ok = results && load_inputs(w, item) && session_plan(s, call->names, call->profile) &&
              files_fit(w) && session_run(s, call->names, call->output_count, results);
    if (ok && !cli_save(s->context, w->files, results, call->output_count)) {
        s->code = EXIT_WRONG;
        s->lost = true; // a full disk, a folder that isn't there: the next fares no better
        ok = false;
    }
    for (size_t i = 0; results && i < call->output_count; i++)
        cli_tensor_free(&results[i]);
    free(results);
    return ok;
}

// --- all items ---

static bool name_outputs(struct work *w, size_t item)
{
    for (size_t k = 0; k < w->call->output_count; k++) {
        free((char *)w->files[k].path);
        w->files[k].name = w->call->outputs[k].name;
        w->files[k].path = batch_output(&w->batch, item, w->call->outputs[k].path);
        if (!w->files[k].path) {
            w->session.code = cli_no_memory("the output's name");
            return false;
        }
    }
    return true;
}

static void do_item(struct work *w, size_t item)
{
    enum fate fate = DONE;
    if (!name_outputs(w, item)) {
        fate = FAILED;
    } else if (w->call->resume &&
               batch_complete(w->session.context, w->files, w->call->output_count)) {
        fate = THERE;
    } else if (!run_item(w, item)) {
        fate = FAILED;
    }
    w->counts[fate]++;
    tell_item(w, item, fate);
    if (fate != FAILED)
        return;
    if (w->batch.named)
        fprintf(stderr, "vkattn run: that was '%s'\n", batch_stem(&w->batch, item));
    if (w->code != EXIT_WRONG) // work that failed counts for more than a file that is wrong
        w->code = w->session.code;
}

static void do_list(struct work *w)
{
    const struct call *call = w->call;
    size_t step = call->shards ? call->shards : 1, first = call->shards ? call->shard - 1 : 0;
    size_t total = w->batch.count > first ? (w->batch.count - first + step - 1) / step : 0;
    for (size_t i = 0; i < total && !w->session.lost; i++) {
        size_t item = first + i * step;
        cli_progress(i, total, batch_stem(&w->batch, item));
        do_item(w, item);
    }
    cli_progress(total, total, "");
    if (w->batch.named && !call->json)
        printf("%zu run, %zu there already, %zu failed\n", w->counts[DONE], w->counts[THERE],
               w->counts[FAILED]);
}

static bool inputs_known(const struct work *w)
{
    for (size_t i = 0; i < w->batch.input_count; i++) {
        if (!cli_find_input(w->session.model, w->batch.inputs[i].name)) {
            fprintf(stderr, "vkattn: the model has no input '%s'\n", w->batch.inputs[i].name);
            return false;
        }
    }
    return true;
}

static void do_work(struct work *w)
{
    const struct call *call = w->call;
    struct session *s = &w->session;
    if (session_open(s, call->device, call->model, call->weights, call->official) &&
        inputs_known(w))
        do_list(w);
    else
        w->code = s->code;
    for (size_t k = 0; k < call->output_count; k++)
        free((char *)w->files[k].path);
    session_close(s);
}

static int run_call(const struct call *call)
{
    const char *own[] = {call->model, call->weights, NULL};
    struct work w = {.call = call, .files = calloc(call->output_count + 1, sizeof *w.files)};
    w.code = w.files ? batch_make(&w.batch, call->inputs, call->input_count, call->shards > 0)
                     : cli_no_memory("the call");
    if (w.code == EXIT_DONE)
        w.code = batch_check_outputs(&w.batch, own, call->outputs, call->output_count);
    if (w.code == EXIT_DONE)
        do_work(&w);
    batch_free(&w.batch);
    free(w.files);
    return w.code;
}

// --- the call ---

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// "I/N", 1 <= I <= N.
static bool parse_shard(const char *text, struct call *call)
{
    enum { MOST_SHARDS = 1000000 };
    char *end = NULL, *rest = NULL;
    long i = is_digit(*text) ? strtol(text, &end, 10) : 0, n = 0;
    if (end && *end == '/' && is_digit(end[1]))
        n = strtol(end + 1, &rest, 10);
    if (!rest || *rest || n > MOST_SHARDS || i < 1 || i > n)
        return false;
    call->shard = (size_t)i;
    call->shards = (size_t)n;
    return true;
}

static int take_option(struct call *call, int c)
{
    struct cli_file *file = c == 'i'   ? &call->inputs[call->input_count]
                            : c == 'o' ? &call->outputs[call->output_count]
                                       : NULL;
    if (c == '?')
        return cli_usage_error(&cli_run, "the call is wrong");
    if (file && !cli_split(optarg, file))
        return cli_usage_error(&cli_run, "'%s' isn't NAME=FILE", optarg);
    if (c == 'o' && !cli_can_save(file->path))
        return EXIT_USAGE;
    if (c == 's' && !parse_shard(optarg, call))
        return cli_usage_error(&cli_run, "--shard takes I/N with I in 1..N, not '%s'", optarg);
    if (c == 'a')
        return cli_weights_as(&cli_run, optarg, &call->official);
    call->input_count += c == 'i';
    if (c == 'o')
        call->names[call->output_count++] = file->name;
    call->weights = c == 'w' ? optarg : call->weights;
    call->device = c == 'd' ? optarg : call->device;
    call->profile |= c == 'p';
    call->resume |= c == 'r';
    call->json |= c == 'j';
    return -1;
}

static int parse(int argc, char **argv, struct call *call)
{
    static const struct option table[] = {{"weights", required_argument, NULL, 'w'},
                                          {"weights-as", required_argument, NULL, 'a'},
                                          {"input", required_argument, NULL, 'i'},
                                          {"output", required_argument, NULL, 'o'},
                                          {"device", required_argument, NULL, 'd'},
                                          {"shard", required_argument, NULL, 's'},
                                          {"resume", no_argument, NULL, 'r'},
                                          {"profile", no_argument, NULL, 'p'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    struct cli_options options = {&cli_run, "hi:o:", "io", table, {0}};
    for (int c; (c = cli_option(&options, argc, argv)) != -1;) {
        int code = c == 'h' ? cli_help(&cli_run) : take_option(call, c);
        if (code >= 0)
            return code;
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
    int code = call.inputs && call.outputs && call.names ? parse(argc, argv, &call)
                                                         : cli_no_memory("the call");
    if (code < 0)
        code = run_call(&call);
    free(call.inputs);
    free(call.outputs);
    free(call.names);
    return code;
}

const struct cli_command cli_run = {
    "run",
    "MODEL --weights W.safetensors [--weights-as official] --input NAME=FILE... --output "
    "NAME=FILE... [--shard I/N] "
    "[--resume] [--device D] [--profile] [--json]",
    "runs a model; files by ending: .png .jpg .npy .safetensors",
    "\n"
    "An input that is given several times, or is a folder (its pictures, else its .npy and\n"
    ".safetensors), is a list: the model runs on each, in\n"
    "the order of their names, and each size is planned once. Lists go together by names; an\n"
    "input of one file is for all. Outputs are named after the list's files: {} in an output's\n"
    "name stands for the name of the input without folder and ending; where there is none,\n"
    "out/y.npy becomes out/NAME.y.npy. A file that can't be used is told and the next one "
    "follows.\n"
    "\n"
    "  --weights-as official  the weights have the names that they have in the official\n"
    "               implementations (`vkattn blocks ID`)\n"
    "  --shard I/N  takes the I-th, I+N-th, ... of the list, I in 1..N\n"
    "  --resume     passes over what has all its outputs. Outputs are written under other names\n"
    "               and renamed, so that a file that is there is whole\n"
    "  --profile    a row a step: block, op, variant, ms, bytes, GB/s, GFLOP/s; for each of a "
    "list\n"
    "  --json       a line an item: {\"name\", \"result\": \"done\", \"there\" or \"failed\", "
    "\"inputs\",\n"
    "               \"outputs\": {NAME: FILE}, \"device\", \"profile\": {.., \"steps\": [..]} if "
    "asked}\n",
    run};
