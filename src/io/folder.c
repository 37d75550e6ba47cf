// SPDX-License-Identifier: MIT
//
// A cache in a folder. Whoever may write to it could hand the driver a program of their own, so
// that the folder must belong to this user alone.
#include "io/folder.h"

#include "io/file.h"
#include "util/system.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

struct vka_folder {
    vka_context *context;
    atomic_bool failed; // a file could not be written: told once, and not tried again
    char path[];
};

static char *file_of(const struct vka_folder *folder, const char *key)
{
    size_t size = strlen(folder->path) + strlen(key) + 2;
    char *path = vka_alloc(folder->context, size, 1);
    if (path)
        snprintf(path, size, "%s/%s", folder->path, key);
    return path;
}

static size_t load(void *user, const char *key, void *data, size_t capacity)
{
    const struct vka_folder *folder = user;
    char *path = file_of(folder, key);
    struct vka_file file = {0};
    size_t size = 0;
    if (path && vka_sys_kind(path, false) == VKA_KIND_FILE &&
        vka_file_read(folder->context, path, &file) == VKA_OK) {
        size = (size_t)file.size;
        if (size > 0 && size <= capacity)
            memcpy(data, file.data, size);
        vka_file_close(folder->context, &file);
    }
    vka_free(folder->context, path);
    return size;
}

static bool write_whole(vka_context *context, const char *path, const void *data, size_t size)
{
    struct vka_sink sink;
    if (vka_sink_open(context, path, &sink) != VKA_OK)
        return false;
    if (vka_sink_write(&sink, data, size) == VKA_OK)
        return vka_sink_commit(&sink) == VKA_OK;
    vka_sink_discard(&sink);
    return false;
}

static void store(void *user, const char *key, const void *data, size_t size)
{
    struct vka_folder *folder = user;
    char *path = atomic_load(&folder->failed) ? NULL : file_of(folder, key);
    if (!path)
        return;
    enum vka_kind kind = vka_sys_kind(path, false);
    // Opening a pipe would wait for its reader; a link leads to someone else's file.
    if (kind != VKA_KIND_NONE && kind != VKA_KIND_FILE)
        vka_log(folder->context, VKA_LOG_WARN, "pipelines aren't kept in %s: no regular file",
                path);
    else if (!write_whole(folder->context, path, data, size) &&
             !atomic_exchange(&folder->failed, true))
        vka_log(folder->context, VKA_LOG_WARN, "pipelines aren't kept in %s", folder->path);
    vka_free(folder->context, path);
}

vka_result vka_folder_open(vka_context *context, const char *path, struct vka_folder **out,
                           vka_cache *cache)
{
    *out = NULL;
    *cache = (vka_cache){0};
    const char *why = vka_sys_own_folder(path);
    if (why) {
        vka_log(context, VKA_LOG_WARN, "pipelines aren't kept in %s: %s", path, why);
        return VKA_OK;
    }
    size_t size = strlen(path) + 1;
    struct vka_folder *folder = vka_alloc(context, sizeof *folder + size, 1);
    if (!folder)
        return vka_out_of_memory(context);
    folder->context = context;
    atomic_init(&folder->failed, false);
    memcpy(folder->path, path, size);
    *cache = (vka_cache){.user = folder, .load = load, .store = store};
    *out = folder;
    return VKA_OK;
}

void vka_folder_free(struct vka_folder *folder)
{
    if (folder)
        vka_free(folder->context, folder);
}
