// A device on hosts whose memory only kernels, products and copies can touch: whatever else reads
// or writes it ends the program with a segmentation fault.  A program that is linked with
// device.cpp and products.cpp before dfascale's libraries shows that nothing in it would touch a
// GPU's memory.
#pragma once

namespace dfascale::test {

/// Device memory is open while one lives.
class Open {
 public:
  Open();
  ~Open();
  Open(const Open&) = delete;
  Open& operator=(const Open&) = delete;
};

}  // namespace dfascale::test
