// SPDX-License-Identifier: MIT
//
// Reductions over the lanes of a workgroup of any size: gl_LocalInvocationID.x is the row within
// the group, .y the lane along the row. All invocations of the group must call them; each gets
// its row's result. The order of combining hangs on the number of lanes alone.
#include "combine.glsl"
#include "long_sum.glsl"

#ifndef GROUP_TYPE
#define GROUP_TYPE float
#endif
shared GROUP_TYPE group_scratch[gl_WorkGroupSize.x * gl_WorkGroupSize.y];

#define GROUP_REDUCE(name, combine)                                                                \
    GROUP_TYPE name(GROUP_TYPE value)                                                              \
    {                                                                                              \
        uint row = gl_LocalInvocationID.x, lane = gl_LocalInvocationID.y;                          \
        uint step_lane = gl_WorkGroupSize.x, at = lane * step_lane + row;                          \
        barrier(); /* the last reduction's results have been read */                               \
        group_scratch[at] = value;                                                                 \
        for (uint n = gl_WorkGroupSize.y; n > 1;) {                                                \
            uint upper = (n + 1) / 2;                                                              \
            barrier();                                                                             \
            if (lane < n / 2)                                                                      \
                group_scratch[at] =                                                                \
                    combine(group_scratch[at], group_scratch[at + upper * step_lane]);             \
            n = upper;                                                                             \
        }                                                                                          \
        barrier();                                                                                 \
        return group_scratch[row];                                                                 \
    }
