// SPDX-License-Identifier: MIT
//
// What the attention shaders share: buffers, constants, what happens to a logit. FULL: with bias,
// mask and lse, which may each be absent.
#include "types.glsl"
#include "attention.h"

layout(constant_id = 3) const uint DEPTH = 64; // of q and k
layout(constant_id = 4) const uint WIDTH = 64; // of v
layout(constant_id = 5) const uint FLAGS = 0;

const bool CAUSAL = (FLAGS & ATTENTION_CAUSAL) != 0u;
const bool HAS_BIAS = (FLAGS & ATTENTION_BIAS) != 0u;
const bool HAS_MASK = (FLAGS & ATTENTION_MASK) != 0u;
const bool MASK_REMOVES = (FLAGS & ATTENTION_REMOVES) != 0u;
const bool WANTS_LSE = (FLAGS & ATTENTION_LSE) != 0u;
const bool JOINED = (FLAGS & ATTENTION_JOINED) != 0u;

// Logits of keys that are masked, and a limit that only they are below.
#define GONE NEG_HUGE
#define LEAST (-1.0e38)

struct place {
    uint batch, head;
};

#ifdef FULL
BUFFER_IN(4, bias);
BUFFER_INT_IN(5, mask);
BUFFER_OUT(6, lse);
#endif

// Keys before this one are seen by query `query`.
uint key_end(uint query)
{
    if (!CAUSAL)
        return p.keys;
    return uint(clamp(int(query) + p.causal_offset + 1, 0, int(p.keys)));
}

// The logit of a dot product, GONE where the key isn't seen. Keys at or past `end` aren't.
float logit(place at, uint query, uint key, uint end, float dot_)
{
    if (key >= end)
        return GONE;
    float s = dot_ * p.scale;
#ifdef FULL
    if (HAS_BIAS) {
        s += LOAD(bias, p.bias_offset + at.batch * p.bias_stride[0] + at.head * p.bias_stride[1] +
                            query * p.bias_stride[2] + key * p.bias_stride[3]);
        if (floatBitsToUint(s) == 0xff800000u)
            s = GONE;
    }
    if (HAS_MASK) {
        bool on = mask.v[p.mask_offset + at.batch * p.mask_stride[0] + at.head * p.mask_stride[1] +
                         query * p.mask_stride[2] + key * p.mask_stride[3]] != 0;
        if (on == MASK_REMOVES)
            s = GONE;
    }
#endif
    return s;
}

// exp(s - most), 0 for a masked key.
float weight_of(float s, float most)
{
    return s < LEAST ? 0.0 : exp(s - most);
}

// Which row of the results is a query's, of WIDTH elements each.
uint result_row(place at, uint query)
{
    return JOINED ? (at.batch * p.queries + query) * p.heads + at.head
                  : (at.batch * p.heads + at.head) * p.queries + query;
}

void store_lse(place at, uint query, float most, float sum)
{
#ifdef FULL
    if (WANTS_LSE)
        STORE(lse, p.lse_offset + (at.batch * p.heads + at.head) * p.queries + query,
              most < LEAST ? NEG_INF : most + log(sum));
#endif
}
