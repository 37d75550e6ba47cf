// SPDX-License-Identifier: MIT
//
// What the shaders are told each frame: one block, written once for C and for GLSL.
#ifndef WINDOW_PUSH_H
#define WINDOW_PUSH_H

#ifdef VULKAN // GLSL
#define PUSH_BEGIN layout(push_constant) uniform push_block
#define PUSH_END   p
#else
#include <stdint.h>
typedef uint32_t uint;
#define PUSH_BEGIN struct push
#define PUSH_END
#endif

#define PICTURE 256 // the scene's picture, pixels each way
#define SIDE    128 // the network's
#define SHRINK  (PICTURE / SIDE)

PUSH_BEGIN
{
    float target[4]; // x, y, radius in parts of the picture; angle
    float mean[4];   // the network takes (colour - mean) / std
    float std[4];
    float time;
    uint outline; // of the target
    float opacity;
    uint map; // where the map begins, in words
    uint map_width, map_height;
}
PUSH_END;

#endif
