// Where activations lie from forward to backward if a rank's memory does not keep them: for hosts a
// file on a local disk, for GPUs pinned memory of their host.  Which array goes when is
// model/offload.hpp's business.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "kernels/device.hpp"
#include "kernels/span.hpp"

namespace dfascale {

/// What transfers go by, and must be multiples of: places and sizes in the store, addresses of
/// device memory.
inline constexpr std::int64_t store_page = 4096;

class ActivationStore {
 public:
  /// Takes `bytes` at once.  `where` is run.offload: for hosts a folder, whose file has no name, so
  /// that nothing stays behind however the run ends; for GPUs "host".  Throws Error(Exit::usage)
  /// where that is none, and Error(Exit::device) where there is no room.
  ActivationStore(const Device& on, const std::string& where, std::int64_t bytes);
  ~ActivationStore();
  ActivationStore(const ActivationStore&) = delete;
  ActivationStore& operator=(const ActivationStore&) = delete;

  /// Transfers are made one after the other, in the order in which they were begun, each after what
  /// was queued on the device before.  `from` must not be written, and `to` neither read nor
  /// written, until the transfer is waited for.  Each returns its number, from 1.
  std::int64_t begin_save(std::int64_t place, Vector<const std::byte> from);
  std::int64_t begin_fetch(std::int64_t place, Vector<std::byte> to);
  /// What is queued on the device from now on comes after this transfer (0: none) and those before.
  /// Throws Error(Exit::device) for any that failed, with the folder and what was wanted.
  void wait(std::int64_t transfer);

  /// What a user should know about it; empty: nothing.
  std::string note() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// What a store does in a second, and what the device can compute meanwhile.
struct StoreSpeed {
  double save = 0, fetch = 0;  ///< bytes
  double flops = 0;            ///< device_flops_assumed()

  bool known() const { return save > 0 && fetch > 0; }
};

/// What a rank's products are taken to reach in a second.
double device_flops_assumed();

/// Measured on hosts, by a few transfers of `bytes`; assumed for GPUs.  Errors as the store's.
StoreSpeed speed_of_store(const Device& on, const std::string& where, std::int64_t bytes);

}  // namespace dfascale
