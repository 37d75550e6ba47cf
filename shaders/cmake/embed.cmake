# SPDX-License-Identifier: MIT
#
# cmake -DOUT=shaders.h "-DFILES=a.spv;b.spv" -P embed.cmake
# Writes modules as a header of arrays of words, as they are: for the samples, which have few.
set(text "// Generated from the shaders.\n#include <stdint.h>\n\n")
foreach(file IN LISTS FILES)
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} hex HEX)
  # Little-endian words.
  string(REGEX REPLACE "(..)(..)(..)(..)" "0x\\4\\3\\2\\1," hex "${hex}")
  string(APPEND text "static const uint32_t module_${name}[] = {${hex}};\n")
endforeach()
file(WRITE ${OUT} "${text}")
