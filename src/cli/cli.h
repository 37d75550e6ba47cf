// SPDX-License-Identifier: MIT
//
// The command's shared parts: options that every subcommand takes, messages, exit codes.
#ifndef VKA_CLI_CLI_H
#define VKA_CLI_CLI_H

#include "vkattn/vkattn.h"

#include <getopt.h>
#include <stdio.h>

enum { EXIT_DONE = 0, EXIT_WRONG = 1, EXIT_USAGE = 2 };

struct cli_command {
    const char *name;
    const char *usage;                 // after "vkattn NAME "
    const char *summary;               // one line
    const char *details;               // lines behind it for --help; "" for none
    int (*run)(int argc, char **argv); // argv[0] is the subcommand's name; returns an exit code
};

extern const struct cli_command cli_devices, cli_blocks, cli_run, cli_see, cli_verify, cli_bench;

// A context whose messages go to stderr; NULL after a message. `verbose`: INFO messages too.
// `select`: the device that will be opened; NULL where it isn't known yet.
vka_context *cli_context(bool verbose, const char *select);

// Opens a device (NULL: VKATTN_DEVICE, then auto); NULL after a message, with the exit code.
vka_device *cli_device(vka_context *context, const char *select, int *code);

// "vkattn NAME: ..." on stderr; returns EXIT_USAGE.
int cli_usage_error(const struct cli_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
// The last error of the library on stderr; returns the exit code that goes with `result`.
int cli_failed(vka_result result);
// "out of memory for WHAT" on stderr; returns EXIT_WRONG.
int cli_no_memory(const char *what);
// The exit code alone: 2 where a file or the call is wrong, 1 where the work failed.
int cli_exit_code(vka_result result);
int cli_help(const struct cli_command *command);
// The next option as getopt_long gives it, -1 behind the last; '?', after a message, for one that
// is unknown, or given again though its letter isn't among those in `often`.
struct cli_options {
    const struct cli_command *command;
    const char *letters, *often;
    const struct option *table;
    bool given[128]; // by letter
};
int cli_option(struct cli_options *options, int argc, char **argv);
// What --weights-as says: -1, or the exit code after a message where it isn't "official".
int cli_weights_as(const struct cli_command *command, const char *text, bool *official);
// What --dtype says, f32, f16 or bf16, likewise; and its word.
int cli_dtype(const struct cli_command *command, const char *text, vka_dtype *dtype);
const char *cli_dtype_word(vka_dtype dtype);
// Whether plans of the device can store floats so; else `why` says why not.
bool cli_stores(const vka_device_info *info, vka_dtype dtype, const char **why);

// A string as JSON on stdout, quotes and all; bytes that aren't UTF-8 become U+FFFD.
void cli_json_string(const char *text);
// A number as JSON; null where it is infinite or none.
void cli_json_number(double value);

// A line that grows on stderr, on a terminal only; done == total ends it.
void cli_progress(size_t done, size_t total, const char *what);

#endif
