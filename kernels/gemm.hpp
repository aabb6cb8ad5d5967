// Matrix products: the one facade in front of vendor libraries.
// gemm_onednn.cpp (CPUs), gemm_cublaslt.cpp (GPUs) and gemm_reference.cpp (a loop, the oracle of
// both) implement it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "kernels/device.hpp"
#include "kernels/real.hpp"

namespace dfascale {

class Profile;

/// An operand as stored, or turned (transposed).
enum class Side { plain, turned };

/// C = op(A) op(B) + beta * C [+ bias on every row], all row-major, any stride >= cols.
/// op(A) is (C.rows x k), op(B) is (k x C.cols); bias has C.cols elements or none.  beta is 0 or 1.
/// A and B have one precision; sums run in float and are rounded once, to how C is stored: C is
/// float where A and B are, else either.  On GPUs the bias of a bf16 C is rounded to bf16 first.
struct Product {
  Stored c;
  ConstStored a;
  Side a_side = Side::plain;
  ConstStored b;
  Side b_side = Side::plain;
  Into into = Into::overwrite;
  ConstVec bias = {};
};

/// What there is for products of a precision: instructions; or none, or slower than float's, so
/// that operands are widened to float (the same roundings, less memory than float, but no speed).
enum class Support { native, widened };

/// Who computes: the library, or the loop that tests compare it with.
enum class Products { library, reference };

/// Runs products; caches the library's primitives by shape, so it lives as long as the trainer
/// does.  Needs no device before its first product: plans are made on machines without a GPU.
class Gemm {
 public:
  explicit Gemm(const Device& on, Products by = Products::library);
  ~Gemm();
  Gemm(const Gemm&) = delete;
  Gemm& operator=(const Gemm&) = delete;

  /// Queues the product.  Throws Error(Exit::device) with shapes and the library's message on
  /// failure.
  void operator()(const Product& product);

  /// Called after every product, so that something else can be moved on while this rank computes;
  /// nullptr ends it.
  void call_between(void (*pulse)()) { pulse_ = pulse; }
  void (*called_between() const)() { return pulse_; }
  void pulse() const {
    if (pulse_ != nullptr) pulse_();
  }
  /// Every product is timed by this profile, until nullptr ends it.
  void watch(Profile* profile) { profile_ = profile; }
  bool is_watched() const { return profile_ != nullptr; }

  /// "oneDNN 2.6.3 (1 thread)", "cuBLASLt 13.1.0"
  static std::string library();
  /// Device memory that the first product takes.
  static std::int64_t workspace_bytes();
  static Support support(Precision precision);

 private:
  void run(const Product& product);

  struct State;
  std::unique_ptr<State> state_;
  Products by_;
  Profile* profile_ = nullptr;
  void (*pulse_)() = nullptr;
};

/// The same by a plain loop with sums in double, in host memory; slow, for tests and small shapes.
void gemm_reference(const Product& product);

}  // namespace dfascale
