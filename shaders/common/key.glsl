// SPDX-License-Identifier: MIT
//
// Floats as unsigned keys of the same order: nothing hangs on how a driver compares NaN, which is
// the largest here. -0 equals 0. No value has key 0.
uint order_key(float v)
{
    uint bits = floatBitsToUint(v);
    if (is_nan(v))
        return 0xffffffffu;
    if ((bits & 0x7fffffffu) == 0)
        bits = 0;
    return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}
