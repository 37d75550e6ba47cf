// SPDX-License-Identifier: MIT
//
// What the op tests' harness is made of beside itself.
#ifndef VKA_TESTS_OP_DATA_H
#define VKA_TESTS_OP_DATA_H

#include "op_test.h"

uint64_t op_seed(uint64_t seed, const char *text, uint64_t more);
// The next element of an operand, before it is stored.
double op_fill_value(const struct op_operand *o, uint64_t *state);
double op_rounded(double value, vka_dtype real); // as it is when it has been stored
int64_t op_count(const vka_shape *shape);
struct op_tensor op_tensor_of(vka_dtype dtype, const vka_shape *shape); // .v: test_malloc

// Each dispatch of a program told how many turns its loops take, and those that told of none are of
// modules without loops.
struct vka_program;
void op_check_turns(vka_context *context, const struct vka_program *p);

#endif
