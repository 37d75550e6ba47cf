// SPDX-License-Identifier: MIT
//
// Reads JSON on stdin as strictly as the library reads its files: one document, or with `lines` one
// on each line and at least one. Exit 1, and where it is wrong, where it isn't. For the tests of
// the command, which may count on no other program for that.
#include "io/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 1 << 24 };

static bool strict(const char *text, size_t size)
{
    struct vka_json j;
    vka_json_start(&j, text, size);
    if (vka_json_skip(&j) && vka_json_end(&j))
        return true;
    printf("%s, at %zu: %.*s\n", j.error, j.error_at, (int)(size < 400 ? size : 400), text);
    return false;
}

static bool strict_lines(const char *text, size_t size)
{
    const char *end = text + size;
    bool ok = size > 0 && end[-1] == '\n';
    while (ok && text < end) {
        const char *line = memchr(text, '\n', (size_t)(end - text));
        ok = strict(text, (size_t)(line - text));
        text = line + 1;
    }
    return ok;
}

int main(int argc, char **argv)
{
    char *text = malloc(MOST);
    size_t size = text ? fread(text, 1, MOST, stdin) : 0;
    bool lines = argc > 1 && strcmp(argv[1], "lines") == 0;
    bool ok = text && size < MOST && (lines ? strict_lines(text, size) : strict(text, size));
    free(text);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
