# SPDX-License-Identifier: MIT
#
# A shared library exports what the public headers mark with VKA_API and nothing else. Hidden
# visibility alone doesn't do it: gcc exports the functions that it compiles for several processors.
if(NOT BUILD_SHARED_LIBS OR NOT UNIX OR APPLE)
  return()
endif()

file(GLOB headers CONFIGURE_DEPENDS include/vkattn/*.h)
set(names "")
foreach(header IN LISTS headers)
  file(STRINGS ${header} lines REGEX "^VKA_API ")
  foreach(line IN LISTS lines)
    string(REGEX MATCH "(vka_[a-z0-9_]+)\\(" name "${line}")
    string(APPEND names "    ${CMAKE_MATCH_1}\\;\n")
  endforeach()
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${header})
endforeach()
set(map ${CMAKE_CURRENT_BINARY_DIR}/generated/vkattn.map)
string(REPLACE "\\;" ";" names "${names}")
file(CONFIGURE OUTPUT ${map} CONTENT "{\nglobal:\n@names@local:\n    *;\n};\n" @ONLY)
target_link_options(vkattn PRIVATE -Wl,--version-script=${map})
set_target_properties(vkattn PROPERTIES LINK_DEPENDS ${map})
