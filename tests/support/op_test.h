// SPDX-License-Identifier: MIT
//
// Tests of operations. A test file is a table of cases: operands, the constructor's call, and the
// definition in double precision. The harness fills the operands with seeded random numbers and
// compares the CPU path with the definition, and each Vulkan device that the machine has with it,
// too: operands dense, in place, transposed, with steps, backwards and repeated; in f32 and f16;
// fused ops as their expansion as well; with guards around the results; run after run with the same
// bits; without a word from the validation layer.
#ifndef VKA_TESTS_OP_TEST_H
#define VKA_TESTS_OP_TEST_H

#include "ops/ops.h"

enum op_fill {
    OP_NORMAL,   // floats: standard normal; I32: -9 .. 9; BOOL: 0 or 1
    OP_POSITIVE, // floats: 0.05 .. 4
    OP_WIDE,     // floats: -100 .. 100
    OP_SPECIAL,  // normal with infinities and NaN strewn in
    OP_INFINITE, // normal with -inf strewn in
    OP_BITS,     // floats and integers of any bits but for NaN that isn't quiet
    OP_RANGE,    // I32: lo .. hi, floats likewise
    OP_TIES,     // floats: few different values
};

struct op_operand {
    vka_dtype dtype;
    enum op_fill fill;
    double lo, hi;
    vka_shape shape;
    bool present;
};
#define OP_SHAPE(...)                                                                              \
    {                                                                                              \
        (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),                                 \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define OP_F32(fill, ...)                                                                          \
    {                                                                                              \
        VKA_F32, fill, 0, 0, OP_SHAPE(__VA_ARGS__), true                                           \
    }
#define OP_I32(...)                                                                                \
    {                                                                                              \
        VKA_I32, OP_NORMAL, 0, 0, OP_SHAPE(__VA_ARGS__), true                                      \
    }
#define OP_BOOL(...)                                                                               \
    {                                                                                              \
        VKA_BOOL, OP_NORMAL, 0, 0, OP_SHAPE(__VA_ARGS__), true                                     \
    }
#define OP_IDS(lo, hi, ...)                                                                        \
    {                                                                                              \
        VKA_I32, OP_RANGE, lo, hi, OP_SHAPE(__VA_ARGS__), true                                     \
    }
#define OP_SCALAR(type)                                                                            \
    {                                                                                              \
        type, OP_NORMAL, 0, 0, {0, {0}}, true                                                      \
    }

// A tensor of the definition: dense, values as doubles (exact for all types).
struct op_tensor {
    vka_dtype dtype;
    vka_shape shape;
    int64_t count;
    double *v;
};

enum { OP_OPERANDS = 5, OP_RESULTS = 2 };
struct op_case;
typedef void (*op_build_fn)(vka_graph *g, const struct op_case *c, const vka_tensor *in,
                            vka_tensor *out);
typedef void (*op_define_fn)(const struct op_case *c, const struct op_tensor *in,
                             struct op_tensor *out);

struct op_case {
    const char *name;
    struct op_operand in[OP_OPERANDS];
    op_build_fn build;
    op_define_fn define;
    vka_shape out;  // the shape expected of the first result
    double bound;   // of max|diff| / max|definition| in f32; 0: equal bit for bit
    double bound16; // added in f16 plans; 0: one rounding, 6e-4
    int64_t i[8];   // arguments of the case, as its build and define like them
    double d[2];
    bool dense_only; // the operands' forms are part of the case
    uint32_t
        turns; // that loops may take at most, so that short rows are cut; 0: as the device says
};

// A call that must fail with a message in which `says` occurs.
struct op_error {
    const char *name;
    struct op_operand in[OP_OPERANDS];
    void (*build)(vka_graph *g, const vka_tensor *in);
    const char *says;
};

// Runs all as cmocka tests, each case on the CPU and on every Vulkan device; the main function's
// result.
int op_test_run(const char *op, const struct op_case *cases, size_t count,
                const struct op_error *errors, size_t error_count);
#define OP_TEST_RUN(op, cases, errors)                                                             \
    op_test_run(op, cases, sizeof(cases) / sizeof *(cases), errors,                                \
                sizeof(errors) / sizeof *(errors))

// For definitions: the value of `t`, broadcast to `shape`, at a row-major index of `shape`.
double op_at(const struct op_tensor *t, const vka_shape *shape, int64_t index);
// Row-major index -> coordinates, and back.
void op_coords(const vka_shape *shape, int64_t index, int64_t coords[VKA_MAX_RANK]);
int64_t op_index(const vka_shape *shape, const int64_t coords[VKA_MAX_RANK]);

#endif
