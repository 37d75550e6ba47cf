// SPDX-License-Identifier: MIT
//
// Heapsort.
#include "util/sort.h"

#include <string.h>

static void swap(char *a, char *b, size_t size)
{
    char held[128];
    memcpy(held, a, size);
    memcpy(a, b, size);
    memcpy(b, held, size);
}

void vka_sort(void *array, size_t count, size_t size, vka_compare_fn compare, const void *user)
{
    char *base = array;
    size_t root = count / 2;
    while (count > 1) {
        if (root > 0) { // the heap is still being made
            root--;
        } else {
            count--;
            swap(base, base + count * size, size);
        }
        size_t at = root;
        for (size_t child; (child = 2 * at + 1) < count; at = child) {
            if (child + 1 < count &&
                compare(user, base + child * size, base + (child + 1) * size) < 0)
                child++;
            if (compare(user, base + at * size, base + child * size) >= 0)
                break;
            swap(base + at * size, base + child * size, size);
        }
    }
}
