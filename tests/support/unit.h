// SPDX-License-Identifier: MIT
//
// What the unit tests share: cmocka with what it needs, a context whose allocator counts and can be
// made to fail, and a folder for files.
#ifndef VKA_TESTS_UNIT_H
#define VKA_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/context.h"
#include "util/system.h"

struct unit_memory {
    size_t live, peak; // bytes
    size_t blocks;     // not given back
    size_t asked;      // allocations so far
    size_t fail_at;    // the allocation that fails, from 1; 0: none
    bool fail_on;      // and all behind it
};

// That memory as a context's allocator. Not for several threads at once.
vka_allocator unit_allocator(struct unit_memory *memory);

// A context without threads and devices: enough for whatever doesn't run a plan.
void unit_context(struct vka_context *context, struct unit_memory *memory);

// The same as a test's state, with cmocka's setup and teardown: a test that leaves memory or files
// behind fails.
struct unit_fixture {
    struct vka_context context;
    struct unit_memory memory;
};
int unit_setup(void **state);
int unit_teardown(void **state);

// Numbers that look random, the same ones on every machine: any, and 0 .. below - 1.
uint64_t unit_random(uint64_t *state);
int64_t unit_below(uint64_t *state, int64_t below);
// Such floats, from `low` up to 1, of their own memory, so that what is read or written outside is
// seen; free() them.
float *unit_floats(uint64_t *state, int64_t count, float low);

// The path of a file in a folder that is removed when the program ends. One of four buffers.
const char *unit_path(const char *name);
void unit_write_file(const char *path, const void *data, size_t size);
// What the file has, with a NUL behind it; free() it.
char *unit_read_file(const char *path, size_t *size);
size_t unit_count_files(void);             // in that folder
void unit_remove_folder(const char *path); // with the files in it

// A file that takes everything and holds nothing.
#ifdef _WIN32
#define UNIT_NOWHERE "NUL"
#else
#define UNIT_NOWHERE "/dev/null"
#endif

// Ends the test as skipped, with the reason told.
#define unit_skip(why)                                                                             \
    do {                                                                                           \
        print_message("skipped: %s: %s\n", __func__, why);                                         \
        skip();                                                                                    \
    } while (0)

// Sets a variable of the environment for this process and those that it starts; NULL takes it away.
void unit_setenv(const char *name, const char *value);

// The last error has this text in it.
#define unit_assert_error_has(text) unit_error_has(text, __FILE__, __LINE__)
void unit_error_has(const char *text, const char *file, int line);

#endif
