// SPDX-License-Identifier: MIT
//
// What the fuzzers share: a context that has `limit` bytes of memory and counts what wasn't given
// back. An input that asks for more either ends the program, as a fault that was found, or finds
// the memory exhausted.
#ifndef VKA_TESTS_FUZZ_H
#define VKA_TESTS_FUZZ_H

#include "util/context.h"

#include <stdlib.h>
#include <string.h>

struct fuzz_memory {
    size_t live, limit;
    bool may_run_out;
};

static void *fuzz_alloc(void *user, size_t size)
{
    struct fuzz_memory *m = user;
    if (size > m->limit - m->live) {
        if (!m->may_run_out)
            abort();
        return NULL;
    }
    size_t *block = malloc(size + 16);
    if (!block)
        abort();
    m->live += size;
    block[0] = size;
    return block + 2;
}

static void fuzz_free(void *user, void *ptr)
{
    struct fuzz_memory *m = user;
    if (!ptr)
        return;
    m->live -= ((size_t *)ptr - 2)[0];
    free((size_t *)ptr - 2);
}

static void *fuzz_realloc(void *user, void *ptr, size_t size)
{
    void *moved = fuzz_alloc(user, size);
    size_t old = ptr ? ((size_t *)ptr - 2)[0] : 0;
    if (!moved)
        return NULL;
    if (ptr)
        memcpy(moved, ptr, old < size ? old : size);
    fuzz_free(user, ptr);
    return moved;
}

static inline struct vka_context fuzz_context(struct fuzz_memory *memory)
{
    return (struct vka_context){.allocator = {memory, fuzz_alloc, fuzz_realloc, fuzz_free}};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
