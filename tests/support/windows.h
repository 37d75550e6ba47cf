// SPDX-License-Identifier: MIT
//
// What the tests of window_attention, window_dot and window_sum share: a case's windows and its
// logits by definition.
#ifndef VKA_TESTS_WINDOWS_H
#define VKA_TESTS_WINDOWS_H

#include "support/op_test.h"

// A case's arguments, i. d: scale and outside. Operands: q (not used by VKA_RELATION_KEY), k, v,
// and two that FORM names; window_sum's are the weights and v.
enum { ROWS, COLUMNS, STRIDE, DILATION, BEFORE, MAPS, RELATION, FORM };
enum { TABLE = 1, EXTRA, BIAS, SHARES }; // FORM: what operand 3 is, and 8 times what operand 4 is
enum { REFLECT = 64, FIXED = 128, CYCLIC = 256 };

struct vka_windows windows_of(const struct op_case *c);
struct vka_window_logits window_logits_of(const struct op_case *c, const vka_tensor *in);
// The operand that FORM gives this role; NULL: none.
const struct op_tensor *window_operand(const struct op_case *c, const struct op_tensor *in,
                                       int role);
// The pixel of the map under a tap of window `at` (its row and column); false: outside.
bool window_pixel(const struct op_case *c, const vka_shape *map, const int64_t at[2], int64_t tap,
                  int64_t pixel[2]);
double window_value(const struct op_tensor *map, int64_t n, int64_t channel,
                    const int64_t pixel[2]);
double window_logit(const struct op_case *c, const struct op_tensor *in, int64_t n, int64_t map,
                    const int64_t at[2], int64_t tap);

#endif
