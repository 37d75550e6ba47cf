// SPDX-License-Identifier: MIT
//
// Values carried between callers' memory and executors': vka_convert_in and vka_convert_out of
// util/half.h, floats in pieces over the context's threads.
#ifndef VKA_GRAPH_CARRY_H
#define VKA_GRAPH_CARRY_H

#include "cpu/threads.h"
#include "util/half.h"

bool vka_carry_in(struct vka_threads *threads, const void *src, vka_dtype from, void *dst,
                  vka_dtype to, vka_dtype real, uint64_t count, uint64_t *bad);
void vka_carry_out(struct vka_threads *threads, const void *src, vka_dtype from, vka_dtype real,
                   void *dst, vka_dtype to, uint64_t count);

#endif
