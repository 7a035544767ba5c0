// Copies the graph below some arrays without reshapes around launches; see elide_reshapes.h.

#include "graph/elide_reshapes.h"

#include <optional>
#include <stack>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "cuda/launch.h"
#include "graph/node_kinds.h"
#include "mlx/mlx.h"

namespace mlxrs {

namespace mx = mlx::core;
using mx::array;

namespace {

bool is_launch(const array& a) {
  return pending(a) && dynamic_cast<const CudaLaunch*>(&a.primitive()) != nullptr;
}

class Unshape {
 public:
  List run(const List& outputs) {
    for (const auto& a : outputs) {
      kept_.insert(a.id());
      visit(a);
    }
    // Reverse topological order: consumers record the shape they prefer first.
    for (auto a = order_.rbegin(); a != order_.rend(); ++a) {
      wish(*a);
    }
    for (const auto& a : order_) {
      replace(a);
    }
    List made;
    for (const auto& a : outputs) {
      made.push_back(made_.at(a.id()));
    }
    return made;
  }

 private:
  // The shape that all consumers of a value prefer: none if there are no consumers, or if they differ.
  struct Wish {
    std::optional<mx::Shape> shape;
    bool differ = false;

    void add(const mx::Shape& wanted) {
      differ |= shape && *shape != wanted;
      shape = wanted;
    }
  };

  // Visits the nodes below `root`, inputs first, and one node of each group of siblings.
  void visit(const array& root) {
    std::stack<std::pair<array, size_t>> todo;
    auto add = [&](const array& a) {
      if (!seen_.insert(a.id()).second) {
        return;
      }
      if (!pending(a)) {
        made_.emplace(a.id(), a);
        return;
      }
      for (const auto& s : a.siblings()) {
        seen_.insert(s.id());
      }
      todo.emplace(a, 0);
    };
    add(root);
    while (!todo.empty()) {
      auto& [a, next] = todo.top();
      if (next < a.inputs().size()) {
        const array in = a.inputs()[next++];
        add(in);
      } else {
        order_.push_back(a);
        todo.pop();
      }
    }
  }

  // Records the shapes that `a` prefers for its inputs.
  void wish(const array& a) {
    if (is_launch(a)) {
      return;
    }
    if (reshapes(name(a)) && makes_rows(a.inputs()[0])) {
      // A reshape passes on the preference of its consumers, which is its own shape, or none.
      if (wishes_.count(a.id()) || kept_.count(a.id())) {
        wishes_[a.inputs()[0].id()].add(a.shape());
      }
      return;
    }
    for (const auto& in : a.inputs()) {
      wishes_[in.id()].add(in.shape());
    }
  }

  mx::Shape shape_of(const array& a) const {
    const auto it = wishes_.find(a.id());
    const bool other = it != wishes_.end() && !it->second.differ && !kept_.count(a.id());
    return other ? *it->second.shape : a.shape();
  }

  void replace(const array& a) {
    if (is_launch(a)) {
      return launch(a);
    }
    List inputs;
    bool changed = false;
    for (const auto& in : a.inputs()) {
      inputs.push_back(made_.at(in.id()));
      changed |= inputs.back().id() != in.id();
    }
    if (reshapes(name(a)) && inputs[0].shape() == a.shape()) {
      made_.insert_or_assign(a.id(), inputs[0]);
    } else if (reshapes(name(a)) && inputs[0].shape() != a.inputs()[0].shape()) {
      made_.insert_or_assign(a.id(), mx::reshape(inputs[0], a.shape(), a.primitive().stream()));
    } else {
      keep(a, changed ? again(a, std::move(inputs)) : a.outputs());
    }
  }

  void launch(const array& a) {
    List inputs;
    for (const auto& in : a.inputs()) {
      array base = made_.at(in.id());
      while (reshapes(name(base)) && makes_rows(base.inputs()[0])) {
        const array below = base.inputs()[0];
        base = below;
      }
      inputs.push_back(base);
    }
    std::vector<mx::Shape> shapes;
    std::vector<mx::Dtype> dtypes;
    for (const auto& o : a.outputs()) {
      shapes.push_back(shape_of(o));
      dtypes.push_back(o.dtype());
    }
    keep(a, array::make_arrays(std::move(shapes), dtypes, a.primitive_ptr(), inputs));
  }

  void keep(const array& a, const List& made) {
    const auto outputs = a.outputs();
    for (size_t i = 0; i < outputs.size(); i++) {
      made_.insert_or_assign(outputs[i].id(), made[i]);
    }
  }

  std::unordered_set<std::uintptr_t> seen_, kept_;
  std::vector<array> order_;
  std::unordered_map<std::uintptr_t, Wish> wishes_;
  std::unordered_map<std::uintptr_t, array> made_;
};

} // namespace

List elide_reshapes(const List& outputs) {
  return Unshape().run(outputs);
}

} // namespace mlxrs
