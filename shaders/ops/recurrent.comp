#version 450
// SPDX-License-Identifier: MIT
//
// recurrent: a step, or half of one, for all rows and directions. A lane sums up the gates of a
// unit (FOURS: of four units, alone) for TM rows; UNITS of them stand side by side in a workgroup,
// the others take further slices of k. h is read where the step before left it in y; what an LSTM
// keeps and what the first half of a step leaves for the second is in carry.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "types.glsl"
#include "recurrent.h"
#include "cell.glsl"

layout(constant_id = 3) const uint MODE = 0;
layout(constant_id = 4) const uint TM = 4;
layout(constant_id = 5) const uint UNITS = 8;
layout(constant_id = 6) const bool HAS_BIAS = false;

const bool IS_LSTM = MODE == VKA_RECURRENT_LSTM || MODE == VKA_RECURRENT_INNER;
const uint PANEL = 16; // units
const uint PANEL_GATES = IS_LSTM ? 4 : MODE == VKA_RECURRENT_PROJECT ? 1 : 3;
const uint GATES = MODE == VKA_RECURRENT_RESET       ? 2
                   : MODE == VKA_RECURRENT_CANDIDATE ? 1
                                                     : PANEL_GATES;
const uint FIRST = MODE == VKA_RECURRENT_CANDIDATE ? 2 : 0;
const bool FROM_CARRY = MODE == VKA_RECURRENT_PROJECT || MODE == VKA_RECURRENT_CANDIDATE;

#ifdef FOURS
#define VALUE   vec4
#define WIDE    4
#define GET(name, i)    LOAD4(name, (i) / 4)
#define PUT(name, i, v) STORE4(name, (i) / 4, v)
BUFFER_VEC4_IN(0, inputs);
BUFFER_VEC4_IN(1, weight);
BUFFER_VEC4_OUT(2, y);
BUFFER_VEC4_OUT(3, carry);
#else
#define VALUE   float
#define WIDE    1
#define GET(name, i)    LOAD(name, i)
#define PUT(name, i, v) STORE(name, i, v)
BUFFER_IN(0, inputs);
BUFFER_IN(1, weight);
BUFFER_OUT(2, y);
BUFFER_OUT(3, carry);
// The lanes' sums; all of a workgroup's size.
shared float part[gl_WorkGroupSize.x * TM * GATES];
#endif
#ifdef VALID
BUFFER_INT_IN(4, valid);
#endif

uint direction;

uint y_at(uint row, uint place)
{
    return p.y + ((row * p.steps + place) * p.directions + direction) * p.out_width;
}
uint carry_at(uint row, uint slot)
{
    return p.carry + ((slot * p.directions + direction) * p.rows + row) * p.hidden;
}
// Where a row's terms are.
uint source(uint row)
{
    return FROM_CARRY ? carry_at(row, 1) : y_at(row, p.from[direction]);
}
VALUE term(uint at)
{
    if (FROM_CARRY)
        return GET(carry, at);
    return GET(y, at);
}

// What enters a gate besides the state.
VALUE entering(uint row, uint unit, uint gate)
{
    uint gates = IS_LSTM ? 4 : 3;
    uint at = (direction * p.rows + row) * p.steps + p.place[direction];
    return GET(inputs, p.inputs + (at * gates + FIRST + gate) * p.hidden + unit);
}

// --- the end, element by element: in loops, because the time that SwiftShader's compiler takes
// doubles with each branch behind another in the loop over rows ---

#define EACH(e) for (int e = 0; e < 4; e++)

VALUE lstm_next(VALUE i, VALUE f, VALUE g, VALUE c)
{
#ifdef FOURS
    vec4 next;
    EACH(e) next[e] = lstm_c(i[e], f[e], g[e], c[e]);
    return next;
#else
    return lstm_c(i, f, g, c);
#endif
}
VALUE lstm_out(VALUE o, VALUE c)
{
#ifdef FOURS
    vec4 h;
    EACH(e) h[e] = lstm_h(o[e], c[e]);
    return h;
#else
    return lstm_h(o, c);
#endif
}
VALUE sigmoid(VALUE x)
{
#ifdef FOURS
    EACH(e) x[e] = vka_sigmoid(x[e]);
    return x;
#else
    return vka_sigmoid(x);
#endif
}
VALUE tanh_of(VALUE x)
{
#ifdef FOURS
    EACH(e) x[e] = vka_tanhf(x[e]);
    return x;
#else
    return vka_tanhf(x);
#endif
}

// Without an early return: drivers that inline make much of each.
void finish(uint row, uint unit, VALUE sum[4], VALUE bias[3])
{
    uint to = y_at(row, p.place[direction]) + unit, old = y_at(row, p.from[direction]) + unit;
    uint kept = carry_at(row, 0) + unit, work = carry_at(row, 1) + unit;
    if (MODE == VKA_RECURRENT_PROJECT) {
        PUT(y, to, sum[0]);
    } else if (MODE == VKA_RECURRENT_GRU) {
        VALUE r = sigmoid(entering(row, unit, 0) + (sum[0] + bias[0]));
        VALUE z = sigmoid(entering(row, unit, 1) + (sum[1] + bias[1]));
        VALUE candidate = tanh_of(entering(row, unit, 2) + r * (sum[2] + bias[2]));
        PUT(y, to, candidate + z * (GET(y, old) - candidate));
    } else if (IS_LSTM) {
        VALUE c = lstm_next(sum[0] + entering(row, unit, 0), sum[1] + entering(row, unit, 1),
                            sum[2] + entering(row, unit, 2), GET(carry, kept));
        PUT(carry, kept, c);
        VALUE h = lstm_out(sum[3] + entering(row, unit, 3), c);
        if (MODE == VKA_RECURRENT_LSTM)
            PUT(y, to, h);
        else
            PUT(carry, work, h);
    } else if (MODE == VKA_RECURRENT_RESET) {
        PUT(carry, work, sigmoid(sum[0] + entering(row, unit, 0)) * GET(y, old));
        PUT(carry, kept, sigmoid(sum[1] + entering(row, unit, 1)));
    } else {
        VALUE h = GET(y, old);
        PUT(y, to, h + GET(carry, kept) * (tanh_of(sum[0] + entering(row, unit, 0)) - h));
    }
}

#ifdef VALID
bool is_valid(uint row)
{
    return valid.v[p.valid + row * p.steps + p.place[direction]] != 0;
}
// The state stays.
void stay(uint row, uint unit)
{
    if (MODE != VKA_RECURRENT_INNER && MODE != VKA_RECURRENT_RESET)
        PUT(y, y_at(row, p.place[direction]) + unit, GET(y, y_at(row, p.from[direction]) + unit));
}
#endif

void end_row(uint row, uint unit, VALUE sum[4], VALUE bias[3])
{
#ifdef VALID
    if (!is_valid(row))
        stay(row, unit);
    else
#endif
        finish(row, unit, sum, bias);
}

// --- the sums ---

uint row_0;
uint weights; // of the unit, at k = 0
VALUE sums[TM * GATES];

#ifdef FOURS
void add_terms()
{
    uint step_k = PANEL_GATES * PANEL;
    for (uint k = 0; k < p.k; k += 4) {
        vec4 x[TM];
        [[unroll]] for (uint i = 0; i < TM; i++)
            x[i] = term(source(min(row_0 + i, p.rows - 1)) + k);
        [[unroll]] for (uint j = 0; j < 4; j++) {
            [[unroll]] for (uint g = 0; g < GATES; g++) {
                vec4 w = GET(weight, weights + (k + j) * step_k + g * PANEL);
                [[unroll]] for (uint i = 0; i < TM; i++)
                    sums[i * GATES + g] = fma(vec4(x[i][j]), w, sums[i * GATES + g]);
            }
        }
    }
}
#else
void add_terms(uint slice, uint slices)
{
    uint step_k = PANEL_GATES * PANEL;
    for (uint k = slice; k < p.k; k += slices) {
        float x[TM];
        [[unroll]] for (uint i = 0; i < TM; i++)
            x[i] = term(source(min(row_0 + i, p.rows - 1)) + k);
        [[unroll]] for (uint g = 0; g < GATES; g++) {
            float w = GET(weight, weights + k * step_k + g * PANEL);
            [[unroll]] for (uint i = 0; i < TM; i++)
                sums[i * GATES + g] = fma(x[i], w, sums[i * GATES + g]);
        }
    }
}

// All slices' sums are in the first one's place afterwards.
void gather_slices(uint lane, uint slice, uint slices)
{
    for (uint half_ = slices / 2; half_ > 0; half_ /= 2) {
        barrier();
        if (slice < half_) {
            [[unroll]] for (uint i = 0; i < TM * GATES; i++)
                part[lane * TM * GATES + i] += part[(lane + half_ * UNITS) * TM * GATES + i];
        }
    }
    barrier();
}
#endif

void main()
{
    uint group = group_index();
    if (group >= p.groups)
        return;
    uint tiles = (p.rows + TM - 1) / TM, lane = gl_LocalInvocationIndex;
    uint slice = lane / UNITS, slices = gl_WorkGroupSize.x / UNITS;
    direction = group / p.blocks / tiles;
    row_0 = group / p.blocks % tiles * TM;
    uint unit = (group % p.blocks * UNITS + lane % UNITS) * WIDE;
    uint panel = min(unit / PANEL, p.panels - 1);
    weights = p.weight + FIRST * PANEL + unit % PANEL +
              (direction * p.panels + panel) * p.panel_k * PANEL_GATES * PANEL;
    VALUE bias[3] = {VALUE(0.0), VALUE(0.0), VALUE(0.0)};
    if (HAS_BIAS) {
        [[unroll]] for (uint g = 0; g < 3; g++)
            bias[g] = GET(weight, weights + p.k * PANEL_GATES * PANEL + g * PANEL);
    }
    [[unroll]] for (uint i = 0; i < TM * GATES; i++)
        sums[i] = VALUE(0.0);
#ifdef FOURS
    add_terms();
#else
    add_terms(slice, slices);
    [[unroll]] for (uint i = 0; i < TM * GATES; i++)
        part[lane * TM * GATES + i] = sums[i];
    gather_slices(lane, slice, slices);
#endif
    if (unit >= p.width)
        return;
    // What ends a row is long: TM copies of it take some drivers minutes to compile.
    [[dont_unroll]] for (uint i = 0; i < TM; i++) {
        VALUE own[4];
#ifdef FOURS
        // The first row's, behind which the others move on, whoever ends it: an array indexed by a
        // variable would lie in memory.
        [[unroll]] for (uint g = 0; g < GATES; g++)
            own[g] = sums[g];
        [[unroll]] for (uint k = GATES; k < TM * GATES; k++)
            sums[k - GATES] = sums[k];
#else
        [[unroll]] for (uint g = 0; g < GATES; g++)
            own[g] = part[lane % UNITS * TM * GATES + i * GATES + g];
#endif
        if (i % slices == slice && row_0 + i < p.rows)
            end_row(row_0 + i, unit, own, bias);
    }
}
