// SPDX-License-Identifier: MIT
//
// Criss-cross attention where the device is a program on a CPU: a lane is ROWS pixels above each
// other, whose column is read once for all of them; a row's keys and values are read at one address
// by all lanes. Nothing is shared. KEYS at a time with a running maximum.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "criss_cross.glsl"

layout(constant_id = 3) const uint CHANNELS = 16;
layout(constant_id = 4) const uint ROWS = 4;
layout(constant_id = 5) const uint KEYS = 4;
layout(constant_id = 6) const uint DEPTH = 8;

float query[ROWS][DEPTH], sum[ROWS][CHANNELS], most[ROWS], total[ROWS], s[ROWS][KEYS];

// The block's logits become weights.
void soften()
{
    [[unroll]] for (uint r = 0; r < ROWS; r++) {
        float now = most[r];
        [[unroll]] for (uint j = 0; j < KEYS; j++)
            now = max(now, s[r][j]);
        float f = weight_of(most[r], now);
        most[r] = now;
        total[r] *= f;
        [[unroll]] for (uint j = 0; j < KEYS; j++) {
            s[r][j] = weight_of(s[r][j], now);
            total[r] += s[r][j];
        }
        [[unroll]] for (uint c = 0; c < CHANNELS; c++)
            sum[r][c] *= f;
    }
}

void main()
{
    uint group = group_index();
    if (group >= p.end)
        return;
    const uint lanes = gl_WorkGroupSize.x;
    uint tiles = (p.width + lanes - 1) / lanes, bands = (p.height + ROWS - 1) / ROWS;
    uint chunk = group % p.chunks, tile = group / p.chunks % tiles;
    uint first = group / p.chunks / tiles % bands * ROWS, batch = group / p.chunks / tiles / bands;
    uint own = tile * lanes + gl_LocalInvocationID.x, column = min(own, p.width - 1);

    uint q_at = p.qkv_offset + batch * p.step[0];
    uint k_at = q_at + DEPTH * p.step[1], v_at[CHANNELS], row_at[ROWS];
    [[unroll]] for (uint c = 0; c < CHANNELS; c++)
        v_at[c] = k_at + (DEPTH + min(chunk * CHANNELS + c, p.channels - 1)) * p.step[1];
    [[unroll]] for (uint r = 0; r < ROWS; r++) {
        row_at[r] = min(first + r, p.height - 1) * p.step[2];
        most[r] = GONE;
        total[r] = 0.0;
        [[unroll]] for (uint c = 0; c < DEPTH; c++)
            query[r][c] = LOAD(qkv, q_at + c * p.step[1] + row_at[r] + column);
        [[unroll]] for (uint c = 0; c < CHANNELS; c++)
            sum[r][c] = 0.0;
    }

    for (uint block = 0; block < p.height; block += KEYS) {
        uint at[KEYS];
        [[unroll]] for (uint j = 0; j < KEYS; j++) {
            at[j] = min(block + j, p.height - 1) * p.step[2] + column;
            [[unroll]] for (uint r = 0; r < ROWS; r++)
                s[r][j] = 0.0;
            [[unroll]] for (uint c = 0; c < DEPTH; c++) {
                float key = LOAD(qkv, k_at + c * p.step[1] + at[j]);
                [[unroll]] for (uint r = 0; r < ROWS; r++)
                    s[r][j] = fma(query[r][c], key, s[r][j]);
            }
            [[unroll]] for (uint r = 0; r < ROWS; r++)
                if (block + j >= p.height || block + j == first + r)
                    s[r][j] = GONE;
        }
        soften();
        [[unroll]] for (uint j = 0; j < KEYS; j++) {
            [[unroll]] for (uint c = 0; c < CHANNELS; c++) {
                float value = LOAD(qkv, v_at[c] + at[j]);
                [[unroll]] for (uint r = 0; r < ROWS; r++)
                    sum[r][c] = fma(s[r][j], value, sum[r][c]);
            }
        }
    }
    for (uint block = 0; block < p.width; block += KEYS) {
        [[unroll]] for (uint r = 0; r < ROWS; r++) {
            [[unroll]] for (uint j = 0; j < KEYS; j++) {
                uint at = row_at[r] + min(block + j, p.width - 1);
                s[r][j] = 0.0;
                [[unroll]] for (uint c = 0; c < DEPTH; c++)
                    s[r][j] = fma(query[r][c], LOAD(qkv, k_at + c * p.step[1] + at), s[r][j]);
                if (block + j >= p.width)
                    s[r][j] = GONE;
            }
        }
        soften();
        [[unroll]] for (uint r = 0; r < ROWS; r++) {
            [[unroll]] for (uint j = 0; j < KEYS; j++) {
                uint at = row_at[r] + min(block + j, p.width - 1);
                [[unroll]] for (uint c = 0; c < CHANNELS; c++)
                    sum[r][c] = fma(s[r][j], LOAD(qkv, v_at[c] + at), sum[r][c]);
            }
        }
    }

    if (own >= p.width)
        return;
    [[unroll]] for (uint r = 0; r < ROWS; r++)
        [[unroll]] for (uint c = 0; c < CHANNELS; c++)
            if (first + r < p.height && chunk * CHANNELS + c < p.channels)
                store_pixel(batch, chunk * CHANNELS + c, first + r, column, sum[r][c] / total[r]);
}
