// SPDX-License-Identifier: MIT
#include "cli/cli.h"
#include "util/system.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void to_stderr(void *user, vka_log_level level, const char *message)
{
    static const char *const words[] = {"", "error", "warning", "note", "debug"};
    (void)user;
    if (level != VKA_LOG_ERROR) // errors are told where they are handled
        fprintf(stderr, "vkattn: %s: %s\n", words[level], message);
}

// Copied, as vka_getenv's text may change with its next call. NULL: none.
static const char *cache_folder(void)
{
    static char folder[4096];
    const char *text = vka_getenv("VKATTN_PIPELINE_CACHE");
    if (!text || !*text)
        return NULL;
    if (snprintf(folder, sizeof folder, "%s", text) < (int)sizeof folder)
        return folder;
    fprintf(stderr, "vkattn: VKATTN_PIPELINE_CACHE is too long: pipelines aren't kept\n");
    return NULL;
}

vka_context *cli_context(bool verbose, const char *select)
{
    vka_context_params params = {
        .log = to_stderr,
        .log_level = verbose ? VKA_LOG_INFO : VKA_LOG_WARN,
        .cache.folder = cache_folder(),
        .no_vulkan = select && strcmp(select, "cpu") == 0, // loading drivers takes its time
    };
    vka_context *context;
    if (vka_context_create(&params, &context) != VKA_OK)
        cli_failed(VKA_ERROR_OUT_OF_MEMORY);
    return context;
}

vka_device *cli_device(vka_context *context, const char *select, int *code)
{
    vka_device *device;
    vka_result result = vka_device_open(context, select, &device);
    if (result != VKA_OK)
        *code = cli_failed(result);
    return device;
}

int cli_usage_error(const struct cli_command *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "vkattn %s: ", command->name);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\nusage: vkattn %s %s\n", command->name, command->usage);
    va_end(args);
    return EXIT_USAGE;
}

int cli_exit_code(vka_result result)
{
    switch (result) {
    case VKA_OK:
        return EXIT_DONE;
    case VKA_ERROR_INVALID:
    case VKA_ERROR_NOT_FOUND:
    case VKA_ERROR_AMBIGUOUS:
    case VKA_ERROR_FORMAT:
    case VKA_ERROR_IO:
    case VKA_ERROR_UNSUPPORTED:
        return EXIT_USAGE;
    default:
        return EXIT_WRONG;
    }
}

int cli_failed(vka_result result)
{
    const char *text = vka_last_error();
    fprintf(stderr, "vkattn: %s\n", *text ? text : vka_result_string(result));
    return cli_exit_code(result);
}

int cli_no_memory(const char *what)
{
    fprintf(stderr, "vkattn: out of memory for %s\n", what);
    return EXIT_WRONG;
}

int cli_weights_as(const struct cli_command *command, const char *text, bool *official)
{
    *official = strcmp(text, "official") == 0;
    return *official ? -1 : cli_usage_error(command, "--weights-as is official, not '%s'", text);
}

int cli_dtype(const struct cli_command *command, const char *text, vka_dtype *dtype)
{
    for (vka_dtype d = VKA_F32; d <= VKA_BF16; d++) {
        if (strcmp(text, cli_dtype_word(d)) == 0) {
            *dtype = d;
            return -1;
        }
    }
    return cli_usage_error(command, "--dtype is f32, f16 or bf16, not '%s'", text);
}

const char *cli_dtype_word(vka_dtype dtype)
{
    return dtype == VKA_F32 ? "f32" : dtype == VKA_F16 ? "f16" : "bf16";
}

bool cli_stores(const vka_device_info *info, vka_dtype dtype, const char **why)
{
    *why = info->f16 ? "this build has no shaders that store bf16 (VKATTN_BF16)"
                     : "the device has no 16-bit float storage";
    return dtype == VKA_F32 || (dtype == VKA_F16 ? info->f16 : info->bf16);
}

int cli_help(const struct cli_command *command)
{
    printf("usage: vkattn %s %s\n%s\n%s", command->name, command->usage, command->summary,
           command->details);
    return EXIT_DONE;
}

int cli_option(struct cli_options *o, int argc, char **argv)
{
    int c = getopt_long(argc, argv, o->letters, o->table, NULL);
    if (c < 0 || c == '?')
        return c;
    if (o->given[c] && !strchr(o->often, c)) {
        const struct option *option = o->table;
        while (option->name && option->val != c)
            option++;
        fprintf(stderr, "vkattn %s: --%s is given twice\n", o->command->name, option->name);
        return '?';
    }
    o->given[c] = true;
    return c;
}

// The bytes of the UTF-8 character at `s` as RFC 3629 allows them; 0: there is none.
static size_t character(const unsigned char *s)
{
    size_t size = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (s[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < size; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    }
    bool long_form = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool outside = (s[0] == 0xed && s[1] >= 0xa0) || (s[0] == 0xf4 && s[1] >= 0x90);
    return long_form || outside ? 0 : size;
}

void cli_json_string(const char *text)
{
    putchar('"');
    for (const unsigned char *c = (const unsigned char *)text; *c;) {
        size_t size = character(c);
        if (size == 0) // a file's name may be any bytes
            printf("\\ufffd");
        else if (*c == '"' || *c == '\\')
            printf("\\%c", *c);
        else if (*c < 0x20)
            printf("\\u%04x", *c);
        else
            fwrite(c, 1, size, stdout);
        c += size ? size : 1;
    }
    putchar('"');
}

void cli_json_number(double value)
{
    if (isfinite(value))
        printf("%.9g", value);
    else
        printf("null");
}

void cli_progress(size_t done, size_t total, const char *what)
{
    enum { WIDTH = 30 };
    if (total < 2 || !isatty(STDERR_FILENO))
        return;
    int filled = (int)(done * WIDTH / total);
    fprintf(stderr, "\r%5zu/%zu [%.*s%*s] %-40.40s", done, total, filled,
            "==============================", WIDTH - filled, "", done < total ? what : "");
    if (done == total)
        fputc('\n', stderr);
    fflush(stderr);
}
