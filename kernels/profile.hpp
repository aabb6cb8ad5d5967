// Where time goes while somebody watches: kernels by name, matrix products by shape.  Every watched
// operation waits for the device, so that its time is its own.  Unwatched, a product pays one test
// of a pointer and a kernel what its runtime's hooks cost when unset: next to nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "kernels/gemm.hpp"

namespace dfascale {

/// Watches from construction to destruction; one at a time.
class Profile {
 public:
  struct Entry {
    std::int64_t calls = 0;
    double seconds = 0;
  };
  /// Says under which name a product is summed.
  using ProductName = std::function<std::string(const Product&)>;

  Profile(const Device& on, Gemm& gemm, ProductName name_of_product);
  ~Profile();
  Profile(const Profile&) = delete;
  Profile& operator=(const Profile&) = delete;

  /// By kernel's or product's name.
  const std::map<std::string, Entry>& entries() const { return entries_; }

 private:
  friend class Gemm;
  void begin();
  void end(const std::string& name);
  void end_product(const Product& product) { end(name_of_product_(product)); }

  const Device& on_;
  Gemm& gemm_;
  ProductName name_of_product_;
  std::map<std::string, Entry> entries_;
  double started_ = 0;
};

}  // namespace dfascale
