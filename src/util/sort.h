// SPDX-License-Identifier: MIT
//
// Sorting in place: no memory is asked for and no order of the input makes it slow, which the C
// library's qsort doesn't promise.
#ifndef VKA_UTIL_SORT_H
#define VKA_UTIL_SORT_H

#include <stddef.h>

typedef int (*vka_compare_fn)(const void *user, const void *a, const void *b);

// `size` bytes an element, at most 128.
void vka_sort(void *array, size_t count, size_t size, vka_compare_fn compare, const void *user);

#endif
