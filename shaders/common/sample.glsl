// SPDX-License-Identifier: MIT
//
// Bilinear samples: a position's four elements of a map and what of each counts. A position may be
// any float: nothing outside of the map is ever read, and NaN is nowhere.

struct corners {
    uint at[4]; // elements; NOWHERE: not in the map
    float part[4];
};

const uint NOWHERE = 0x80000000u; // no element: strides may be negative

// The place before a position along an axis, for one that is near the map (else -2); `high`: what
// of the next place counts.
int split(float position, uint size, bool clamped, out float high)
{
    high = 0.0;
    if (is_nan(position))
        return -2;
    float last = float(size) - 1.0;
    if (clamped)
        position = position < 0.0 ? 0.0 : position > last ? last : position;
    if (position <= -1.0 || position >= float(size))
        return -2;
    float low = floor(position);
    high = position - low;
    return int(low);
}

corners corners_of(float y, float x, uvec2 size, uvec2 step, bool clamped)
{
    corners c;
    float b, d;
    int row = split(y, size.x, clamped, b), column = split(x, size.y, clamped, d);
    bool near = row > -2 && column > -2;
    [[unroll]] for (uint k = 0; k < 4; k++) {
        uint dy = k >> 1, dx = k & 1;
        uint r = uint(row + int(dy)), q = uint(column + int(dx));
        float part = (dy == 1 ? b : 1.0 - b) * (dx == 1 ? d : 1.0 - d);
        // Below 0 is a large number; what counts for nothing isn't read: it may be infinite.
        bool counts = near && r < size.x && q < size.y && part != 0.0;
        c.at[k] = counts ? r * step.x + q * step.y : NOWHERE;
        c.part[k] = near ? part : 0.0;
    }
    return c;
}

// float sample_<buffer>(uint start, corners c): the map that starts there, under the corners.
#define SAMPLE_FROM(buffer)                                                                        \
    float sample_##buffer(uint start, corners c)                                                   \
    {                                                                                              \
        float sum = 0.0;                                                                           \
        [[unroll]] for (uint k = 0; k < 4; k++) {                                                  \
            bool there = c.at[k] != NOWHERE; /* else the first one is read, for no branch */       \
            float v = LOAD(buffer, start + (there ? c.at[k] : 0u));                                \
            sum += c.part[k] * (there ? v : 0.0);                                                  \
        }                                                                                          \
        return sum;                                                                                \
    }
