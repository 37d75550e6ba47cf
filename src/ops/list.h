// SPDX-License-Identifier: MIT
//
// The list of operations: a line each, whoever includes this defines X and Y. X(name) stands for
// src/ops/<name>.c, shaders/ops/<name>.comp, shaders/push/<name>.h and tests/ops/<name>.c; Y(name)
// for an op that dispatches other ops' modules (or is always expanded) and has no shader of its
// own. The constructors are in ops/ops.h.
X(unary)
X(binary)
X(copy)
X(matmul)
X(reduce)
Y(concat)
X(pad)
X(gather)
X(check)
X(conv)
X(attention)
X(criss_cross)
X(softmax)
X(where)
X(argmax)
X(pool)
X(pool_back)
X(resize)
X(sample)
X(deform_conv)
X(norm)
X(regions)
