// Evaluations that no other thread can see.
#pragma once

namespace mlxrs {

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
