// SPDX-License-Identifier: MIT
//
// How a query and a tap of a window are alike, by number, for C and for GLSL.
#ifndef VKA_PUSH_RELATION_H
#define VKA_PUSH_RELATION_H

#define VKA_RELATION_PRODUCT       0
#define VKA_RELATION_KEY           1
#define VKA_RELATION_ABS_DIFF      2
#define VKA_RELATION_SQ_DIFF       3
#define VKA_RELATION_NORM_ABS_DIFF 4
#define VKA_RELATION_NORM_SQ_DIFF  5

#endif
