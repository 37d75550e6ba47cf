// SPDX-License-Identifier: MIT
//
// count_boxes: a workgroup counts the boxes of one glimpse of an image. The boxes that stay find
// their places by rank; then each lane takes some of them against all others.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "types.glsl"
#include "count_boxes.h"
#include "scalar.h"

layout(constant_id = 3) const uint KEPT = 10;

BUFFER_IN(0, scores);
BUFFER_IN(1, boxes);
BUFFER_IN(2, tables);
BUFFER_OUT(3, dst);

const uint FUNCTIONS = 8;
const uint LAST = 16; // entry of a table
const uint ENTRIES = LAST + 1;

shared float entry[FUNCTIONS * ENTRIES];
shared float sum_to[FUNCTIONS * ENTRIES];
shared vec4 box[KEPT];
shared float score[KEPT];
shared float likes[KEPT]; // how many boxes are like this one
shared float part[KEPT];  // of the count's square
shared float sure[KEPT];  // part of the confidence

// --- tables ---

// Function f's table, made to sum to 1, and its sums up to each entry.
void load_table(uint f)
{
    float total = 0.0, sum = 0.0;
    for (uint i = 0; i < ENTRIES; i++)
        total += abs(LOAD(tables, p.tables_offset + f * ENTRIES + i));
    for (uint i = 0; i < ENTRIES; i++) {
        entry[f * ENTRIES + i] = abs(LOAD(tables, p.tables_offset + f * ENTRIES + i)) / total;
        sum += entry[f * ENTRIES + i];
        sum_to[f * ENTRIES + i] = sum;
    }
}

float apply(uint f, float x)
{
    float y = 16.0 * (x < 0.0 ? 0.0 : (x > 1.0 ? 1.0 : x));
    uint i = uint(clamp(int(y), 0, int(LAST))); // whatever NaN becomes
    return sum_to[f * ENTRIES + i] + (y - float(i)) * entry[f * ENTRIES + min(i + 1, LAST)];
}

// --- which boxes stay ---

// Integers in the order of the scores; both zeros are one, NaN is least.
int order_of(float x)
{
    int bits = floatBitsToInt(x), size = bits & 0x7fffffff;
    if (is_nan(x))
        return int(0x80000000u);
    return bits < 0 ? -size : size;
}

void keep_boxes(uint n, uint first)
{
    for (uint i = gl_LocalInvocationIndex; i < p.boxes; i += group_size()) {
        float own = LOAD(scores, first + i);
        int order = order_of(own);
        uint rank = 0;
        for (uint j = 0; j < p.boxes && rank < KEPT; j++) {
            int other = order_of(LOAD(scores, first + j));
            rank += uint(other > order || (other == order && j < i));
        }
        if (rank >= KEPT)
            continue;
        uint at = p.boxes_offset + (n * p.boxes + i) * p.columns;
        score[rank] = vka_sigmoid(own);
        box[rank] = vec4(LOAD(boxes, at), LOAD(boxes, at + 1), LOAD(boxes, at + 2),
                         LOAD(boxes, at + 3));
    }
}

// --- pairs ---

float area(vec2 low, vec2 high)
{
    vec2 size = max(high - low, vec2(0.0));
    return size.x * size.y;
}

float apart(uint i, uint j)
{
    vec4 a = box[i], b = box[j];
    float inter = area(max(a.xy, b.xy), min(a.zw, b.zw));
    precise float both = area(a.xy, a.zw) + area(b.xy, b.zw);
    return 1.0 - inter / (both - inter + 1e-12);
}

float differs(uint i, uint j)
{
    return apply(3, score[i] * score[j]) * apply(4, apart(i, j));
}

float alike(uint i, uint j)
{
    float product = apply(2, 1.0 - abs(score[i] - score[j]));
    for (uint k = 0; k < KEPT; k++)
        product *= apply(2, 1.0 - abs(differs(k, i) - differs(k, j)));
    return product;
}

void sum_pairs(uint i)
{
    float all = apply(0, score[i] * score[i]) / likes[i], distance = 0.0;
    for (uint j = 0; j < KEPT; j++) {
        float d = apart(i, j);
        all += apply(0, score[i] * score[j]) * apply(1, d) / (likes[i] * likes[j]);
        distance += abs(apply(6, d) - 0.5);
    }
    part[i] = all;
    sure[i] = abs(apply(5, score[i]) - 0.5) + distance / float(KEPT);
}

// --- the result ---

// The count between its two neighbours of 0 .. KEPT, times the confidence.
void store_count(uint at)
{
    float all = 0.0, confidence = 0.0;
    for (uint i = 0; i < KEPT; i++) {
        all += part[i];
        confidence += sure[i];
    }
    confidence = apply(7, confidence / float(KEPT));
    float count = sqrt(all + 1e-20);
    count = count > float(KEPT) ? float(KEPT) : count;
    uint low = uint(clamp(int(count), 0, int(KEPT)));
    float rest = count - float(low);
    for (uint i = gl_LocalInvocationIndex; i <= KEPT; i += group_size()) {
        float share = (i == low ? 1.0 - rest : 0.0) + (i == min(low + 1, KEPT) ? rest : 0.0);
        STORE(dst, at + i, share * confidence);
    }
}

void main()
{
    uint group = group_index(), lane = gl_LocalInvocationIndex;
    if (group >= p.groups)
        return;
    if (lane < FUNCTIONS)
        load_table(lane);
    keep_boxes(group / p.glimpses, p.scores_offset + group * p.boxes);
    barrier();
    for (uint i = lane; i < KEPT; i += group_size()) {
        float sum = 0.0;
        for (uint j = 0; j < KEPT; j++)
            sum += alike(i, j);
        likes[i] = sum;
    }
    barrier();
    for (uint i = lane; i < KEPT; i += group_size())
        sum_pairs(i);
    barrier();
    store_count(p.out_offset + group * (KEPT + 1));
}
