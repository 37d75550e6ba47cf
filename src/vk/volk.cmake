# SPDX-License-Identifier: MIT
#
# volk defines a global variable for each Vulkan function. Hidden symbols of a static library still
# take part in the link of a program: its own vkCreateInstance, out of libvulkan, would be replaced
# by our variable. So every name that volk.h declares gets a prefix, by a header of macros.
file(STRINGS ${VOLK_INCLUDE_DIR}/volk.h lines REGEX "^extern PFN_vk|^[A-Za-z].* volk[A-Z]")
set(text "// Generated from volk.h by src/vk/volk.cmake.\n")
foreach(line IN LISTS lines)
  if(line MATCHES " (volk[A-Z][A-Za-z]*)\\(|^extern PFN_[A-Za-z0-9]+ (vk[A-Za-z0-9]+)")
    set(name ${CMAKE_MATCH_1}${CMAKE_MATCH_2})
    string(APPEND text "#define ${name} vka_${name}\n")
  endif()
endforeach()
file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/generated/volk_names.h CONTENT "${text}" @ONLY)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${VOLK_INCLUDE_DIR}/volk.h)
