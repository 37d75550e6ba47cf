// SPDX-License-Identifier: MIT
//
// For tests of what the CPU path is made of, which VKATTN_ISA runs with other instructions.
#ifndef VKA_SUPPORT_CPU_SET_H
#define VKA_SUPPORT_CPU_SET_H

#include "cpu/kernels.h"
#include "unit.h"
#include "util/system.h"

#include <stdarg.h>
#include <setjmp.h>

#include <cmocka.h>

// The set of instructions that is asked for must be the one that is tested.
static inline void skip_without_set(void)
{
    const char *asked = vka_getenv("VKATTN_ISA");
    if (asked && !vka_kernels_of(asked))
        unit_skip("this processor doesn't know the instructions that VKATTN_ISA asks for");
    if (asked)
        assert_string_equal(vka_kernels()->name, asked);
}

// Checks the kernels of every set that this machine has; "plain" is always there.
static inline void each_set(void (*check)(const struct vka_kernels *k))
{
    static const char *const sets[] = {"avx512", "avx2", "plain"};
    int seen = 0;
    for (size_t i = 0; i < VKA_COUNT(sets); i++) {
        const struct vka_kernels *k = vka_kernels_of(sets[i]);
        if (k)
            check(k);
        seen += k != NULL;
    }
    assert_true(seen >= 1);
}

static inline vka_context *context_of(int threads)
{
    vka_context *context;
    vka_context_params params = {.no_vulkan = true, .threads = threads};
    assert_int_equal(vka_context_create(&params, &context), VKA_OK);
    return context;
}

#endif
