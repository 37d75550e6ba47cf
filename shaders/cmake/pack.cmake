# SPDX-License-Identifier: MIT
#
# cmake -DOUT=modules.c "-DFILES=a.spv;a_f16.spv;a_bf16.spv;b.spv" -P pack.cmake
# Writes the modules as gzip streams, a module with its 16-bit twins in one: they are much alike,
# and the others cost little. CMake itself packs: no other tool of the build's machine is needed.
set(work ${OUT}.work)
file(REMOVE_RECURSE ${work})
file(MAKE_DIRECTORY ${work})

# Packs the files of `group` (module `name`, its twins) and appends to `text` and `table`.
function(vka_pack name group)
  set(plain ${work}/${name})
  execute_process(COMMAND ${CMAKE_COMMAND} -E cat ${group} OUTPUT_FILE ${plain} RESULT_VARIABLE bad)
  set(at 0)
  set(lines "")
  foreach(file IN LISTS group)
    get_filename_component(module ${file} NAME_WE)
    file(SIZE ${file} size)
    string(APPEND lines "    {\"${module}\", &stream_${name}, ${at}, ${size}},\n")
    math(EXPR at "${at} + ${size}")
  endforeach()
  file(SIZE ${plain} size)
  if(bad OR NOT size EQUAL at)
    message(FATAL_ERROR "joining ${group} gave ${size} of ${at} bytes")
  endif()
  file(ARCHIVE_CREATE OUTPUT ${plain}.gz PATHS ${plain} FORMAT raw COMPRESSION GZip
       COMPRESSION_LEVEL 9)
  file(READ ${plain}.gz hex HEX)
  # Bytes 4 to 7 are the time of packing, which would make each build another one.
  string(SUBSTRING "${hex}" 0 8 head)
  string(SUBSTRING "${hex}" 16 -1 tail)
  set(hex "${head}00000000${tail}")
  string(LENGTH "${hex}" digits)
  math(EXPR packed "${digits} / 2")
  string(REGEX REPLACE "(..)" "0x\\1," hex "${hex}")
  string(APPEND text "static const uint8_t packed_${name}[] = {${hex}};\n"
                     "static const struct vka_module_stream stream_${name} = {packed_${name}, "
                     "${packed}, ${size}};\n")
  set(text "${text}" PARENT_SCOPE)
  set(table "${table}${lines}" PARENT_SCOPE)
endfunction()

set(text "// Generated from the shaders.\n#include \"vk/modules.h\"\n\n")
set(table "")
set(names "")
foreach(file IN LISTS FILES)
  get_filename_component(name ${file} NAME_WE)
  string(REGEX REPLACE "_b?f16$" "" first ${name})
  list(APPEND names ${first})
  list(APPEND group_${first} ${file})
endforeach()
list(REMOVE_DUPLICATES names)
foreach(name IN LISTS names)
  vka_pack(${name} "${group_${name}}")
endforeach()
list(LENGTH FILES count)
string(APPEND text "\nconst struct vka_module vka_modules[] = {\n${table}};\n"
                   "const size_t vka_module_count = ${count};\n")
file(WRITE ${OUT} "${text}")
file(REMOVE_RECURSE ${work})
