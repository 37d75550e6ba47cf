// SPDX-License-Identifier: MIT
#include "support/op_test.h"

#include <math.h>

// Operands: scores [N, G, V], boxes [N, V, 4...], tables [8, 17]. i: objects.
enum { OBJECTS, MOST = 32 };

static void build(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    out[0] = vka_count_boxes(g, in[0], in[1], in[2], c->i[OBJECTS]);
}

static double function(const struct op_tensor *tables, int f, double x)
{
    const double *t = tables->v + f * 17;
    double total = 0, sum = 0, y = 16 * fmin(fmax(x, 0), 1);
    int low = (int)y;
    for (int i = 0; i < 17; i++) {
        total += fabs(t[i]);
        sum += i <= low ? fabs(t[i]) : 0;
    }
    return (sum + (y - low) * fabs(t[low < 16 ? low + 1 : 16])) / total;
}

static double extent(double low, double high)
{
    return fmax(high - low, 0);
}

static double apart(const double *a, const double *b)
{
    double inter =
        extent(fmax(a[0], b[0]), fmin(a[2], b[2])) * extent(fmax(a[1], b[1]), fmin(a[3], b[3]));
    double own = extent(a[0], a[2]) * extent(a[1], a[3]);
    double other = extent(b[0], b[2]) * extent(b[1], b[3]);
    return 1 - inter / (own + other - inter + 1e-12);
}

// The largest score that isn't taken yet, the first of equals; NaN is least.
static int64_t next_best(const double *score, int64_t count, const bool *taken)
{
    int64_t best = -1;
    for (int64_t i = 0; i < count; i++) {
        if (!taken[i] &&
            (best < 0 || score[i] > score[best] || (isnan(score[best]) && !isnan(score[i]))))
            best = i;
    }
    return best;
}

struct counting {
    const struct op_tensor *tables;
    int64_t kept;
    double score[MOST], distance[MOST][MOST], differs[MOST][MOST];
};

static void keep(struct counting *c, const double *score, const struct op_tensor *boxes, int64_t n)
{
    int64_t count = boxes->shape.dim[1], columns = boxes->shape.dim[2], from[MOST];
    const double *first = boxes->v + n * count * columns;
    bool taken[1024] = {false};
    for (int64_t i = 0; i < c->kept; i++) {
        from[i] = next_best(score, count, taken);
        taken[from[i]] = true;
        c->score[i] = 1 / (1 + exp(-score[from[i]]));
    }
    for (int64_t i = 0; i < c->kept; i++) {
        for (int64_t j = 0; j < c->kept; j++) {
            double d = apart(first + from[i] * columns, first + from[j] * columns);
            c->distance[i][j] = d;
            c->differs[i][j] =
                function(c->tables, 3, c->score[i] * c->score[j]) * function(c->tables, 4, d);
        }
    }
}

static double likes(const struct counting *c, int64_t i)
{
    double sum = 0;
    for (int64_t j = 0; j < c->kept; j++) {
        double product = function(c->tables, 2, 1 - fabs(c->score[i] - c->score[j]));
        for (int64_t k = 0; k < c->kept; k++)
            product *= function(c->tables, 2, 1 - fabs(c->differs[k][i] - c->differs[k][j]));
        sum += product;
    }
    return sum;
}

static void count(const struct counting *c, double *out)
{
    double all = 0, own = 0, pairs = 0, like[MOST], m = (double)c->kept;
    for (int64_t i = 0; i < c->kept; i++)
        like[i] = likes(c, i);
    for (int64_t i = 0; i < c->kept; i++) {
        all += function(c->tables, 0, c->score[i] * c->score[i]) / like[i];
        own += fabs(function(c->tables, 5, c->score[i]) - 0.5) / m;
        for (int64_t j = 0; j < c->kept; j++) {
            all += function(c->tables, 0, c->score[i] * c->score[j]) *
                   function(c->tables, 1, c->distance[i][j]) / (like[i] * like[j]);
            pairs += fabs(function(c->tables, 6, c->distance[i][j]) - 0.5) / (m * m);
        }
    }
    double number = fmin(sqrt(all + 1e-20), m), low = floor(number);
    double sure = function(c->tables, 7, own + pairs);
    for (int64_t i = 0; i <= c->kept; i++)
        out[i] = 0;
    out[(int64_t)low] += (1 - (number - low)) * sure;
    out[(int64_t)fmin(low + 1, m)] += (number - low) * sure;
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    struct counting counting = {.tables = &in[2], .kept = c->i[OBJECTS]};
    int64_t glimpses = in[0].shape.dim[1], boxes = in[0].shape.dim[2];
    for (int64_t i = 0; i < in[0].shape.dim[0] * glimpses; i++) {
        keep(&counting, in[0].v + i * boxes, &in[1], i / glimpses);
        count(&counting, out[0].v + i * (counting.kept + 1));
    }
}

// The functions are steep and their results are multiplied M times: f16 plans lose much.
#define DEFINED .build = build, .define = define, .bound = 1e-5, .bound16 = 5e-2
#define F(...)  OP_F32(OP_NORMAL, __VA_ARGS__)
#define BOXES(...)                                                                                 \
    {                                                                                              \
        VKA_F32, OP_RANGE, 0, 1, OP_SHAPE(__VA_ARGS__), true                                       \
    }
#define T      OP_F32(OP_POSITIVE, 8, 17)
#define O(...) .out = OP_SHAPE(__VA_ARGS__)

static const struct op_case cases[] = {
    {.name = "plain", .in = {F(2, 3, 7), BOXES(2, 7, 4), T}, DEFINED, .i = {4}, O(2, 3, 5)},
    {.name = "one of everything",
     .in = {F(1, 1, 1), BOXES(1, 1, 4), T},
     DEFINED,
     .i = {1},
     O(1, 1, 2)},
    {.name = "all boxes", .in = {F(3, 2, 10), BOXES(3, 10, 6), T}, DEFINED, .i = {10}, O(3, 2, 11)},
    {.name = "one of many",
     .in = {F(2, 2, 131), BOXES(2, 131, 4), T},
     DEFINED,
     .i = {1},
     O(2, 2, 2)},
    {.name = "ten of a hundred",
     .in = {F(2, 4, 100), BOXES(2, 100, 5), T},
     DEFINED,
     .i = {10},
     O(2, 4, 11)},
    {.name = "signs in the tables",
     .in = {F(2, 3, 7), BOXES(2, 7, 4), F(8, 17)},
     DEFINED,
     .i = {4},
     O(2, 3, 5)},
    {.name = "ties",
     .in = {OP_F32(OP_TIES, 2, 3, 70), BOXES(2, 70, 4), T},
     DEFINED,
     .i = {7},
     O(2, 3, 8)},
    {.name = "scores of -inf",
     .in = {OP_F32(OP_INFINITE, 2, 3, 9), BOXES(2, 9, 4), T},
     DEFINED,
     .i = {8},
     O(2, 3, 9)},
    {.name = "scores that are no numbers",
     .in = {OP_F32(OP_SPECIAL, 2, 3, 70), BOXES(2, 70, 4), T},
     DEFINED,
     .i = {7},
     O(2, 3, 8)},
    {.name = "boxes without area",
     .in = {F(1, 2, 9), OP_F32(OP_TIES, 1, 9, 4), T},
     DEFINED,
     .i = {6},
     O(1, 2, 7)},
};

static void make(vka_graph *g, const vka_tensor *in)
{
    vka_count_boxes(g, in[0], in[1], in[2], 3);
}

static void none(vka_graph *g, const vka_tensor *in)
{
    vka_count_boxes(g, in[0], in[1], in[2], 0);
}

static const struct op_error errors[] = {
    {"axes", {F(2, 7), BOXES(2, 7, 4), T}, make, "scores are [2, 7]"},
    {"images", {F(2, 1, 7), BOXES(1, 7, 4), T}, make, "boxes [1, 7, 4]"},
    {"boxes", {F(2, 1, 7), BOXES(2, 6, 4), T}, make, "boxes [2, 6, 4]"},
    {"corners", {F(2, 1, 7), BOXES(2, 7, 3), T}, make, "boxes [2, 7, 3]"},
    {"tables", {F(2, 1, 7), BOXES(2, 7, 4), F(8, 16)}, make, "tables [8, 16]"},
    {"too few", {F(2, 1, 2), BOXES(2, 2, 4), T}, make, "3 objects of 2 boxes"},
    {"none", {F(2, 1, 2), BOXES(2, 2, 4), T}, none, "0 objects of 2 boxes"},
    {"integers", {F(2, 1, 7), OP_I32(2, 7, 4), T}, make, "F32"},
};

int main(void)
{
    return OP_TEST_RUN("count_boxes", cases, errors);
}
