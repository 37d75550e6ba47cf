// SPDX-License-Identifier: MIT
//
// Storage types. Float tensors are REAL in memory, `float` in registers: an f16 module (VKA_F16) or
// a bf16 module (VKA_BF16) differs in memory only, sums stay in 32 bits. A bf16 is the upper half
// of a float, so that any device with 16-bit storage reads it. Integers and bools are 32-bit words.
//     BUFFER_IN(0, x);  float v = LOAD(x, i);
//     BUFFER_OUT(1, y); STORE(y, i, v);
// No `restrict`: an op may run in place, and absent operands are bound to another one's buffer.
#ifdef VKA_F16
#extension GL_EXT_shader_16bit_storage : require
#define REAL float16_t
// Out of f16's range means infinity there; the conversion alone would leave it to the driver.
#define STORE(name, i, value) name.v[i] = float16_t(value)
#define LOAD(name, i) float(name.v[i])
#elif defined VKA_BF16
#extension GL_EXT_shader_16bit_storage : require
#define REAL uint16_t
#define STORE(name, i, value) name.v[i] = uint16_t(upper_half(value))
#define LOAD(name, i) uintBitsToFloat(uint(name.v[i]) << 16)
#else
#define REAL float
#define STORE(name, i, value) name.v[i] = (value)
#define LOAD(name, i) float(name.v[i])
#endif
// Four at a time, from a second declaration of a binding; i counts fours.
#ifdef VKA_F16
#define REAL4 f16vec4
#define STORE4(name, i, value) name.v[i] = f16vec4(value)
#define LOAD4(name, i) vec4(name.v[i])
#elif defined VKA_BF16
#define REAL4 u16vec4
#define STORE4(name, i, value) name.v[i] = u16vec4(upper_halves(value))
#define LOAD4(name, i) uintBitsToFloat(uvec4(name.v[i]) << 16)
#else
#define REAL4 vec4
#define STORE4(name, i, value) name.v[i] = (value)
#define LOAD4(name, i) vec4(name.v[i])
#endif

#define BUFFER_IN(slot, name)                                                                      \
    layout(std430, binding = slot) readonly buffer name##_buffer { REAL v[]; } name
#define BUFFER_OUT(slot, name)                                                                     \
    layout(std430, binding = slot) buffer name##_buffer { REAL v[]; } name
#define BUFFER_VEC4_IN(slot, name)                                                                 \
    layout(std430, binding = slot) readonly buffer name##_buffer { REAL4 v[]; } name
#define BUFFER_VEC4_OUT(slot, name)                                                                \
    layout(std430, binding = slot) buffer name##_buffer { REAL4 v[]; } name
// Eight halves at a time, as bits.
#define BUFFER_EIGHTS_IN(slot, name)                                                               \
    layout(std430, binding = slot) readonly buffer name##_buffer { uvec4 v[]; } name
#define BUFFER_INT_IN(slot, name)                                                                  \
    layout(std430, binding = slot) readonly buffer name##_buffer { int v[]; } name
#define BUFFER_INT_OUT(slot, name)                                                                 \
    layout(std430, binding = slot) buffer name##_buffer { int v[]; } name

// The workgroup's size: specialization constants 0, 1, 2. An op's own constants start at 3.
layout(local_size_x_id = 0, local_size_y_id = 1, local_size_z_id = 2) in;

// Linear group index where the counts were folded (vka_emit): x into y into z.
uint group_index()
{
    uint row = gl_WorkGroupID.y + gl_NumWorkGroups.y * gl_WorkGroupID.z;
    return gl_WorkGroupID.x + gl_NumWorkGroups.x * row;
}
uint group_size()
{
    return gl_WorkGroupSize.x * gl_WorkGroupSize.y * gl_WorkGroupSize.z;
}
// The index of this invocation over a one-dimensional dispatch.
uint global_index()
{
    return group_index() * group_size() + gl_LocalInvocationIndex;
}

// Written as bits: no compiler folds them away. Masks use the finite sentinel.
#define INF      uintBitsToFloat(0x7f800000u)
#define NEG_INF  uintBitsToFloat(0xff800000u)
#define NEG_HUGE (-3.0e38)
// isnan and isinf may be optimised out; bit tests may not.
bool is_nan(float x)
{
    return (floatBitsToUint(x) & 0x7fffffffu) > 0x7f800000u;
}
bool is_inf(float x)
{
    return (floatBitsToUint(x) & 0x7fffffffu) == 0x7f800000u;
}
// A float's upper half, rounded to nearest even; a NaN stays one.
uint upper_half(float x)
{
    uint bits = floatBitsToUint(x);
    return (is_nan(x) ? bits | 0x400000u : bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}
uvec4 upper_halves(vec4 x)
{
    return uvec4(upper_half(x.x), upper_half(x.y), upper_half(x.z), upper_half(x.w));
}
