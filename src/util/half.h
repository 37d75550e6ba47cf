// SPDX-License-Identifier: MIT
//
// 16-bit floats, and the conversions between the types of files and callers and the 4-byte types
// that the executors compute with (F32, I32; a bool is a 32-bit word of 0 or 1).
#ifndef VKA_UTIL_HALF_H
#define VKA_UTIL_HALF_H

#include "vkattn/vkattn.h"

float vka_f16_to_f32(uint16_t h);
uint16_t vka_f32_to_f16(float f); // to nearest even; overflow to inf
float vka_bf16_to_f32(uint16_t h);
uint16_t vka_f32_to_bf16(float f);

// Whether data of type `from` may stand for a tensor of type `to` (F32, I32 or BOOL).
bool vka_dtype_converts(vka_dtype from, vka_dtype to);

// `count` elements of any alignment. Floats to `real` (F32, F16, BF16); I32, I64 to I32 (false
// where an I64 doesn't fit: *bad is its index); BOOL, U8 to 32-bit words.
bool vka_convert_in(const void *src, vka_dtype from, void *dst, vka_dtype to, vka_dtype real,
                    uint64_t count, uint64_t *bad);
// The other way, for outputs.
void vka_convert_out(const void *src, vka_dtype from, vka_dtype real, void *dst, vka_dtype to,
                     uint64_t count);

#endif
