// SPDX-License-Identifier: MIT
//
// The operations' constructors: each adds a node to the graph and returns its output. Shapes are
// checked at once; a wrong one fails the graph, so nothing here has to be checked by the caller.
// Operands of any strides are taken everywhere. `0` is an absent optional operand.
#ifndef VKA_OPS_OPS_H
#define VKA_OPS_OPS_H

#include "graph/graph.h"

// --- elementwise -------------------------------------------------------------------------------

// Functions of one float; a and b are parameters of some. Also the epilogue of matmul, conv,
// binary. The numbers are the shaders' (shaders/common/activation.glsl includes
// shaders/push/activation.h, where they are defined for both).
#include "../../shaders/push/activation.h"

struct vka_activation {
    int kind; // VKA_ACT_...; 0 = none
    float a, b;
};

vka_tensor vka_unary(vka_graph *g, vka_tensor x, struct vka_activation f);
static inline vka_tensor vka_act(vka_graph *g, vka_tensor x, int kind)
{
    return vka_unary(g, x, (struct vka_activation){kind, 0, 0});
}
vka_tensor vka_affine(vka_graph *g, vka_tensor x, double scale, double shift); // scale * x + shift

// Two operands, broadcast as NumPy does. F32 with F32; for the comparisons also I32 with I32, and
// give BOOL; and, or, xor take BOOL; I32 has add, sub, mul, min, max.
enum vka_binary_kind {
    VKA_ADD,
    VKA_SUB,
    VKA_MUL,
    VKA_DIV,
    VKA_MIN,
    VKA_MAX,
    VKA_POW,  // base >= 0
    VKA_PASS, // a > 0 ? b : 0
    VKA_LT,
    VKA_LE,
    VKA_GT,
    VKA_GE,
    VKA_EQ,
    VKA_NE,
    VKA_AND,
    VKA_OR,
    VKA_XOR,
};
vka_tensor vka_binary(vka_graph *g, enum vka_binary_kind kind, vka_tensor a, vka_tensor b);
// act(a op b) for F32.
vka_tensor vka_binary_act(vka_graph *g, enum vka_binary_kind kind, vka_tensor a, vka_tensor b,
                          struct vka_activation act);
// Of a node; -1 where it is of another op.
int vka_binary_kind_of(const struct vka_op_node *node);
// A product of two, and nothing but that.
bool vka_is_mul(const struct vka_op_node *node);
// act(a + b) of F32, and the function.
bool vka_is_sum(const struct vka_op_node *node, struct vka_activation *act);
vka_tensor vka_mul3(vka_graph *g, vka_tensor x, vka_tensor a, vka_tensor b); // x * a * b of F32
// x * (shift + f(a * b)), or of a sum: a gate of two parts that isn't stored.
struct vka_mul3 {
    bool adds; // a + b
    struct vka_activation f;
    float shift;
    bool scales; // f(x * a + b) instead
};
vka_tensor vka_mul3_gate(vka_graph *g, vka_tensor x, vka_tensor a, vka_tensor b,
                         const struct vka_mul3 *p);
// f(x * scale + shift) of F32.
vka_tensor vka_scale_shift(vka_graph *g, vka_tensor x, vka_tensor scale, vka_tensor shift,
                           struct vka_activation f);
vka_tensor vka_mix(vka_graph *g, vka_tensor x, vka_tensor a, vka_tensor z,
                   vka_tensor b); // x * a + z * b of F32
static inline vka_tensor vka_add(vka_graph *g, vka_tensor a, vka_tensor b)
{
    return vka_binary(g, VKA_ADD, a, b);
}
static inline vka_tensor vka_sub(vka_graph *g, vka_tensor a, vka_tensor b)
{
    return vka_binary(g, VKA_SUB, a, b);
}
static inline vka_tensor vka_mul(vka_graph *g, vka_tensor a, vka_tensor b)
{
    return vka_binary(g, VKA_MUL, a, b);
}
static inline vka_tensor vka_div(vka_graph *g, vka_tensor a, vka_tensor b)
{
    return vka_binary(g, VKA_DIV, a, b);
}
// cond ? a : b, broadcast; cond BOOL, a and b of one type.
vka_tensor vka_where(vka_graph *g, vka_tensor cond, vka_tensor a, vka_tensor b);
// F32 <-> I32 <-> BOOL: to I32 towards zero, to BOOL as "not 0".
vka_tensor vka_cast(vka_graph *g, vka_tensor x, vka_dtype to); // a form of `copy`

// --- moving ------------------------------------------------------------------------------------

vka_tensor vka_copy(vka_graph *g, vka_tensor x); // dense
vka_tensor vka_concat(vka_graph *g, int axis, int count, const vka_tensor *x);
#define VKA_CONCAT(g, axis, ...)                                                                   \
    vka_concat(g, axis, (int)(sizeof((vka_tensor[]){__VA_ARGS__}) / sizeof(vka_tensor)),           \
               (const vka_tensor[]){__VA_ARGS__})
enum vka_pad_mode {
    VKA_PAD_ZEROS,
    VKA_PAD_CONSTANT,
    VKA_PAD_REFLECT,
    VKA_PAD_REPLICATE,
    VKA_PAD_CIRCULAR
};
// Per axis; negative sizes crop (zeros and constant only). reflect needs less than the axis' size,
// circular at most it.
vka_tensor vka_pad(vka_graph *g, vka_tensor x, enum vka_pad_mode mode, const int64_t *before,
                   const int64_t *after, float value);
// out[..., :] = table[ids[...], :]; table [V, E] of any strides, ids I32 of any shape. Ids outside
// 0..V-1 are an error of the run (vka_check_range is called by this constructor) and are clamped on
// the device.
vka_tensor vka_gather(vka_graph *g, vka_tensor table, vka_tensor ids);
// The same without a check, for ids that an argmax found or that the caller has checked.
vka_tensor vka_gather_known(vka_graph *g, vka_tensor table, vka_tensor ids);
// Values of an I32 tensor must lie in lo..hi: a graph input is checked when its data comes in, any
// other by a step on the device whose result is read after the run. The error names `what`, the
// index and the value.
void vka_check_range(vka_graph *g, vka_tensor ids, int64_t lo, int64_t hi, const char *what);

// --- reductions --------------------------------------------------------------------------------

enum vka_reduce_kind {
    VKA_REDUCE_SUM,
    VKA_REDUCE_MEAN,
    VKA_REDUCE_MAX,
    VKA_REDUCE_MIN,
    VKA_REDUCE_PROD,
    VKA_REDUCE_SUM_SQUARES,
    VKA_REDUCE_L2,        // sqrt(sum of squares)
    VKA_REDUCE_LOGSUMEXP, // the maximum subtracted
    VKA_REDUCE_ANY,       // BOOL
    VKA_REDUCE_ALL,       // BOOL
};
// Along the axes whose bit is set in `axes` (bit i = axis i); they stay with size 1 if keep.
// SUM, MAX, MIN also take I32. Sums run in several partial sums.
vka_tensor vka_reduce(vka_graph *g, enum vka_reduce_kind kind, vka_tensor x, unsigned axes,
                      bool keep);
// Of a node: false where it is of another op.
bool vka_reduce_is(const struct vka_op_node *node, enum vka_reduce_kind *kind, unsigned *axes,
                   bool *keep);
// The mean and the largest of x, or of x * factor, in one: out[0] and out[1]. `factor` (0: none)
// broadcasts to x.
struct vka_mean_max {
    unsigned axes;
    bool keep;
    int stacks; // VKA_STACK_...
};
void vka_mean_max(vka_graph *g, vka_tensor x, vka_tensor factor, unsigned axes, bool keep,
                  vka_tensor out[VKA_MAX_OUT]);
// Both as one tensor [N, 2, ...], in this order; the first axis stays, the others go.
enum vka_mean_max_order { VKA_STACK_NONE, VKA_STACK_MEAN_MAX, VKA_STACK_MAX_MEAN };
vka_tensor vka_mean_max_stacked(vka_graph *g, vka_tensor x, vka_tensor factor, unsigned axes,
                                enum vka_mean_max_order stacks);
// The index (I32) of the largest value along an axis, the first of equals; NaN counts as largest.
vka_tensor vka_argmax(vka_graph *g, vka_tensor x, int axis, bool keep);

struct vka_softmax {
    int axis;          // negative: from the end
    float scale;       // of the logits; 0 means 1
    vka_tensor bias;   // F32, added to the scaled logits; broadcasts to x; may hold -inf
    vka_tensor mask;   // BOOL, broadcasts to x
    bool mask_removes; // true in the mask takes the place out (else: keeps it)
    bool log;          // log-softmax
};
// A row whose places are all masked (or -inf) gives zeros, never NaN. `p` NULL: axis -1.
vka_tensor vka_softmax(vka_graph *g, vka_tensor x, const struct vka_softmax *p);

// (x - mean) / sqrt(var + eps) over the axes in the bit mask `axes`, var biased; then * scale +
// shift, which broadcast to x (0: absent).
vka_tensor vka_norm(vka_graph *g, vka_tensor x, unsigned axes, double eps, vka_tensor scale,
                    vka_tensor shift);

// --- products ----------------------------------------------------------------------------------

struct vka_matmul {
    float alpha;         // 0 means 1
    vka_tensor bias;     // broadcasts to the output
    vka_tensor residual; // broadcasts to the output
    struct vka_activation act;
};
// act(alpha * a b + bias + residual): a [..., M, K], b [..., K, N] -> [..., M, N]; the leading axes
// broadcast. A transposed operand is a view (vka_transpose). p may be NULL.
vka_tensor vka_matmul(vka_graph *g, vka_tensor a, vka_tensor b, const struct vka_matmul *p);

// Makes of `sum`, which adds `other` to what the product `node` makes, the product with a residual
// and `act`; false where the product has one already.
bool vka_matmul_add(vka_graph *g, const struct vka_op_node *node, vka_tensor other,
                    struct vka_activation act, struct vka_op_node *sum);

struct vka_conv {
    int64_t stride[3], dilation[3]; // by spatial axis of x; 0 means 1
    int64_t before[3], after[3];    // zeros added on both sides; >= 0
    int64_t groups;                 // 0 means 1
    vka_tensor bias;                // [O]
    vka_tensor residual;            // of the output's shape
    struct vka_activation act;
};
// act(conv(x, weight) + bias + residual), cross-correlation: x [N, C, spatial 1..3 axes], weight
// [O, C / groups, kernel...].
vka_tensor vka_conv(vka_graph *g, vka_tensor x, vka_tensor weight, const struct vka_conv *p);

struct vka_pool {
    bool max;                       // else average
    int64_t kernel[3];              // by spatial axis
    int64_t stride[3], dilation[3]; // 0 means: kernel, 1
    int64_t before[3], after[3];    // padding (torch's is the same on both sides)
    bool ceil_mode;                 // torch's rule: a window may start in the padding on the left
                                    // or inside, never past
    bool exclude_padding; // average over the places inside only (count_include_pad = false)
    int64_t divisor;      // 0: the window's size
};
vka_tensor vka_pool(vka_graph *g, vka_tensor x, const struct vka_pool *p);
// The gradient of a maximum (not in ceil_mode): each window's d goes to the window's first maximum
// of x in row-major order. d has the pooled shape, the result x's.
vka_tensor vka_pool_back(vka_graph *g, vka_tensor x, vka_tensor d, const struct vka_pool *p);

struct vka_resize {
    int64_t size[3]; // by spatial axis of x
    bool linear;     // (bi-, tri-) linear; else nearest
    bool align_corners;
    double scale[3]; // output / input where the caller gave a factor that the coordinates use
                     // (torch's scale_factor); 0: from the sizes
};
vka_tensor vka_resize(vka_graph *g, vka_tensor x, const struct vka_resize *p);

enum { VKA_PLACE_AXES = 4 };
struct vka_sample {
    bool clamp; // positions outside are moved to the edge; else what is outside counts as 0
    // What is added to the positions: start[i] + the sum over axes k of step[i][k] * (the place's
    // index along axis k). i 0: rows, 1: columns; k counts the axes of the places.
    int64_t start[2], step[2][VKA_PLACE_AXES];
};
// Bilinear samples of maps x [N, C, H, W] at positions of any floats, in elements of the map:
// (0, 0) is the middle of the first element, (H - 1, W - 1) that of the last.
// `at` [N or 1, D, 2, places...]: 1 to 4 axes of places; D divides C, and channel c is sampled at
// at[n, c / (C / D)]; of the 2, the row comes first. Any strides, as everywhere: a view that
// repeats (vka_broadcast_to) costs nothing. Gives [N, C, places...].
// A sample is (1-b)(1-d) x[y,x] + (1-b) d x[y,x+1] + b (1-d) x[y+1,x] + b d x[y+1,x+1], y and x the
// position rounded down, b and d the rests; neighbours outside of the map count as 0, so between
// -1 and 0 and between H - 1 and H the value fades, and beyond it is 0 (with `clamp`: the position
// is moved to 0 .. H - 1 first). A neighbour that counts for nothing is not read. NaN gives 0.
// Positions are added up and used in 32-bit floats; nothing outside of the map is read whatever
// they are. p may be NULL: all zeros.
vka_tensor vka_sample(vka_graph *g, vka_tensor x, vka_tensor at, const struct vka_sample *p);

// The maximum, or the mean, of x [N, C, H, W] over each box (x0, y0, x1, y1) of I32 [R, 4], the
// ends exclusive, cut to the map: [N, R, C]. 0 for a box without a place.
vka_tensor vka_regions(vka_graph *g, vka_tensor x, vka_tensor boxes, bool max);

// Square boxes in a square map of side `size`: loc [N, 3] holds the row and the column of the
// middle and half a side. That is made `least` (>= 0.5) at least, then the middle moved away from
// the low border and after that from the high one until the box fits; ends are cut to whole numbers
// and to the map. Gives I32 [N, 4]: row begin, row end, column begin, column end; ends exclusive,
// no box empty. Exact: no rounding moves an end.
vka_tensor vka_box(vka_graph *g, vka_tensor loc, int64_t size, float least);
// Maps x [N, C, S, S], rows times factor[n, 0] and columns times factor[n, 1] (factor [N, 2, S]);
// of these the boxes (I32 [N, 4] as above, cut to the map) at size x size, bilinear, corners on
// corners. Positions are exact.
vka_tensor vka_zoom(vka_graph *g, vka_tensor x, vka_tensor box, vka_tensor factor, int64_t size);

// The order of each row along the last axis, the largest first: I32 of the shape of x. The first of
// equals stays the first; -0 equals 0, NaN counts as largest.
vka_tensor vka_order(vka_graph *g, vka_tensor x);

// Non-maximum suppression: walks through `order` (I32 [K], numbers of boxes; negative ones are left
// out) and takes each box (y0, x0, y1, x1) of [P, 4] whose overlap with none of those taken is over
// the threshold, at most `most` of them. The overlap is intersection over union, 0 where a box has
// no area, rounded to the nearest float on every device. I32 [1 + min(most, K)]: how many were
// taken, their numbers, then zeros.
vka_tensor vka_nms(vka_graph *g, vka_tensor boxes, vka_tensor order, double threshold,
                   int64_t most);

// --- fused -------------------------------------------------------------------------------------

// A number for each channel of each image, g[n, c], from a last small layer.
struct vka_gate {
    vka_tensor v;      // [N, K]
    vka_tensor weight; // [C, K]: g[n, c] = act(the sum over k of v[n, k] weight[c, k] + bias[c])
    vka_tensor bias;   // [C], or 0
    struct vka_activation act;
    bool slides; // K is odd, v [N, C]: v[n, c + k - (K - 1) / 2] instead, 0 beyond the ends
    bool norm;   // v is relu(norm(v)) of each row, with scale and shift ([K], or 0)
    double eps;
    vka_tensor scale, shift;
    bool adds; // x + g; else x * g
};
// x [N, C, ...] times (plus) its gate; *made: the gate [N, C] itself.
vka_tensor vka_gated(vka_graph *g, vka_tensor x, const struct vka_gate *gate, vka_tensor *made);

// A number for each channel of each image, g[n, c]: the sigmoid of the sum over m of what two
// layers, with relu between them, make of v[n, m].
struct vka_perceptron {
    vka_tensor v;                 // [N, M, C]
    vka_tensor first, first_bias; // [K, C]; [K], or 0
    vka_tensor last, last_bias;   // [C, K]; [C], or 0
};
// The gate as a last layer's, of the first one's results.
struct vka_gate vka_perceptron_gate(vka_graph *g, const struct vka_perceptron *p);
// Of x [N, C, H, W] times its gate, the largest of each position's channels and their mean:
// [N, 2, H, W]; *made: the gate [N, C] itself.
vka_tensor vka_channel_pool(vka_graph *g, vka_tensor x, const struct vka_perceptron *gate,
                            vka_tensor *made);

// The mean of the positions of x [N, C, P], weighted with a softmax over them of what `query` [C]
// makes of each (its product with the position's channels): [N, C]. With a layer's weight [K, C]
// (and bias [K], or 0), what the layer makes of that mean: [N, K].
vka_tensor vka_focus(vka_graph *g, vka_tensor x, vka_tensor query, vka_tensor weight,
                     vka_tensor bias);

struct vka_attention {
    double scale;      // of q.k, as it is: 0 is a value
    vka_tensor bias;   // F32, broadcasts to [B, H, Tq, Tk]
    vka_tensor mask;   // BOOL, broadcasts to [B, H, Tq, Tk]
    bool mask_removes; // true takes the key out (mha); else true keeps it (sdpa)
    bool causal;       // key j only for queries i >= j - causal_offset
    int64_t causal_offset;
    bool joined; // y lies as [B, Tq, H, Dv]: its heads can be joined without a copy
};
// y[B, H, Tq, Dv] of q [B, H, Tq, D], k [B, Hkv, Tk, D], v [B, Hkv, Tk, Dv]; query head h uses head
// floor(h / (H / Hkv)). Never stores [Tq, Tk]. Rows with every key masked are 0. `lse` (may be
// NULL) gets [B, H, Tq], the log of the sum of exp of the logits (-inf for an empty row).
vka_tensor vka_attention(vka_graph *g, vka_tensor q, vka_tensor k, vka_tensor v,
                         const struct vka_attention *p, vka_tensor *lse);
// The probabilities [B, H, Tq, Tk] of the same arguments, in primitives: for maps that are asked
// for.
vka_tensor vka_attention_map(vka_graph *g, vka_tensor q, vka_tensor k,
                             const struct vka_attention *p);

// out[N, G, V, Q] = sum over c of factors[G, C] x[N, V, C] y[N, Q, C], + bias[G] (0: none).
vka_tensor vka_bilinear_logits(vka_graph *g, vka_tensor x, vka_tensor y, vka_tensor factors,
                               vka_tensor bias);
// out[N, K]: the sum over v and q of weights[N, V, Q] x[N, V, K] y[N, Q, K], elementwise along K.
vka_tensor vka_bilinear_pool(vka_graph *g, vka_tensor weights, vka_tensor x, vka_tensor y);

// Zhang's counting module: the `objects` boxes with the largest scores [N, G, V], the first of
// equals, of boxes [N, V, 4...] (x1, y1, x2, y2, ...), counted with the piecewise linear functions
// of tables [8, 17]. out[N, G, objects + 1]: shares of the two counts that are next, times the
// confidence.
vka_tensor vka_count_boxes(vka_graph *g, vka_tensor scores, vka_tensor boxes, vka_tensor tables,
                           int64_t objects);

// z [N, C, H, W] + every pixel's mixture of the values in its column and row by one softmax, the
// pixel itself counted once: qkv [N, 2 * depth + C, H, W] holds the channels of q, k, v one after
// the other. No weights are stored.
vka_tensor vka_criss_cross(vka_graph *g, vka_tensor z, vka_tensor qkv, int64_t depth);
// The weights [N, H, W, H + W] of q and k [N, depth, H, W], in primitives: the column's first, 0 at
// its centre.
vka_tensor vka_criss_cross_map(vka_graph *g, vka_tensor q, vka_tensor k);

// y[N, C, P]: y[:, i] = alpha * the sum over j of relu(u[i] + w[j]) v[:, j]; u [N, P], w [N, Q], v
// [N, C, Q]. Never stores [P, Q].
vka_tensor vka_relu_pairs(vka_graph *g, vka_tensor u, vka_tensor w, vka_tensor v, float alpha);
// relu(u[i] + w[j]) [N, P, Q], in primitives.
vka_tensor vka_relu_pairs_map(vka_graph *g, vka_tensor u, vka_tensor w);

struct vka_deform_conv {
    int64_t stride[2], dilation[2]; // 0 means 1
    int64_t padding[2];             // zeros on both sides
    int64_t groups, offset_groups;  // 0 means 1
    vka_tensor mask;                // [N, D * kh * kw, Ho, Wo]
    vka_tensor bias;                // [O]
};
// Deformable convolution of x [N, C, H, W] with weight [O, C / groups, kh, kw]: y[o] = bias[o] +
// the sum over channels c of o's group and taps t of weight[o, c, t] * mask[q, t] * the sample of
// x[c] (as vka_sample's) where tap t lies, moved by offset channels 2 (q kh kw + t), the rows, and
// one more, the columns. `offset` [N, 2 * D * kh * kw, Ho, Wo]; D = offset_groups divides C, and
// channel c is moved by q = c / (C / D). The taps' samples are never stored.
vka_tensor vka_deform_conv(vka_graph *g, vka_tensor x, vka_tensor offset, vka_tensor weight,
                           const struct vka_deform_conv *p);

// Recurrent cells. The gates of a layer of H units stand one behind the other, G of them.
enum vka_cell_kind {
    VKA_CELL_LSTM, // input, forget, cell, output
    VKA_CELL_GRU,  // reset, update, candidate; the reset gate after the product, as torch has it
    VKA_CELL_CHO,  // the same order; the reset gate before it, as published
};
static inline int vka_cell_gates(enum vka_cell_kind kind)
{
    return kind == VKA_CELL_LSTM ? 4 : 3;
}
// What follows the products of a step, element by element: the next h [..., H] of
//   LSTM: a [..., 4H], the sum of all that enters the gates, and the state b = c [..., H]; the next
//         one in *c. No h.
//   GRU:  a [..., 3H] of the inputs, b [..., 3H] of the state, both with their biases, and h.
//   CHO:  a [..., H], the candidate, b [..., 2H], reset and update, and h; all of them activated.
vka_tensor vka_cell(vka_graph *g, enum vka_cell_kind kind, vka_tensor a, vka_tensor b, vka_tensor h,
                    vka_tensor *c);

struct vka_recurrent {
    enum vka_cell_kind kind;
    vka_tensor weight_hh; // [D, G H, Ho]
    vka_tensor bias_hh;   // [D, 1, G H]; GRU only, or 0
    vka_tensor weight_hr; // [D, Ho, H]: LSTM with projection; or 0: Ho = H
    vka_tensor valid;     // BOOL [N, T], or 0: where it is false, the state stays
    vka_tensor h, c;      // [D, N, Ho], [D, N, H] (LSTM) at the start, then at the end
};
// All steps of a layer of D directions, the second one from the last place to the first: the states
// [N, T, D Ho] at each place, of `inputs` [D, N, T, G H], all that enters the gates besides the
// state.
vka_tensor vka_recurrent(vka_graph *g, vka_tensor inputs, struct vka_recurrent *p);
// One step of it in an op a product; `inputs` [D, N, G H]. p->h and p->c move on; no valid.
void vka_recurrent_step(vka_graph *g, vka_tensor inputs, struct vka_recurrent *p);

// Additive scores [N, Tq, Tk]: the sum over a of v[a] act(q[n, i, a] + k[n, j, a]), + bias, of
// q [N, Tq, A], k [N, Tk, A], v [A] and bias [1] (or 0). Never stores [Tq, Tk, A].
vka_tensor vka_additive(vka_graph *g, vka_tensor q, vka_tensor k, vka_tensor v, vka_tensor bias,
                        struct vka_activation act);

// y[n, c, place] = the sum over taps of weight[n, d, tap, place] * the sample of x[n, c] at
// at[n, d, :, tap, place]. `at` as vka_sample has it, its first `taps` axes of places being those
// of taps; weight [N, D, taps..., places...]; `at` may have 1 for N and for D. Samples are never
// stored.
vka_tensor vka_sample_sum(vka_graph *g, vka_tensor x, vka_tensor at, vka_tensor weight, int taps,
                          const struct vka_sample *p);

// --- windows that slide over a map ---

// Windows over the last two axes of a map [N, C, H, W]. Tap (a, b) of window (h, w) is the pixel
// (h * stride[0] + a * dilation[0] - before[0], ... [1]); taps are numbered row by row.
struct vka_windows {
    int64_t kernel[2], stride[2], dilation[2];
    int64_t before[2]; // rows and columns of the first windows that lie outside the map
    int64_t out[2];    // windows along both axes
    bool reflect;      // taps outside mirror the map, without the edge; else they are zeros
};

// How a channel a of q and b of a tap are alike: ab; b; -|a - b|; -(a - b)^2; these over
// |a| + |b| + 1 and |ab| + 1.
#include "../../shaders/push/relation.h"

struct vka_window_logits {
    struct vka_windows windows;
    int64_t maps;     // blocks of channels of q and k, each with logits of its own
    int relation;     // VKA_RELATION_...; KEY has no q
    double scale;     // of the sum over a block's channels, as it is
    vka_tensor table; // [maps, depth, taps], added to the taps of k; for products
    vka_tensor extra; // [N, maps, H, W]: its tap is added to the logit
    bool fixed;       // taps outside the map have the logit `outside` instead
    double outside;
    vka_tensor bias; // [maps, taps], added to all
};
// [N, maps, taps, Ho, Wo] of q [N, maps * depth, Ho, Wo] and k [N, maps * depth, H, W].
vka_tensor vka_window_dot(vka_graph *g, vka_tensor q, vka_tensor k,
                          const struct vka_window_logits *p);
// [N, C, Ho, Wo]: the taps of v [N, C, H, W] weighted by attn [N, maps, taps, Ho, Wo], summed.
// Channel c has map c mod maps if cyclic, else floor(c / (C / maps)).
vka_tensor vka_window_sum(vka_graph *g, vka_tensor attn, vka_tensor v, const struct vka_windows *w,
                          bool cyclic);
// The taps of v summed by the softmax of vka_window_dot's logits over the taps, which is never
// stored; `shares` [taps] (or 0) multiplies its weights.
vka_tensor vka_window_attention(vka_graph *g, vka_tensor q, vka_tensor k, vka_tensor v,
                                const struct vka_window_logits *p, vka_tensor shares);
// For what the three above can't do: the taps [N, C, rows, columns, Ho, Wo] of a map of any type, a
// copy with what lies outside and a view of it; BOOL [rows, columns, Ho, Wo], which of them lie
// inside a map of this size.
vka_tensor vka_window_taps(vka_graph *g, vka_tensor map, const struct vka_windows *w);
vka_tensor vka_window_inside(vka_graph *g, int64_t height, int64_t width,
                             const struct vka_windows *w);

#endif
