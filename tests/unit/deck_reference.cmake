# docs/deck.md must be what `dfascale deck --markdown` prints.
execute_process(COMMAND ${PROGRAM} deck --markdown OUTPUT_VARIABLE now COMMAND_ERROR_IS_FATAL ANY)
file(READ ${PAGE} page)
if(NOT now STREQUAL page)
  message(FATAL_ERROR "docs/deck.md is stale: run build/release/bin/dfascale deck --markdown > docs/deck.md")
endif()
