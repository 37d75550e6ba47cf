// SPDX-License-Identifier: MIT
//
// The kernels for AVX-512.
#if defined(__x86_64__)
#define VKA_ISA          VKA_ISA_AVX512
#define VKA_KERNELS      vka_kernels_avx512
#define VKA_KERNELS_NAME "avx512"
#include "cpu/kernels_all.h"
#else
typedef int vka_kernels_avx512_are_for_x86; // a file must hold something
#endif
