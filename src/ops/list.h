// SPDX-License-Identifier: MIT
//
// The list of operations: X(name) stands for src/ops/<name>.c, shaders/ops/<name>.comp,
// shaders/push/<name>.h and tests/ops/<name>.c. The constructors are in ops/ops.h.
#define VKA_OPS(X)                                                                                 \
    X(copy)                                                                                        \
    X(concat)                                                                                      \
    X(pad)                                                                                         \
    X(unary)                                                                                       \
    X(binary)                                                                                      \
    X(where)                                                                                       \
    X(reduce)                                                                                      \
    X(softmax)                                                                                     \
    X(norm)                                                                                        \
    X(matmul)                                                                                      \
    X(conv)                                                                                        \
    X(pool)                                                                                        \
    X(resize)                                                                                      \
    X(argmax)                                                                                      \
    X(gather)                                                                                      \
    X(check)                                                                                       \
    X(attention)
