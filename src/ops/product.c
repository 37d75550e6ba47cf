// SPDX-License-Identifier: MIT
#include "ops/product.h"

// Strides of an operand over the axes of the output, aligned right; 0 where it repeats.
static void align(const struct vka_array *a, int rank, struct vka_product_side *side)
{
    int64_t stride[VKA_MAX_RANK] = {0};
    side->present = vka_present(a);
    int lead = rank - a->rank;
    for (int i = 0; side->present && i < a->rank; i++)
        stride[lead + i] = a->dim[i] == 1 ? 0 : a->stride[i];
    for (int i = 0; i < rank - 2; i++)
        side->batch[i] = stride[i];
    side->row = stride[rank - 2];
    side->col = stride[rank - 1];
}

static void drop_axis(struct vka_product *p, int axis)
{
    p->rank--;
    for (int i = axis; i < p->rank; i++) {
        p->batch[i] = p->batch[i + 1];
        for (int r = 0; r < VKA_PRODUCT_ROLES; r++)
            p->side[r].batch[i] = p->side[r].batch[i + 1];
    }
}

// Whether a step along batch axis `axis` is `steps` steps of `inner` on every side. Sides that are
// absent have strides of 0 alone.
static bool follows(const struct vka_product *p, int axis, int64_t steps,
                    int64_t (*inner)(const struct vka_product_side *side, int axis))
{
    for (int r = 0; r < VKA_PRODUCT_ROLES; r++) {
        const struct vka_product_side *side = &p->side[r];
        if (side->batch[axis] != steps * inner(side, axis))
            return false;
    }
    return true;
}

static int64_t next_axis(const struct vka_product_side *side, int axis)
{
    return side->batch[axis + 1];
}

static int64_t row_axis(const struct vka_product_side *side, int axis)
{
    (void)axis;
    return side->row;
}

static void collapse_batch(struct vka_product *p)
{
    for (int i = p->rank - 1; i >= 0; i--) {
        if (p->batch[i] == 1) {
            drop_axis(p, i);
        } else if (i + 1 < p->rank && follows(p, i, p->batch[i + 1], next_axis)) {
            int64_t count = p->batch[i];
            drop_axis(p, i);
            p->batch[i] *= count;
        }
    }
}

// b has columns where the others have rows, so it must not change along the axis.
static void batch_to_rows(struct vka_product *p)
{
    struct vka_product_side *b = &p->side[VKA_PRODUCT_B];
    while (p->rank > 0 && b->batch[p->rank - 1] == 0) {
        int64_t row = b->row;
        int last = p->rank - 1;
        b->row = 0;
        bool rows = p->m == 1 || follows(p, last, p->m, row_axis);
        b->row = row;
        if (!rows)
            return;
        for (int r = 0; p->m == 1 && r < VKA_PRODUCT_ROLES; r++) {
            if (r != VKA_PRODUCT_B)
                p->side[r].row = p->side[r].batch[last];
        }
        p->m *= p->batch[last];
        p->rank--;
    }
}

void vka_product_of(const struct vka_args *args, struct vka_product *p)
{
    const struct vka_array *out = &args->out[0];
    int rank = out->rank;
    *p = (struct vka_product){.rank = rank - 2,
                              .m = out->dim[rank - 2],
                              .n = out->dim[rank - 1],
                              .k = args->in[0].dim[args->in[0].rank - 1]};
    for (int i = 0; i < p->rank; i++)
        p->batch[i] = out->dim[i];
    for (int r = 0; r < VKA_PRODUCT_OUT; r++)
        align(&args->in[r], rank, &p->side[r]);
    align(out, rank, &p->side[VKA_PRODUCT_OUT]);
    collapse_batch(p);
    batch_to_rows(p);
}

int64_t vka_product_count(const struct vka_product *p)
{
    int64_t count = 1;
    for (int i = 0; i < p->rank; i++)
        count *= p->batch[i];
    return count;
}

int64_t vka_product_start(const struct vka_product *p, enum vka_product_role role, int64_t index)
{
    int64_t start = 0;
    for (int i = p->rank - 1; i >= 0; i--) {
        start += index % p->batch[i] * p->side[role].batch[i];
        index /= p->batch[i];
    }
    return start;
}
