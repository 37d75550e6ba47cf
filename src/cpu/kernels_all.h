// SPDX-License-Identifier: MIT
//
// All kernels of one instruction set and their table, for kernels_<isa>.c.
#include "cpu/gemm_kernel.h" // first: others transpose as it does

#include "cpu/attention_kernel.h"
#include "cpu/boxes_kernel.h"
#include "cpu/lanewise_kernel.h"
#include "cpu/lines_kernel.h"
#include "cpu/places_kernel.h"
#include "cpu/sample_kernel.h"
#include "cpu/sliding_kernel.h"
#include "cpu/softmax_kernel.h"
#include "cpu/spans_kernel.h"
#include "cpu/winograd_kernel.h"

extern const struct vka_kernels VKA_KERNELS;
const struct vka_kernels VKA_KERNELS = {
    .name = VKA_KERNELS_NAME,
    .lanes = LANES,
    .tile_rows = TILE_ROWS,
    .tile_cols = TILE_VECTORS * LANES,
    .wide_cols = WIDE_VECTORS * LANES,
    .strip_cols = STRIP_VECTORS * LANES,
    .tile = tile,
    .wide = wide,
    .edge = edge,
    .lines = lines,
    .pad = pad,
    .dot = dot,
    .pack = pack,
    .lanewise = lanewise,
    .wino_enter = wino_enter,
    .wino_leave = wino_leave,
    .multiply_places = multiply_places,
    .turn_places = turn_places,
    .blend_places = blend_places,
    .max_of_box = max_of_box,
    .sum_of_box = sum_of_box,
    .add_bias = add_bias,
    .apply_mask = apply_mask,
    .apply_last = apply_last,
    .soften = soften,
    .give_queries = give_queries,
    .scale_queries = scale_queries,
    .span_sum = span_sum,
    .span_squares = span_squares,
    .span_deviations = span_deviations,
    .span_sum_max = span_sum_max,
    .sum_exp = sum_exp,
    .max_columns = max_columns,
    .exp_columns = exp_columns,
    .blend = blend,
    .tap_logits = tap_logits,
    .tap_finish = tap_finish,
    .tap_sums = tap_sums,
};
