// SPDX-License-Identifier: MIT
//
// What the criss_cross shaders share. A pixel sees two lines: its column without itself, its row.
#include "types.glsl"
#include "criss_cross.h"

BUFFER_IN(0, qkv);
BUFFER_IN(1, z);
BUFFER_OUT(2, y);

// Logits of keys that aren't there, and a limit that only they are below.
#define GONE NEG_HUGE
#define LEAST (-1.0e38)

// exp(s - most), 0 for a key that isn't there.
float weight_of(float s, float most)
{
    return s < LEAST ? 0.0 : exp(s - most);
}

void store_pixel(uint batch, uint channel, uint row, uint column, float sum)
{
    uint from = p.z_offset + batch * p.z_step[0] + channel * p.z_step[1] + row * p.z_step[2];
    uint to = p.y_offset + ((batch * p.channels + channel) * p.height + row) * p.width;
    STORE(y, to + column, LOAD(z, from + column) + sum);
}
