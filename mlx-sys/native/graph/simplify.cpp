// Copies the graph below some arrays without nodes that do nothing; see mlx_rs_simplify.h.

#include "graph/mlx_rs_simplify.h"

#include <numeric>
#include <stack>
#include <unordered_map>
#include <utility>
#include <vector>

#include "compat/capi.h"
#include "graph/node_kinds.h"
#include "mlx/mlx.h"
#include "mlx/primitives.h"
#include "graph/elide_reshapes.h"

namespace mlxrs {

namespace mx = mlx::core;
using mx::array;

namespace {

class Simplify {
 public:
  std::vector<array> run(const std::vector<array>& outputs) {
    for (const auto& a : outputs) {
      visit(a);
    }
    // They are views: nothing is computed.
    mx::eval(made_);
    std::vector<array> out;
    for (const auto& a : outputs) {
      out.push_back(done_.at(a.id()));
    }
    return out;
  }

 private:
  void visit(const array& root) {
    std::stack<std::pair<array, size_t>> todo;
    auto add = [&](const array& a) {
      if (done_.count(a.id())) {
        return;
      }
      if (pending(a)) {
        todo.emplace(a, 0);
      } else {
        done_.emplace(a.id(), a);
      }
    };
    add(root);
    while (!todo.empty()) {
      auto& [a, next] = todo.top();
      if (done_.count(a.id())) {
        todo.pop();
      } else if (next < a.inputs().size()) {
        const array in = a.inputs()[next++];
        add(in);
      } else {
        const array ready = a;
        todo.pop();
        replace(ready);
      }
    }
  }

  // Replaces `a` and its siblings. Their inputs are done.
  void replace(const array& a) {
    std::vector<array> inputs;
    bool changed = false;
    for (const auto& in : a.inputs()) {
      inputs.push_back(done_.at(in.id()));
      changed |= inputs.back().id() != in.id();
    }
    const auto kind = name(a);
    if (kind == MLXRS_NAME(Copy) || kind == MLXRS_NAME(StopGradient)) {
      done_.emplace(a.id(), inputs[0]);
    } else if (kind == MLXRS_NAME(CustomTransforms)) {
      // Its outputs are its last inputs.
      const auto outputs = a.outputs();
      const size_t first = inputs.size() - outputs.size();
      for (size_t i = 0; i < outputs.size(); i++) {
        done_.emplace(outputs[i].id(), inputs[first + i]);
      }
    } else if (kind == MLXRS_NAME(Transpose)) {
      done_.emplace(a.id(), transposed(a, inputs[0], changed));
    } else if (reshapes(kind)) {
      done_.emplace(a.id(), reshaped(a, inputs[0], changed));
    } else if (!changed) {
      for (const auto& o : a.outputs()) {
        done_.emplace(o.id(), o);
      }
    } else {
      const auto outputs = a.outputs();
      const auto made = again(a, std::move(inputs));
      for (size_t i = 0; i < outputs.size(); i++) {
        done_.emplace(outputs[i].id(), made[i]);
      }
    }
  }

  static std::vector<int> axes(const array& a) {
    return static_cast<const mx::Transpose&>(a.primitive()).state();
  }

  array transposed(const array& a, const array& in, bool changed) {
    if (name(in) == MLXRS_NAME(Transpose)) {
      auto all = axes(in);
      std::vector<int> both;
      for (int axis : axes(a)) {
        both.push_back(all[axis]);
      }
      std::vector<int> same(both.size());
      std::iota(same.begin(), same.end(), 0);
      const array base = in.inputs()[0];
      return both == same ? base : mx::transpose(base, both, a.primitive().stream());
    }
    array out = changed ? array(a.shape(), a.dtype(), a.primitive_ptr(), {in}) : a;
    if (!pending(in) && !in.is_tracer() && in.is_available()) {
      // One view for all transposes of an array alike.
      auto& there = views_[in.id()];
      for (auto& [order, view] : there) {
        if (order == axes(a)) {
          return view;
        }
      }
      there.emplace_back(axes(a), out);
      made_.push_back(out);
    }
    return out;
  }

  static array reshaped(const array& a, const array& in, bool changed) {
    array base = in;
    while (base.shape() != a.shape() && reshapes(name(base))) {
      const array below = base.inputs()[0];
      if (below.shape() != a.shape() && !makes_rows(below)) {
        break;
      }
      base = below;
    }
    if (base.shape() == a.shape()) {
      return base;
    }
    if (base.id() != in.id()) {
      return mx::reshape(base, a.shape(), a.primitive().stream());
    }
    return changed ? array(a.shape(), a.dtype(), a.primitive_ptr(), {in}) : a;
  }

  std::unordered_map<std::uintptr_t, array> done_;
  std::unordered_map<std::uintptr_t, std::vector<std::pair<std::vector<int>, array>>> views_;
  std::vector<array> made_;
};

} // namespace

} // namespace mlxrs

extern "C" int mlxrs_simplify(mlx_vector_array* res, const mlx_vector_array outputs) {
  return mlxrs::guarded("simplify.cpp", [&] {
    mlxrs::give(res, mlxrs::elide_reshapes(mlxrs::Simplify().run(mlxrs::list(outputs))));
  });
}
