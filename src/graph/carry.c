// SPDX-License-Identifier: MIT
//
// One thread alone doesn't get all of a memory's bandwidth.
#include "graph/carry.h"

enum { PIECE = 1 << 17 }; // elements that are worth waking a thread

struct floats {
    const char *src;
    char *dst;
    vka_dtype from, to;
    bool in;
    uint64_t count;
    int64_t pieces;
};

static void carry_piece(void *arg, int64_t piece, int thread)
{
    const struct floats *f = arg;
    uint64_t each = f->count / (uint64_t)f->pieces, first = each * (uint64_t)piece, bad;
    uint64_t count = piece + 1 == f->pieces ? f->count - first : each;
    const char *src = f->src + first * vka_dtype_size(f->from);
    char *dst = f->dst + first * vka_dtype_size(f->to);
    (void)thread;
    if (f->in)
        vka_convert_in(src, f->from, dst, VKA_F32, f->to, count, &bad);
    else
        vka_convert_out(src, VKA_F32, f->from, dst, f->to, count);
}

static void carry(struct vka_threads *threads, struct floats *f)
{
    f->pieces = f->count < 2 * PIECE ? 1 : (int64_t)(f->count / PIECE);
    vka_parallel(threads, f->pieces, carry_piece, f);
}

bool vka_carry_in(struct vka_threads *threads, const void *src, vka_dtype from, void *dst,
                  vka_dtype to, vka_dtype real, uint64_t count, uint64_t *bad)
{
    struct floats f = {src, dst, from, real, true, count, 1};
    if (to != VKA_F32)
        return vka_convert_in(src, from, dst, to, real, count, bad);
    carry(threads, &f);
    return true;
}

void vka_carry_out(struct vka_threads *threads, const void *src, vka_dtype from, vka_dtype real,
                   void *dst, vka_dtype to, uint64_t count)
{
    struct floats f = {src, dst, real, to, false, count, 1};
    if (from == VKA_F32)
        carry(threads, &f);
    else
        vka_convert_out(src, from, real, dst, to, count);
}
