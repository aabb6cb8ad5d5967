#include "kernels/profile.hpp"

#include <utility>

#include "base/clock.hpp"
#include "kernels/launch/runtime.hpp"

namespace dfascale {

Profile::Profile(const Device& on, Gemm& gemm, ProductName name_of_product)
    : on_(on), gemm_(gemm), name_of_product_(std::move(name_of_product)) {
  gemm_.watch(this);
  launch::watch_kernels(
      {[this](const char*) { begin(); }, [this](const char* name) { end(name); }});
}

Profile::~Profile() {
  launch::watch_kernels({});
  gemm_.watch(nullptr);
}

void Profile::begin() { started_ = seconds_now(); }

void Profile::end(const std::string& name) {
  fence(on_);
  Entry& entry = entries_[name];
  const double now = seconds_now();
  entry.calls += 1;
  entry.seconds += now - started_;
  started_ = now;  // a kernel within a product (a rounded bias) is not the product's time as well
}

void Gemm::operator()(const Product& product) {
  if (profile_ != nullptr) profile_->begin();
  if (by_ == Products::library) run(product);
  else gemm_reference(product);
  if (profile_ != nullptr) profile_->end_product(product);
  pulse();
}

}  // namespace dfascale
