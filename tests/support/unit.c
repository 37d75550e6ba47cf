// SPDX-License-Identifier: MIT
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#ifdef _WIN32
#include <direct.h>
#endif

// --- memory ---

enum { FRONT = 16 }; // keeps the size of a block, and its alignment

static void *counting_alloc(void *user, size_t size)
{
    struct unit_memory *m = user;
    ++m->asked;
    if (m->asked == m->fail_at || (m->fail_on && m->fail_at && m->asked > m->fail_at))
        return NULL;
    char *block = malloc(size + FRONT);
    if (!block)
        return NULL;
    memcpy(block, &size, sizeof size);
    m->blocks++;
    m->live += size;
    m->peak = m->live > m->peak ? m->live : m->peak;
    return block + FRONT;
}

static void counting_free(void *user, void *ptr)
{
    struct unit_memory *m = user;
    size_t size;
    if (!ptr)
        return;
    char *block = (char *)ptr - FRONT;
    memcpy(&size, block, sizeof size);
    m->blocks--;
    m->live -= size;
    free(block);
}

static void *counting_realloc(void *user, void *ptr, size_t size)
{
    size_t old = 0;
    void *moved = counting_alloc(user, size);
    if (moved && ptr) {
        memcpy(&old, (char *)ptr - FRONT, sizeof old);
        memcpy(moved, ptr, old < size ? old : size);
        counting_free(user, ptr);
    }
    return moved;
}

vka_allocator unit_allocator(struct unit_memory *memory)
{
    memset(memory, 0, sizeof *memory);
    return (vka_allocator){memory, counting_alloc, counting_realloc, counting_free};
}

void unit_context(struct vka_context *context, struct unit_memory *memory)
{
    *context = (struct vka_context){.allocator = unit_allocator(memory)};
}

int unit_setup(void **state)
{
    static struct unit_fixture fixture;
    unit_context(&fixture.context, &fixture.memory);
    *state = &fixture;
    return 0;
}

int unit_teardown(void **state)
{
    const struct unit_fixture *f = *state;
    return f->memory.blocks != 0 || unit_count_files() != 0;
}

// --- numbers ---

uint64_t unit_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

int64_t unit_below(uint64_t *state, int64_t below)
{
    return (int64_t)(unit_random(state) % (uint64_t)below);
}

float *unit_floats(uint64_t *state, int64_t count, float low)
{
    float *x = malloc((size_t)count * sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < count; i++)
        x[i] = low + (1 - low) * ((float)unit_below(state, 1 << 24) / (1 << 24));
    return x;
}

// --- files ---

static char folder[256];
static bool made;

static bool remove_file(void *user, const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", (const char *)user, name);
    if (name[0] != '.')
        vka_sys_remove(path);
    return true;
}

void unit_remove_folder(const char *path)
{
    vka_sys_list(path, remove_file, (void *)path);
    rmdir(path);
}

static void remove_own_folder(void)
{
    unit_remove_folder(folder);
}

// Where the system keeps what is thrown away. A folder of that name may be left of a process that
// crashed.
static bool make_folder(void)
{
    const char *temp = getenv("TMPDIR");
#ifdef _WIN32
    temp = getenv("TEMP");
#endif
    for (int i = 0; i < 1000; i++) {
        snprintf(folder, sizeof folder, "%.200s/vkattn-unit-%ld-%d", temp ? temp : "/tmp",
                 vka_sys_process(), i);
#ifdef _WIN32
        if (_mkdir(folder) == 0)
            return true;
#else
        if (mkdir(folder, 0700) == 0)
            return true;
#endif
        if (errno != EEXIST)
            return false;
    }
    return false;
}

const char *unit_path(const char *name)
{
    static char paths[4][512];
    static unsigned turn;
    if (!made) {
        if (!make_folder()) {
            perror(folder);
            exit(1);
        }
        made = true;
        atexit(remove_own_folder);
    }
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

void unit_write_file(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

char *unit_read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *size = (size_t)ftell(file);
    rewind(file);
    char *data = malloc(*size + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *size, file), *size);
    data[*size] = '\0';
    fclose(file);
    return data;
}

static bool count_file(void *user, const char *name)
{
    *(size_t *)user += name[0] != '.';
    return true;
}

size_t unit_count_files(void)
{
    size_t count = 0;
    if (made)
        vka_sys_list(folder, count_file, &count);
    return count;
}

void unit_setenv(const char *name, const char *value)
{
#ifdef _WIN32
    assert_int_equal(_putenv_s(name, value ? value : ""), 0);
#else
    assert_int_equal(value ? setenv(name, value, 1) : unsetenv(name), 0);
#endif
}

void unit_error_has(const char *text, const char *file, int line)
{
    if (strstr(vka_last_error(), text))
        return;
    print_error("the error is\n  %s\nand has no\n  %s\n", vka_last_error(), text);
    _fail(file, line);
}
