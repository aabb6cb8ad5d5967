# dfascale_test(NAME LABEL label SOURCES ... USES ... [RANKS 1 2 4] [ARGS ...]): a GoogleTest program and a ctest
# entry for each rank count.  One word in RANKS adds a launch under mpirun.
enable_testing()
if(DFASCALE_TESTS)
  find_package(GTest)
  if(NOT GTest_FOUND)
    message(FATAL_ERROR "GoogleTest, which the tests need, was not found: install it (cmake/install-dependencies.sh --for-tests), "
      "set GTest_ROOT, or configure without the tests: -DDFASCALE_TESTS=OFF")
  endif()
endif()

# What MPI and HDF5 keep until the process ends is theirs; leaks of our own still fail a test.
set(dfascale_leaks "LSAN_OPTIONS=suppressions='${PROJECT_SOURCE_DIR}/tests/leaks.supp':print_suppressions=0")

# tests_unit, tests_kernel, ...: builds what the tests of a label need.
foreach(label unit kernel golden mpi fault e2e slurm)
  add_custom_target(tests_${label})
endforeach()

function(dfascale_test name)
  cmake_parse_arguments(arg "" "LABEL" "SOURCES;USES;RANKS;ARGS" ${ARGN})
  add_executable(test_${name} ${arg_SOURCES})
  add_dependencies(tests_${arg_LABEL} test_${name})
  target_link_libraries(test_${name} PRIVATE dfascale_settings ${arg_USES} GTest::gtest)
  target_compile_definitions(test_${name} PRIVATE
    DFASCALE_SOURCE_DIR="${PROJECT_SOURCE_DIR}" DFASCALE_BINARY_DIR="${PROJECT_BINARY_DIR}")
  if(NOT arg_RANKS)
    add_test(NAME ${arg_LABEL}.${name} COMMAND test_${name} ${arg_ARGS})
    set_tests_properties(${arg_LABEL}.${name} PROPERTIES LABELS ${arg_LABEL} TIMEOUT 300
      ENVIRONMENT "${dfascale_leaks}")
    return()
  endif()
  foreach(ranks IN LISTS arg_RANKS)
    add_test(NAME ${arg_LABEL}.${name}.np${ranks}
      COMMAND ${MPIEXEC_EXECUTABLE} ${MPIEXEC_NUMPROC_FLAG} ${ranks} --oversubscribe --mca mpi_yield_when_idle 1
              $<TARGET_FILE:test_${name}> ${arg_ARGS})
    set_tests_properties(${arg_LABEL}.${name}.np${ranks} PROPERTIES LABELS ${arg_LABEL} PROCESSORS ${ranks} TIMEOUT 300
      ENVIRONMENT "${dfascale_leaks};OMPI_ALLOW_RUN_AS_ROOT=1;OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1")
  endforeach()
endfunction()

# dfascale_script_test(NAME LABEL label SCRIPT file [ARGS ...]): a python3 script (standard library only) gets the
# program, the source folder, mpirun and ARGS; it exits 77 to skip, with the reason said.
function(dfascale_script_test name)
  cmake_parse_arguments(arg "" "LABEL;SCRIPT" "ARGS" ${ARGN})
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  add_test(NAME ${arg_LABEL}.${name} COMMAND Python3::Interpreter ${CMAKE_CURRENT_SOURCE_DIR}/${arg_SCRIPT}
    $<TARGET_FILE:dfascale> ${PROJECT_SOURCE_DIR} "${MPIEXEC_EXECUTABLE}" ${arg_ARGS})
  set_tests_properties(${arg_LABEL}.${name} PROPERTIES LABELS ${arg_LABEL} PROCESSORS 2 TIMEOUT 600
    SKIP_RETURN_CODE 77 ENVIRONMENT "PYTHONPATH=${PROJECT_SOURCE_DIR}/tests/support;PYTHONDONTWRITEBYTECODE=1;${dfascale_leaks}")
  add_dependencies(tests_${arg_LABEL} dfascale)
endfunction()

# dfascale_skipped_test(NAME LABEL REASON): a test that what is installed does not allow, said in every run.
function(dfascale_skipped_test name label reason)
  add_test(NAME ${label}.${name} COMMAND ${CMAKE_COMMAND} -E echo "skipped: ${reason}")
  set_tests_properties(${label}.${name} PROPERTIES LABELS ${label} SKIP_REGULAR_EXPRESSION "skipped:")
endfunction()

# cmake --build --preset coverage --target coverage: which lines the tests reach, build/coverage/report/index.html.
if(DFASCALE_COVERAGE)
  find_program(GCOVR gcovr REQUIRED)
  add_custom_target(coverage
    COMMAND ${CMAKE_CTEST_COMMAND} --no-tests=error --output-on-failure --label-regex "^(unit|kernel|golden|mpi|fault)$"
      --exclude-regex cuda_program
    COMMAND ${CMAKE_COMMAND} -E make_directory report
    COMMAND ${GCOVR} --root ${PROJECT_SOURCE_DIR} --filter "${PROJECT_SOURCE_DIR}/(src|kernels|analysis)/"
      --exclude-throw-branches --print-summary --txt report/summary.txt --html-details report/index.html .
    WORKING_DIRECTORY ${PROJECT_BINARY_DIR}
    USES_TERMINAL VERBATIM)
  add_dependencies(coverage tests_unit tests_kernel tests_golden tests_mpi tests_fault)
endif()
