// SPDX-License-Identifier: MIT
//
// The command's start on Windows: arguments in UTF-8, output as it is written, a console that shows
// UTF-8. Elsewhere main begins by itself.
#ifdef _WIN32
#include "cli/cli.h"

#include <fcntl.h>
#include <io.h>
#include <stdlib.h>
#include <windows.h>

// The C library replaces * and ? by the files that fit: no shell does it here.
extern int _dowildcard;
int _dowildcard = -1;

static UINT page;

static void restore_page(void)
{
    SetConsoleOutputCP(page);
}

static char *narrow(const wchar_t *text)
{
    int size = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
    char *out = malloc((size_t)size + 1);
    if (out)
        WideCharToMultiByte(CP_UTF8, 0, text, -1, out, size, NULL, NULL);
    return out;
}

int main(int argc, char **argv);
int wmain(int argc, wchar_t **wide);

// The arguments' memory is the system's to take back.
int wmain(int argc, wchar_t **wide)
{
    char **argv = calloc((size_t)argc + 1, sizeof *argv);
    for (int i = 0; argv && i < argc; i++) {
        argv[i] = narrow(wide[i]);
        if (!argv[i])
            return EXIT_WRONG;
    }
    if (!argv)
        return EXIT_WRONG;
    _setmode(_fileno(stdout), _O_BINARY);
    _setmode(_fileno(stderr), _O_BINARY);
    page = GetConsoleOutputCP();
    if (page && SetConsoleOutputCP(CP_UTF8))
        atexit(restore_page);
    return main(argc, argv);
}
#else
typedef int vka_main_starts_by_itself; // a file must hold something
#endif
