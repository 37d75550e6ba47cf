// SPDX-License-Identifier: MIT
//
// VKA_CLONES in front of a function whose loops vectorise: it is compiled for wider vectors too,
// and the loader takes what the machine has. Without contraction (-ffp-contract=off) all clones
// give the same bits.
#ifndef VKA_CPU_SIMD_H
#define VKA_CPU_SIMD_H

#include <limits.h> // says whose C library this is: __GLIBC__

#if defined(__x86_64__) && defined(__linux__) && defined(__GLIBC__) && defined(__GNUC__) &&        \
    !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define VKA_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define VKA_CLONES
#endif

// In front of a loop whose iterations don't touch each other's elements, though its pointers may be
// equal: no run-time test for overlap, which would send the in-place case to the scalar loop.
#if defined(__clang__)
#define VKA_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define VKA_INDEPENDENT _Pragma("GCC ivdep")
#endif

#endif
