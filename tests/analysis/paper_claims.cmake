# docs/paper_claims.md must be what analysis/paper_claims.py prints.
execute_process(COMMAND ${PYTHON} ${SOURCE}/analysis/paper_claims.py ${PROGRAM} OUTPUT_VARIABLE now
  COMMAND_ERROR_IS_FATAL ANY)
file(READ ${SOURCE}/docs/paper_claims.md page)
if(NOT now STREQUAL page)
  message(FATAL_ERROR "docs/paper_claims.md is stale: run analysis/paper_claims.py build/release/bin/dfascale > "
    "docs/paper_claims.md")
endif()
