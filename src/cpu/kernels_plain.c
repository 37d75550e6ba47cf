// SPDX-License-Identifier: MIT
//
// The kernels for any machine: vectors of 4 floats, which the compiler makes of what there is.
#define VKA_ISA          VKA_ISA_PLAIN
#define VKA_KERNELS      vka_kernels_plain
#define VKA_KERNELS_NAME "plain"
#include "cpu/kernels_all.h"
