# Writes the commit of SOURCE into the header OUT; run at every build, touches OUT only when it changes.
# safe.directory: git also answers root who builds in another user's folder.
execute_process(COMMAND git -c "safe.directory=${SOURCE}" -C "${SOURCE}" describe --always --dirty --abbrev=12 --exclude=*
  OUTPUT_VARIABLE revision RESULT_VARIABLE result ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT result EQUAL 0 OR NOT EXISTS "${SOURCE}/.git")
  set(revision unknown)
endif()
set(text "#define DFASCALE_REVISION \"${revision}\"\n")
if(EXISTS "${OUT}")
  file(READ "${OUT}" before)
endif()
if(NOT text STREQUAL "${before}")
  file(WRITE "${OUT}" "${text}")
endif()
