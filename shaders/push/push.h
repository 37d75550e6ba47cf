// SPDX-License-Identifier: MIT
//
// Push-constant blocks are written once, for C and for GLSL:
//     PUSH(softmax) { uint rows; uint cols; float scale; } PUSH_END;
// is `struct vka_push_softmax` in C and the block `p` in GLSL. Only 4-byte scalars and arrays of
// them: std430 and C lay these out alike.
#ifndef VKA_PUSH_H
#define VKA_PUSH_H

#ifdef VKA_GLSL
#define PUSH(name) layout(push_constant) uniform name##_push
#define PUSH_END   p
#else
#include <stdint.h>
typedef uint32_t uint; // GLSL's word
#define PUSH(name) struct vka_push_##name
#define PUSH_END
#endif

#endif
