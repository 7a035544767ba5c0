// OpenBLAS, loaded so that it starts no threads.
#pragma once

namespace mlxrs {

// The function of that name in OpenBLAS.
void* openblas(const char* name);

} // namespace mlxrs
