# How everything here is compiled: standard, warnings, sanitizers, where binaries go.
# Never here: targets.

if(PROJECT_IS_TOP_LEVEL)
  if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release, RelWithDebInfo or MinSizeRel" FORCE)
  endif()
  set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

  find_program(MEMCXX_CCACHE ccache)
  mark_as_advanced(MEMCXX_CCACHE)
  if(MEMCXX_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${MEMCXX_CCACHE})
    if(MEMCXX_TEST_PCH)  # what ccache wants to be told before it keeps what was made with one
      list(PREPEND CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
           CCACHE_SLOPPINESS=pch_defines,time_macros)
    endif()
  endif()
endif()

if(MEMCXX_SANITIZE)
  string(REPLACE ";" "," sanitizers "${MEMCXX_SANITIZE}")
  add_compile_options(-fsanitize=${sanitizers} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${sanitizers})
endif()

# memcxx_sources(OUT ROOM...): the source files of some rooms.
function(memcxx_sources out)
  list(TRANSFORM ARGN APPEND "/*.cpp")
  file(GLOB sources CONFIGURE_DEPENDS RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} ${ARGN})
  set(${out} ${sources} PARENT_SCOPE)
endfunction()

# memcxx_compile(TARGET): the standard and the warnings that all of our code is held to.
function(memcxx_compile target)
  target_compile_features(${target} PUBLIC cxx_std_23)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  target_compile_options(
    ${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
                      $<$<BOOL:${MEMCXX_WERROR}>:-Werror>)
  # g++ 12 at -O3 takes strings that are added up for overlapping memory (its bug 105651).
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(${target} PRIVATE -Wno-restrict)
  endif()
endfunction()

# memcxx_library(TARGET EXPORT_NAME OUTPUT_NAME): one of the two libraries.
function(memcxx_library target export_name output_name)
  memcxx_compile(${target})
  target_include_directories(
    ${target}
    PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
           $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
    PRIVATE ${PROJECT_SOURCE_DIR}/src)
  set_target_properties(
    ${target}
    PROPERTIES EXPORT_NAME ${export_name}
               OUTPUT_NAME ${output_name}
               POSITION_INDEPENDENT_CODE ON
               INSTALL_RPATH "$ORIGIN"
               VERSION ${PROJECT_VERSION}
               SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  # What the fuzzers find their way through. Nothing else needs it, and it takes time to build.
  if(MEMCXX_BUILD_FUZZERS)
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)
  endif()
endfunction()
