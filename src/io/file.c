// SPDX-License-Identifier: MIT
//
// Files, by the calls of util/system.h.
#include "io/file.h"

#include "util/system.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_TRIED = 1000 };

static const char nothing[1];

static vka_result fail(vka_context *context, const char *path, const char *what)
{
    int code = errno;
    return vka_error(context, code == ENOENT ? VKA_ERROR_NOT_FOUND : VKA_ERROR_IO, "%s: %s%s", path,
                     what, strerror(code));
}

static bool read_all(int fd, char *data, uint64_t size)
{
    uint64_t done = 0;
    while (done < size) {
        uint64_t want = size - done < 1 << 30 ? size - done : 1 << 30;
        ssize_t got = read(fd, data + done, (size_t)want);
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            errno = EIO; // shorter than it said
        if (got <= 0)
            return false;
        done += (uint64_t)got;
    }
    return true;
}

static vka_result read_into(vka_context *context, const char *path, int fd, struct vka_file *file)
{
    void *data = vka_alloc(context, file->size, 1);
    if (!data)
        return vka_out_of_memory_for(context, "the file %s", path);
    if (!read_all(fd, data, file->size)) {
        vka_result result = fail(context, path, "can't be read: ");
        vka_free(context, data);
        return result;
    }
    file->data = file->memory = data;
    return VKA_OK;
}

static vka_result load(vka_context *context, const char *path, int fd, bool map,
                       struct vka_file *file)
{
    enum vka_kind kind = vka_sys_size(fd, &file->size);
    if (kind == VKA_KIND_NONE)
        return fail(context, path, "");
    if (kind != VKA_KIND_FILE)
        return vka_error(context, VKA_ERROR_IO, "%s: not a regular file", path);
    if (file->size > SIZE_MAX / 2)
        return vka_error(context, VKA_ERROR_UNSUPPORTED, "%s: too large for this machine", path);
    if (file->size == 0) {
        file->data = nothing;
        return VKA_OK;
    }
    void *data = map ? vka_sys_map(fd, file->size) : NULL;
    if (!data)
        return read_into(context, path, fd, file);
    file->data = file->mapping = data;
    return VKA_OK;
}

static vka_result open_and_load(vka_context *context, const char *path, bool map,
                                struct vka_file *file)
{
    memset(file, 0, sizeof *file);
    if (!path)
        return vka_error(context, VKA_ERROR_INVALID, "no file is named");
    int fd = vka_sys_open(path, VKA_OPEN_READ);
    if (fd < 0)
        return fail(context, path, "");
    vka_result result = load(context, path, fd, map, file);
    close(fd);
    return result;
}

vka_result vka_file_open(vka_context *context, const char *path, struct vka_file *file)
{
    return open_and_load(context, path, true, file);
}

vka_result vka_file_read(vka_context *context, const char *path, struct vka_file *file)
{
    return open_and_load(context, path, false, file);
}

void vka_file_close(vka_context *context, struct vka_file *file)
{
    if (file->mapping)
        vka_sys_unmap(file->mapping, file->size);
    vka_free(context, file->memory);
    memset(file, 0, sizeof *file);
}

// --- writing ---

// The file that a symbolic link stands for, so that the link stays one.
static char *final_path(vka_context *context, const char *path)
{
    char *real = vka_sys_real_path(path);
    if (!real && errno == ENOMEM) // a link would be replaced
        return NULL;
    char *copy = vka_strdup(context, real ? real : path);
    free(real);
    return copy;
}

static bool open_beside(struct vka_sink *sink)
{
    size_t size = strlen(sink->path) + 48;
    sink->temporary = vka_alloc(sink->context, size, 1);
    if (!sink->temporary)
        return false;
    for (int i = 0; i < NAMES_TRIED && sink->fd < 0; i++) {
        snprintf(sink->temporary, size, "%s.%ld-%d.part", sink->path, vka_sys_process(), i);
        sink->fd = vka_sys_open(sink->temporary, VKA_OPEN_NEW);
        if (sink->fd < 0 && errno != EEXIST)
            break;
    }
    return true;
}

static void drop(struct vka_sink *sink)
{
    vka_free(sink->context, sink->path);
    vka_free(sink->context, sink->temporary);
    sink->path = sink->temporary = NULL;
    sink->fd = -1;
}

vka_result vka_sink_open(vka_context *context, const char *path, struct vka_sink *sink)
{
    *sink = (struct vka_sink){.context = context, .fd = -1};
    sink->path = final_path(context, path);
    if (!sink->path)
        return vka_out_of_memory(context);
    bool memory = true;
    enum vka_kind kind = vka_sys_kind(sink->path, true);
    if (kind != VKA_KIND_NONE && kind != VKA_KIND_FILE)
        sink->fd = vka_sys_open(sink->path, VKA_OPEN_WRITE);
    else
        memory = open_beside(sink);
    if (sink->fd >= 0)
        return VKA_OK;
    vka_result result =
        memory ? fail(context, path, "can't be written: ") : vka_out_of_memory(context);
    drop(sink);
    return result;
}

vka_result vka_sink_write(struct vka_sink *sink, const void *data, uint64_t size)
{
    const char *from = data;
    while (size > 0) {
        ssize_t done = write(sink->fd, from, (size_t)(size < 1 << 30 ? size : 1 << 30));
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return fail(sink->context, sink->path, "can't be written: ");
        from += done;
        size -= (uint64_t)done;
    }
    return VKA_OK;
}

vka_result vka_sink_commit(struct vka_sink *sink)
{
    bool done = close(sink->fd) == 0;
    sink->fd = -1;
    if (done && sink->temporary)
        done = vka_sys_rename(sink->temporary, sink->path);
    vka_result result = done ? VKA_OK : fail(sink->context, sink->path, "can't be written: ");
    if (!done && sink->temporary)
        vka_sys_remove(sink->temporary);
    drop(sink);
    return result;
}

void vka_sink_discard(struct vka_sink *sink)
{
    if (sink->fd < 0)
        return;
    close(sink->fd);
    if (sink->temporary)
        vka_sys_remove(sink->temporary);
    drop(sink);
}
