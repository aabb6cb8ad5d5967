// Kernel tests run while a DeviceScope lives, whatever the backend.
#include <gtest/gtest.h>

#include <iostream>

#include "kernels/device.hpp"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const dfascale::DeviceScope scope;
  std::cout << "on " << dfascale::backend_name() << '\n';
  return RUN_ALL_TESTS();
}
