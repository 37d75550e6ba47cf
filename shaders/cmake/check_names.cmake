# SPDX-License-Identifier: MIT
#
# Every name in ops/list.h and blocks/list.h has its files: configuring fails where one lacks.
function(vka_check_list list macro)
  file(STRINGS ${CMAKE_CURRENT_SOURCE_DIR}/${list} lines REGEX "^${macro}\\([a-z0-9_]+\\)")
  foreach(line IN LISTS lines)
    string(REGEX REPLACE "^${macro}\\(([a-z0-9_]+)\\).*" "\\1" name "${line}")
    foreach(pattern IN LISTS ARGN)
      string(REPLACE "@" "${name}" file "${pattern}")
      if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${file})
        message(FATAL_ERROR "${list} names ${name}, but there is no ${file}")
      endif()
    endforeach()
  endforeach()
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${list})
endfunction()

vka_check_list(src/ops/list.h X src/ops/@.c shaders/ops/@.comp shaders/push/@.h tests/ops/@.c)
vka_check_list(src/ops/list.h Y src/ops/@.c tests/ops/@.c)
vka_check_list(src/blocks/list.h X src/blocks/@.c)
