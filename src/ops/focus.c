// SPDX-License-Identifier: MIT
//
// focus: the mean of a map's positions, each weighted by a softmax of one logit that is found from
// the position itself, and a layer of that mean. The map is read once: parts of the positions are
// summed with maxima of their own, then put together. That is linear, and so is the layer.
#include "cpu/kernels.h"
#include "cpu/simd.h"
#include "cpu/spans.h"
#include "cpu/threads.h"
#include "focus.h" // push constants
#include "focus_merge.h"
#include "ops/infer.h"
#include "ops/ops.h"
#include "util/whole.h"

#include <math.h>

enum { X, QUERY, WEIGHT, BIAS, INPUTS };

#define LEAST (-3e38f) // of a maximum, so that differences from it are numbers

vka_tensor vka_focus(vka_graph *g, vka_tensor x, vka_tensor query, vka_tensor weight,
                     vka_tensor bias)
{
    const vka_tensor in[INPUTS] = {x, query, weight, bias};
    return vka_add_node(g, &vka_op_focus, NULL, INPUTS, in, NULL);
}

static bool fail_shapes(struct vka_infer *n, const char *what)
{
    char x[VKA_SHAPE_TEXT], query[VKA_SHAPE_TEXT], weight[VKA_SHAPE_TEXT] = "";
    vka_fail(n->g, "focus: %s: x is %s, the query %s%s%s", what,
             vka_shape_text(&n->in[X]->shape, x), vka_shape_text(&n->in[QUERY]->shape, query),
             n->in[WEIGHT] ? ", the weight " : "",
             n->in[WEIGHT] ? vka_shape_text(&n->in[WEIGHT]->shape, weight) : "");
    return false;
}

static bool check_bias(struct vka_infer *n, int64_t units)
{
    char bias[VKA_SHAPE_TEXT], want[VKA_SHAPE_TEXT];
    vka_shape all = VKA_SHAPE(units);
    if (vka_shape_equal(&n->in[BIAS]->shape, &all))
        return true;
    vka_fail(n->g, "focus: the bias is %s, but must be %s",
             vka_shape_text(&n->in[BIAS]->shape, bias), vka_shape_text(&all, want));
    return false;
}

static bool infer(struct vka_infer *n)
{
    for (int i = 0; i < INPUTS; i++) {
        if ((i <= QUERY || n->in[i]) && !vka_infer_type(n, "focus", i, VKA_F32))
            return false;
    }
    const vka_shape *x = &n->in[X]->shape, *query = &n->in[QUERY]->shape;
    const vka_shape *weight = n->in[WEIGHT] ? &n->in[WEIGHT]->shape : NULL;
    if (x->rank != 3 || query->rank != 1 || query->dim[0] != x->dim[1])
        return fail_shapes(n, "[N, C, P] and [C] go");
    if (weight && (weight->rank != 2 || weight->dim[1] != x->dim[1]))
        return fail_shapes(n, "the weight must be [K, C]");
    if (n->in[BIAS] && !weight)
        return fail_shapes(n, "a bias goes with a weight");
    n->n_out = 1;
    n->out_shape[0] = VKA_SHAPE(x->dim[0], weight ? weight->dim[0] : x->dim[1]);
    return !n->in[BIAS] || check_bias(n, weight->dim[0]);
}

static double flops(const struct vka_args *args)
{
    const struct vka_array *x = &args->in[X], *weight = &args->in[WEIGHT];
    return 4.0 * (double)vka_array_count(x) +
           (vka_present(weight) ? 2.0 * (double)x->dim[0] * (double)vka_array_count(weight) : 0);
}

// --- CPU ---

// A part's channels are read twice, the second time from a cache; so many positions, a few parts
// for each thread of any number.
enum { HELD = 1 << 17, MOST_PART = 512, LEAST_PART = 64, STEP = 16, EVEN = 4 };

// An image's positions, split into parts that are summed each for itself.
struct split {
    int64_t images, channels, positions, part, parts, outputs;
};

static struct split split_of(const struct vka_args *args)
{
    const struct vka_array *x = &args->in[X];
    struct split s = {.images = x->dim[0],
                      .channels = x->dim[1],
                      .positions = x->dim[2],
                      .outputs = args->out[0].dim[1]};
    int64_t part = vka_larger(LEAST_PART, vka_smaller(MOST_PART, HELD / s.channels));
    s.parts = vka_round_up(vka_divide_up(s.positions, part), EVEN);
    s.part = vka_larger(LEAST_PART, vka_round_up(vka_divide_up(s.positions, s.parts), STEP));
    s.parts = vka_divide_up(s.positions, s.part);
    return s;
}

struct job {
    const struct vka_args *args;
    struct split split;
    const struct vka_kernels *kernels;
    float *sums;  // by image and part: the channels' sums, the maximum, the total
    float *means; // by image
    int64_t pieces;
};

// logit[p] = the sum over the channels of query[c] x[c, p].
static void find_logits(const struct job *job, float *logit, const float *x, int64_t count)
{
    int64_t whole = count - count % job->kernels->lanes;
    for (int64_t j = 0, cols; j < count; j += cols) {
        cols = j < whole ? vka_smaller(job->kernels->strip_cols, whole - j) : count - j;
        struct vka_tile tile = {.k = job->split.channels,
                                .taps = 1,
                                .tap = vka_one_tap,
                                .a = job->args->in[QUERY].data,
                                .a_step = 1,
                                .b = x + j,
                                .b_step = job->split.positions,
                                .c = logit + j,
                                .c_row = VKA_STRIP_COLS};
        (j < whole ? job->kernels->tile : job->kernels->edge)(1, (int)cols, &tile);
    }
}

static void sum_part(void *arg, int64_t number, int thread)
{
    const struct job *job = arg;
    const struct split *s = &job->split;
    int64_t image = number / s->parts, first = number % s->parts * s->part;
    int64_t count = vka_smaller(s->part, s->positions - first);
    const float *x = (const float *)job->args->in[X].data;
    float *sums = job->sums + number * (s->channels + 2), weight[MOST_PART], most;
    (void)thread;
    x += image * s->channels * s->positions + first;
    find_logits(job, weight, x, count);
    most = vka_span_max(weight, count);
    most = most < LEAST ? LEAST : most;
    sums[s->channels] = most;
    sums[s->channels + 1] = vka_span_exp(weight, weight, count, most);
    for (int64_t i = 0; i < s->channels; i += VKA_DOT_COLS)
        job->kernels->dot(1, (int)vka_smaller(VKA_DOT_COLS, s->channels - i), count, weight, 0,
                          x + i * s->positions, s->positions, sums + i, 0, 1);
}

VKA_CLONES static void add_scaled(float *restrict y, const float *restrict x, float scale,
                                  int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        y[i] += x[i] * scale;
}

static void merge_parts(const struct job *job, int64_t image)
{
    const struct split *s = &job->split;
    int64_t step = s->channels + 2;
    const float *sums = job->sums + image * s->parts * step;
    float *mean = job->means + image * s->channels, most = LEAST;
    double total = 0;
    for (int64_t k = 0; k < s->parts; k++) {
        float own = sums[k * step + s->channels];
        most = own > most || own != own ? own : most;
    }
    for (int64_t k = 0; k < s->parts; k++)
        total += (double)sums[k * step + s->channels + 1] *
                 exp((double)sums[k * step + s->channels] - (double)most);
    for (int64_t i = 0; i < s->channels; i++)
        mean[i] = 0;
    for (int64_t k = 0; k < s->parts; k++) {
        double scale = exp((double)sums[k * step + s->channels] - (double)most);
        add_scaled(mean, sums + k * step, total == 0 ? 0 : (float)(scale / total), s->channels);
    }
}

// VKA_DOT_ROWS units of the layer.
static void run_layer(void *arg, int64_t piece, int thread)
{
    const struct job *job = arg;
    const struct split *s = &job->split;
    const struct vka_array *bias = &job->args->in[BIAS];
    int64_t blocks = vka_divide_up(s->outputs, VKA_DOT_ROWS), all = s->images * blocks;
    (void)thread;
    for (int64_t u = all * piece / job->pieces; u < all * (piece + 1) / job->pieces; u++) {
        int64_t image = u / blocks, first = u % blocks * VKA_DOT_ROWS;
        int rows = (int)vka_smaller(VKA_DOT_ROWS, s->outputs - first);
        float *y = (float *)job->args->out[0].data + image * s->outputs + first;
        job->kernels->dot(rows, 1, s->channels,
                          (const float *)job->args->in[WEIGHT].data + first * s->channels,
                          s->channels, job->means + image * s->channels, 0, y, 1, 0);
        for (int i = 0; i < rows && vka_present(bias); i++)
            y[i] += ((const float *)bias->data)[first + i];
    }
}

static void cpu(const struct vka_cpu_run *run)
{
    struct job job = {.args = run->args, .split = split_of(run->args), .kernels = vka_kernels()};
    const struct split *s = &job.split;
    bool layer = vka_present(&run->args->in[WEIGHT]);
    int64_t parts = s->images * s->parts;
    job.sums = run->scratch;
    job.means = layer ? job.sums + parts * (s->channels + 2) : run->args->out[0].data;
    vka_parallel(run->threads, parts, sum_part, &job);
    for (int64_t i = 0; i < s->images; i++)
        merge_parts(&job, i);
    int64_t units = s->images * vka_divide_up(s->outputs, VKA_DOT_ROWS);
    job.pieces = vka_pieces(run->threads, units, units * VKA_DOT_ROWS * s->channels);
    if (layer)
        vka_parallel(run->threads, job.pieces, run_layer, &job);
}

static size_t cpu_scratch(const struct vka_args *args, int threads)
{
    struct split s = split_of(args);
    (void)threads;
    return sizeof(float) * (size_t)(s.images * (s.parts * (s.channels + 2) + s.channels));
}

// --- in other operations ---

static void expand(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    vka_tensor x = node->in[X];
    vka_tensor logits = vka_matmul(g, vka_unsqueeze(g, node->in[QUERY], 0), x, NULL); // [N, 1, P]
    vka_tensor map = vka_softmax(g, logits, NULL);
    out[0] = vka_squeeze(g, vka_matmul(g, x, vka_transpose(g, map, 1, 2), NULL), 2);
    if (node->in[WEIGHT])
        out[0] = vka_matmul(g, out[0], vka_transpose(g, node->in[WEIGHT], 0, 1),
                            &(struct vka_matmul){.bias = node->in[BIAS]});
}

// --- Vulkan ---

enum { TILE = 32, LANES = 128, MANY_LANES = 256, MOST_EACH = 2, MOST_PARTS = 256 };
enum { PROGRAM_LANES = 8, PROGRAM_EACH = 8, PROGRAM_GROUPS = 4 }; // groups: for some processors
enum { MOST_UNITS = 16, SPARE = 4 }; // of shared memory, that much is left for sums

// A workgroup: its lanes, the channels or fours of each, and as many as sum for themselves.
struct workgroup {
    const char *shader;
    uint32_t lanes, each, shares;
};

static struct workgroup by_tiles(const struct vka_limits *limits, struct split *s)
{
    struct workgroup w = {"focus", LANES, 1, 1};
    if (limits->max_invocations >= MANY_LANES && limits->max_group_size[0] >= MANY_LANES)
        w.lanes = MANY_LANES;
    w.each = (uint32_t)vka_divide_up(s->channels, w.lanes);
    int64_t parts = (int64_t)limits->busy * 64 / w.lanes / s->images;
    parts = vka_smaller(vka_smaller(parts, MOST_PARTS), vka_divide_up(s->positions, TILE));
    // A layer reads all parts for each of its units, or some of them.
    parts = vka_larger(1, vka_smaller(parts, s->positions * MOST_UNITS / s->outputs));
    s->part = vka_round_up(vka_divide_up(s->positions, parts), TILE);
    s->parts = vka_divide_up(s->positions, s->part);
    return w;
}

// Half as many fours a lane and more, so that the fewest idle, or fewer, to be work for some
// processors.
static struct workgroup by_lanes(struct split *s)
{
    struct workgroup w = {"focus_lanes", PROGRAM_LANES, PROGRAM_EACH, PROGRAM_LANES};
    int64_t fours = s->positions / 4, each = PROGRAM_EACH;
    for (int64_t e = each; e >= PROGRAM_EACH / 2; e--) {
        if (vka_round_up(fours, e * w.lanes) < vka_round_up(fours, each * w.lanes))
            each = e;
    }
    while (each > 1 && s->images * vka_divide_up(fours, each * w.lanes) < PROGRAM_GROUPS)
        each--;
    w.each = (uint32_t)each;
    s->positions = fours;
    s->part = each * w.lanes;
    s->parts = vka_divide_up(fours, s->part);
    return w;
}

static void launch_merge(struct vka_launch *l, const struct vka_args *args, const struct split *s,
                         const struct workgroup *w, const struct vka_array *sums)
{
    const struct vka_limits *limits = vka_launch_limits(l);
    bool layer = vka_present(&args->in[WEIGHT]);
    uint32_t lanes = limits->is_cpu ? PROGRAM_LANES : LANES, units = 1;
    int64_t enough = limits->is_cpu ? 1 : limits->busy / 2;
    while (units < MOST_UNITS && s->images * vka_divide_up(s->outputs, units * 2) >= enough)
        units *= 2;
    struct vka_push_focus_merge push = {.blocks =
                                            (uint)vka_divide_up(s->outputs, layer ? units : lanes),
                                        .channels = (uint)s->channels,
                                        .outputs = (uint)s->outputs,
                                        .parts = (uint)s->parts};
    struct vka_dispatch d;
    push.groups = (uint)s->images * push.blocks;
    vka_begin(l, &d, "focus_merge", lanes, 1, 1);
    d.weight = 0; // beside the sums
    vka_constant_u32(&d, layer);
    vka_constant_u32(&d, vka_present(&args->in[BIAS]));
    vka_constant_u32(&d, w->shares);
    vka_constant_u32(&d, units);
    vka_constant_u32(&d, (uint32_t)s->parts * w->shares);
    push.sums = vka_bind(l, &d, sums, VKA_READ);
    push.weight = vka_bind(l, &d, &args->in[WEIGHT], VKA_READ);
    push.bias = vka_bind(l, &d, &args->in[BIAS], VKA_READ);
    push.y = vka_bind(l, &d, &args->out[0], VKA_WRITE);
    VKA_PUSH(&d, push);
    int64_t mine = layer ? vka_divide_up(s->channels * w->shares, lanes) : w->shares;
    vka_turns(&d, (double)mine * (double)(s->parts + 2) + (double)s->parts * w->shares,
              "the parts");
    vka_emit(l, &d, push.groups, 1, 1);
}

static void launch(struct vka_launch *l, const struct vka_args *args, const struct split *s,
                   const struct workgroup *w, double turns)
{
    int64_t groups = s->images * s->parts;
    struct vka_array sums = vka_scratch(l, groups * (s->channels + 2) * w->shares);
    struct vka_push_focus push = {.groups = (uint)groups,
                                  .channels = (uint)s->channels,
                                  .positions = (uint)s->positions,
                                  .parts = (uint)s->parts,
                                  .part = (uint)s->part};
    struct vka_dispatch d;
    vka_launch_most(l, "elements of focus", vka_array_count(&args->in[X]), INT32_MAX);
    vka_launch_most(l, "sums of focus", groups * (s->channels + 2) * w->shares, INT32_MAX);
    vka_begin(l, &d, w->shader, w->lanes, 1, 1);
    vka_constant_u32(&d, w->each);
    push.x = vka_bind(l, &d, &args->in[X], VKA_READ);
    push.query = vka_bind(l, &d, &args->in[QUERY], VKA_READ);
    push.sums = vka_bind(l, &d, &sums, VKA_WRITE);
    VKA_PUSH(&d, push);
    vka_turns(&d, turns, "the channels");
    vka_emit(l, &d, (uint64_t)groups, 1, 1);
    launch_merge(l, args, s, w, &sums);
}

static bool fits_lanes(const struct vka_limits *limits, const struct vka_args *args)
{
    const struct vka_array *x = &args->in[X];
    struct split s = split_of(args);
    if (!limits->is_cpu || x->dim[2] % 4 != 0 || x->offset % 4 != 0)
        return false;
    by_lanes(&s);
    return (uint64_t)s.parts * PROGRAM_LANES * sizeof(float) * SPARE <= limits->shared_bytes * 3u;
}

static void launch_lanes(struct vka_launch *l, const struct vka_args *args)
{
    struct split s = split_of(args);
    struct workgroup w = by_lanes(&s);
    launch(l, args, &s, &w, 2.0 * (double)s.channels);
}

static bool fits_tiles(const struct vka_limits *limits, const struct vka_args *args)
{
    struct split s = split_of(args);
    // A tile is read a second time with each lane on a line of 128 bytes of its own, 32 times. With
    // two channels a lane that is 32 KiB (128 lanes) or 64 (256), about what a small GPU's first
    // cache holds; of more, each line would come from memory again and again.
    // Programs have nothing to share, and do better by one product after the other.
    return !limits->is_cpu && by_tiles(limits, &s).each <= MOST_EACH;
}

static void launch_tiles(struct vka_launch *l, const struct vka_args *args)
{
    struct split s = split_of(args);
    struct workgroup w = by_tiles(vka_launch_limits(l), &s);
    int64_t logits = vka_divide_up(s.channels, w.lanes / TILE) + w.lanes / TILE;
    launch(l, args, &s, &w,
           (double)(s.part / TILE) * (double)(logits + 2 * TILE + w.each * TILE + 4));
}

static const struct vka_variant variants[] = {
    {"lanes", fits_lanes, launch_lanes}, {"baseline", fits_tiles, launch_tiles}, {0}};

const struct vka_op vka_op_focus = {
    .name = "focus",
    .summary = "positions' mean, weighted by a softmax of one query, and a layer of it",
    .flags = VKA_OP_FUSED,
    .infer = infer,
    .cpu = cpu,
    .flops = flops,
    .cpu_scratch = cpu_scratch,
    .variants = variants,
    .expand = expand,
};
