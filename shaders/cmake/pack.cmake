# SPDX-License-Identifier: MIT
#
# cmake -DOUT=modules.c "-DFILES=a.spv;a_f16.spv;b.spv" "-DSTREAMS=a;a;b" -P pack.cmake
# Writes the modules as gzip streams, those of one shader in one: they are much alike, and the
# others cost little. A stream unpacks to text: the first hex digits of the words of all its
# modules, then the second ones, to the eighth. A word is mostly a small number, so that five of the
# eight are little but zeros, and twins repeat within deflate's 32 KiB; that, too, halves the size.
# (Text, for CMake writes no other; and so no other tool of the build's machine is needed.)
set(work ${OUT}.work)
file(REMOVE_RECURSE ${work})
file(MAKE_DIRECTORY ${work})

# Sets `digits`: what the stream of all words in `hex` unpacks to, and `plane`, the number of words.
function(vka_planes hex)
  # Nine words at a time: a regular expression has nine groups at most, and matches take the time.
  set(batch 9)
  string(LENGTH "${hex}" length)
  math(EXPR rest "${length} / 8 % ${batch}")
  if(rest)
    math(EXPR missing "(${batch} - ${rest}) * 8")
    string(REPEAT "0" ${missing} zeros)
    string(APPEND hex ${zeros})
  endif()
  set(digits "")
  foreach(before RANGE 0 7)
    math(EXPR behind "7 - ${before}")
    string(REPEAT "." ${before} skip)
    string(REPEAT "." ${behind} skip_behind)
    string(REPEAT "${skip}(.)${skip_behind}" ${batch} words)
    string(REGEX REPLACE "${words}" "\\1\\2\\3\\4\\5\\6\\7\\8\\9" plane "${hex}")
    string(APPEND digits "${plane}")
  endforeach()
  string(LENGTH "${plane}" length)
  set(digits "${digits}" PARENT_SCOPE)
  set(plane ${length} PARENT_SCOPE)
endfunction()

# Packs the files of `group` into the stream `name` and appends to `text` and `table`.
function(vka_pack name group)
  set(plain ${work}/${name})
  set(at 0)
  set(all "")
  set(lines "")
  foreach(file IN LISTS group)
    get_filename_component(module ${file} NAME_WE)
    file(READ ${file} hex HEX)
    string(LENGTH "${hex}" length)
    math(EXPR words "${length} / 8")
    math(EXPR rest "${length} % 8")
    if(rest OR NOT words)
      message(FATAL_ERROR "${file} isn't SPIR-V: it is no whole number of words")
    endif()
    string(APPEND all "${hex}")
    string(APPEND lines "    {\"${module}\", &stream_${name}, ${at}, ${words}},\n")
    math(EXPR at "${at} + ${words}")
  endforeach()
  vka_planes("${all}")
  file(WRITE ${plain} "${digits}")
  file(ARCHIVE_CREATE OUTPUT ${plain}.gz PATHS ${plain} FORMAT raw COMPRESSION GZip
       COMPRESSION_LEVEL 9)
  file(READ ${plain}.gz hex HEX)
  # Bytes 4 to 7 are the time of packing, which would make each build another one.
  string(SUBSTRING "${hex}" 0 8 head)
  string(SUBSTRING "${hex}" 16 -1 tail)
  set(hex "${head}00000000${tail}")
  string(LENGTH "${hex}" length)
  math(EXPR packed "${length} / 2")
  string(REGEX REPLACE "(..)" "0x\\1," hex "${hex}")
  string(APPEND text "static const uint8_t packed_${name}[] = {${hex}};\n"
                     "static const struct vka_module_stream stream_${name} = {packed_${name}, "
                     "${packed}, ${plane}};\n")
  set(text "${text}" PARENT_SCOPE)
  set(table "${table}${lines}" PARENT_SCOPE)
endfunction()

set(text "// Generated from the shaders.\n#include \"vk/modules.h\"\n\n")
set(table "")
foreach(file stream IN ZIP_LISTS FILES STREAMS)
  list(APPEND group_${stream} ${file})
endforeach()
set(names ${STREAMS})
list(REMOVE_DUPLICATES names)
foreach(name IN LISTS names)
  vka_pack(${name} "${group_${name}}")
endforeach()
list(LENGTH FILES count)
string(APPEND text "\nconst struct vka_module vka_modules[] = {\n${table}};\n"
                   "const size_t vka_module_count = ${count};\n")
file(WRITE ${OUT} "${text}")
file(REMOVE_RECURSE ${work})
