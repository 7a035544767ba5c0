// The inputs of a node whose gradients are asked for, for rules that otherwise compute all of them.
#pragma once

#include <vector>

namespace mlxrs {

// While it lives, the rule of a node is asked for the gradients of these inputs. The list outlives it.
class Asked {
 public:
  explicit Asked(const std::vector<int>& numbers);
  ~Asked();
  Asked(const Asked&) = delete;
  Asked& operator=(const Asked&) = delete;

 private:
  const std::vector<int>* const before_;
};

} // namespace mlxrs
