// SPDX-License-Identifier: MIT
#ifndef VKA_PUSH_BINARY_H
#define VKA_PUSH_BINARY_H

#include "strided.h"

// enum vka_binary_kind of ops/ops.h
#define BINARY_ADD  0
#define BINARY_SUB  1
#define BINARY_MUL  2
#define BINARY_DIV  3
#define BINARY_MIN  4
#define BINARY_MAX  5
#define BINARY_POW  6
#define BINARY_PASS 7
#define BINARY_LT   8
#define BINARY_LE   9
#define BINARY_GT   10
#define BINARY_GE   11
#define BINARY_EQ   12
#define BINARY_NE   13
#define BINARY_AND  14
#define BINARY_OR   15

PUSH(binary) // operands: a, b, y
{
    VKA_STRIDED(3)
    float act_a, act_b;
}
PUSH_END;

#endif
