// SPDX-License-Identifier: MIT
//
// NumPy's files of floats, as far as the contestant ggml reads and writes them.
#ifndef VKA_BENCH_GGML_FILES_H
#define VKA_BENCH_GGML_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// `count` floats of a file, to be freed; NULL: it can't be read or has fewer.
static float *npy_read(const char *folder, const char *name, size_t count)
{
    char path[4096];
    uint8_t head[10];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    float *data = malloc(count * sizeof *data);
    bool done = data && fread(head, 1, sizeof head, f) == sizeof head &&
                fseek(f, head[8] + 256L * head[9], SEEK_CUR) == 0 &&
                fread(data, sizeof *data, count, f) == count;
    fclose(f);
    if (!done)
        free(data);
    return done ? data : NULL;
}

// As one row.
static bool npy_write(const char *folder, const char *name, const float *data, size_t count)
{
    char path[4096], text[118];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    if (!f)
        return false;
    int used = snprintf(text, sizeof text,
                        "{'descr': '<f4', 'fortran_order': False, 'shape': (%zu,), }", count);
    memset(text + used, ' ', sizeof text - 1 - (size_t)used);
    text[sizeof text - 1] = '\n';
    bool done = fwrite("\x93NUMPY\1\0\x76\0", 1, 10, f) == 10 &&
                fwrite(text, 1, sizeof text, f) == sizeof text &&
                fwrite(data, sizeof *data, count, f) == count;
    return fclose(f) == 0 && done;
}

#endif
