// SPDX-License-Identifier: MIT
//
// Indices into operands of any strides, from the push constants VKA_STRIDED(n) of push/strided.h.
// Axis 0 is the fastest.
layout(constant_id = 3) const uint WALK = 4;
const uint RANK = WALK & 15u;

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

// VKA_FOURS: a workgroup takes a part of a row, four elements at a time (ops/strided.c). How many
// fours a lane takes; a bit an operand that has four elements in a row, while others repeat one.
#ifdef VKA_FOURS
const uint FOURS = WALK >> 4 & 0xfffu, ALONG = WALK >> 16;

struct part_of_row {
    uvec4 at;        // coordinates of the row's first element
    uint begin, end; // fours of the row
};

// The part that this workgroup takes; empty past the last row.
part_of_row strided_part()
{
    uint fours = p.dim[0] / 4, most = FOURS * gl_WorkGroupSize.x;
    uint parts = (fours + most - 1) / most, row = group_index() / parts;
    uint begin = (group_index() - row * parts) * most;
    bool inside = row < p.count / p.dim[0]; // else the first row's place, which can be read
    return part_of_row(strided_coords(inside ? row * p.dim[0] : 0), begin,
                       inside ? min(begin + most, fours) : 0);
}

// Runs `body` for each four `i` of this lane.
#define FOR_FOURS(part, i, body)                                                                   \
    for (uint i = part.begin + gl_LocalInvocationID.x; i < part.end; i += gl_WorkGroupSize.x)      \
    body
#endif
