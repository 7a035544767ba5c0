// Evaluations that no other thread can see.
#pragma once

#include <functional>
#include <vector>

#include "mlx/array.h"

namespace mlxrs {

using List = std::vector<mlx::core::array>;

// Handles to the arrays that an evaluation of `roots` reads and computes while graphs are read, else none. MLX lets an
// output take an input's buffer if nothing else holds the input, and an array that stays in its graph must not have
// inputs without a buffer.
List held_while_read(const List& roots);

// Runs `change`, which changes nodes that other threads may hold, unless graphs are read.
void unless_read(const std::function<void()>& change);

// Told of each array that an evaluation of this thread has computed or queued, while it is still in its graph.
void note_evaluated(mlx::core::array& a);

// While one exists, this thread's arrays leave their graphs at once, even while other threads read graphs: for graphs
// that only this thread holds.
class DetachAtOnce {
 public:
  DetachAtOnce();
  ~DetachAtOnce();
  DetachAtOnce(const DetachAtOnce&) = delete;
  DetachAtOnce& operator=(const DetachAtOnce&) = delete;
};

} // namespace mlxrs
