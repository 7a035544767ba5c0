// Cosines and sines of rotary position embeddings.
#pragma once

#include <vector>

namespace mlxrs {

// cos(p * freqs[j]) and sin(p * freqs[j]) for the positions p from `offset` on, [positions, half].
struct RopeTable {
  std::vector<float> freqs, cos, sin;
  int positions = 0, offset = 0;
};

// The table for at least that many positions; valid until this thread asks for another one.
//
// All layers of a model ask for the same table, forward and backward, one after the other. Each
// thread remembers its last one, by its contents: computing it costs as much as attention itself.
const RopeTable& rope_table(const float* freqs, int half, int positions, int offset);

} // namespace mlxrs
