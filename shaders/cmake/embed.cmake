# SPDX-License-Identifier: MIT
#
# cmake -DOUT=modules.c "-DFILES=a.spv;b.spv" [-DARRAYS=ON] -P embed.cmake
# Writes the modules as C arrays of words, and the table of them, sorted as given; or (ARRAYS) a
# header of arrays alone.
set(text "// Generated from the shaders.\n")
if(ARRAYS)
  string(APPEND text "#include <stdint.h>\n\n")
else()
  string(APPEND text "#include \"vk/modules.h\"\n\n")
endif()
set(table "")
set(count 0)
foreach(file IN LISTS FILES)
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} hex HEX)
  string(LENGTH "${hex}" digits)
  math(EXPR words "${digits} / 8")
  # Little-endian words.
  string(REGEX REPLACE "(..)(..)(..)(..)" "0x\\4\\3\\2\\1," hex "${hex}")
  string(APPEND text "static const uint32_t module_${name}[] = {${hex}};\n")
  string(APPEND table "    {\"${name}\", module_${name}, ${words}},\n")
  math(EXPR count "${count} + 1")
endforeach()
if(NOT ARRAYS)
  string(APPEND text "\nconst struct vka_module vka_modules[] = {\n${table}};\n")
  string(APPEND text "const size_t vka_module_count = ${count};\n")
endif()
file(WRITE ${OUT} "${text}")
