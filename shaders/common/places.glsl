// SPDX-License-Identifier: MIT
//
// Places of `sample` and `sample_sum`: four axes, each with a step of the position of its own. Of
// the steps and the start all but the lower halves, which are told when it runs: one pipeline is
// enough for all dilations.
layout(constant_id = 3) const int START_Y = 0;
layout(constant_id = 4) const int START_X = 0;
layout(constant_id = 5) const int STEP_Y_0 = 0;
layout(constant_id = 6) const int STEP_Y_1 = 0;
layout(constant_id = 7) const int STEP_Y_2 = 0;
layout(constant_id = 8) const int STEP_Y_3 = 0;
layout(constant_id = 9) const int STEP_X_0 = 0;
layout(constant_id = 10) const int STEP_X_1 = 0;
layout(constant_id = 11) const int STEP_X_2 = 0;
layout(constant_id = 12) const int STEP_X_3 = 0;
layout(constant_id = 13) const bool CLAMP = false;

uvec4 place_of(uint i)
{
    uint b = i / p.places[3], c = b / p.places[2];
    return uvec4(c / p.places[1], c % p.places[1], b % p.places[2], i % p.places[3]);
}

ivec4 lower_halves(uint i)
{
    return ivec4(p.steps[i] & 0xffffu, p.steps[i] >> 16, p.steps[i + 1] & 0xffffu,
                 p.steps[i + 1] >> 16);
}

// Where the place itself stands, before what is given moves it.
ivec2 own_position(uvec4 place)
{
    ivec4 at = ivec4(place);
    ivec4 y = ivec4(STEP_Y_0, STEP_Y_1, STEP_Y_2, STEP_Y_3) + lower_halves(0);
    ivec4 x = ivec4(STEP_X_0, STEP_X_1, STEP_X_2, STEP_X_3) + lower_halves(2);
    ivec2 start = ivec2(START_Y, START_X) + ivec2(p.start & 0xffffu, p.start >> 16);
    return start + ivec2(at.x * y.x + at.y * y.y + at.z * y.z + at.w * y.w,
                         at.x * x.x + at.y * x.y + at.z * x.z + at.w * x.w);
}

// The corners at a place, for the channels of part `d` of item `n`.
corners corners_at(uint n, uint d, uvec4 place)
{
    uint i = p.at + n * p.at_stride[0] + d * p.at_stride[1] + place.x * p.at_stride[3] +
             place.y * p.at_stride[4] + place.z * p.at_stride[5] + place.w * p.at_stride[6];
    ivec2 own = own_position(place);
    return corners_of(float(own.x) + LOAD(at, i), float(own.y) + LOAD(at, i + p.at_stride[2]),
                      uvec2(p.size[0], p.size[1]), uvec2(p.x_stride[2], p.x_stride[3]), CLAMP);
}
