// SPDX-License-Identifier: MIT
//
// count_boxes: how many objects a map of attention sees, though boxes overlap (Zhang, Hare,
// Prugel-Bennett: Learning to count objects, ICLR 2018). The boxes with the largest scores become a
// graph, whose edges within and between objects are scaled away by learnt piecewise linear
// functions f0 .. f7 on [0, 1]; what is left sums to the square of the count.
#include "count_boxes.h" // push constants
#include "cpu/activation.h"
#include "cpu/threads.h"
#include "ops/infer.h"
#include "ops/ops.h"

#include <math.h>

enum { SCORES, BOXES, TABLES, INPUTS };
enum { FUNCTIONS = 8, LAST = 16, ENTRIES = LAST + 1 };

struct params {
    int64_t objects;
};

vka_tensor vka_count_boxes(vka_graph *g, vka_tensor scores, vka_tensor boxes, vka_tensor tables,
                           int64_t objects)
{
    struct params params = {objects};
    vka_tensor in[INPUTS] = {scores, boxes, tables};
    return vka_add_node(g, &vka_op_count_boxes, &params, INPUTS, in, NULL);
}

static bool infer(struct vka_infer *n)
{
    const struct params *p = n->params;
    for (int i = 0; i < INPUTS; i++) {
        if (!vka_infer_type(n, "count_boxes", i, VKA_F32))
            return false;
    }
    const vka_shape *s = &n->in[SCORES]->shape, *b = &n->in[BOXES]->shape;
    const vka_shape *t = &n->in[TABLES]->shape;
    bool fits = s->rank == 3 && b->rank == 3 && t->rank == 2 && s->dim[0] == b->dim[0] &&
                s->dim[2] == b->dim[1] && b->dim[2] >= 4 && t->dim[0] == FUNCTIONS &&
                t->dim[1] == ENTRIES;
    char text[INPUTS][VKA_SHAPE_TEXT];
    if (!fits)
        vka_fail(n->g,
                 "count_boxes: scores are %s, boxes %s, tables %s; [N, G, V], [N, V, 4 or more] "
                 "and [%d, %d] go",
                 vka_shape_text(s, text[0]), vka_shape_text(b, text[1]), vka_shape_text(t, text[2]),
                 FUNCTIONS, ENTRIES);
    else if (p->objects < 1 || p->objects > s->dim[2])
        vka_fail(n->g, "count_boxes: %lld objects of %lld boxes", (long long)p->objects,
                 (long long)s->dim[2]);
    if (vka_failed(n->g))
        return false;
    n->n_out = 1;
    n->out_shape[0] = VKA_SHAPE(s->dim[0], s->dim[1], p->objects + 1);
    return true;
}

// What counts the boxes alike: a function of each pair, for each of the boxes.
static double flops(const struct vka_args *args)
{
    const struct params *p = args->params;
    double kept = (double)p->objects;
    return 10.0 * (double)(args->in[SCORES].dim[0] * args->in[SCORES].dim[1]) * kept * kept * kept;
}

// --- CPU: a piece is a glimpse of an image ---

struct table {
    float sum[ENTRIES], next[ENTRIES]; // up to an entry, and the entry after it
};

struct job {
    const float *scores, *boxes;
    float *out, *scratch;
    int64_t glimpses, count, columns, kept;
    struct table f[FUNCTIONS];
    size_t thread_size; // of scratch, in floats
};

// A thread's scratch: by box that stays, and by pair of those.
struct kept {
    int64_t count;
    float *score, *box[4], *likes;
    float *distance, *differs, *row; // [count, count] each, [count]
};

static void make_table(struct table *t, const float *weights)
{
    float total = 0, sum = 0;
    for (int i = 0; i < ENTRIES; i++)
        total += fabsf(weights[i]);
    for (int i = 0; i < ENTRIES; i++) {
        sum += fabsf(weights[i]) / total;
        t->sum[i] = sum;
        t->next[i] = fabsf(weights[i < LAST ? i + 1 : LAST]) / total;
    }
}

static inline float apply(const struct table *t, float x)
{
    float y = (float)LAST * (x < 0 ? 0 : x > 1 ? 1 : x);
    int i = y == y ? (int)y : 0;
    return t->sum[i] + (y - (float)i) * t->next[i];
}

// Whether box i, which comes later, goes before box j: NaN is least.
static bool is_better(float i, float j)
{
    return i > j || (j != j && i == i);
}

// The boxes with the largest scores, best first.
static void keep_boxes(const struct job *job, const struct kept *k, int64_t n, const float *scores)
{
    int64_t have = 0;
    for (int64_t i = 0; i < job->count; i++) {
        int64_t at = have < k->count ? have++ : k->count;
        for (; at > 0 && is_better(scores[i], k->score[at - 1]); at--) {
            if (at == k->count)
                continue; // the last one goes
            k->score[at] = k->score[at - 1];
            for (int c = 0; c < 4; c++)
                k->box[c][at] = k->box[c][at - 1];
        }
        if (at == k->count)
            continue;
        k->score[at] = scores[i];
        for (int c = 0; c < 4; c++)
            k->box[c][at] = job->boxes[(n * job->count + i) * job->columns + c];
    }
    for (int64_t i = 0; i < k->count; i++)
        k->score[i] = vka_activate(VKA_ACT_SIGMOID, k->score[i], 0, 0);
}

static inline float length(float low, float high)
{
    return high > low ? high - low : high < low ? 0 : high - low; // NaN stays
}

static inline float larger(float a, float b)
{
    return a > b ? a : b;
}

static inline float smaller(float a, float b)
{
    return a < b ? a : b;
}

static float apart(const struct kept *k, int64_t i, int64_t j)
{
    float *const *b = k->box;
    float inter = length(larger(b[0][i], b[0][j]), smaller(b[2][i], b[2][j])) *
                  length(larger(b[1][i], b[1][j]), smaller(b[3][i], b[3][j]));
    float own = length(b[0][i], b[2][i]) * length(b[1][i], b[3][i]);
    float other = length(b[0][j], b[2][j]) * length(b[1][j], b[3][j]);
    return 1 - inter / (own + other - inter + 1e-12f);
}

static void make_pairs(const struct job *job, const struct kept *k)
{
    for (int64_t i = 0; i < k->count; i++) {
        for (int64_t j = 0; j < k->count; j++) {
            float d = apart(k, i, j), product = k->score[i] * k->score[j];
            k->distance[i * k->count + j] = d;
            k->differs[i * k->count + j] = apply(&job->f[3], product) * apply(&job->f[4], d);
        }
    }
}

// How many boxes are like box i: those that differ from the same ones.
static float count_likes(const struct job *job, const struct kept *k, int64_t i)
{
    const struct table *f = &job->f[2];
    int64_t m = k->count;
    float sum = 0;
    for (int64_t j = 0; j < m; j++)
        k->row[j] = apply(f, 1 - fabsf(k->score[i] - k->score[j]));
    for (int64_t other = 0; other < m; other++) {
        const float *differs = k->differs + other * m;
        for (int64_t j = 0; j < m; j++)
            k->row[j] *= apply(f, 1 - fabsf(differs[i] - differs[j]));
    }
    for (int64_t j = 0; j < m; j++)
        sum += k->row[j];
    return sum;
}

// The count, and how sure it is.
static float count_one(const struct job *job, const struct kept *k, float *confidence)
{
    const struct table *f = job->f;
    float all = 0, sure = 0, m = (float)k->count;
    for (int64_t i = 0; i < k->count; i++)
        k->likes[i] = count_likes(job, k, i);
    for (int64_t i = 0; i < k->count; i++) {
        float a = k->score[i], part = apply(&f[0], a * a) / k->likes[i], distance = 0;
        for (int64_t j = 0; j < k->count; j++) {
            float d = k->distance[i * k->count + j];
            part += apply(&f[0], a * k->score[j]) * apply(&f[1], d) / (k->likes[i] * k->likes[j]);
            distance += fabsf(apply(&f[6], d) - 0.5f);
        }
        all += part;
        sure += fabsf(apply(&f[5], a) - 0.5f) + distance / m;
    }
    *confidence = apply(&f[7], sure / m);
    return sqrtf(all + 1e-20f);
}

static void run_piece(void *arg, int64_t piece, int thread)
{
    const struct job *job = arg;
    int64_t m = job->kept;
    float *at = job->scratch + (size_t)thread * job->thread_size, confidence;
    struct kept k = {.count = m, .score = at, .likes = at + m, .row = at + 2 * m};
    for (int c = 0; c < 4; c++)
        k.box[c] = at + (3 + c) * m;
    k.distance = at + 7 * m;
    k.differs = k.distance + m * m;
    keep_boxes(job, &k, piece / job->glimpses, job->scores + piece * job->count);
    make_pairs(job, &k);
    float count = count_one(job, &k, &confidence);
    count = count > (float)m ? (float)m : count;
    int64_t low = count == count ? (int64_t)count : 0;
    float rest = count - (float)low, *out = job->out + piece * (m + 1);
    for (int64_t i = 0; i <= m; i++) {
        float share = (i == low ? 1 - rest : 0) + (i == (low < m ? low + 1 : m) ? rest : 0);
        out[i] = share * confidence;
    }
}

static size_t thread_size(int64_t kept)
{
    size_t m = (size_t)kept;
    return (m * (2 * m + 7) + 15) / 16 * 16; // whole cache lines
}

static size_t cpu_scratch(const struct vka_args *args, int threads)
{
    const struct params *p = args->params;
    return (size_t)threads * thread_size(p->objects) * sizeof(float);
}

static void cpu(const struct vka_cpu_run *run)
{
    const struct vka_args *args = run->args;
    const struct params *p = args->params;
    const struct vka_array *scores = &args->in[SCORES];
    struct job job = {.scores = scores->data,
                      .boxes = args->in[BOXES].data,
                      .out = args->out[0].data,
                      .scratch = run->scratch,
                      .glimpses = scores->dim[1],
                      .count = scores->dim[2],
                      .columns = args->in[BOXES].dim[2],
                      .kept = p->objects,
                      .thread_size = thread_size(p->objects)};
    for (int i = 0; i < FUNCTIONS; i++)
        make_table(&job.f[i], (const float *)args->in[TABLES].data + (int64_t)i * ENTRIES);
    vka_parallel(run->threads, scores->dim[0] * scores->dim[1], run_piece, &job);
}

// --- Vulkan ---

enum { GROUP = 64, MOST = 384 }; // boxes that fit into 16 KiB

// Turns of a lane's loops: a table, ranks of its scores, its boxes that stay against all pairs.
static double turns_of(const struct params *p, int64_t boxes)
{
    double kept = (double)p->objects, scores = (double)boxes;
    return ceil(scores / GROUP) * (scores + 2) +
           ceil((kept + 1) / GROUP) * (kept * (kept + 3) + 6) + kept;
}

static bool fits(const struct vka_limits *limits, const struct vka_args *args)
{
    const struct params *p = args->params;
    (void)limits;
    return p->objects <= MOST;
}

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    const struct params *p = args->params;
    const struct vka_array *scores = &args->in[SCORES], *boxes = &args->in[BOXES];
    uint64_t groups = (uint64_t)(scores->dim[0] * scores->dim[1]);
    struct vka_push_count_boxes push = {.groups = (uint)groups,
                                        .glimpses = (uint)scores->dim[1],
                                        .boxes = (uint)scores->dim[2],
                                        .columns = (uint)boxes->dim[2]};
    struct vka_dispatch d;
    vka_begin(l, &d, "count_boxes", GROUP, 1, 1);
    vka_constant_u32(&d, (uint32_t)p->objects);
    push.scores_offset = vka_bind(l, &d, scores, VKA_READ);
    push.boxes_offset = vka_bind(l, &d, boxes, VKA_READ);
    push.tables_offset = vka_bind(l, &d, &args->in[TABLES], VKA_READ);
    push.out_offset = vka_bind(l, &d, &args->out[0], VKA_WRITE);
    VKA_PUSH(&d, push);
    vka_turns(&d, turns_of(p, scores->dim[2]), "the boxes");
    vka_emit(l, &d, groups, 1, 1);
}

static const struct vka_variant variants[] = {{"baseline", fits, launch}, {0}};

// --- in other operations ---

struct counting { // while the graph is written
    vka_graph *g;
    vka_tensor tables; // [8 * 17, 2]: the sum up to an entry, and the entry after it
    int64_t objects;
};

static vka_tensor make_tables(vka_graph *g, vka_tensor weights)
{
    float upper[ENTRIES * ENTRIES];
    for (int i = 0; i < ENTRIES * ENTRIES; i++)
        upper[i] = i / ENTRIES <= i % ENTRIES ? 1 : 0;
    vka_shape square = VKA_SHAPE(ENTRIES, ENTRIES);
    vka_tensor t = vka_act(g, weights, VKA_ACT_ABS);
    t = vka_div(g, t, vka_reduce(g, VKA_REDUCE_SUM, t, 1u << 1, true));
    vka_tensor sum = vka_matmul(g, t, vka_constant(g, VKA_F32, &square, upper), NULL);
    vka_tensor next = VKA_CONCAT(g, 1, vka_slice(g, t, 1, 1, LAST), vka_slice(g, t, 1, LAST, 1));
    vka_tensor both = VKA_CONCAT(g, 2, vka_unsqueeze(g, sum, 2), vka_unsqueeze(g, next, 2));
    return vka_reshape(g, both, VKA_SHAPE(FUNCTIONS * ENTRIES, 2));
}

static vka_tensor function(const struct counting *c, int f, vka_tensor x)
{
    vka_graph *g = c->g;
    vka_tensor y =
        vka_affine(g, vka_unary(g, x, (struct vka_activation){VKA_ACT_CLAMP, 0, 1}), LAST, 0);
    vka_tensor table = vka_slice(g, c->tables, 0, (int64_t)f * ENTRIES, ENTRIES);
    vka_tensor index = vka_cast(g, y, VKA_I32);
    vka_tensor at = vka_gather_known(g, table, index);
    int last = vka_rank(g, x);
    vka_tensor sum = vka_squeeze(g, vka_slice(g, at, last, 0, 1), last);
    vka_tensor next = vka_squeeze(g, vka_slice(g, at, last, 1, 1), last);
    vka_tensor rest = vka_sub(g, y, vka_cast(g, index, VKA_F32));
    return vka_add(g, sum, vka_mul(g, rest, next));
}

// [N, G, V, V]: whether another's key is larger; where both are equal, as `ties` has it.
static vka_tensor ahead(vka_graph *g, vka_tensor key, vka_tensor ties)
{
    vka_tensor own = vka_unsqueeze(g, key, 3), other = vka_unsqueeze(g, key, 2);
    vka_tensor tie = vka_binary(g, VKA_AND, vka_binary(g, VKA_EQ, other, own), ties);
    return vka_binary(g, VKA_OR, vka_binary(g, VKA_GT, other, own), tie);
}

// [N, G, M]: the numbers of the boxes with the largest scores.
static vka_tensor best(const struct counting *c, vka_tensor scores)
{
    vka_graph *g = c->g;
    int64_t count = vka_dim(g, scores, 2);
    vka_tensor least = vka_constant_scalar(g, -INFINITY);
    vka_tensor number = vka_binary(g, VKA_GE, scores, least); // no NaN, which is least of all
    vka_tensor key = vka_where(g, number, scores, least);
    vka_tensor index = vka_count_up(g, count, 0, 1);
    vka_tensor earlier = vka_binary(g, VKA_LT, index, vka_unsqueeze(g, index, 1));
    vka_tensor before = ahead(g, key, ahead(g, vka_cast(g, number, VKA_I32), earlier));
    vka_tensor rank = vka_reduce(g, VKA_REDUCE_SUM, vka_cast(g, before, VKA_I32), 1u << 3, false);
    vka_tensor place = vka_unsqueeze(g, vka_count_up(g, c->objects, 0, 1), 1);
    vka_tensor is = vka_binary(g, VKA_EQ, vka_unsqueeze(g, rank, 2), place);
    return vka_argmax(g, vka_cast(g, is, VKA_F32), 3, false);
}

// Rows `index` [N, G, M] of t, [N * G * V, W] or [N * V, W], as [N, G, M, W].
static vka_tensor rows(vka_graph *g, vka_tensor t, vka_tensor index, int64_t count)
{
    int64_t n = vka_dim(g, index, 0), glimpses = vka_dim(g, index, 1);
    bool by_glimpse = vka_dim(g, t, 0) == n * glimpses * count;
    vka_tensor first = vka_count_up(g, by_glimpse ? n * glimpses : n, 0, count);
    first = vka_reshape(g, first, VKA_SHAPE(n, by_glimpse ? glimpses : 1, 1));
    return vka_gather_known(g, t, vka_add(g, index, first));
}

static vka_tensor extent(vka_graph *g, vka_tensor low, vka_tensor high)
{
    return vka_act(g, vka_sub(g, high, low), VKA_ACT_RELU);
}

// 1 - intersection over union of all pairs of boxes [N, G, M, 4].
static vka_tensor distances(vka_graph *g, vka_tensor boxes)
{
    vka_tensor side[4], inter[2], own[2];
    for (int i = 0; i < 4; i++)
        side[i] = vka_slice(g, boxes, 3, i, 1); // [N, G, M, 1]
    for (int i = 0; i < 2; i++) {
        vka_tensor low = side[i], high = side[2 + i];
        own[i] = extent(g, low, high);
        inter[i] = extent(g, vka_binary(g, VKA_MAX, low, vka_transpose(g, low, 2, 3)),
                          vka_binary(g, VKA_MIN, high, vka_transpose(g, high, 2, 3)));
    }
    vka_tensor area = vka_mul(g, own[0], own[1]), both = vka_mul(g, inter[0], inter[1]);
    vka_tensor either = vka_sub(g, vka_add(g, area, vka_transpose(g, area, 2, 3)), both);
    // 1e-12 is nothing where floats are stored in 16 bits.
    vka_tensor zero = vka_constant_scalar(g, 0), meet = vka_binary(g, VKA_GT, both, zero);
    vka_tensor share = vka_div(g, both, vka_affine(g, either, 1, 1e-12));
    return vka_affine(g, vka_where(g, meet, share, zero), -1, 1);
}

// 1 - |a - b|
static vka_tensor nearness(vka_graph *g, vka_tensor a, vka_tensor b)
{
    return vka_affine(g, vka_act(g, vka_sub(g, a, b), VKA_ACT_ABS), -1, 1);
}

// [N, G, M, 1]: how many boxes are like each.
static vka_tensor likes(const struct counting *c, vka_tensor score, vka_tensor differs)
{
    vka_graph *g = c->g;
    vka_tensor near = nearness(g, vka_unsqueeze(g, differs, 4), vka_unsqueeze(g, differs, 3));
    vka_tensor product = vka_reduce(g, VKA_REDUCE_PROD, function(c, 2, near), 1u << 2, false);
    vka_tensor other = function(c, 2, nearness(g, score, vka_transpose(g, score, 2, 3)));
    return vka_reduce(g, VKA_REDUCE_SUM, vka_mul(g, product, other), 1u << 3, true);
}

// |f(x) - 0.5|, the mean over M boxes or their pairs: [N, G].
static vka_tensor sureness(const struct counting *c, int f, vka_tensor x)
{
    vka_tensor off = vka_act(c->g, vka_affine(c->g, function(c, f, x), 1, -0.5), VKA_ACT_ABS);
    return vka_reduce(c->g, VKA_REDUCE_MEAN, off, 1u << 2 | 1u << 3, false);
}

// [N, G] numbers between 0 and M as [N, G, M + 1] shares of their two neighbours.
static vka_tensor shares(const struct counting *c, vka_tensor count)
{
    vka_graph *g = c->g;
    float most = (float)c->objects;
    count =
        vka_unsqueeze(g, vka_unary(g, count, (struct vka_activation){VKA_ACT_CLAMP, 0, most}), 2);
    vka_tensor low = vka_act(g, count, VKA_ACT_FLOOR), rest = vka_sub(g, count, low);
    vka_tensor high =
        vka_unary(g, vka_affine(g, low, 1, 1), (struct vka_activation){VKA_ACT_CLAMP, 0, most});
    vka_tensor place = vka_cast(g, vka_count_up(g, c->objects + 1, 0, 1), VKA_F32),
               zero = vka_constant_scalar(g, 0);
    vka_tensor at_low =
        vka_where(g, vka_binary(g, VKA_EQ, place, low), vka_affine(g, rest, -1, 1), zero);
    return vka_add(g, at_low, vka_where(g, vka_binary(g, VKA_EQ, place, high), rest, zero));
}

static void expand(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    const struct params *p = node->params;
    struct counting c = {g, make_tables(g, node->in[TABLES]), p->objects};
    vka_tensor scores = node->in[SCORES], index = best(&c, scores);
    int64_t count = vka_dim(g, scores, 2);
    vka_tensor corners = vka_reshape(g, vka_slice(g, node->in[BOXES], 2, 0, 4), VKA_SHAPE(-1, 4));
    vka_tensor score = rows(g, vka_reshape(g, scores, VKA_SHAPE(-1, 1)), index, count);
    score = vka_act(g, score, VKA_ACT_SIGMOID); // [N, G, M, 1]
    vka_tensor distance = distances(g, rows(g, corners, index, count));
    vka_tensor both = vka_mul(g, score, vka_transpose(g, score, 2, 3));
    vka_tensor differs = vka_mul(g, function(&c, 3, both), function(&c, 4, distance));
    vka_tensor like = likes(&c, score, differs);
    vka_tensor pairs = vka_mul(g, function(&c, 0, both), function(&c, 1, distance));
    pairs = vka_div(g, pairs, vka_mul(g, like, vka_transpose(g, like, 2, 3)));
    vka_tensor own = vka_div(g, function(&c, 0, vka_act(g, score, VKA_ACT_SQUARE)), like);
    unsigned axes = 1u << 2 | 1u << 3;
    vka_tensor all = vka_add(g, vka_reduce(g, VKA_REDUCE_SUM, pairs, axes, false),
                             vka_reduce(g, VKA_REDUCE_SUM, own, axes, false));
    vka_tensor sure = vka_add(g, sureness(&c, 5, score), sureness(&c, 6, distance));
    vka_tensor number = vka_act(g, vka_affine(g, all, 1, 1e-20), VKA_ACT_SQRT);
    out[0] = vka_mul(g, shares(&c, number), vka_unsqueeze(g, function(&c, 7, sure), 2));
}

const struct vka_op vka_op_count_boxes = {
    .name = "count_boxes",
    .summary = "how many objects the boxes with the largest scores show",
    .params_size = sizeof(struct params),
    .flags = VKA_OP_FUSED,
    .infer = infer,
    .cpu = cpu,
    .flops = flops,
    .cpu_scratch = cpu_scratch,
    .variants = variants,
    .expand = expand,
};
