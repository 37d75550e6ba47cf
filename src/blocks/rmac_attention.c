// SPDX-License-Identifier: MIT
//
// Regional attention: square regions of a map at several scales, the maxima of each as a vector,
// summed with learned weights ("attention") or as they are (R-MAC, "rmac"). Which regions there are
// hangs on shapes alone, and on the precision of each step.
#include "blocks/nn.h"

#include <math.h>

enum { MAX_REGIONS = 1 << 24 };

struct grid {
    bool rmac;
    int64_t scales;
    int64_t canvas[2]; // height, width of what regions are laid out on
    int64_t map[2];    // in cells
    int64_t more[2];   // regions more along each side
    float scale;       // cells a pixel
    float (*round)(float);
    int32_t *box; // (x0, y0, x1, y1) each
    int64_t count;
    bool some_empty;
};

// --- the regions ---

// Regions that the longer side has more: as many as bring neighbours' overlap near 0.4. Each step
// is rounded to single precision: ties are decided by it.
static int64_t extra_regions(int64_t canvas_a, int64_t canvas_b)
{
    float w = (float)(canvas_a < canvas_b ? canvas_a : canvas_b);
    float over = (float)(canvas_a < canvas_b ? canvas_b - canvas_a : canvas_a - canvas_b);
    float square = w * w, least = 0;
    int best = 0;
    for (int k = 1; k <= 6; k++) {
        float step = over / (float)k;
        float overlap = w * step;
        float rest = square - overlap;
        float share = rest / square;
        float miss = fabsf(share - 0.4f);
        if (!best || miss < least) {
            best = k;
            least = miss;
        }
    }
    return best;
}

static int64_t side_of(const struct grid *p, int64_t l)
{
    int64_t w = p->canvas[0] < p->canvas[1] ? p->canvas[0] : p->canvas[1];
    return 2 * w / (l + 1);
}

// The start of region i of n + 1 along an axis.
static int64_t start_of(const struct grid *p, int axis, int64_t side, int64_t n, int64_t i)
{
    double step = n ? (double)(p->canvas[axis] - side) / (double)n : 0;
    double m = floor((double)side / 2 - 1);
    if (!p->rmac)
        return (int64_t)floor(m + step * (double)i) - (int64_t)m;
    float product = (float)step * (float)i;
    float sum = product + (float)m;
    return (int64_t)floorf(sum) - (int64_t)m;
}

// A number of pixels as cells; far outside where it is too large.
static int64_t cell_of(const struct grid *p, int64_t pixel)
{
    float product = (float)pixel * p->scale;
    float cell = p->round(product);
    if (!(cell > -1e15f)) // not a number, too
        return -(int64_t)1000000000000000;
    return cell < 1e15f ? (int64_t)cell : (int64_t)1000000000000000;
}

static int64_t clamped(int64_t v, int64_t size)
{
    return v < 0 ? 0 : v > size ? size : v;
}

// First and end of a region in cells.
static void cells(const struct grid *p, int axis, int64_t start, int64_t side, int32_t *from,
                  int32_t *to)
{
    int64_t first = start, last = start + side - 1;
    if (!p->rmac) {
        start = start + side > p->canvas[axis] ? p->canvas[axis] - side : start;
        first = cell_of(p, start);
        last = cell_of(p, start + side - 1);
        last = last < first ? first : last;
        first = clamped(first, p->map[axis]);
        last = clamped(last + 1, p->map[axis]) - 1;
    }
    *from = (int32_t)first;
    *to = (int32_t)(last + 1);
}

static void add_scale(struct grid *p, int64_t l)
{
    int64_t side = side_of(p, l), rows = l - 1 + p->more[0], columns = l - 1 + p->more[1];
    for (int64_t i = 0; i <= rows; i++) {
        for (int64_t j = 0; j <= columns; j++) {
            int32_t *b = p->box + 4 * p->count++;
            cells(p, 1, start_of(p, 1, side, columns, j), side, b + 0, b + 2);
            cells(p, 0, start_of(p, 0, side, rows, i), side, b + 1, b + 3);
            p->some_empty = p->some_empty || b[0] >= b[2] || b[1] >= b[3];
        }
    }
}

// Regions of all scales; the scales that have any are p->scales afterwards.
static int64_t count_regions(struct vka_scope *s, struct grid *p)
{
    int64_t count = p->rmac, l = 1;
    for (; l <= p->scales && !(p->rmac && side_of(p, l) == 0); l++) {
        count += (l + p->more[0]) * (l + p->more[1]);
        if (count > MAX_REGIONS)
            return vka_scope_fail(s, "attribute 'L' is %lld: more than %d regions",
                                  (long long)p->scales, MAX_REGIONS);
    }
    p->scales = l - 1;
    return count;
}

static bool make_canvas(struct vka_scope *s, struct grid *p)
{
    static const char *const names[] = {"image_height", "image_width"};
    double scale = vka_get_double(s, "spatial_scale");
    p->scale = (float)scale;
    for (int i = 0; i < 2; i++) {
        double size = p->rmac ? 0 : (double)vka_get_int(s, names[i]);
        if (size == 0)
            size = p->rmac ? (double)p->map[i] : rint((double)p->map[i] / scale);
        if (!(size <= INT32_MAX)) {
            vka_scope_fail(s, "%s is %.9g pixels: more than 2^31", names[i], size);
            return false;
        }
        p->canvas[i] = (int64_t)size;
    }
    int64_t extra = extra_regions(p->canvas[0], p->canvas[1]);
    p->more[0] = p->canvas[0] > p->canvas[1] ? extra : 0;
    p->more[1] = p->canvas[1] > p->canvas[0] ? extra : 0;
    return true;
}

// The regions as I32 [R, 4].
static vka_tensor make_regions(struct vka_scope *s, struct grid *p)
{
    vka_graph *g = s->g;
    if (!make_canvas(s, p))
        return 0;
    int64_t count = count_regions(s, p);
    vka_shape shape = VKA_SHAPE(count, 4);
    p->box = vka_failed(g) ? NULL : vka_pool_alloc(g, (size_t)count * 4 * sizeof *p->box);
    if (!p->box)
        return 0;
    if (p->rmac) {
        const int32_t whole[] = {0, 0, (int32_t)p->map[1], (int32_t)p->map[0]};
        for (int i = 0; i < 4; i++)
            p->box[i] = whole[i];
        p->count = 1;
    }
    for (int64_t l = 1; l <= p->scales; l++)
        add_scale(p, l);
    return vka_constant(g, VKA_I32, &shape, p->box);
}

// --- vectors [.., C] ---

// By their length and, in attention mode, by their maximum first, which turns vectors round whose
// entries are all negative.
static vka_tensor unit(vka_graph *g, vka_tensor v, double eps, bool by_maximum)
{
    if (vka_failed(g)) // v may have no axis at all
        return 0;
    unsigned last = 1u << (vka_rank(g, v) - 1);
    if (by_maximum)
        v = vka_div(g, v, vka_reduce(g, VKA_REDUCE_MAX, v, last, true));
    vka_tensor length = vka_reduce(g, VKA_REDUCE_L2, v, last, true);
    return vka_div(g, v, vka_affine(g, length, 1, eps));
}

// [R, 1]: false for regions without a cell.
static vka_tensor has_cells(vka_graph *g, const struct grid *p)
{
    vka_shape shape = VKA_SHAPE(p->count, 1);
    int32_t *any = vka_pool_alloc(g, (size_t)p->count * sizeof *any);
    for (int64_t r = 0; any && r < p->count; r++)
        any[r] = p->box[4 * r] < p->box[4 * r + 2] && p->box[4 * r + 1] < p->box[4 * r + 3];
    return any ? vka_constant(g, VKA_BOOL, &shape, any) : 0;
}

// The regions' weights [N, R, 1] out of their means and the map's. The map's half of the product
// is one for all regions but for those without a cell, which have none.
static vka_tensor region_weights(struct vka_scope *s, const struct grid *p, vka_tensor x,
                                 vka_tensor regions)
{
    vka_graph *g = s->g;
    int64_t channels = vka_dim(g, x, 1);
    const struct vka_activation softplus = {VKA_ACT_SOFTPLUS, 1, 20};
    vka_tensor w = vka_weight(s, "attention.conv1.weight", VKA_SHAPE(0, 2 * channels));
    vka_tensor b = vka_weight(s, "attention.conv1.bias", VKA_SHAPE(vka_dim(g, w, 0)));
    vka_tensor by_region = vka_transpose(g, vka_slice(g, w, 1, 0, channels), 0, 1);
    vka_tensor by_map = vka_transpose(g, vka_slice(g, w, 1, channels, channels), 0, 1);
    struct vka_matmul m = {.bias = b};
    vka_tensor whole = vka_reduce(g, VKA_REDUCE_MEAN, x, 3u << 2, false); // [N, C]
    whole = vka_unsqueeze(g, vka_matmul(g, whole, by_map, &m), 1);
    if (p->some_empty)
        whole = vka_where(g, has_cells(g, p), whole, b);
    m.bias = whole;
    m.act = softplus;
    if (vka_is(s, "hidden_act", "tanh"))
        m.act = (struct vka_activation){VKA_ACT_TANH, 0, 0};
    vka_tensor hidden = vka_matmul(g, vka_regions(g, x, regions, false), by_region, &m);
    struct vka_layer layer = {.bias = VKA_BIAS, .act = softplus};
    return vka_linear(s, hidden, "attention.conv2", 1, &layer);
}

static vka_tensor attended(struct vka_scope *s, const struct grid *p, vka_tensor x,
                           vka_tensor regions, double eps, bool pca)
{
    vka_graph *g = s->g;
    int64_t channels = vka_dim(g, x, 1);
    vka_tensor v = vka_regions(g, x, regions, true);
    if (pca) {
        v = vka_add(g, v, vka_weight(s, "pca_shift.bias", VKA_SHAPE(channels)));
        v = vka_linear(s, v, "pca_fc", channels, NULL);
    }
    v = unit(g, v, eps, true);
    vka_tensor a = region_weights(s, p, x, regions);
    vka_give(s, "attn", vka_squeeze(g, a, 2));
    struct vka_matmul m = {.alpha = (float)(1.0 / (double)p->count)};
    vka_tensor sum = vka_matmul(g, vka_transpose(g, a, 1, 2), v, &m); // [N, 1, C]
    return unit(g, vka_squeeze(g, sum, 1), eps, true);
}

static vka_tensor summed(struct vka_scope *s, vka_tensor x, vka_tensor regions, double eps,
                         bool pca)
{
    vka_graph *g = s->g;
    struct vka_layer layer = {.bias = VKA_BIAS};
    vka_tensor v = unit(g, vka_regions(g, x, regions, true), eps, false);
    if (pca)
        v = unit(g, vka_linear(s, v, "whiten", 0, &layer), eps, false);
    vka_shape each = VKA_SHAPE(vka_dim(g, x, 0), vka_dim(g, regions, 0));
    vka_give(s, "attn", vka_broadcast_to(g, vka_constant_scalar(g, 1), each));
    return unit(g, vka_reduce(g, VKA_REDUCE_SUM, v, 1u << 1, false), eps, false);
}

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor x = vka_in(s, "x");
    if (!vka_expect_rank(s, "x", x, 4, 4))
        return;
    struct grid p = {.rmac = vka_is(s, "mode", "rmac"),
                     .scales = vka_get_int(s, "L"),
                     .map = {vka_dim(g, x, 2), vka_dim(g, x, 3)},
                     .round = vka_is(s, "roi_round", "half_even") ? rintf : roundf};
    double eps = vka_is_null(s, "eps") ? p.rmac ? 1e-6 : 1e-8 : vka_get_double(s, "eps");
    bool pca = vka_is_null(s, "pca") ? !p.rmac : vka_get_bool(s, "pca");
    vka_tensor regions = make_regions(s, &p);
    if (vka_failed(g))
        return;
    vka_give(s, "regions", regions);
    vka_give(s, "y",
             p.rmac ? summed(s, x, regions, eps, pca) : attended(s, &p, x, regions, eps, pca));
}

static const vka_attr_info attrs[] = {
    {"mode", "string", "\"attention\"", "attention|rmac", ""},
    {"L", "int", "5", ">= 1", "scales"},
    {"spatial_scale", "float", "0.03125", "> 0", "attention: cells of the map a pixel"},
    {"image_height", "int", "0", "0..2147483647", "attention: in pixels; 0: by spatial_scale"},
    {"image_width", "int", "0", "0..2147483647", "attention: in pixels; 0: by spatial_scale"},
    {"hidden_act", "string", "\"tanh\"", "tanh|softplus", "attention: between the two layers"},
    {"roi_round", "string", "\"half_even\"", "half_even|half_away", "attention: of exact halves"},
    {"pca", "bool or null", "null", "", "a linear map of each vector; null: attention only"},
    {"eps", "float or null", "null", ">= 0", "added to lengths; null: 1e-8, rmac: 1e-6"},
    {0},
};
static const vka_port_info inputs[] = {
    {"x", "[N, C, H, W]", "f32", "", "feature map, >= 0"},
    {0},
};
#define ATTENTION "attention"
static const vka_weight_info weights[] = {
    {"pca_shift.bias", "[C]", "f32", "attention and pca", "pca_shift.bias"},
    {"pca_fc.weight", "[C, C]", "f32", "attention and pca", "pca_fc.weight"},
    {"attention.conv1.weight", "[A, 2C]", "f32", ATTENTION, "region_attention.conv_att_1.weight"},
    {"attention.conv1.bias", "[A]", "f32", ATTENTION, "region_attention.conv_att_1.bias"},
    {"attention.conv2.weight", "[1, A]", "f32", ATTENTION, "region_attention.conv_att_2.weight"},
    {"attention.conv2.bias", "[1]", "f32", ATTENTION, "region_attention.conv_att_2.bias"},
    {"whiten.weight", "[D, C]", "f32", "rmac and pca", "whiten.weight"},
    {"whiten.bias", "[D]", "f32", "rmac and pca", "whiten.bias"},
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, C], [N, D] for rmac with pca", "f32", "", "the vector"},
    {"attn", "[N, R]", "f32", "", "the regions' weights; 1 for rmac"},
    {"regions", "[R, 4]", "i32", "", "(x0, y0, x1, y1) in cells, the ends exclusive"},
    {0},
};

const struct vka_block_row vka_block_rows_rmac_attention[] = {
    {{"rmac_attention",
      "Regional attention and R-MAC: maxima of square regions as one vector for retrieval",
      "Kim, Yoon: Regional Attention Based Deep Feature for Image Retrieval, BMVC 2018; Tolias, "
      "Sicre, Jegou: Particular object retrieval with integral max-pooling of CNN activations, "
      "ICLR 2016, arXiv 1511.05879",
      attrs, inputs, weights, outputs,
      "{\"shapes\": {\"x\": [1, 2048, 24, 32], \"w.attention.conv1.weight\": [64, 4096]}}"},
     build},
    {.build = NULL},
};
