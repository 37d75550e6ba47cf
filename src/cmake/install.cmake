# SPDX-License-Identifier: MIT
#
# What `cmake --install` puts where: the library, its headers, vkattn.pc, the files behind
# find_package(vkattn CONFIG), and the command.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/vkattn)
install(TARGETS vkattn EXPORT vkattnTargets
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY include/vkattn DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(TARGET vkattn_command)
  install(TARGETS vkattn_command)
endif()

install(EXPORT vkattnTargets NAMESPACE vkattn:: DESTINATION ${package_dir})
set(VKATTN_IS_STATIC ON)
if(BUILD_SHARED_LIBS)
  set(VKATTN_IS_STATIC OFF)
endif()
configure_package_config_file(src/cmake/vkattnConfig.cmake.in
                              ${CMAKE_CURRENT_BINARY_DIR}/vkattnConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
# Below 1.0 a new minor version may break callers.
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/vkattnConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/vkattnConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/vkattnConfigVersion.cmake
        DESTINATION ${package_dir})

# The file finds its prefix by its own place, so that an installed tree can be moved; not where the
# folders are absolute.
file(RELATIVE_PATH up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
set(VKATTN_PC_PREFIX "\${pcfiledir}/${up}")
set(VKATTN_PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
set(VKATTN_PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(VKATTN_PC_PREFIX ${CMAKE_INSTALL_PREFIX})
  set(VKATTN_PC_LIBDIR ${CMAKE_INSTALL_LIBDIR})
endif()
if(IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  set(VKATTN_PC_INCLUDEDIR ${CMAKE_INSTALL_INCLUDEDIR})
endif()
list(TRANSFORM CMAKE_DL_LIBS PREPEND -l OUTPUT_VARIABLE VKATTN_PC_DL)
list(JOIN VKATTN_PC_DL " " VKATTN_PC_DL)
# A static library's own libraries, always: pkg-config is rarely called with --static.
set(VKATTN_PC_LIBS "")
if(VKATTN_IS_STATIC)
  set(VKATTN_PC_LIBS " -lz -lm ${CMAKE_THREAD_LIBS_INIT} ${VKATTN_PC_DL}")
endif()
configure_file(src/cmake/vkattn.pc.in ${CMAKE_CURRENT_BINARY_DIR}/vkattn.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/vkattn.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
