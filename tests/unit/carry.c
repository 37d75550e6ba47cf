// SPDX-License-Identifier: MIT
//
// Values carried between a caller's memory and an executor's: in pieces over threads, they are what
// they are in one.
#include "graph/carry.h"
#include "rig.h"

#include <stdlib.h>
#include <string.h>

enum { COUNT = 1000003, ODD = 2, LONG = 8 }; // elements, an offset, bytes of the largest

static struct rig rig;
static char *buffers[3];

static void check(vka_dtype from, vka_dtype to, vka_dtype real, size_t size)
{
    uint64_t bad[2] = {0, 0};
    memset(buffers[1], 0, COUNT * LONG);
    memset(buffers[2], 0, COUNT * LONG);
    bool fits = vka_convert_in(buffers[0] + ODD, from, buffers[1], to, real, COUNT, &bad[0]);
    assert_int_equal(vka_carry_in(rig.context->threads, buffers[0] + ODD, from, buffers[2], to,
                                  real, COUNT, &bad[1]),
                     fits);
    assert_int_equal(bad[0], bad[1]);
    assert_memory_equal(buffers[1], buffers[2], COUNT * size);
    memset(buffers[1], 0, COUNT * LONG);
    memset(buffers[2], 0, COUNT * LONG);
    vka_convert_out(buffers[0], to, real, buffers[1], from, COUNT);
    vka_carry_out(rig.context->threads, buffers[0], to, real, buffers[2], from, COUNT);
    assert_memory_equal(buffers[1], buffers[2], COUNT * LONG);
}

static void test_carry(void **state)
{
    static const vka_dtype floats[] = {VKA_F32, VKA_F16, VKA_BF16};
    uint32_t random = 1;
    (void)state;
    rig_start(&rig);
    for (int i = 0; i < 3; i++) {
        buffers[i] = malloc((COUNT + 1) * LONG);
        assert_non_null(buffers[i]);
    }
    for (size_t i = 0; i < (COUNT + 1) * LONG; i++) {
        random = random * 1664525u + 1013904223u;
        buffers[0][i] = (char)(random >> 24);
    }
    for (int from = 0; from < 3; from++) {
        for (int real = 0; real < 3; real++)
            check(floats[from], VKA_F32, floats[real], vka_dtype_size(floats[real]));
    }
    check(VKA_I32, VKA_I32, VKA_F32, 4);
    check(VKA_I64, VKA_I32, VKA_F32, 4);
    check(VKA_BOOL, VKA_BOOL, VKA_F32, 4);
    for (int i = 0; i < 3; i++)
        free(buffers[i]);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_carry)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
