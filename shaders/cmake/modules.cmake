# SPDX-License-Identifier: MIT
#
# Compiles the modules of shaders/variants.cmake to SPIR-V, validates them, and embeds them in one C
# file; or takes them from VKATTN_SPIRV_DIR (one <name>.spv each), where no compiler is needed.
set(vka_spirv "")
set(vka_names "")
set(vka_streams "") # by file: the shader that it is of, for modules of one are packed together
set(vka_shader_dir ${CMAKE_CURRENT_LIST_DIR}/..)
set(vka_spirv_out ${CMAKE_CURRENT_BINARY_DIR}/spirv)
file(MAKE_DIRECTORY ${vka_spirv_out} ${CMAKE_CURRENT_BINARY_DIR}/generated)

if(NOT VKATTN_SPIRV_DIR)
  find_program(GLSLANG NAMES glslangValidator glslang REQUIRED)
  find_program(SPIRV_VAL NAMES spirv-val REQUIRED)
  # Old compilers don't know the cooperative matrices.
  if(NOT DEFINED VKATTN_MATRIX)
    execute_process(
      COMMAND ${GLSLANG} -V --target-env vulkan1.2 -S comp -o ${vka_spirv_out}/probe
              ${CMAKE_CURRENT_LIST_DIR}/matrix_probe.glsl
      RESULT_VARIABLE vka_probe OUTPUT_QUIET ERROR_QUIET)
    if(vka_probe EQUAL 0)
      execute_process(COMMAND ${SPIRV_VAL} --target-env vulkan1.2 ${vka_spirv_out}/probe
                      RESULT_VARIABLE vka_probe OUTPUT_QUIET ERROR_QUIET)
    endif()
    string(COMPARE EQUAL "${vka_probe}" 0 vka_probe)
    set(VKATTN_MATRIX ${vka_probe} CACHE BOOL "Build the shaders for cooperative matrices")
    if(NOT vka_probe)
      message(STATUS "glslang is too old for cooperative matrices: their shaders are left out")
    endif()
  endif()
endif()

option(VKATTN_BF16 "Build the shaders of plans that store bf16, too" OFF)
option(VKATTN_MATRIX2 "Build attention's shaders for VK_NV_cooperative_matrix2, too" OFF)

# One shader: `source` to `spv`, validated.
function(vka_glslang spv source env)
  get_filename_component(name ${spv} NAME_WE)
  add_custom_command(
    OUTPUT ${spv}
    COMMAND ${GLSLANG} --quiet -g0 -V --target-env ${env} -DVKA_GLSL=1 ${ARGN} --depfile ${spv}.d
            -o ${spv} ${source}
    COMMAND ${SPIRV_VAL} --target-env ${env} ${spv}
    DEPENDS ${source}
    DEPFILE ${spv}.d
    COMMENT "shader ${name}"
    VERBATIM)
endfunction()

function(vka_compile name source env)
  if(VKATTN_SPIRV_DIR)
    set(spv ${VKATTN_SPIRV_DIR}/${name}.spv)
    if(NOT EXISTS ${spv})
      message(FATAL_ERROR "VKATTN_SPIRV_DIR holds no ${name}.spv")
    endif()
  else()
    set(spv ${vka_spirv_out}/${name}.spv)
    vka_glslang(${spv} ${vka_shader_dir}/ops/${source} ${env} ${ARGN} -I${vka_shader_dir}/common
                -I${vka_shader_dir}/push)
  endif()
  set(vka_spirv ${vka_spirv} ${spv} PARENT_SCOPE)
  get_filename_component(stream ${source} NAME_WE)
  set(vka_names ${vka_names} ${name} PARENT_SCOPE)
  set(vka_streams ${vka_streams} ${stream} PARENT_SCOPE)
endfunction()

function(vka_module name source)
  cmake_parse_arguments(M "F16;SPV13;SPV16" "" "" ${ARGN})
  set(env vulkan1.1)
  if(M_SPV13)
    set(env vulkan1.2)
  elseif(M_SPV16)
    set(env vulkan1.3)
  endif()
  vka_compile(${name} ${source} ${env} ${M_UNPARSED_ARGUMENTS})
  if(M_F16)
    vka_compile(${name}_f16 ${source} ${env} -DVKA_F16=1 ${M_UNPARSED_ARGUMENTS})
  endif()
  if(M_F16 AND VKATTN_BF16)
    vka_compile(${name}_bf16 ${source} ${env} -DVKA_BF16=1 ${M_UNPARSED_ARGUMENTS})
  endif()
  set(vka_spirv ${vka_spirv} PARENT_SCOPE)
  set(vka_names ${vka_names} PARENT_SCOPE)
  set(vka_streams ${vka_streams} PARENT_SCOPE)
endfunction()

# A module of cooperative matrices: its f16 twin alone, where the compiler knows them or the folder
# of prebuilt modules has it.
file(STRINGS ${VULKAN_INCLUDE_DIR}/vulkan/vulkan_core.h vka_header_knows
     REGEX "define VK_KHR_cooperative_matrix 1")
file(STRINGS ${VULKAN_INCLUDE_DIR}/vulkan/vulkan_core.h vka_header_knows_second
     REGEX "define VK_NV_cooperative_matrix2 1")
function(vka_matrix_module name source)
  cmake_parse_arguments(M "SECOND" "" "" ${ARGN})
  # Else nothing would ask a device for them.
  if(NOT vka_header_knows OR (M_SECOND AND NOT vka_header_knows_second))
    return()
  endif()
  if(VKATTN_SPIRV_DIR)
    if(NOT EXISTS ${VKATTN_SPIRV_DIR}/${name}_f16.spv)
      return()
    endif()
  elseif(NOT VKATTN_MATRIX OR (M_SECOND AND NOT VKATTN_MATRIX2))
    return()
  endif()
  set(env vulkan1.2)
  if(M_SECOND)
    set(env vulkan1.3)
  endif()
  vka_compile(${name}_f16 ${source} ${env} -DVKA_F16=1 ${M_UNPARSED_ARGUMENTS})
  set(vka_spirv ${vka_spirv} PARENT_SCOPE)
  set(vka_names ${vka_names} PARENT_SCOPE)
  set(vka_streams ${vka_streams} PARENT_SCOPE)
endfunction()

include(${CMAKE_CURRENT_LIST_DIR}/../variants.cmake)

set(vka_modules_c ${CMAKE_CURRENT_BINARY_DIR}/generated/modules.c)
add_custom_command(
  OUTPUT ${vka_modules_c}
  COMMAND ${CMAKE_COMMAND} -DOUT=${vka_modules_c} "-DFILES=${vka_spirv}"
          "-DSTREAMS=${vka_streams}" -P ${CMAKE_CURRENT_LIST_DIR}/pack.cmake
  DEPENDS ${vka_spirv} ${CMAKE_CURRENT_LIST_DIR}/pack.cmake
  COMMENT "embedding the shaders"
  VERBATIM)
add_custom_target(vkattn_modules DEPENDS ${vka_modules_c})
