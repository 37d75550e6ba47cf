// SPDX-License-Identifier: MIT
//
// Attention of few rows, which is bound by the reading of k and v: each of their elements is read
// once for ROWS rows, KEYS keys at a time. K_LANES lanes make the dot products of a key, piece by
// piece, fours of its row side by side, and likewise V_LANES lanes its part of the sums of values.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "attention_rows.glsl"

layout(constant_id = 6) const uint ROWS = 1;
layout(constant_id = 7) const bool FOURS = false; // rows of k and v can be read by fours

BUFFER_VEC4_IN(1, k4);
BUFFER_VEC4_IN(2, v4);

const uint LANES = 64;
const uint KEYS = LANES;
const uint K_FOURS = (DEPTH + 3) / 4;
const uint K_MOST = ROWS > 4 ? 4 : 8;
const uint K_LANES = K_FOURS >= 8 && K_MOST == 8 ? 8 : K_FOURS >= 4 ? 4 : K_FOURS >= 2 ? 2 : 1;
const uint K_EACH = (K_FOURS + K_LANES - 1) / K_LANES; // fours of a lane
const uint K_GROUPS = LANES / K_LANES;                 // keys side by side
const uint K_ONCE = K_LANES < 4 ? K_LANES : 4;         // keys of a lane in flight
const uint V_FOURS = (WIDTH + 3) / 4;
const uint V_LANES = V_FOURS >= 64   ? 64
                     : V_FOURS >= 32 ? 32
                     : V_FOURS >= 16 ? 16
                     : V_FOURS >= 8  ? 8
                     : V_FOURS >= 4  ? 4
                     : V_FOURS >= 2  ? 2
                                     : 1;
const uint V_EACH = (V_FOURS + V_LANES - 1) / V_LANES;
const uint V_GROUPS = LANES / V_LANES;
const uint V_ONCE = V_LANES < 4 ? V_LANES : 4;
const uint SCANS = 8; // lanes that look for a row's maximum
const uint STEP = K_LANES + 1;

shared vec4 queries[ROWS * K_EACH * K_LANES];
shared float pieces[ROWS * KEYS * (STEP > 4 ? STEP : 4)]; // then sums of all lanes
shared float weights[KEYS * ROWS];
shared float part[ROWS * SCANS];
shared float most[ROWS];
shared float factor[ROWS];
shared float group_total[ROWS * V_GROUPS];

vec4 sum[ROWS][V_EACH];
float total[ROWS];

vec4 k_four(uint start, uint d)
{
    vec4 x = vec4(0.0);
    if (FOURS) {
        if (d < DEPTH)
            x = LOAD4(k4, (start + d) / 4);
    } else {
        [[unroll]] for (uint j = 0; j < 4; j++)
            if (d + j < DEPTH)
                x[j] = LOAD(k, start + d + j);
    }
    return x;
}

vec4 v_four(uint start, uint d)
{
    vec4 x = vec4(0.0);
    if (FOURS) {
        if (d < WIDTH)
            x = LOAD4(v4, (start + d) / 4);
    } else {
        [[unroll]] for (uint j = 0; j < 4; j++)
            if (d + j < WIDTH)
                x[j] = LOAD(v, start + d + j);
    }
    return x;
}

void load_queries(tile t, uint lane)
{
    const uint fours = K_EACH * K_LANES;
    for (uint i = lane; i < ROWS * fours; i += LANES) {
        uint start = q_start(t, t.first + i / fours), d = i % fours * 4;
        vec4 x = vec4(0.0);
        [[unroll]] for (uint j = 0; j < 4; j++)
            if (d + j < DEPTH)
                x[j] = LOAD(q, start + d + j);
        queries[i] = x;
    }
}

void make_pieces(tile t, uint key, uint lane)
{
    uint own = lane % K_LANES;
    for (uint turn = 0; turn < K_LANES; turn += K_ONCE) {
        float dots[ROWS][K_ONCE];
        uint start[K_ONCE];
        [[unroll]] for (uint j = 0; j < K_ONCE; j++) {
            uint one = key + (turn + j) * K_GROUPS + lane / K_LANES;
            start[j] = t.k_start + min(one, p.keys - 1) * p.k_stride[2];
            [[unroll]] for (uint r = 0; r < ROWS; r++)
                dots[r][j] = 0.0;
        }
        for (uint i = 0; i < K_EACH; i++) {
            uint c = i * K_LANES + own;
            vec4 kv[K_ONCE];
            [[unroll]] for (uint j = 0; j < K_ONCE; j++)
                kv[j] = k_four(start[j], c * 4);
            [[unroll]] for (uint r = 0; r < ROWS; r++) {
                vec4 qv = queries[r * K_EACH * K_LANES + c];
                [[unroll]] for (uint j = 0; j < K_ONCE; j++)
                    dots[r][j] += dot(qv, kv[j]);
            }
        }
        [[unroll]] for (uint r = 0; r < ROWS; r++)
            [[unroll]] for (uint j = 0; j < K_ONCE; j++)
                pieces[(r * KEYS + (turn + j) * K_GROUPS + lane / K_LANES) * STEP + own] =
                    dots[r][j];
    }
}

// Weights of the block's keys; sums that were made with a lower maximum shrink.
void make_weights(tile t, uint key, uint lane)
{
    for (uint r = 0; r < ROWS; r++) {
        uint row = t.first + r, query = query_of(t, row);
        float dot_ = 0.0;
        [[unroll]] for (uint i = 0; i < K_LANES; i++)
            dot_ += pieces[(r * KEYS + lane) * STEP + i];
        weights[lane * ROWS + r] =
            logit(place_of(t, row), query, key + lane, min(key_end(query), t.end), dot_);
    }
    barrier();
    if (lane < ROWS * SCANS) {
        float now = GONE;
        for (uint j = lane % SCANS; j < KEYS; j += SCANS)
            now = max(now, weights[j * ROWS + lane / SCANS]);
        part[lane] = now;
    }
    barrier();
    if (lane < ROWS) {
        float now = most[lane];
        for (uint j = 0; j < SCANS; j++)
            now = max(now, part[lane * SCANS + j]);
        factor[lane] = weight_of(most[lane], now);
        most[lane] = now;
    }
    barrier();
    for (uint r = 0; r < ROWS; r++)
        weights[lane * ROWS + r] = weight_of(weights[lane * ROWS + r], most[r]);
    [[unroll]] for (uint r = 0; r < ROWS; r++) {
        total[r] *= factor[r];
        [[unroll]] for (uint i = 0; i < V_EACH; i++)
            sum[r][i] *= factor[r];
    }
    barrier();
}

void add_values(tile t, uint key, uint lane)
{
    for (uint turn = 0; turn < V_LANES; turn += V_ONCE) {
        vec4 value[V_ONCE][V_EACH];
        [[unroll]] for (uint j = 0; j < V_ONCE; j++) {
            uint one = key + (turn + j) * V_GROUPS + lane / V_LANES;
            uint start = t.v_start + one * p.v_stride[2];
            [[unroll]] for (uint i = 0; i < V_EACH; i++) {
                value[j][i] = vec4(0.0);
                if (one < t.end)
                    value[j][i] = v_four(start, (i * V_LANES + lane % V_LANES) * 4);
            }
        }
        [[unroll]] for (uint j = 0; j < V_ONCE; j++) {
            uint one = (turn + j) * V_GROUPS + lane / V_LANES;
            [[unroll]] for (uint r = 0; r < ROWS; r++) {
                float w = weights[one * ROWS + r];
                total[r] += w;
                [[unroll]] for (uint i = 0; i < V_EACH; i++)
                    sum[r][i] = fma(vec4(w), value[j][i], sum[r][i]);
            }
        }
    }
}

// The i-th fours of all groups together, and where they belong.
void finish_fours(tile t, uint lane, uint i)
{
    barrier();
    [[unroll]] for (uint r = 0; r < ROWS; r++) {
        [[unroll]] for (uint j = 0; j < 4; j++)
            pieces[(r * LANES + lane) * 4 + j] = sum[r][i][j];
        if (lane % V_LANES == 0)
            group_total[r * V_GROUPS + lane / V_LANES] = total[r];
    }
    barrier();
    for (uint one = lane; one < ROWS * V_LANES * 4; one += LANES) {
        uint r = one / (V_LANES * 4), c = one % (V_LANES * 4), d = i * V_LANES * 4 + c;
        float all = 0.0, x = 0.0;
        for (uint g = 0; g < V_GROUPS; g++) {
            all += group_total[r * V_GROUPS + g];
            x += pieces[(r * LANES + g * V_LANES) * 4 + c];
        }
        if (t.first + r < t.rows && d < WIDTH)
            store_sum(out_start(t, t.first + r) + d, x * out_factor(all));
        if (t.first + r < t.rows && d == 0)
            finish_row(t, t.first + r, most[r], all);
    }
}

void main()
{
    uint group = group_index();
    if (group >= p.end)
        return;
    tile t = tile_of(group, ROWS);
    uint lane = gl_LocalInvocationIndex;
    load_queries(t, lane);
    if (lane < ROWS)
        most[lane] = GONE;
    [[unroll]] for (uint r = 0; r < ROWS; r++) {
        total[r] = 0.0;
        [[unroll]] for (uint i = 0; i < V_EACH; i++)
            sum[r][i] = vec4(0.0);
    }
    start_seen();
    barrier();
    for (uint key = t.begin; key < t.end; key += KEYS) {
        if (!tile_seen(t, ROWS, key, KEYS))
            continue;
        make_pieces(t, key, lane);
        barrier();
        make_weights(t, key, lane);
        add_values(t, key, lane);
    }
    [[unroll]] for (uint i = 0; i < V_EACH; i++)
        finish_fours(t, lane, i);
}
