// SPDX-License-Identifier: MIT
//
// Reductions over neighbours by gl_LocalInvocationIndex, `lanes` of them a row, a power of two
// (reduce.glsl has lanes along gl_LocalInvocationID.y, rows along .x). All invocations of the
// workgroup must call them; each gets its row's result.
#include "combine.glsl"

shared float lane_shares[gl_WorkGroupSize.x * gl_WorkGroupSize.y];

#define LANE_REDUCE(name, lanes, combine)                                                          \
    float name(float value)                                                                        \
    {                                                                                              \
        uint at = gl_LocalInvocationIndex, lane = at % (lanes);                                    \
        barrier(); /* the last reduction's results have been read */                               \
        lane_shares[at] = value;                                                                   \
        for (uint n = (lanes) / 2; n > 0; n /= 2) {                                                \
            barrier();                                                                             \
            if (lane < n)                                                                          \
                lane_shares[at] = combine(lane_shares[at], lane_shares[at + n]);                   \
        }                                                                                          \
        barrier();                                                                                 \
        return lane_shares[at - lane];                                                             \
    }
