#version 450
// SPDX-License-Identifier: MIT
//
// gather: y[i, :] = table[ids[i], :], one invocation an element. Ids are clamped.
#extension GL_GOOGLE_include_directive : require
#include "types.glsl"
#include "gather.h"

#ifdef VKA_INT
BUFFER_INT_IN(0, table);
BUFFER_INT_IN(1, ids);
BUFFER_INT_OUT(2, y);
#else
BUFFER_IN(0, table);
BUFFER_INT_IN(1, ids);
BUFFER_OUT(2, y);
#endif

void main()
{
    uint i = global_index();
    if (i >= p.count)
        return;
    uint row = i / p.width;
    uint id = uint(clamp(ids.v[p.ids + row], 0, int(p.rows) - 1));
    y.v[p.y + i] = table.v[p.table + id * p.row + (i - row * p.width) * p.step];
}
