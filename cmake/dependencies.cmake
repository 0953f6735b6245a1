# What the build needs from the system, found by name; each missing package is
# named as Debian calls it.

# LLVM: its version file accepts only the same major.minor, so every supported
# release is asked for by name, the preferred one first.
if(LLVM_DIR) # given by the user, or found by an earlier run
  find_package(LLVM CONFIG QUIET)
else()
  foreach(version 19.1 20.1 21.1 18.1 22.1)
    find_package(LLVM ${version} CONFIG QUIET)
    if(LLVM_FOUND)
      break()
    endif()
  endforeach()
endif()
if(NOT LLVM_FOUND)
  message(FATAL_ERROR "LLVM 18 to 22 is needed (Debian: llvm-19-dev)")
endif()
message(STATUS "LLVM ${LLVM_PACKAGE_VERSION} in ${LLVM_DIR}")
separate_arguments(llvm_definitions UNIX_COMMAND "${LLVM_DEFINITIONS}")
add_library(llvm_c INTERFACE)
target_include_directories(llvm_c SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS})
target_compile_options(llvm_c INTERFACE ${llvm_definitions})
target_link_libraries(llvm_c INTERFACE LLVM)

# OpenMP's library, part of gcc; the archive, as for jansson and zlib below.
execute_process(COMMAND ${CMAKE_C_COMPILER} -print-file-name=libgomp.a
                OUTPUT_VARIABLE GOMP_LINK OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT EXISTS "${GOMP_LINK}")
  set(GOMP_LINK "-lgomp")
endif()

# jansson and zlib go into the runtime; static archives are preferred, so that
# an executable needs nothing but the C library.
find_path(JANSSON_INCLUDE jansson.h)
find_library(JANSSON_LINK NAMES libjansson.a jansson)
find_library(ZLIB_LINK NAMES libz.a z)
if(NOT JANSSON_INCLUDE OR NOT JANSSON_LINK)
  message(FATAL_ERROR "jansson is needed (Debian: libjansson-dev)")
endif()
if(NOT ZLIB_LINK)
  message(FATAL_ERROR "zlib is needed (Debian: zlib1g-dev)")
endif()

find_package(FLEX 2.6 REQUIRED)
find_package(BISON 3.8 REQUIRED)

# A flex + bison pair: FOLDER/NAME.tab.{c,h} and FOLDER/NAME.lex.c under
# generated/. A conflict or a warning fails the build.
function(sg_flex_bison name lexer grammar folder)
  set(out ${CMAKE_BINARY_DIR}/generated/${folder})
  file(MAKE_DIRECTORY ${out})
  add_custom_command(
    OUTPUT ${out}/${name}.tab.c ${out}/${name}.tab.h
    COMMAND ${BISON_EXECUTABLE} -Wcounterexamples -Werror
            --header=${out}/${name}.tab.h -o ${out}/${name}.tab.c ${grammar}
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
    DEPENDS ${CMAKE_SOURCE_DIR}/${grammar})
  add_custom_command(
    OUTPUT ${out}/${name}.lex.c
    COMMAND ${FLEX_EXECUTABLE} -o ${out}/${name}.lex.c ${lexer}
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
    DEPENDS ${CMAKE_SOURCE_DIR}/${lexer} ${out}/${name}.tab.h)
  # Generated code: our warnings are not about it.
  set_source_files_properties(${out}/${name}.tab.c ${out}/${name}.lex.c
    PROPERTIES COMPILE_OPTIONS
    "-Wno-unused-function;-Wno-unused-parameter;-Wno-sign-compare;-Wno-shadow;-Wno-unused-but-set-variable")
  set(${name}_OUTPUTS ${out}/${name}.tab.c ${out}/${name}.lex.c PARENT_SCOPE)
endfunction()

# The standard library as C strings: compiler and library never part.
function(sg_embed_standard_library result)
  set(out ${CMAKE_BINARY_DIR}/generated/compiler/front/std_embedded.c)
  add_custom_command(
    OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} "-DFILES=${ARGN}"
            -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
    DEPENDS ${ARGN} ${CMAKE_SOURCE_DIR}/cmake/embed.cmake VERBATIM)
  set(${result} ${out} PARENT_SCOPE)
endfunction()

# The pages of `sgc explain` as C strings.
function(sg_embed_pages result folder)
  set(out ${CMAKE_BINARY_DIR}/generated/compiler/pages_embedded.c)
  file(GLOB pages CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.md)
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/generated/compiler)
  add_custom_command(
    OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DFOLDER=${CMAKE_SOURCE_DIR}/${folder}
            -P ${CMAKE_SOURCE_DIR}/cmake/embed_pages.cmake
    DEPENDS ${pages} ${CMAKE_SOURCE_DIR}/cmake/embed_pages.cmake VERBATIM)
  set(${result} ${out} PARENT_SCOPE)
endfunction()

# Where sgc finds the runtime, from its own folder: in the build tree and
# installed.
set(SG_RUNTIME_PATH "lib/sg/libsgrt.a:../${CMAKE_INSTALL_LIBDIR}/sg/libsgrt.a")
