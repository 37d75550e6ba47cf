// SPDX-License-Identifier: MIT
//
// Memory for what a run of a case file takes and gives.
#ifndef VKA_TESTS_CASE_IO_H
#define VKA_TESTS_CASE_IO_H

#include "io/case.h"

enum { CASE_MAX_IO = 32 };

// The outputs of a case; memory that isn't the context's, so that it outlives it.
struct case_outputs {
    vka_io io[CASE_MAX_IO + 1];
};

// Zeroed; case_outputs_free, too, takes one that is zero.
void case_outputs_make(const struct vka_case *c, struct case_outputs *r);
void case_outputs_free(struct case_outputs *r);

// Makes a plan, runs it once and destroys it.
vka_result case_run(vka_device *device, const struct vka_case *c, vka_graph *graph,
                    const vka_plan_params *params, struct case_outputs *r);

// Asserts that the outputs are those of the case.
void case_assert_right(const struct vka_case *c, const struct case_outputs *r, double bound);

// The names in a folder, in order and by malloc, at most `most`; none where it can't be read.
size_t case_list(const char *folder, char **names, size_t most);
// The smallest (largest) case file of a block; false where there is none.
bool case_smallest(const char *id, char *path, size_t size);
bool case_largest(const char *id, char *path, size_t size);

#endif
