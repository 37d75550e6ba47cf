// SPDX-License-Identifier: MIT
//
// Files: reading one as a block of memory, and writing one so that it is either there whole or not
// at all.
#ifndef VKA_IO_FILE_H
#define VKA_IO_FILE_H

#include "util/context.h"

struct vka_file {
    const void *data; // not NULL, also where the file is empty
    uint64_t size;
    void *mapping, *memory; // what is to be given back
};

// Maps a regular file; where that can't be done, reads it. It isn't held open. A file that is cut
// short while it is mapped is answered by the system (SIGBUS), not here.
vka_result vka_file_open(vka_context *context, const char *path, struct vka_file *file);
// Without mapping: for small files that are gone through once.
vka_result vka_file_read(vka_context *context, const char *path, struct vka_file *file);
void vka_file_close(vka_context *context, struct vka_file *file);

// A file under construction. It gets its bytes under another name in the same folder, and its own
// name when it is complete; what was there before stays until then. Where `path` is a device or a
// pipe (/dev/stdout) it is written directly.
struct vka_sink {
    vka_context *context;
    int fd;
    char *path, *temporary; // `temporary` is NULL where it is written directly
};

vka_result vka_sink_open(vka_context *context, const char *path, struct vka_sink *sink);
// After a failure nothing but vka_sink_discard is of use.
vka_result vka_sink_write(struct vka_sink *sink, const void *data, uint64_t size);
// Closes and names the file; closes and removes it where that fails.
vka_result vka_sink_commit(struct vka_sink *sink);
void vka_sink_discard(struct vka_sink *sink); // does nothing after a commit

#endif
