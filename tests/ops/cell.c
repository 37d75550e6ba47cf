// SPDX-License-Identifier: MIT
#include "support/op_test.h"

#include <math.h>

// Operands: a, b, h. i: the kind, whether the next c is wanted, too.
static void build(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    vka_tensor next_c = 0;
    out[0] = vka_cell(g, (enum vka_cell_kind)c->i[0], in[0], in[1], in[2], &next_c);
    if (c->i[1])
        out[1] = next_c;
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static void define_lstm(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out,
                        int64_t row, int64_t u, int64_t hidden)
{
    const double *gate = in[0].v + row * 4 * hidden + u;
    double next = sigmoid(gate[hidden]) * in[1].v[row * hidden + u] +
                  sigmoid(gate[0]) * tanh(gate[2 * hidden]);
    out[0].v[row * hidden + u] = sigmoid(gate[3 * hidden]) * tanh(next);
    if (c->i[1])
        out[1].v[row * hidden + u] = next;
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    int64_t hidden = out[0].shape.dim[out[0].shape.rank - 1];
    for (int64_t i = 0; i < out[0].count; i++) {
        int64_t row = i / hidden, u = i % hidden;
        if (c->i[0] == VKA_CELL_LSTM) {
            define_lstm(c, in, out, row, u, hidden);
        } else if (c->i[0] == VKA_CELL_GRU) {
            const double *a = in[0].v + row * 3 * hidden + u, *b = in[1].v + row * 3 * hidden + u;
            double r = sigmoid(a[0] + b[0]), z = sigmoid(a[hidden] + b[hidden]);
            double candidate = tanh(a[2 * hidden] + r * b[2 * hidden]);
            out[0].v[i] = (1 - z) * candidate + z * in[2].v[i];
        } else {
            double z = in[1].v[row * 2 * hidden + hidden + u];
            out[0].v[i] = z * in[0].v[i] + (1 - z) * in[2].v[i];
        }
    }
}

#define DEFINED .build = build, .define = define, .bound = 1e-6, .bound16 = 2e-3
#define F(...)  OP_F32(OP_NORMAL, __VA_ARGS__)
#define O(...)  .out = OP_SHAPE(__VA_ARGS__)

static const struct op_case cases[] = {
    {.name = "lstm", .in = {F(3, 20), F(3, 5)}, DEFINED, .i = {VKA_CELL_LSTM, 1}, O(3, 5)},
    {.name = "lstm, h alone", .in = {F(2, 3, 28), F(2, 3, 7)}, DEFINED, O(2, 3, 7)},
    {.name = "lstm, one unit", .in = {F(4), F(1)}, DEFINED, .i = {VKA_CELL_LSTM, 1}, O(1)},
    {.name = "lstm, wide values",
     .in = {OP_F32(OP_WIDE, 2, 1244), OP_F32(OP_WIDE, 2, 311)},
     DEFINED,
     .i = {VKA_CELL_LSTM, 1},
     O(2, 311)},
    {.name = "lstm, many rows",
     .in = {F(2, 150, 132), F(2, 150, 33)},
     DEFINED,
     .i = {VKA_CELL_LSTM, 1},
     O(2, 150, 33)},
    {.name = "gru",
     .in = {F(2, 3, 15), F(2, 3, 15), F(2, 3, 5)},
     DEFINED,
     .i = {VKA_CELL_GRU},
     O(2, 3, 5)},
    {.name = "gru, long rows",
     .in = {F(3, 1551), F(3, 1551), F(3, 517)},
     DEFINED,
     .i = {VKA_CELL_GRU},
     O(3, 517)},
    {.name = "cho",
     .in = {F(2, 3, 5), F(2, 3, 10), F(2, 3, 5)},
     DEFINED,
     .i = {VKA_CELL_CHO},
     O(2, 3, 5)},
    {.name = "cho, long rows",
     .in = {F(3, 517), F(3, 1034), F(3, 517)},
     DEFINED,
     .i = {VKA_CELL_CHO},
     O(3, 517)},
};

static void lstm(vka_graph *g, const vka_tensor *in)
{
    vka_cell(g, VKA_CELL_LSTM, in[0], in[1], 0, NULL);
}
static void gru(vka_graph *g, const vka_tensor *in)
{
    vka_cell(g, VKA_CELL_GRU, in[0], in[1], in[2], NULL);
}

static const struct op_error errors[] = {
    {"gates", {F(3, 15), F(3, 5)}, lstm, "operand 0 is [3, 15], but must be [3, 20]"},
    {"rows", {F(2, 20), F(3, 5)}, lstm, "operand 0 is [2, 20], but must be [3, 20]"},
    {"integers", {OP_I32(3, 20), F(3, 5)}, lstm, "cell"},
    {"gates of the state", {F(3, 15), F(3, 10), F(3, 5)}, gru, "operand 1 is [3, 10]"},
    {"no state", {F(3, 15), F(3, 15)}, gru, "cell"},
};

int main(void)
{
    return OP_TEST_RUN("cell", cases, errors);
}
