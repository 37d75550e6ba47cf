// SPDX-License-Identifier: MIT
//
// Graphs that look random, of every operation that keeps numbers tame, with views in between; and
// what they compute, node by node, every value in memory of its own.
#ifndef VKA_TESTS_RANDOM_GRAPH_H
#define VKA_TESTS_RANDOM_GRAPH_H

#include "rig.h"

enum { RANDOM_INPUTS = 4, RANDOM_OUTPUTS = 4, RANDOM_ELEMENTS = 2048 };

struct random_graph {
    uint64_t seed;
    vka_graph *g;
    vka_tensor pool[96]; // what the next node may read
    int count;
    float x[RANDOM_INPUTS - 1][RANDOM_ELEMENTS];
    int32_t ids[RANDOM_ELEMENTS];
    vka_io in[RANDOM_INPUTS + 1], out[RANDOM_OUTPUTS + 1]; // `data` of out: own memory
    int outputs;
    uint32_t got[RANDOM_OUTPUTS][RANDOM_ELEMENTS];
    uint32_t want[RANDOM_OUTPUTS][RANDOM_ELEMENTS];
};

enum { RANDOM_WEIGHTS = 3 };
// Adds the weights that random graphs use; once a rig.
void random_weights(struct rig *rig);

// A new graph of about `nodes` nodes in the rig, with up to four outputs; `want` has their values.
void random_graph_make(struct random_graph *r, struct rig *rig, uint64_t seed, int nodes);

// Runs the plan; the largest difference to `want`, floats by value, others by bits (1 a
// difference). `exact`: floats by bits, too.
double random_graph_differ(struct random_graph *r, vka_plan *plan, bool exact);

// Computes every node of `g` with its CPU kernel, in order, each value in memory of its own:
// data[base], from malloc; `inputs` by input. Free it with free_values.
void **compute_values(const vka_graph *g, const vka_io *inputs);
void free_values(const vka_graph *g, void **data);
// The elements of a tensor in row-major order (4 bytes each).
void read_value(const vka_graph *g, void *const *data, vka_tensor t, uint32_t *into);

#endif
