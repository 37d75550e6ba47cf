// SPDX-License-Identifier: MIT
//
// What a recurrent cell does after its products.
#include "activation.glsl"

const uint LSTM = 0;
const uint GRU = 1;
const uint CHO = 2;

// The next c of an LSTM; its h is lstm_h of it.
float lstm_c(float in_, float forget, float cell, float c)
{
    float taken = vka_sigmoid(in_) * vka_tanhf(cell);
    return vka_sigmoid(forget) * c + taken;
}
float lstm_h(float out_, float c)
{
    return vka_sigmoid(out_) * vka_tanhf(c);
}
// a: of the inputs, b: of the state.
float gru_h(vec3 a, vec3 b, float h)
{
    float r = vka_sigmoid(a.x + b.x), z = vka_sigmoid(a.y + b.y);
    float candidate = vka_tanhf(a.z + r * b.z);
    return candidate + z * (h - candidate);
}
float cho_h(float candidate, float update, float h)
{
    return h + update * (candidate - h);
}
