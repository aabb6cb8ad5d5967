# Compiler settings shared by every target, and the helper that makes a folder a library.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

# With ccache, where it works, compilers' results are kept, for other copies of this folder too: by the base folder they see
# relative paths. Decided once for a build folder, since another launcher would compile everything again. Not for coverage,
# whose notes hold absolute paths. Without ccache: -DCMAKE_CXX_COMPILER_LAUNCHER=
if(NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER AND NOT DFASCALE_COVERAGE)
  find_program(DFASCALE_CCACHE ccache)
  set(launcher "")
  if(DFASCALE_CCACHE)
    set(launcher ${DFASCALE_CCACHE})
    if(NOT DEFINED ENV{CCACHE_BASEDIR})
      set(launcher env "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}" ${launcher})
    endif()
    # What it has never compiled, so that it must also be able to write.
    set(probe ${PROJECT_BINARY_DIR}/ccache_probe)
    string(TIMESTAMP now "%s%f")
    file(WRITE ${probe}.cpp "long long probe = ${now};\n")
    execute_process(COMMAND ${launcher} ${CMAKE_CXX_COMPILER} -c ${probe}.cpp -o ${probe}.o RESULT_VARIABLE result
      OUTPUT_VARIABLE said ERROR_VARIABLE said)
    if(NOT result EQUAL 0)
      message(STATUS "ccache is not used, since it fails here: ${said}")
      set(launcher "")
    endif()
  endif()
  set(CMAKE_CXX_COMPILER_LAUNCHER "${launcher}" CACHE STRING "What starts the compiler: ccache, or nothing")
endif()

add_library(dfascale_settings INTERFACE)
# -fno-math-errno: sqrt vectorises.  No -ffast-math: results stay those of the written order (docs/numerics.md).
target_compile_options(dfascale_settings INTERFACE
  $<$<COMPILE_LANGUAGE:C,CXX>:-Wall;-Wextra;-fopenmp-simd;-fno-math-errno>
  $<$<AND:$<COMPILE_LANGUAGE:C,CXX>,$<CONFIG:Release,RelWithDebInfo>>:-O3>
  $<$<AND:$<COMPILE_LANGUAGE:C,CXX>,$<BOOL:${DFASCALE_NATIVE}>>:-march=native>
  $<$<AND:$<COMPILE_LANGUAGE:C,CXX>,$<BOOL:${DFASCALE_WERROR}>>:-Werror>
  # --no-compress: tests/kernel/device_code.py reads which kernels a program holds.
  $<$<COMPILE_LANGUAGE:CUDA>:--extended-lambda;--no-compress;-Xcompiler=-Wall,-Wextra>
  $<$<AND:$<COMPILE_LANGUAGE:CUDA>,$<BOOL:${DFASCALE_WERROR}>>:--Werror=all-warnings;-Xcompiler=-Werror>)
target_include_directories(dfascale_settings INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/src)
if(DFASCALE_SANITIZE)
  # GCC's manual: -Wmaybe-uninitialized gives false alarms under sanitizers.
  target_compile_options(dfascale_settings INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>
    -fsanitize=${DFASCALE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_sources(dfascale_settings INTERFACE
    $<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:${PROJECT_SOURCE_DIR}/tests/support/keep_libraries.c>)
  target_link_options(dfascale_settings INTERFACE -fsanitize=${DFASCALE_SANITIZE} -Wl,--export-dynamic-symbol=dlclose)
endif()
if(DFASCALE_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "DFASCALE_FUZZ wants clang, whose libFuzzer it uses, not ${CMAKE_CXX_COMPILER_ID}: cmake --preset fuzz")
  endif()
  target_compile_options(dfascale_settings INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(DFASCALE_COVERAGE)
  target_compile_options(dfascale_settings INTERFACE --coverage)
  target_link_options(dfascale_settings INTERFACE --coverage)
endif()

# dfascale_library(NAME SOURCES ... USES ...): the folder's static library dfascale_NAME, warnings and options applied.
function(dfascale_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;USES;PRIVATE_USES" ${ARGN})
  add_library(dfascale_${name} STATIC ${arg_SOURCES})
  target_link_libraries(dfascale_${name} PUBLIC dfascale_settings ${arg_USES} PRIVATE ${arg_PRIVATE_USES})
endfunction()
