#include "study/claim.hpp"

#include "base/log.hpp"

namespace dfascale {

std::optional<Claim> Claim::take(const std::string& path) {
  make_folder(folder_of(path));
  LockFile file(path, Sharing::alone);
  if (file.state() == Locked::no) return std::nullopt;
  return Claim(std::move(file));
}

StudyLock::StudyLock(const std::string& folder, Sharing sharing) {
  make_folder(folder);
  check_folder_writable(folder);
  const std::string path = folder + "/lock";
  file_ = LockFile(path, sharing);
  switch (file_.state()) {
    case Locked::yes: break;
    case Locked::no:
      fail(Exit::checkpoint,
           "{}: this study is in use by {}; wait for it to end, choose another study.dir, or begin "
           "all of them with --task",
           folder, signer_of(path));
    case Locked::unknown:
      if (sharing == Sharing::with_others)
        fail(Exit::checkpoint, "{}: --task needs file locks, which this file system does not have",
             folder);
      log::warn("{}: this file system has no locks: make sure that no other job writes here",
                folder);
  }
}

}  // namespace dfascale
