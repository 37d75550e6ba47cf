// SPDX-License-Identifier: MIT
//
// The sizes of tiles of products on GPUs (shaders/common/product_tile.glsl), which the host cuts
// for (src/ops/tile.c).
#ifndef VKA_PRODUCT_TILE_H
#define VKA_PRODUCT_TILE_H

#define VKA_TILE_NARROW 8 // lanes along each side of a workgroup
#define VKA_TILE_WIDE   16
#define VKA_TILE_DEPTH  8 // terms of a slice, of which there are two in shared memory
#define VKA_TILE_PAD    4 // floats by which a slice's rows are longer than needed

#endif
