// SPDX-License-Identifier: MIT
//
// The table of blocks, out of blocks/list.h.
#include "blocks/block.h"

#include <string.h>

// Each file's rows end with one without an id.
#define X(file) extern const struct vka_block_row vka_block_rows_##file[];
#include "blocks/list.h"
#undef X

#define X(file) vka_block_rows_##file,
static const struct vka_block_row *const files[] = {
#include "blocks/list.h"
};

static const struct vka_block_row *row_at(int index)
{
    for (size_t f = 0; f < VKA_COUNT(files) && index >= 0; f++) {
        for (const struct vka_block_row *row = files[f]; row->info.id; row++) {
            if (index-- == 0)
                return row;
        }
    }
    return NULL;
}

const struct vka_block_row *vka_block_row_find(const char *id)
{
    const struct vka_block_row *row;
    for (int i = 0; id && (row = row_at(i)); i++) {
        if (strcmp(row->info.id, id) == 0)
            return row;
    }
    return NULL;
}

int vka_block_count(void)
{
    int count = 0;
    while (row_at(count))
        count++;
    return count;
}

const vka_block_info *vka_block_get(int index)
{
    const struct vka_block_row *row = row_at(index);
    return row ? &row->info : NULL;
}

const vka_block_info *vka_block_find(const char *id)
{
    const struct vka_block_row *row = vka_block_row_find(id);
    return row ? &row->info : NULL;
}
