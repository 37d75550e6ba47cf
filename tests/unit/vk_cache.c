// SPDX-License-Identifier: MIT
//
// Pipelines that are kept between processes: they come back to the driver whole or not at all.
#include "unit.h"
#include "vk_calls.h"
#include "vk_work.h"

#include "io/folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct work work;

// The one blob of a device.
static struct {
    char key[96];
    unsigned char data[1 << 22];
    size_t size;
    int stores;
} kept;

static size_t load(void *user, const char *key, void *data, size_t capacity)
{
    assert_ptr_equal(user, &kept);
    if (strcmp(key, kept.key) != 0)
        return 0;
    if (kept.size <= capacity)
        memcpy(data, kept.data, kept.size);
    return kept.size;
}

static void store(void *user, const char *key, const void *data, size_t size)
{
    assert_ptr_equal(user, &kept);
    assert_true(strlen(key) < sizeof kept.key && size <= sizeof kept.data);
    strcpy(kept.key, key);
    memcpy(kept.data, data, size);
    kept.size = size;
    kept.stores++;
}

// A context, a plan and a run; how many bytes the driver's cache began with.
static size_t run_once(const vka_cache *cache)
{
    vk_calls_begin();
    memset(&work, 0, sizeof work);
    work.cache = *cache;
    assert_int_equal(work_start(&work, false), VKA_OK);
    assert_int_equal(work_open(&work, NULL), VKA_OK);
    vka_plan *plan;
    assert_int_equal(vka_plan_create(work.device, work.graph, NULL, &plan), VKA_OK);
    assert_int_equal(work_run(&work, plan), VKA_OK);
    assert_true(work_right(&work));
    vka_plan_destroy(plan);
    assert_true(work_end(&work));
    vk_calls_end();
    return vk_calls.cache_bytes;
}

static const vka_cache by_callbacks = {.user = &kept, .load = load, .store = store};

static void test_comes_back(void **state)
{
    (void)state;
    kept.size = 0;
    assert_int_equal(run_once(&by_callbacks), 0);
    assert_int_equal(kept.stores, 1);
    assert_true(kept.size > 64);
    assert_int_equal(run_once(&by_callbacks), kept.size - 64);
}

static void test_damaged(void **state)
{
    (void)state;
    if (kept.size == 0)
        run_once(&by_callbacks);
    size_t size = kept.size, step = size / 40 + 1;
    unsigned char *whole = malloc(size);
    assert_non_null(whole);
    memcpy(whole, kept.data, size);
    for (size_t at = 0; at < size; at += at < 64 ? 7 : step) { // a bit
        memcpy(kept.data, whole, size);
        kept.data[at] ^= 0x10;
        kept.size = size;
        assert_int_equal(run_once(&by_callbacks), 0);
    }
    for (size_t cut = 1; cut < size; cut += step) { // the end
        memcpy(kept.data, whole, size);
        kept.size = cut;
        assert_int_equal(run_once(&by_callbacks), 0);
    }
    free(whole);
}

static vka_cache folder_of(const char *path)
{
    return (vka_cache){.folder = path};
}

static void test_folder(void **state)
{
    (void)state;
    char path[512];
    snprintf(path, sizeof path, "%s", unit_path("pipelines"));
    vka_cache cache = folder_of(path);
    assert_int_equal(run_once(&cache), 0);
    assert_int_equal(vka_sys_kind(path, false), VKA_KIND_FOLDER);
    assert_true(run_once(&cache) > 0);
#ifndef _WIN32 // where who may write stands elsewhere
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_int_equal(chmod(path, 0777), 0); // now anyone may have written to it
    assert_int_equal(run_once(&cache), 0);
    assert_non_null(strstr(work.log, "others may write to it"));
#endif
    unit_remove_folder(path);
}

// A folder that a run has written its file to: the paths of both.
static vka_cache written_folder(char path[static 512], char file[static 640])
{
    snprintf(path, 512, "%s", unit_path("pipelines"));
    vka_cache by_folder = folder_of(path);
    if (kept.size == 0)
        run_once(&by_callbacks); // tells the key
    run_once(&by_folder);
    snprintf(file, 640, "%s/%s", path, kept.key);
    return by_folder;
}

static void test_empty_file(void **state)
{
    (void)state;
    char path[512], file[640];
    vka_cache by_folder = written_folder(path, file);
    assert_int_equal(vka_sys_kind(file, false), VKA_KIND_FILE);
    unit_write_file(file, "", 0);
    assert_int_equal(run_once(&by_folder), 0);
    assert_true(run_once(&by_folder) > 0); // it was written anew
    unit_remove_folder(path);
}

// What stands in the file's place and is none is left alone: a pipe would make us wait.
static void test_pipe(void **state)
{
    (void)state;
#ifdef _WIN32
    unit_skip("Windows has no pipes in folders");
#else
    char path[512], file[640];
    vka_cache by_folder = written_folder(path, file);
    const char *wrong[] = {"a pipe", "a link", "a folder"};
    for (size_t i = 0; i < VKA_COUNT(wrong); i++) {
        assert_int_equal(remove(file), 0);
        int made = i == 0   ? mkfifo(file, 0600)
                   : i == 1 ? symlink("elsewhere", file)
                            : mkdir(file, 0700);
        assert_int_equal(made, 0);
        enum vka_kind kind = vka_sys_kind(file, false);
        assert_int_equal(run_once(&by_folder), 0);
        assert_int_equal(vka_sys_kind(file, false), kind);
        if (!strstr(work.log, "no regular file"))
            fail_msg("%s: nothing was told", wrong[i]);
    }
    assert_int_equal(remove(file), 0);
    unit_remove_folder(path);
#endif
}

static void test_no_folder(void **state)
{
    (void)state;
    char path[512];
    snprintf(path, sizeof path, "%s", unit_path("file"));
    unit_write_file(path, "x", 1);
    vka_cache cache = folder_of(path);
    assert_int_equal(run_once(&cache), 0);
    assert_non_null(strstr(work.log, "it isn't a folder"));
    cache = folder_of("/nowhere/at/all");
    assert_int_equal(run_once(&cache), 0);
    assert_non_null(strstr(work.log, "pipelines aren't kept in /nowhere/at/all"));
}

static void keep_word(void *user, vka_log_level level, const char *message)
{
    int *warnings = user;
    *warnings += level == VKA_LOG_WARN && strstr(message, "pipelines aren't kept in") != NULL;
}

// A folder that went away meanwhile: one warning, whatever comes after it.
static void test_unwritable(void **state)
{
    (void)state;
    char path[512];
    int warnings = 0;
    snprintf(path, sizeof path, "%s", unit_path("gone"));
    vka_context_params params = {.no_vulkan = true, .log = keep_word, .log_user = &warnings};
    vka_context *context;
    struct vka_folder *folder;
    vka_cache cache;
    assert_int_equal(vka_context_create(&params, &context), VKA_OK);
    assert_int_equal(vka_folder_open(context, path, &folder, &cache), VKA_OK);
    cache.store(cache.user, "key", "data", 4);
    assert_int_equal(cache.load(cache.user, "key", NULL, 0), 4);
    assert_int_equal(warnings, 0);
    unit_remove_folder(path);
    for (int i = 0; i < 3; i++)
        cache.store(cache.user, "key", "data", 4);
    assert_int_equal(cache.load(cache.user, "key", NULL, 0), 0);
    assert_int_equal(warnings, 1);
    vka_folder_free(folder);
    vka_context_destroy(context);
}

static void test_half_a_cache(void **state)
{
    (void)state;
    const vka_cache wrong[] = {
        {.load = load}, {.store = store}, {.folder = "/tmp", .load = load, .store = store}};
    for (size_t i = 0; i < VKA_COUNT(wrong); i++) {
        vka_context_params params = {.cache = wrong[i]};
        vka_context *context;
        assert_int_equal(vka_context_create(&params, &context), VKA_ERROR_INVALID);
        assert_non_null(strstr(vka_last_error(), "load and store"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comes_back),   cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_folder),       cmocka_unit_test(test_no_folder),
        cmocka_unit_test(test_half_a_cache), cmocka_unit_test(test_empty_file),
        cmocka_unit_test(test_pipe),         cmocka_unit_test(test_unwritable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
