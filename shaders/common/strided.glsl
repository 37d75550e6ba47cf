// SPDX-License-Identifier: MIT
//
// Indices into operands of any strides, from the push constants VKA_STRIDED(n) of push/strided.h.
// Axis 0 is the fastest.
layout(constant_id = 3) const uint RANK = 4;

uvec4 strided_coords(uint i)
{
    uvec4 at = uvec4(i, 0, 0, 0);
    if (RANK > 1) {
        at.y = at.x / p.dim[0];
        at.x -= at.y * p.dim[0];
    }
    if (RANK > 2) {
        at.z = at.y / p.dim[1];
        at.y -= at.z * p.dim[1];
    }
    if (RANK > 3) {
        at.w = at.z / p.dim[2];
        at.z -= at.w * p.dim[2];
    }
    return at;
}

// The element of an operand (its number among the bindings) at these coordinates.
uint strided_index(uint operand, uvec4 at)
{
    uint i = p.offset[operand] + at.x * p.stride[operand * 4];
    if (RANK > 1)
        i += at.y * p.stride[operand * 4 + 1];
    if (RANK > 2)
        i += at.z * p.stride[operand * 4 + 2];
    if (RANK > 3)
        i += at.w * p.stride[operand * 4 + 3];
    return i;
}
