// SPDX-License-Identifier: MIT
//
// A folder of blobs by key: where compiled pipelines are kept, if the caller gave no callbacks.
#ifndef VKA_IO_FOLDER_H
#define VKA_IO_FOLDER_H

#include "util/context.h"

// The cache with the callbacks of the folder `path`, which is made where it is absent (its parent
// must exist), with rights for its owner alone. Zeros, and a warning, where the folder is someone
// else's, or others may write to it, or it can't be made. *folder is to be freed by
// vka_folder_free; it is NULL where there is none. Errors are those of host memory.
struct vka_folder;
vka_result vka_folder_open(vka_context *context, const char *path, struct vka_folder **folder,
                           vka_cache *cache);
void vka_folder_free(struct vka_folder *folder);

#endif
