// What a test tells the fake, and asks it.
#pragma once

#include <string>

#include "nccl.h"

namespace fake_nccl {

inline bool is_stalled = false;                  ///< nothing that is queued goes on
inline ncclResult_t noticed = ncclSuccess;       ///< what communicators say of themselves
inline ncclResult_t first_answer = ncclSuccess;  ///< of making an id
inline std::string last_words;
inline int destroyed = 0, aborted = 0;  ///< communicators, since the test set them to 0
inline std::string card;                ///< this rank's address; empty: its own

}  // namespace fake_nccl
