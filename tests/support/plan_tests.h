// SPDX-License-Identifier: MIT
//
// What holds for plans on any device: unit/plans.c runs these on the CPU path, unit/vk_plans.c on a
// Vulkan device.
#ifndef VKA_TESTS_PLAN_TESTS_H
#define VKA_TESTS_PLAN_TESTS_H

#include "rig.h"

extern const char *plan_device; // select string

// A run's result, and two texts that the error must have.
void plan_expect(vka_result result, vka_result want, const char *a, const char *b);

enum { PLAN_N = 6 };
extern const float plan_x[PLAN_N];

// y = x + 1, k = i + i, n = not b; and a plan of it
struct small {
    struct rig rig;
    vka_plan *plan;
    float x[PLAN_N], y[PLAN_N];
    int32_t i[PLAN_N], k[PLAN_N];
    uint8_t b[PLAN_N], n[PLAN_N];
    vka_io in[5], out[5];
};
void small_start(struct small *s, const vka_plan_params *params);
void small_reset(struct small *s); // in and out as they should be
void small_expect_right(struct small *s);
void small_end(struct small *s);

void plan_outputs(void **state);      // every kind of tensor as an output
void plan_input_errors(void **state); // what is wrong with data, and that the plan works afterwards
void plan_output_errors(void **state);
void plan_in_flight(void **state);
void plan_conversions(void **state); // every type in and out, at odd addresses
void plan_wide_integers(void **state);
void plan_checks(void **state); // numbers out of range
void plan_graph_gone(void **state);
void plan_replays(void **state);     // the same bits, 25 times
void plan_pointers(void **state);    // outputs elsewhere, left out, twice; the halves of a run
void plan_same_memory(void **state); // outputs over inputs
void plan_creation_errors(void **state);
void plan_report(void **state);

// plan_maps.c: vka_plan_map
void plan_mapped(void **state); // runs in place, between others
void plan_mapped_elsewhere(void **state);
void plan_map_errors(void **state);
void plan_mapped_halves(void **state);

#define PLAN_TESTS                                                                                 \
    cmocka_unit_test(plan_outputs), cmocka_unit_test(plan_input_errors),                           \
        cmocka_unit_test(plan_output_errors), cmocka_unit_test(plan_in_flight),                    \
        cmocka_unit_test(plan_conversions), cmocka_unit_test(plan_wide_integers),                  \
        cmocka_unit_test(plan_checks), cmocka_unit_test(plan_graph_gone),                          \
        cmocka_unit_test(plan_replays), cmocka_unit_test(plan_pointers),                           \
        cmocka_unit_test(plan_same_memory), cmocka_unit_test(plan_creation_errors),                \
        cmocka_unit_test(plan_report), cmocka_unit_test(plan_mapped),                              \
        cmocka_unit_test(plan_mapped_elsewhere), cmocka_unit_test(plan_map_errors),                \
        cmocka_unit_test(plan_mapped_halves)

#endif
