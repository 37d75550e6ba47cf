// SPDX-License-Identifier: MIT
//
// vkattn, the command: attention blocks from the shell.
#include "cli/cli.h"
#include "util/system.h"

#include <stdlib.h>
#include <signal.h>
#include <string.h>

static const struct cli_command *const commands[] = {&cli_devices, &cli_blocks, &cli_run,
                                                     &cli_see,     &cli_verify, &cli_bench};

static void print_help(FILE *out)
{
    fprintf(out, "vkattn " VKATTN_VERSION ": attention blocks on any GPU\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(out, "  vkattn %s %s\n        %s\n", commands[i]->name, commands[i]->usage,
                commands[i]->summary);
    fprintf(out,
            "\n"
            "DEVICE: auto, cpu, N (as `vkattn devices` lists), vulkan, vulkan:N, uuid:HEX or a\n"
            "part of a name; VKATTN_DEVICE where --device isn't given.\n"
            "Exit codes: 0 done, 1 a result is wrong or the work failed, 2 the call or a file is "
            "wrong.\n");
}

static int told(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    fprintf(stderr, "vkattn: writing to stdout failed\n");
    return EXIT_WRONG;
}

int main(int argc, char **argv)
{
    vka_sys_keep_streams();
#ifdef SIGXFSZ // a file that may not grow is told of as a full disk is
    signal(SIGXFSZ, SIG_IGN);
#endif
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return told(EXIT_DONE);
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("vkattn %s\n", vka_version());
        return told(EXIT_DONE);
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(argv[1], commands[i]->name) == 0)
            return told(commands[i]->run(argc - 1, argv + 1));
    }
    fprintf(stderr, "vkattn: there is no command '%s'; see vkattn --help\n", argv[1]);
    return EXIT_USAGE;
}
