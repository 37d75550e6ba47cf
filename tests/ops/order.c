// SPDX-License-Identifier: MIT
#include "support/op_test.h"

#include <math.h>
#include <stdlib.h>

static void build(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    (void)c;
    out[0] = vka_order(g, in[0]);
}

struct item {
    double value, number;
};

static int compare(const void *a, const void *b)
{
    const struct item *p = a, *q = b;
    if (!isnan(p->value) != !isnan(q->value))
        return isnan(p->value) ? -1 : 1;
    if (p->value > q->value)
        return -1;
    if (p->value < q->value)
        return 1;
    return p->number < q->number ? -1 : 1;
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    int64_t length = in->shape.dim[in->shape.rank - 1];
    struct item *items = malloc((size_t)length * sizeof *items);
    (void)c;
    for (int64_t row = 0; row < in->count / length; row++) {
        for (int64_t i = 0; i < length; i++)
            items[i] = (struct item){in->v[row * length + i], (double)i};
        qsort(items, (size_t)length, sizeof *items, compare);
        for (int64_t i = 0; i < length; i++)
            out->v[row * length + i] = items[i].number;
    }
    free(items);
}

#define CASE(name_, operand, ...)                                                                  \
    {                                                                                              \
        .name = name_, .in = {operand}, .build = build, .define = define,                          \
        .out = OP_SHAPE(__VA_ARGS__)                                                               \
    }

static const struct op_case cases[] = {
    CASE("rows", OP_F32(OP_NORMAL, 5, 67), 5, 67),
    CASE("ties", OP_F32(OP_TIES, 3, 131), 3, 131),
    CASE("special", OP_F32(OP_SPECIAL, 7, 61), 7, 61),
    CASE("any bits", OP_F32(OP_BITS, 2, 257), 2, 257),
    CASE("one", OP_F32(OP_NORMAL, 1), 1),
    CASE("two", OP_F32(OP_NORMAL, 3, 2), 3, 2),
    CASE("size 1", OP_F32(OP_NORMAL, 5, 1), 5, 1),
    CASE("a block", OP_F32(OP_NORMAL, 1024), 1024),
    CASE("a block and one", OP_F32(OP_TIES, 1025), 1025),
    CASE("two blocks and a bit", OP_F32(OP_NORMAL, 2, 2049), 2, 2049),
    CASE("blocks", OP_F32(OP_SPECIAL, 2, 3, 5003), 2, 3, 5003),
    CASE("many ties", OP_F32(OP_TIES, 20011), 20011),
};

static void of_any(vka_graph *g, const vka_tensor *in)
{
    vka_order(g, in[0]);
}

static const struct op_error errors[] = {
    {"type", {OP_I32(2, 3)}, of_any, "order: operand 0 is I32, not F32"},
    {"rank", {OP_SCALAR(VKA_F32)}, of_any, "order: x has shape []"},
};

int main(void)
{
    return OP_TEST_RUN("order", cases, errors);
}
