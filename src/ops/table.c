// SPDX-License-Identifier: MIT
//
// The table of operations, out of ops/list.h.
#include "ops/op.h"

#include <string.h>

#define X(name) &vka_op_##name,
#define Y(name) X(name)
static const struct vka_op *const ops[] = {
#include "ops/list.h"
};

const struct vka_op *vka_op_at(int index)
{
    return index >= 0 && (size_t)index < VKA_COUNT(ops) ? ops[index] : NULL;
}

const struct vka_op *vka_op_find(const char *name)
{
    for (size_t i = 0; i < VKA_COUNT(ops); i++) {
        if (strcmp(ops[i]->name, name) == 0)
            return ops[i];
    }
    return NULL;
}

const char *vka_op_get(int index, const char **summary)
{
    const struct vka_op *op = vka_op_at(index);
    if (op && summary)
        *summary = op->summary;
    return op ? op->name : NULL;
}
