// SPDX-License-Identifier: MIT
//
// Criss-cross attention with a running maximum: a workgroup is PIXELS pixels of a row, which SHARE
// lanes each share: a block of keys' logits are divided among them, then the channels of a chunk.
// Lanes of a row read a column's values side by side, and a row's values at one address.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "criss_cross.glsl"

layout(constant_id = 3) const uint CHANNELS = 16; // of a lane

const uint PIXELS = 32;
const uint SHARE = 4;
const uint OWN = 8; // keys of a lane
const uint KEYS = SHARE * OWN;

shared float weights[KEYS * PIXELS];
shared float part[SHARE * PIXELS];

float over_lanes_max(uint pixel)
{
    float a = max(part[pixel], part[PIXELS + pixel]);
    return max(a, max(part[2 * PIXELS + pixel], part[3 * PIXELS + pixel]));
}

float over_lanes_sum(uint pixel)
{
    return (part[pixel] + part[PIXELS + pixel]) +
           (part[2 * PIXELS + pixel] + part[3 * PIXELS + pixel]);
}

void main()
{
    uint group = group_index();
    if (group >= p.end)
        return;
    uint tiles = (p.width + PIXELS - 1) / PIXELS;
    uint chunk = group % p.chunks, tile = group / p.chunks % tiles;
    uint row = group / p.chunks / tiles % p.height, batch = group / p.chunks / tiles / p.height;
    uint pixel = gl_LocalInvocationID.x, own = gl_LocalInvocationID.y;
    uint column = min(tile * PIXELS + pixel, p.width - 1);

    uint start = p.qkv_offset + batch * p.step[0], q_at = start + row * p.step[2] + column;
    uint first = (chunk * SHARE + own) * CHANNELS; // channel
    float most = GONE, total = 0.0;                // the same in a pixel's lanes
    float sum[CHANNELS];
    [[unroll]] for (uint i = 0; i < CHANNELS; i++)
        sum[i] = 0.0;

    for (uint line = 0; line < 2; line++) {
        bool in_row = line == 1;
        uint k_at = start + p.depth * p.step[1] + (in_row ? row * p.step[2] : column);
        uint v_at = k_at + p.depth * p.step[1];
        uint step = in_row ? 1 : p.step[2], count = in_row ? p.width : p.height;
        uint without = in_row ? count : row;
        for (uint block = 0; block < count; block += KEYS) {
            float s[OWN];
            uint at[OWN];
            [[unroll]] for (uint j = 0; j < OWN; j++) {
                s[j] = 0.0;
                at[j] = k_at + min(block + own + j * SHARE, count - 1) * step;
            }
            for (uint c = 0; c < p.depth; c++) {
                float query = LOAD(qkv, q_at + c * p.step[1]);
                [[unroll]] for (uint j = 0; j < OWN; j++)
                    s[j] = fma(query, LOAD(qkv, at[j] + c * p.step[1]), s[j]);
            }
            float now = GONE;
            [[unroll]] for (uint j = 0; j < OWN; j++) {
                uint key = block + own + j * SHARE;
                s[j] = key < count && key != without ? s[j] : GONE;
                now = max(now, s[j]);
            }
            part[own * PIXELS + pixel] = now;
            barrier();
            now = max(most, over_lanes_max(pixel));
            barrier();
            float added = 0.0;
            [[unroll]] for (uint j = 0; j < OWN; j++) {
                float w = weight_of(s[j], now);
                weights[(own + j * SHARE) * PIXELS + pixel] = w;
                added += w;
            }
            part[own * PIXELS + pixel] = added;
            barrier();
            float f = weight_of(most, now);
            most = now;
            total = total * f + over_lanes_sum(pixel);
            [[unroll]] for (uint i = 0; i < CHANNELS; i++)
                sum[i] *= f;
            for (uint j = 0; j < min(KEYS, count - block); j++) {
                float w = weights[j * PIXELS + pixel];
                uint from = v_at + (block + j) * step;
                [[unroll]] for (uint i = 0; i < CHANNELS; i++) {
                    uint channel = min(first + i, p.channels - 1);
                    sum[i] = fma(w, LOAD(qkv, from + channel * p.step[1]), sum[i]);
                }
            }
            barrier();
        }
    }

    if (tile * PIXELS + pixel >= p.width)
        return;
    [[unroll]] for (uint i = 0; i < CHANNELS; i++)
        if (first + i < p.channels)
            store_pixel(batch, first + i, row, column, sum[i] / total);
}
