// SPDX-License-Identifier: MIT
//
// Sums of many values, which rounding would spoil.

// Adds to a long sum; `lost` gathers what rounding took away, to be added at the end.
void add_to_sum(inout float total, inout float lost, float value)
{
    precise float sum = total + value;
    precise float error = value - (sum - total);
    if (!is_nan(error) && !is_inf(error))
        lost += error;
    total = sum;
}
void add_to_sums(inout vec4 total, inout vec4 lost, vec4 values)
{
    add_to_sum(total.x, lost.x, values.x);
    add_to_sum(total.y, lost.y, values.y);
    add_to_sum(total.z, lost.z, values.z);
    add_to_sum(total.w, lost.w, values.w);
}
