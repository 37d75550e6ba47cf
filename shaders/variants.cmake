# SPDX-License-Identifier: MIT
#
# One line a SPIR-V module: name, source under shaders/ops, flags.
#   F16  also built as <name>_f16, where float tensors are stored in 16 bits (-DVKA_F16)
#   -DX  macros (a capability or a type; numbers are specialization constants)
#   SPV13, SPV16  for --target-env vulkan1.2, vulkan1.3 (else vulkan1.1)
vka_module(unary unary.comp F16)
vka_module(binary binary.comp F16)
vka_module(binary_compare binary.comp F16 -DVKA_INT_OUT)
vka_module(binary_int binary.comp -DVKA_INT_IN -DVKA_INT_OUT)
vka_module(copy copy.comp F16)
vka_module(copy_int copy.comp -DVKA_INT_IN -DVKA_INT_OUT)
vka_module(copy_to_int copy.comp F16 -DVKA_INT_OUT)
vka_module(copy_to_float copy.comp F16 -DVKA_INT_IN)
vka_module(matmul matmul.comp F16)
vka_module(matmul_residual matmul.comp F16 -DRESIDUAL)
vka_module(reduce reduce.comp F16)
vka_module(reduce_int reduce.comp -DVKA_INT)
