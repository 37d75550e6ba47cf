// SPDX-License-Identifier: MIT
//
// What a recurrent cell does after its products, over runs of units. Gates are given by where they
// start; outputs may be where the old state is.
#ifndef VKA_CPU_CELL_H
#define VKA_CPU_CELL_H

#include <stdint.h>

// gate: input, forget, cell, output, before their functions.
void vka_lstm_span(const float *const gate[4], const float *c, float *h_next, float *c_next,
                   int64_t count);
// a: of the inputs, b: of the state; reset, update, candidate, before their functions.
void vka_gru_span(const float *const a[3], const float *const b[3], const float *h, float *h_next,
                  int64_t count);
// The candidate and the update gate, after their functions.
void vka_cho_span(const float *candidate, const float *update, const float *h, float *h_next,
                  int64_t count);
// Before their functions: z = sigmoid(z), r = sigmoid(r) * h.
void vka_cho_gates_span(float *r, float *z, const float *h, int64_t count);

#endif
