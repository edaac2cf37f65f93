# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

# Programs and tests from the files of a folder, for CMakeLists.txt and for cmake/package.

set(ZMQLOOP_PROGRAMS_ROOT ${CMAKE_CURRENT_LIST_DIR}/..)
cmake_path(NORMAL_PATH ZMQLOOP_PROGRAMS_ROOT)

# Sets `result` to whether one of the sources includes OpenSSL.
function(zmqloop_uses_openssl sources result)
  set(uses OFF)
  foreach(source ${sources})
    file(STRINGS ${source} includes REGEX "^#include <openssl/")
    if(includes)
      set(uses ON)
    endif()
  endforeach()
  set(${result} ${uses} PARENT_SCOPE)
endfunction()

# Adds compile options, the tree's root as include folder ("examples/checksum/sha256.h"), and what
# the sources need beside `libraries`, which is found by what they include.
function(zmqloop_configure target sources libraries)
  target_compile_options(${target} PRIVATE ${ZMQLOOP_WARNINGS})
  target_include_directories(${target} PRIVATE ${ZMQLOOP_PROGRAMS_ROOT})
  target_link_libraries(${target} PUBLIC ${libraries})
  zmqloop_uses_openssl("${sources}" uses_openssl)
  if(uses_openssl)
    find_package(OpenSSL REQUIRED)
    target_link_libraries(${target} PUBLIC OpenSSL::Crypto OpenSSL::SSL)
  endif()
endfunction()

# <folder>/<name>.cc makes the target <folder>_<name>, whose program is <build>/<folder>/<name>.
function(zmqloop_program source libraries)
  cmake_path(GET source STEM name)
  cmake_path(RELATIVE_PATH source BASE_DIRECTORY ${ZMQLOOP_PROGRAMS_ROOT} OUTPUT_VARIABLE path)
  cmake_path(GET path PARENT_PATH folder)
  string(REPLACE "/" "_" target ${folder}/${name})
  add_executable(${target} ${source})
  set_target_properties(${target} PROPERTIES
                        OUTPUT_NAME ${name}
                        RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/${folder})
  zmqloop_configure(${target} "${source}" "${libraries}")
endfunction()

# Every program of a folder. A .cc with a header of its name belongs to all of them, a .cc without
# one is a program: as zmqloop_programs in tools/zmqloop.bzl. Programs link `main_libraries` too.
function(zmqloop_programs folder libraries main_libraries)
  file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cc)
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  set(support)
  foreach(source ${sources})
    cmake_path(REPLACE_EXTENSION source h OUTPUT_VARIABLE header)
    if(EXISTS ${header})
      list(APPEND support ${source})
      list(REMOVE_ITEM sources ${source})
    endif()
  endforeach()
  if(support)
    cmake_path(GET folder FILENAME name)
    add_library(${name}_support STATIC ${support})
    zmqloop_configure(${name}_support "${support}" "${libraries}")
    list(PREPEND libraries ${name}_support)
  endif()
  foreach(source ${sources})
    zmqloop_program(${source} "${libraries};${main_libraries}")
  endforeach()
endfunction()

# The programs of examples/ and of each folder in it; without OpenSSL, not those that need it.
function(zmqloop_examples libraries)
  file(GLOB folders CONFIGURE_DEPENDS LIST_DIRECTORIES true ${ZMQLOOP_PROGRAMS_ROOT}/examples/*)
  list(FILTER folders EXCLUDE REGEX "\\.[a-z]+$")
  foreach(folder ${ZMQLOOP_PROGRAMS_ROOT}/examples ${folders})
    file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cc)
    zmqloop_uses_openssl("${sources}" uses_openssl)
    if(uses_openssl)
      find_package(OpenSSL QUIET)
      if(NOT OpenSSL_FOUND)
        cmake_path(RELATIVE_PATH folder BASE_DIRECTORY ${ZMQLOOP_PROGRAMS_ROOT} OUTPUT_VARIABLE name)
        message(STATUS "${name} is left out: it needs OpenSSL (Debian: libssl-dev)")
        continue()
      endif()
    endif()
    zmqloop_programs(${folder} "${libraries}" "")
  endforeach()
endfunction()

# Each benchmark named in `programs` once more, with the rivals benchmarks/rivals/*_<kind>.cc linked
# in: <build>/benchmarks/rivals/<name>. tools/zmqloop.bzl has the same rule, rival_programs.
function(zmqloop_rivals kind programs libraries)
  set(folder ${ZMQLOOP_PROGRAMS_ROOT}/benchmarks)
  file(GLOB rivals CONFIGURE_DEPENDS ${folder}/rivals/*_${kind}.cc)
  set(libraries benchmarks_support ${zmqloop_whole} benchmark::benchmark ${libraries})
  add_library(${kind}_rivals OBJECT ${rivals})
  zmqloop_configure(${kind}_rivals "${rivals}" "${libraries}")
  foreach(name ${programs})
    set(target benchmarks_rivals_${name})
    add_executable(${target} ${folder}/${name}.cc $<TARGET_OBJECTS:${kind}_rivals>)
    set_target_properties(${target} PROPERTIES
                          OUTPUT_NAME ${name}
                          RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/benchmarks/rivals)
    zmqloop_configure(${target} ${folder}/${name}.cc "${libraries}")
  endforeach()
endfunction()
