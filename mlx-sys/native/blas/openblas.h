// OpenBLAS, loaded so that it starts no threads and does not end the process.
#pragma once

namespace mlxrs {

// The function of that name in OpenBLAS. Throws std::runtime_error if OpenBLAS cannot be loaded.
void* openblas(const char* name);

// A thread that is inside OpenBLAS. OpenBLAS keeps a buffer for each such thread, and ends the process if it cannot map
// one. Where the address space is limited, threads wait for others to leave while there is no room for one more buffer,
// and the constructor throws std::runtime_error if there is room for none.
class InOpenblas {
 public:
  InOpenblas();
  ~InOpenblas();
  InOpenblas(const InOpenblas&) = delete;
  InOpenblas& operator=(const InOpenblas&) = delete;
};

} // namespace mlxrs
