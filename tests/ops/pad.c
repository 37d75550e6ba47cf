// SPDX-License-Identifier: MIT
#include "support/op_test.h"

enum { MODE, BEFORE = 1, AFTER = 4 }; // places in i[]: up to three axes

static void pad(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    out[0] = vka_pad(g, in[0], (enum vka_pad_mode)c->i[MODE], c->i + BEFORE, c->i + AFTER,
                     (float)c->d[0]);
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    for (int64_t i = 0; i < out->count; i++) {
        int64_t at[VKA_MAX_RANK];
        bool inside = true;
        op_coords(&out->shape, i, at);
        for (int k = 0; k < out->shape.rank; k++) {
            int64_t size = in->shape.dim[k], v = at[k] - c->i[BEFORE + k];
            if (c->i[MODE] == VKA_PAD_REFLECT)
                v = v < 0 ? -v : v >= size ? 2 * size - 2 - v : v;
            else if (c->i[MODE] == VKA_PAD_REPLICATE)
                v = v < 0 ? 0 : v >= size ? size - 1 : v;
            else if (c->i[MODE] == VKA_PAD_CIRCULAR)
                v = (v + size) % size;
            inside = inside && v >= 0 && v < size;
            at[k] = v;
        }
        double fill = c->i[MODE] == VKA_PAD_CONSTANT ? c->d[0] : 0;
        out->v[i] = inside ? in->v[op_index(&in->shape, at)] : fill;
    }
}

#define PAD(name_, mode, ...)                                                                      \
    .name = name_, .build = pad, .define = define, .i = {mode, __VA_ARGS__}

static const struct op_case cases[] = {
    {PAD("zeros", VKA_PAD_ZEROS, 0, 2, 1, 0, 0, 3), .in = {OP_F32(OP_BITS, 3, 5, 7)},
     .out = OP_SHAPE(3, 7, 11)},
    {PAD("constant", VKA_PAD_CONSTANT, 1, 2, 0, 2, 1, 0), .d = {-2.5},
     .in = {OP_F32(OP_NORMAL, 3, 4)}, .out = OP_SHAPE(6, 7)},
    {PAD("reflect", VKA_PAD_REFLECT, 0, 4, 2, 0, 3, 6), .in = {OP_F32(OP_NORMAL, 2, 5, 7)},
     .out = OP_SHAPE(2, 12, 15)},
    {PAD("replicate", VKA_PAD_REPLICATE, 0, 9, 0, 0, 3, 11), .in = {OP_F32(OP_NORMAL, 2, 1, 3)},
     .out = OP_SHAPE(2, 13, 14)},
    {PAD("circular", VKA_PAD_CIRCULAR, 0, 5, 1, 0, 5, 7), .in = {OP_F32(OP_NORMAL, 2, 5, 7)},
     .out = OP_SHAPE(2, 15, 15)},
    {PAD("crop", VKA_PAD_ZEROS, -1, 2, -2, -1, -3, 1), .in = {OP_F32(OP_NORMAL, 4, 5, 6)},
     .out = OP_SHAPE(2, 4, 5)},
    {PAD("integers", VKA_PAD_CONSTANT, 1, 0, 0, 0, 2, 0), .d = {-7}, .in = {OP_I32(3, 4)},
     .out = OP_SHAPE(4, 6)},
    {PAD("bools", VKA_PAD_ZEROS, 0, 1, 0, 1, 1, 0), .in = {OP_BOOL(3, 4)}, .out = OP_SHAPE(4, 6)},
    {PAD("one element", VKA_PAD_ZEROS, 1, 0, 0, 0, 0, 0), .in = {OP_F32(OP_NORMAL, 1)},
     .out = OP_SHAPE(2)},
};

static void reflect_5(vka_graph *g, const vka_tensor *in)
{
    vka_pad(g, in[0], VKA_PAD_REFLECT, (const int64_t[]){5}, (const int64_t[]){0}, 0);
}

static void circular_6(vka_graph *g, const vka_tensor *in)
{
    vka_pad(g, in[0], VKA_PAD_CIRCULAR, (const int64_t[]){0}, (const int64_t[]){6}, 0);
}

static void crop_all(vka_graph *g, const vka_tensor *in)
{
    vka_pad(g, in[0], VKA_PAD_ZEROS, (const int64_t[]){-2}, (const int64_t[]){-3}, 0);
}

static const struct op_error errors[] = {
    {"reflect past the edge", {OP_F32(OP_NORMAL, 5)}, reflect_5, "at most 4"},
    {"circular past the edge", {OP_F32(OP_NORMAL, 5)}, circular_6, "at most 5"},
    {"nothing left", {OP_F32(OP_NORMAL, 5)}, crop_all, "leaves nothing"},
};

int main(void)
{
    return OP_TEST_RUN("pad", cases, errors);
}
