#include "fused/rope_table.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace mlxrs {

const RopeTable& rope_table(const float* freqs, int half, int positions, int offset) {
  thread_local RopeTable table;
  if (table.offset == offset && table.positions >= positions &&
      std::equal(table.freqs.begin(), table.freqs.end(), freqs, freqs + half)) {
    return table;
  }
  table.freqs.assign(freqs, freqs + half);
  table.cos.clear();
  table.sin.clear();
  for (int p = 0; p < positions; p++) {
    for (int j = 0; j < half; j++) {
      // Computed in float32, as in MLX's own rotation.
      const float angle = static_cast<float>(int64_t(p) + offset) * freqs[j];
      table.cos.push_back(std::cos(angle));
      table.sin.push_back(std::sin(angle));
    }
  }
  table.positions = positions;
  table.offset = offset;
  return table;
}

} // namespace mlxrs
