// Evaluations that no other thread can see.
#pragma once

#include <vector>

#include "mlx/array.h"

namespace mlxrs {

using List = std::vector<mlx::core::array>;

// Handles to what an evaluation of `roots` reads and computes, while graphs are read, else none. MLX lets an output take
// an input's buffer where nothing else holds the input, and an array that stays in its graph must not have such inputs.
List held_while_read(const List& roots);

// While one exists, this thread's arrays leave their graphs at once, whoever reads graphs: for graphs that are this
// thread's alone.
class DetachAtOnce {
 public:
  DetachAtOnce();
  ~DetachAtOnce();
  DetachAtOnce(const DetachAtOnce&) = delete;
  DetachAtOnce& operator=(const DetachAtOnce&) = delete;
};

} // namespace mlxrs
