// The allocator that our own primitives use while an evaluation is simulated (simulator.cpp).
#pragma once

#include <cstddef>

#include "mlx/array.h"

namespace mlxrs {

// Replaces the allocator and the stream's queue.
class Planner {
 public:
  virtual ~Planner() = default;
  // Memory for an output, in row-major order.
  virtual void output(mlx::core::array& a) = 0;
  // Memory until the work is done.
  virtual void temporary(size_t bytes) = 0;
  // Work for the queue.
  virtual void dispatch() = 0;

  // The planner of this thread; null if evaluations are real.
  static Planner*& current();
};

} // namespace mlxrs
