// SPDX-License-Identifier: MIT
#include "cpu/kernels.h"

#include "util/system.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

extern const struct vka_kernels vka_kernels_plain;
#if defined(__x86_64__)
extern const struct vka_kernels vka_kernels_avx2, vka_kernels_avx512;
#endif

const struct vka_kernels *vka_kernels_of(const char *name)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (strcmp(name, "avx512") == 0) {
        bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
        return has ? &vka_kernels_avx512 : NULL;
    }
    if (strcmp(name, "avx2") == 0) {
        bool has = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
        return has ? &vka_kernels_avx2 : NULL;
    }
#endif
    return strcmp(name, "plain") == 0 ? &vka_kernels_plain : NULL;
}

const int32_t vka_one_tap[1] = {0};

static const struct vka_kernels *chosen;

static void choose(void)
{
    static const char *const best_first[] = {"avx512", "avx2", "plain"};
    const char *asked = vka_getenv("VKATTN_ISA");
    chosen = asked ? vka_kernels_of(asked) : NULL;
    for (size_t i = 0; !chosen; i++)
        chosen = vka_kernels_of(best_first[i]);
}

void vka_kernels_check(vka_context *context)
{
    static const char *const words[] = {"plain", "avx2", "avx512", NULL};
    const char *asked = vka_getenv_word(context, "VKATTN_ISA", words);
    if (asked && !vka_kernels_of(asked))
        vka_log(context, VKA_LOG_WARN, "VKATTN_ISA=%s: this processor doesn't know it", asked);
}

const struct vka_kernels *vka_kernels(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, choose);
    return chosen;
}
