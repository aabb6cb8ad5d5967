// For tests that every rank runs at once: the session that session_main.cpp opens, once a program.
#pragma once

#include "comm/session.hpp"

namespace dfascale::test {

extern const Session* session;

/// What ranks say when a test has waited for a minute.
inline std::string nothing() { return "a test waits"; }

}  // namespace dfascale::test
