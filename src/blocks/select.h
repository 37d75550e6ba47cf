// SPDX-License-Identifier: MIT
//
// Phrases of blocks that choose: places by number, and rows by the numbers of those chosen.
#ifndef VKA_BLOCKS_SELECT_H
#define VKA_BLOCKS_SELECT_H

#include "blocks/block.h"

// The I32 constants first, first + step, ... : [count].
vka_tensor vka_numbers(vka_graph *g, int64_t first, int64_t step, int64_t count);
// Rows ids[n, k] of each t[n]: [N, P, D] and [N, K] give [N, K, D]. The ids are known to fit.
vka_tensor vka_rows_of_each(vka_graph *g, vka_tensor t, vka_tensor ids);

#endif
