// SPDX-License-Identifier: MIT
#include "support/op_test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// Operands: inputs [D, N, T, G H], weight_hh [D, G H, Ho], the bias of a GRU or an LSTM's
// projection, the states at the start [D, N, Ho (+ H)], valid. i: the kind, and which state is the
// second result: 1: h, 2: c.
enum { KIND, SECOND };
enum { X, WEIGHT, MORE, START, VALID };

static void build(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    enum vka_cell_kind kind = (enum vka_cell_kind)c->i[KIND];
    int64_t width = vka_dim(g, in[WEIGHT], 2), all = vka_dim(g, in[START], 2);
    struct vka_recurrent p = {.kind = kind, .weight_hh = in[WEIGHT], .valid = in[VALID]};
    p.h = vka_slice(g, in[START], 2, 0, width);
    if (kind == VKA_CELL_LSTM) {
        p.c = vka_slice(g, in[START], 2, width, all - width);
        p.weight_hr = in[MORE];
    } else {
        p.bias_hh = in[MORE];
    }
    out[0] = vka_recurrent(g, in[X], &p);
    if (c->i[SECOND])
        out[1] = vka_copy(g, c->i[SECOND] == 1 ? p.h : p.c);
}

// --- the definition: a row of a direction, step by step ---

struct cell {
    int kind;
    int64_t hidden, out, gates;
    const double *weight, *more; // of the direction
    double *h, *c, *next, *product;
};

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double dot(const double *a, const double *b, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

static void define_lstm(struct cell *s, const double *x)
{
    int64_t n = s->hidden;
    for (int64_t u = 0; u < n; u++) {
        double gate[4];
        for (int i = 0; i < 4; i++)
            gate[i] = x[i * n + u] + dot(s->weight + (i * n + u) * s->out, s->h, s->out);
        s->c[u] = sigmoid(gate[1]) * s->c[u] + sigmoid(gate[0]) * tanh(gate[2]);
        s->next[u] = sigmoid(gate[3]) * tanh(s->c[u]);
    }
    memcpy(s->h, s->next, (size_t)s->out * sizeof *s->h);
    for (int64_t o = 0; s->more && o < s->out; o++)
        s->h[o] = dot(s->more + o * n, s->next, n);
}

static void define_gru(struct cell *s, const double *x)
{
    int64_t n = s->hidden;
    for (int64_t i = 0; i < 3 * n; i++)
        s->product[i] = dot(s->weight + i * n, s->h, n) + (s->more ? s->more[i] : 0);
    for (int64_t u = 0; u < n; u++) {
        double r = sigmoid(x[u] + s->product[u]), z = sigmoid(x[n + u] + s->product[n + u]);
        double candidate = tanh(x[2 * n + u] + r * s->product[2 * n + u]);
        s->h[u] = (1 - z) * candidate + z * s->h[u];
    }
}

static void define_cho(struct cell *s, const double *x)
{
    int64_t n = s->hidden;
    for (int64_t u = 0; u < n; u++)
        s->next[u] = sigmoid(x[u] + dot(s->weight + u * n, s->h, n)) * s->h[u];
    for (int64_t u = 0; u < n; u++)
        s->product[u] = sigmoid(x[n + u] + dot(s->weight + (n + u) * n, s->h, n));
    for (int64_t u = 0; u < n; u++) {
        double candidate = tanh(x[2 * n + u] + dot(s->weight + (2 * n + u) * n, s->next, n));
        s->h[u] = s->product[u] * candidate + (1 - s->product[u]) * s->h[u];
    }
}

static void define_row(const struct op_tensor *in, struct op_tensor *out, const struct op_case *c,
                       struct cell *s, int64_t d, int64_t row)
{
    static void (*const steps_of[])(struct cell *, const double *) = {define_lstm, define_gru,
                                                                      define_cho};
    const int64_t *x = in[X].shape.dim;
    int64_t rows = x[1], steps = x[2], width = in[START].shape.dim[2];
    const double *start = in[START].v + (d * rows + row) * width;
    memcpy(s->h, start, (size_t)s->out * sizeof *s->h);
    memcpy(s->c, start + s->out, (size_t)(width - s->out) * sizeof *s->c);
    for (int64_t k = 0; k < steps; k++) {
        int64_t place = d ? steps - 1 - k : k;
        if (!in[VALID].v || in[VALID].v[row * steps + place] != 0)
            steps_of[s->kind](s, in[X].v + ((d * rows + row) * steps + place) * x[3]);
        memcpy(out[0].v + ((row * steps + place) * x[0] + d) * s->out, s->h,
               (size_t)s->out * sizeof *s->h);
    }
    if (c->i[SECOND] == 1)
        memcpy(out[1].v + (d * rows + row) * s->out, s->h, (size_t)s->out * sizeof *s->h);
    if (c->i[SECOND] == 2)
        memcpy(out[1].v + (d * rows + row) * s->hidden, s->c, (size_t)s->hidden * sizeof *s->c);
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    const int64_t *x = in[X].shape.dim;
    struct cell s = {.kind = (int)c->i[KIND]};
    s.gates = vka_cell_gates((enum vka_cell_kind)s.kind);
    s.hidden = x[3] / s.gates;
    s.out = in[WEIGHT].shape.dim[2];
    double *memory = calloc((size_t)(6 * s.hidden + s.out), sizeof *memory);
    s.h = memory;
    s.c = s.h + s.out;
    s.next = s.c + s.hidden;
    s.product = s.next + s.hidden;
    for (int64_t d = 0; d < x[0]; d++) {
        s.weight = in[WEIGHT].v + d * x[3] * s.out;
        s.more = NULL;
        if (in[MORE].v)
            s.more = in[MORE].v + d * (s.kind == VKA_CELL_LSTM ? s.out * s.hidden : x[3]);
        for (int64_t row = 0; row < x[1]; row++)
            define_row(in, out, c, &s, d, row);
    }
    free(memory);
}

// --- cases ---

#define DEFINED .build = build, .define = define, .bound = 5e-6, .bound16 = 1e-2
#define LSTM(s) DEFINED, .i = {VKA_CELL_LSTM, s}
#define GRU(s)  DEFINED, .i = {VKA_CELL_GRU, s}
#define CHO(s)  DEFINED, .i = {VKA_CELL_CHO, s}
#define F(...)  OP_F32(OP_NORMAL, __VA_ARGS__)
#define W(...)                                                                                     \
    {                                                                                              \
        VKA_F32, OP_RANGE, -0.3, 0.3, OP_SHAPE(__VA_ARGS__), true                                  \
    }
#define NONE                                                                                       \
    {                                                                                              \
        0                                                                                          \
    }
#define B(...) OP_BOOL(__VA_ARGS__)
#define O(...) .out = OP_SHAPE(__VA_ARGS__)

static const struct op_case cases[] = {
    {.name = "lstm", .in = {F(1, 2, 5, 12), W(1, 12, 3), NONE, F(1, 2, 6)}, LSTM(2), O(2, 5, 3)},
    {.name = "lstm, one of everything",
     .in = {F(1, 1, 1, 4), W(1, 4, 1), NONE, F(1, 1, 2)},
     .build = build,
     .define = define,
     .bound = 5e-6,
     .bound16 = 0.1, // one small number
     .i = {VKA_CELL_LSTM, 1},
     O(1, 1, 1)},
    {.name = "lstm, one row",
     .in = {F(1, 1, 7, 128), W(1, 128, 32), NONE, F(1, 1, 64)},
     LSTM(1),
     O(1, 7, 32)},
    {.name = "lstm, two steps",
     .in = {F(1, 3, 2, 20), W(1, 20, 5), NONE, F(1, 3, 10)},
     LSTM(2),
     O(3, 2, 5)},
    {.name = "lstm, both directions, valid",
     .in = {F(2, 3, 4, 80), W(2, 80, 20), NONE, F(2, 3, 40), B(3, 4)},
     LSTM(2),
     O(3, 4, 40)},
    {.name = "lstm, projected",
     .in = {F(1, 2, 5, 72), W(1, 72, 5), W(1, 5, 18), F(1, 2, 23)},
     LSTM(2),
     O(2, 5, 5)},
    {.name = "lstm, projected, both directions, valid",
     .in = {F(2, 5, 3, 80), W(2, 80, 8), W(2, 8, 20), F(2, 5, 28), B(5, 3)},
     LSTM(1),
     O(5, 3, 16)},
    {.name = "lstm, many rows",
     .in = {F(1, 131, 3, 68), W(1, 68, 17), NONE, F(1, 131, 34)},
     LSTM(2),
     O(131, 3, 17)},
    {.name = "lstm, long sums",
     .in = {F(1, 5, 2, 1096), W(1, 1096, 274), NONE, F(1, 5, 548)},
     LSTM(1),
     O(5, 2, 274)},
    {.name = "gru", .in = {F(1, 2, 5, 9), W(1, 9, 3), W(1, 1, 9), F(1, 2, 3)}, GRU(1), O(2, 5, 3)},
    {.name = "gru, no bias, both directions",
     .in = {F(2, 3, 4, 60), W(2, 60, 20), NONE, F(2, 3, 20)},
     GRU(1),
     O(3, 4, 40)},
    {.name = "gru, bias, both directions, valid",
     .in = {F(2, 6, 4, 57), W(2, 57, 19), W(2, 1, 57), F(2, 6, 19), B(6, 4)},
     GRU(1),
     O(6, 4, 38)},
    {.name = "gru, one step",
     .in = {F(1, 2, 1, 48), W(1, 48, 16), W(1, 1, 48), F(1, 2, 16)},
     GRU(1),
     O(2, 1, 16)},
    {.name = "cho", .in = {F(1, 2, 5, 9), W(1, 9, 3), NONE, F(1, 2, 3)}, CHO(1), O(2, 5, 3)},
    {.name = "cho, both directions, valid",
     .in = {F(2, 3, 4, 72), W(2, 72, 24), NONE, F(2, 3, 24), B(3, 4)},
     CHO(1),
     O(3, 4, 48)},
    {.name = "cho, long sums",
     .in = {F(1, 2, 3, 801), W(1, 801, 267), NONE, F(1, 2, 267)},
     CHO(1),
     O(2, 3, 267)},
};

static void lstm(vka_graph *g, const vka_tensor *in)
{
    struct vka_recurrent p = {VKA_CELL_LSTM, in[1], 0, in[2], in[4], in[3], in[3]};
    vka_recurrent(g, in[0], &p);
}
static void gru(vka_graph *g, const vka_tensor *in)
{
    struct vka_recurrent p = {VKA_CELL_GRU, in[1], in[2], 0, in[4], in[3], 0};
    vka_recurrent(g, in[0], &p);
}

#define GIVEN F(1, 2, 5, 12), F(1, 12, 3)
static const struct op_error errors[] = {
    {"axes", {F(2, 5, 12), F(1, 12, 3), NONE, F(1, 2, 3)}, lstm, "fit the inputs [2, 5, 12]"},
    {"gates", {F(1, 2, 5, 13), F(1, 13, 3), NONE, F(1, 2, 3)}, lstm, "inputs [1, 2, 5, 13]"},
    {"weight", {F(1, 2, 5, 12), F(1, 16, 3), NONE, F(1, 2, 3)}, lstm, "the weight is [1, 16, 3]"},
    {"width", {F(1, 2, 5, 12), F(1, 12, 2), NONE, F(1, 2, 3)}, lstm, "without a projection"},
    {"projection", {GIVEN, F(1, 2, 3), F(1, 2, 3)}, lstm, "the projection is [1, 2, 3]"},
    {"bias", {F(1, 2, 5, 9), F(1, 9, 3), F(1, 1, 8), F(1, 2, 3)}, gru, "the bias is [1, 1, 8]"},
    {"state", {GIVEN, NONE, F(1, 3, 3)}, lstm, "h is [1, 3, 3], but must be [1, 2, 3]"},
    {"valid", {GIVEN, NONE, F(1, 2, 3), B(2, 4)}, lstm, "valid is [2, 4], but must be [2, 5]"},
    {"integers", {OP_I32(1, 2, 5, 12), F(1, 12, 3), NONE, F(1, 2, 3)}, lstm, "recurrent"},
};

int main(void)
{
    return OP_TEST_RUN("recurrent", cases, errors);
}
