// SPDX-License-Identifier: MIT
//
// The kernels for AVX2 and FMA.
#if defined(__x86_64__)
#define VKA_ISA          VKA_ISA_AVX2
#define VKA_KERNELS      vka_kernels_avx2
#define VKA_KERNELS_NAME "avx2"
#include "cpu/kernels_all.h"
#else
typedef int vka_kernels_avx2_are_for_x86; // a file must hold something
#endif
