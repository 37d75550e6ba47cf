// SPDX-License-Identifier: MIT
#include "ops/matrix.h"

// Fragments of a subgroup and subgroups of a workgroup along m and n, from the widest down. With
// fragments of 16 x 16 these are tiles of 128 x 128, 64 x 64 and 32 x 32. A wide tile reads each
// factor less often, but there must be enough of them to keep the device busy.
static const struct {
    uint32_t fragments_m, fragments_n, subs_m, subs_n, depth;
    uint64_t enough; // workgroups
} cuts[] = {
    {4, 4, 2, 2, 32, 96},
    {2, 2, 2, 2, 32, 48},
    {1, 1, 2, 2, 32, 0},
};

// A slice of either factor whose lines lie along the side that pads more; what a fragment needs on
// its way out.
static uint64_t shared_bytes(const struct vka_matrix_shape *f, const struct vka_matrix_cut *c)
{
    enum { PAD = 8, HALF = 2, SUM = 4 };
    uint64_t sides[2] = {c->tile_m, c->tile_n}, bytes = 0;
    for (int i = 0; i < 2; i++) {
        uint64_t lines = sides[i] > c->depth ? sides[i] : c->depth;
        bytes += HALF * (sides[i] * c->depth + PAD * lines);
    }
    return bytes + (uint64_t)SUM * c->subs_m * c->subs_n * f->m * f->n;
}

bool vka_matrix_cut_of(const struct vka_limits *limits, int64_t m, int64_t n, int64_t k,
                       int64_t count, struct vka_matrix_cut *cut)
{
    const struct vka_matrix_shape *f = &limits->matrix;
    if (f->m == 0 || limits->is_cpu || m < f->m || n < f->n || k < f->k)
        return false;
    for (size_t i = 0; i < VKA_COUNT(cuts); i++) {
        *cut = (struct vka_matrix_cut){.fragments_m = cuts[i].fragments_m,
                                       .fragments_n = cuts[i].fragments_n,
                                       .subs_m = cuts[i].subs_m,
                                       .subs_n = cuts[i].subs_n,
                                       .depth = cuts[i].depth,
                                       .subgroup = f->subgroup};
        cut->tile_m = (uint64_t)f->m * cut->fragments_m * cut->subs_m;
        cut->tile_n = (uint64_t)f->n * cut->fragments_n * cut->subs_n;
        cut->invocations = cut->subs_m * cut->subs_n * f->subgroup;
        uint64_t groups = (uint64_t)count * (uint64_t)vka_divide_up(m, (int64_t)cut->tile_m) *
                          (uint64_t)vka_divide_up(n, (int64_t)cut->tile_n);
        if (groups >= cuts[i].enough && cut->invocations <= limits->max_invocations &&
            cut->invocations <= limits->max_group_size[0] &&
            shared_bytes(f, cut) <= limits->shared_bytes)
            return true;
    }
    return false;
}

void vka_matrix_constants(struct vka_launch *l, struct vka_dispatch *d,
                          const struct vka_matrix_cut *cut, uint32_t modes)
{
    const struct vka_matrix_shape *f = &vka_launch_limits(l)->matrix;
    const uint32_t values[] = {f->m,        f->n,        f->k,       cut->subs_m,
                               cut->subs_n, f->subgroup, cut->depth, modes};
    for (size_t i = 0; i < VKA_COUNT(values); i++)
        vka_constant_u32(d, values[i]);
}
