// SPDX-License-Identifier: MIT
//
// 16-bit floats against a definition by exact arithmetic, all 65536 of them, and the conversions at
// any alignment.
#include "util/half.h"
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// The value by the format's definition: sign, exponent and fraction of `bits` bits.
static double define(uint16_t h, int fraction_bits, int bias)
{
    int exponent_bits = 15 - fraction_bits;
    int exponent = h >> fraction_bits & ((1 << exponent_bits) - 1);
    int fraction = h & ((1 << fraction_bits) - 1);
    double sign = h & 0x8000 ? -1 : 1;
    if (exponent == (1 << exponent_bits) - 1)
        return fraction ? (double)NAN : sign * (double)INFINITY;
    if (exponent == 0)
        return sign * ldexp(fraction, 1 - bias - fraction_bits);
    return sign * ldexp(fraction + (1 << fraction_bits), exponent - bias - fraction_bits);
}

struct format {
    int fraction_bits, bias;
    float (*widen)(uint16_t);
    uint16_t (*narrow)(float);
};

static const struct format formats[] = {{10, 15, vka_f16_to_f32, vka_f32_to_f16},
                                        {7, 127, vka_bf16_to_f32, vka_f32_to_bf16}};

static bool is_nan(const struct format *f, uint16_t h)
{
    return isnan(define(h, f->fraction_bits, f->bias));
}

static void test_all_to_f32_and_back(void **state)
{
    (void)state;
    for (size_t k = 0; k < VKA_COUNT(formats); k++) {
        const struct format *f = &formats[k];
        for (uint32_t h = 0; h < 65536; h++) {
            double want = define((uint16_t)h, f->fraction_bits, f->bias);
            float got = f->widen((uint16_t)h);
            uint16_t back = f->narrow(got);
            if (isnan(want)) {
                assert_true(isnan(got));
                assert_true(is_nan(f, back));
                assert_int_equal(back & 0x8000, h & 0x8000);
                continue;
            }
            assert_true((double)got == want);
            assert_int_equal(!!signbit(got), h >> 15);
            assert_int_equal(back, h);
        }
    }
}

// Between two neighbours: the nearer one, and of two equally near ones the even one.
static void test_rounding(void **state)
{
    (void)state;
    for (size_t k = 0; k < VKA_COUNT(formats); k++) {
        const struct format *f = &formats[k];
        uint32_t infinity = f->narrow(INFINITY);
        for (uint32_t h = 0; h + 1 < infinity; h++) {
            double low = define((uint16_t)h, f->fraction_bits, f->bias);
            double high = define((uint16_t)(h + 1), f->fraction_bits, f->bias);
            float middle = (float)((low + high) / 2);
            uint32_t even = h & 1 ? h + 1 : h;
            assert_int_equal(f->narrow(middle), even);
            assert_int_equal(f->narrow(-middle), even | 0x8000);
            assert_int_equal(f->narrow(nextafterf(middle, 0)), h);
            assert_int_equal(f->narrow(nextafterf(middle, INFINITY)), h + 1);
        }
        // Past the greatest: half a step further is infinity.
        double most = define((uint16_t)(infinity - 1), f->fraction_bits, f->bias);
        double step = most - define((uint16_t)(infinity - 2), f->fraction_bits, f->bias);
        float edge = (float)(most + step / 2);
        assert_int_equal(f->narrow(edge), infinity);
        assert_int_equal(f->narrow(nextafterf(edge, 0)), infinity - 1);
        assert_int_equal(f->narrow(INFINITY), infinity);
        assert_int_equal(f->narrow(-INFINITY), infinity | 0x8000);
        assert_int_equal(f->narrow(-0.0f), 0x8000);
    }
}

static void test_what_converts(void **state)
{
    (void)state;
    for (int from = VKA_F32; from <= VKA_BOOL; from++) {
        assert_true(vka_dtype_converts(from, VKA_F32) == (from <= VKA_BF16));
        assert_true(vka_dtype_converts(from, VKA_I32) == (from == VKA_I32 || from == VKA_I64));
        assert_true(vka_dtype_converts(from, VKA_BOOL) == (from == VKA_U8 || from == VKA_BOOL));
    }
}

// Into and out of the 4-byte types, from every alignment.
static void test_conversions(void **state)
{
    (void)state;
    static const float reals[] = {0, -1.5f, 65504, -0.0f, 2.5f};
    static const int32_t wholes[] = {0, -7, INT32_MAX, INT32_MIN, 1};
    static const int32_t bools[] = {0, 1, 1, 0, 1};
    static const struct {
        vka_dtype outside, inside;
        const void *values;
    } rows[] = {{VKA_F32, VKA_F32, reals},  {VKA_F16, VKA_F32, reals}, {VKA_I32, VKA_I32, wholes},
                {VKA_I64, VKA_I32, wholes}, {VKA_U8, VKA_BOOL, bools}, {VKA_BOOL, VKA_BOOL, bools}};
    enum { COUNT = 5 };
    for (size_t i = 0; i < VKA_COUNT(rows); i++) {
        for (size_t shift = 0; shift < 8; shift++) {
            unsigned char outside[COUNT * 8 + 8];
            int32_t inside[COUNT];
            uint64_t bad = 99;
            vka_convert_out(rows[i].values, rows[i].inside, VKA_F32, outside + shift,
                            rows[i].outside, COUNT);
            assert_true(vka_convert_in(outside + shift, rows[i].outside, inside, rows[i].inside,
                                       VKA_F32, COUNT, &bad));
            assert_memory_equal(inside, rows[i].values, sizeof inside);
        }
    }
}

static void test_integers_that_do_not_fit(void **state)
{
    (void)state;
    static const int64_t wide[] = {1, INT32_MIN, INT32_MAX, (int64_t)INT32_MAX + 1, 5};
    static const int64_t low[] = {1, (int64_t)INT32_MIN - 1};
    int32_t narrow[5];
    uint64_t bad = 99;
    assert_true(vka_convert_in(wide, VKA_I64, narrow, VKA_I32, VKA_F32, 3, &bad));
    assert_false(vka_convert_in(wide, VKA_I64, narrow, VKA_I32, VKA_F32, 5, &bad));
    assert_int_equal(bad, 3);
    assert_false(vka_convert_in(low, VKA_I64, narrow, VKA_I32, VKA_F32, 2, &bad));
    assert_int_equal(bad, 1);
}

static void test_bytes_to_bools(void **state)
{
    (void)state;
    static const unsigned char bytes[] = {0, 1, 2, 255};
    static const int32_t want[] = {0, 1, 1, 1};
    int32_t got[4];
    uint64_t bad;
    assert_true(vka_convert_in(bytes, VKA_U8, got, VKA_BOOL, VKA_F32, 4, &bad));
    assert_memory_equal(got, want, sizeof want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_to_f32_and_back),
                                       cmocka_unit_test(test_rounding),
                                       cmocka_unit_test(test_what_converts),
                                       cmocka_unit_test(test_conversions),
                                       cmocka_unit_test(test_bytes_to_bools),
                                       cmocka_unit_test(test_integers_that_do_not_fit)};
    return cmocka_run_group_tests_name("half", tests, NULL, NULL);
}
