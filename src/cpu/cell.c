// SPDX-License-Identifier: MIT
#include "cpu/cell.h"

#include "cpu/activation.h"
#include "cpu/simd.h"

VKA_CLONES void vka_lstm_span(const float *const gate[4], const float *c, float *h_next,
                              float *c_next, int64_t count)
{
    const float *in = gate[0], *forget = gate[1], *cell = gate[2], *out = gate[3];
    VKA_INDEPENDENT for (int64_t i = 0; i < count; i++)
    {
        float taken = vka_sigmoid(in[i]) * vka_tanhf(cell[i]);
        float next = vka_sigmoid(forget[i]) * c[i] + taken;
        c_next[i] = next;
        h_next[i] = vka_sigmoid(out[i]) * vka_tanhf(next);
    }
}

VKA_CLONES void vka_gru_span(const float *const a[3], const float *const b[3], const float *h,
                             float *h_next, int64_t count)
{
    const float *ar = a[0], *az = a[1], *an = a[2], *br = b[0], *bz = b[1], *bn = b[2];
    VKA_INDEPENDENT for (int64_t i = 0; i < count; i++)
    {
        float r = vka_sigmoid(ar[i] + br[i]), z = vka_sigmoid(az[i] + bz[i]);
        float candidate = vka_tanhf(an[i] + r * bn[i]);
        h_next[i] = candidate + z * (h[i] - candidate);
    }
}

VKA_CLONES void vka_cho_span(const float *candidate, const float *update, const float *h,
                             float *h_next, int64_t count)
{
    VKA_INDEPENDENT for (int64_t i = 0; i < count; i++)
    {
        h_next[i] = h[i] + update[i] * (candidate[i] - h[i]);
    }
}

VKA_CLONES void vka_cho_gates_span(float *r, float *z, const float *h, int64_t count)
{
    VKA_INDEPENDENT for (int64_t i = 0; i < count; i++)
    {
        r[i] = vka_sigmoid(r[i]) * h[i];
        z[i] = vka_sigmoid(z[i]);
    }
}
