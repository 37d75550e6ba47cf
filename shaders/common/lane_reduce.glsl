// SPDX-License-Identifier: MIT
//
// Reductions over lanes that lie along gl_LocalInvocationID.x, `lanes` of them a row, a power of
// two (reduce.glsl has them along .y, rows along .x). All invocations of the workgroup must call
// them; each gets its row's result.
#include "combine.glsl"

shared float lane_shares[gl_WorkGroupSize.x];

#define LANE_REDUCE(name, lanes, combine)                                                          \
    float name(float value)                                                                        \
    {                                                                                              \
        uint at = gl_LocalInvocationID.x, lane = at % (lanes);                                     \
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
