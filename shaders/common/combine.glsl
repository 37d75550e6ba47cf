// SPDX-License-Identifier: MIT
//
// What reductions combine two values by (reduce.glsl, lane_reduce.glsl; a shader may have both).
#ifndef VKA_COMBINE_GLSL
#define VKA_COMBINE_GLSL

// NaN wins.
float max_nan(float a, float b)
{
    return is_nan(a) ? a : is_nan(b) ? b : max(a, b);
}
float min_nan(float a, float b)
{
    return is_nan(a) ? a : is_nan(b) ? b : min(a, b);
}
float plus(float a, float b)
{
    return a + b;
}

#endif
