// SPDX-License-Identifier: MIT
#include "util/half.h"

#include <string.h>

static float bits_to_float(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static uint32_t float_to_bits(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

float vka_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
    uint32_t exponent = (h >> 10) & 0x1fu, fraction = h & 0x3ffu;
    if (exponent == 31) // infinity, NaN
        return bits_to_float(sign | 0x7f800000u | fraction << 13);
    if (exponent == 0) { // zero, subnormal: exact in f32
        float value = (float)fraction * 0x1p-24f;
        return sign ? -value : value;
    }
    return bits_to_float(sign | (exponent + 112) << 23 | fraction << 13);
}

uint16_t vka_f32_to_f16(float f)
{
    uint32_t bits = float_to_bits(f);
    uint32_t sign = bits >> 16 & 0x8000u, rest = bits & 0x7fffffffu;
    if (rest > 0x7f800000u) // NaN stays NaN
        return (uint16_t)(sign | 0x7e00u | (rest >> 13 & 0x3ffu));
    if (rest >= 0x477ff000u) // rounds to 65536 or more
        return (uint16_t)(sign | 0x7c00u);
    if (rest < 0x38800000u) { // subnormal or zero: adding 0.5 rounds at 2^-24, to nearest even
        uint32_t rounded = float_to_bits(bits_to_float(rest) + 0.5f);
        return (uint16_t)(sign | (rounded - 0x3f000000u));
    }
    uint32_t even = rest >> 13 & 1;
    return (uint16_t)(sign | ((rest - 0x38000000u + 0xfffu + even) >> 13));
}

float vka_bf16_to_f32(uint16_t h)
{
    return bits_to_float((uint32_t)h << 16);
}

uint16_t vka_f32_to_bf16(float f)
{
    uint32_t bits = float_to_bits(f);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

bool vka_dtype_converts(vka_dtype from, vka_dtype to)
{
    if (to == VKA_F32)
        return from == VKA_F32 || from == VKA_F16 || from == VKA_BF16;
    if (to == VKA_I32)
        return from == VKA_I32 || from == VKA_I64;
    return to == VKA_BOOL && (from == VKA_BOOL || from == VKA_U8);
}

static float load_float(const unsigned char *src, vka_dtype from)
{
    uint16_t half;
    float f;
    if (from == VKA_F32) {
        memcpy(&f, src, sizeof f);
        return f;
    }
    memcpy(&half, src, sizeof half);
    return from == VKA_F16 ? vka_f16_to_f32(half) : vka_bf16_to_f32(half);
}

static void store_float(unsigned char *dst, vka_dtype to, float f)
{
    if (to == VKA_F32) {
        memcpy(dst, &f, sizeof f);
        return;
    }
    uint16_t half = to == VKA_F16 ? vka_f32_to_f16(f) : vka_f32_to_bf16(f);
    memcpy(dst, &half, sizeof half);
}

static void convert_floats(const unsigned char *src, vka_dtype from, unsigned char *dst,
                           vka_dtype to, uint64_t count)
{
    size_t in = vka_dtype_size(from), out = vka_dtype_size(to);
    if (from == to) {
        memcpy(dst, src, (size_t)(count * in));
        return;
    }
    for (uint64_t i = 0; i < count; i++)
        store_float(dst + i * out, to, load_float(src + i * in, from));
}

static bool convert_ints(const unsigned char *src, vka_dtype from, int32_t *dst, uint64_t count,
                         uint64_t *bad)
{
    if (from == VKA_I32) {
        memcpy(dst, src, (size_t)count * 4);
        return true;
    }
    for (uint64_t i = 0; i < count; i++) {
        int64_t value;
        memcpy(&value, src + i * 8, sizeof value);
        if (value < INT32_MIN || value > INT32_MAX) {
            *bad = i;
            return false;
        }
        dst[i] = (int32_t)value;
    }
    return true;
}

bool vka_convert_in(const void *src, vka_dtype from, void *dst, vka_dtype to, vka_dtype real,
                    uint64_t count, uint64_t *bad)
{
    if (count == 0)
        return true;
    if (to == VKA_F32) {
        convert_floats(src, from, dst, real, count);
        return true;
    }
    if (to == VKA_I32)
        return convert_ints(src, from, dst, count, bad);
    const unsigned char *bytes = src;
    int32_t *words = dst;
    for (uint64_t i = 0; i < count; i++)
        words[i] = bytes[i] != 0;
    return true;
}

void vka_convert_out(const void *src, vka_dtype from, vka_dtype real, void *dst, vka_dtype to,
                     uint64_t count)
{
    if (count == 0)
        return;
    const int32_t *words = src;
    unsigned char *bytes = dst;
    if (from == VKA_F32) {
        convert_floats(src, real, dst, to, count);
    } else if (from == VKA_BOOL) {
        for (uint64_t i = 0; i < count; i++)
            bytes[i] = words[i] != 0;
    } else if (to == VKA_I32) {
        memcpy(dst, src, (size_t)count * 4);
    } else {
        for (uint64_t i = 0; i < count; i++) {
            int64_t value = words[i];
            memcpy(bytes + i * 8, &value, sizeof value);
        }
    }
}
