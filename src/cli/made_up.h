// SPDX-License-Identifier: MIT
//
// Data made up from a fixed seed, for runs whose time counts and not their result.
#ifndef VKA_CLI_MADE_UP_H
#define VKA_CLI_MADE_UP_H

#include "graph/graph.h"

// Floats of about 1 / sqrt(inputs of a unit), variances above 0; NULL: out of memory.
float *made_up_weight(const char *name, const vka_shape *shape);

// The data of input `i` of the graph: floats in 0..1, integers in the range that the graph checks,
// bools of both kinds. False: out of memory.
bool made_up_input(const vka_graph *g, size_t i, vka_io *io);

#endif
