# What `cmake --install` puts where: headers, libraries, mcx, the license, and the files with which
# CMake and pkg-config find them again.

include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/memcxx)

set(libraries memcxx_protocol memcxx)
if(MEMCXX_ASYNC)
  list(APPEND libraries memcxx_async)
endif()
install(TARGETS ${libraries} EXPORT memcxxTargets)
install(DIRECTORY include/memcxx DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp")
install(EXPORT memcxxTargets NAMESPACE memcxx:: DESTINATION ${package_dir})
if(TARGET mcx)
  install(TARGETS mcx)
endif()
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

configure_package_config_file(cmake/memcxxConfig.cmake.in memcxxConfig.cmake
                              INSTALL_DESTINATION ${package_dir} NO_SET_AND_CHECK_MACRO)
# Before 1.0, a new minor version may change what callers see.
write_basic_package_version_file(memcxxConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/memcxxConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/memcxxConfigVersion.cmake DESTINATION ${package_dir})

# pkg-config computes the prefix from where the file lies, so that an installed tree may be moved.
set(pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH pc_prefix "/prefix/${pc_dir}" "/prefix")
string(REGEX REPLACE "/$" "" pc_prefix "${pc_prefix}")
set(async_cflags)
if(MEMCXX_BOOST_ASIO)
  set(async_cflags " -DMEMCXX_BOOST_ASIO")
endif()
set(pcs memcxx memcxx-protocol)
if(MEMCXX_ASYNC)
  list(APPEND pcs memcxx-async)
endif()
foreach(pc ${pcs})
  configure_file(cmake/${pc}.pc.in ${pc}.pc @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${pc}.pc DESTINATION ${pc_dir})
endforeach()
