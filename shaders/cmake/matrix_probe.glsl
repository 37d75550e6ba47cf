// SPDX-License-Identifier: MIT
//
// Whether the compiler and the validator know cooperative matrices (modules.cmake).
#version 450
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
layout(constant_id = 0) const uint SIDE = 16;
shared float16_t tile[256];
layout(std430, binding = 0) buffer sums_buffer { float sums[]; };
void main()
{
    coopmat<float16_t, gl_ScopeSubgroup, SIDE, SIDE, gl_MatrixUseA> a;
    coopMatLoad(a, tile, 0, SIDE, gl_CooperativeMatrixLayoutRowMajor);
    coopmat<float16_t, gl_ScopeSubgroup, SIDE, SIDE, gl_MatrixUseB> b;
    coopMatLoad(b, tile, 0, SIDE, gl_CooperativeMatrixLayoutColumnMajor);
    coopmat<float, gl_ScopeSubgroup, SIDE, SIDE, gl_MatrixUseAccumulator> sum;
    sum = coopMatMulAdd(a, b, coopmat<float, gl_ScopeSubgroup, SIDE, SIDE,
                                      gl_MatrixUseAccumulator>(0.0));
    coopMatStore(sum, sums, 0, SIDE, gl_CooperativeMatrixLayoutRowMajor);
}
