// Gradients, forward derivatives and batches of a recorded graph; see mlx_rs_transforms.h.
//
// These follow mlx/transforms.cpp, with three differences: `rules.h` comes before the primitives' own rules, the graph
// is walked with an explicit stack, so that memory alone bounds its depth, and an output that is returned twice may
// have two axes in a batch.

#include "transforms/mlx_rs_transforms.h"

#include <cstdint>
#include <functional>
#include <sstream>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "compat/capi.h"
#include "graph/primitive_names.h"
#include "mlx/mlx.h"
#include "mlx/primitives.h"
#include "transforms/asked.h"
#include "transforms/rules.h"

namespace mlxrs {

namespace mx = mlx::core;
using mx::array;

namespace {

using Function = std::function<List(const List&)>;

// A node with a gradient that calls `run`. It is never computed.
class Backward : public mx::Primitive {
 public:
  Backward(mx::Stream stream, std::function<void()> run) : mx::Primitive(stream), run_(std::move(run)) {}

  void eval_cpu(const std::vector<array>&, std::vector<array>&) override {
    throw std::runtime_error("[vjp] a node for tracing was computed");
  }
  void eval_gpu(const std::vector<array>& in, std::vector<array>& out) override {
    eval_cpu(in, out);
  }
  const char* name() const override {
    return "Backward";
  }
  std::vector<array> vjp(const std::vector<array>& primals,
                         const std::vector<array>&,
                         const std::vector<int>&,
                         const std::vector<array>&) override {
    run_();
    return {mx::zeros_like(primals[0], stream())};
  }

 private:
  std::function<void()> run_;
};

// Runs `forward`, then `backward`, as MLX runs a function that it differentiates and the rules of its operations. MLX
// has no other way to mark a graph as recorded, and later as one to keep.
void differentiating(const std::function<void()>& forward, const std::function<void()>& backward) {
  auto within = [&](const List& x) {
    forward();
    const auto s = mx::default_stream(mx::default_device());
    return List{array(mx::Shape{}, mx::float32, std::make_shared<Backward>(s, backward), {x[0]})};
  };
  mx::vjp(Function(within), List{array(0.0f)}, List{array(0.0f)});
}
using Ids = std::unordered_set<std::uintptr_t>;

const Function& function(const mlx_closure handle) {
  if (!handle.ctx) {
    throw std::runtime_error("expected a non-empty mlx_closure");
  }
  return *static_cast<const Function*>(handle.ctx);
}

// A copy of `p` that marks its dependents. A tracer from an earlier call is not copied.
array make_tracer(const array& p) {
  auto source = p;
  if (!p.is_tracer() && p.has_primitive() && !p.inputs().empty()) {
    if (std::string_view(p.primitive().name()) == MLXRS_NAME(Copy)) {
      source = p.inputs()[0];
    }
  }
  auto out = mx::copy(source, p.has_primitive() ? p.primitive().stream() : mx::default_stream(mx::default_device()));
  out.set_tracer(true);
  return out;
}

mx::Stream stream_of(const array& a) {
  return a.has_primitive() ? a.primitive().stream() : mx::default_stream(mx::default_device());
}

bool stops(const array& a) {
  return a.has_primitive() && std::string_view(a.primitive().name()) == MLXRS_NAME(StopGradient);
}

// Calls `enter` on each node below `roots` that `seen` lacks, and `leave` after its inputs.
template <typename Enter, typename Leave>
void walk(const List& roots, Ids& seen, Enter enter, Leave leave) {
  std::vector<std::pair<array, size_t>> todo;
  auto add = [&](const array& a) {
    if (!seen.insert(a.id()).second) {
      return;
    }
    for (const auto& s : a.siblings()) {
      seen.insert(s.id());
    }
    todo.emplace_back(a, 0);
    enter(todo.back().first);
  };
  for (const auto& root : roots) {
    add(root);
    while (!todo.empty()) {
      auto& [a, next] = todo.back();
      if (next < a.inputs().size()) {
        const array in = a.inputs()[next++];
        add(in);
      } else {
        array ready = std::move(a);
        todo.pop_back();
        leave(ready);
      }
    }
  }
}

bool reads(const array& a, const Ids& ids) {
  for (const auto& in : a.inputs()) {
    if (ids.count(in.id())) {
      return true;
    }
  }
  return false;
}

void insert_outputs(const array& a, Ids& ids) {
  ids.insert(a.id());
  for (const auto& s : a.siblings()) {
    ids.insert(s.id());
  }
}

// The nodes below `outputs` that depend on `wanted`, in topological order; they are no tracers any more.
List tape_of(const List& outputs, Ids seen, Ids& wanted) {
  List tape;
  walk(
      outputs, seen,
      [](array& a) {
        a.set_tracer(false);
        for (auto s : a.siblings()) {
          s.set_tracer(false);
        }
      },
      [&](array& a) {
        if (!stops(a) && reads(a, wanted)) {
          insert_outputs(a, wanted);
          tape.push_back(a);
        }
      });
  return tape;
}

// True if none of the arrays has elements.
bool nothing(const List& arrays) {
  for (const auto& a : arrays) {
    if (a.size() > 0) {
      return false;
    }
  }
  return true;
}

std::vector<int> all_numbers(size_t n) {
  std::vector<int> all(n);
  for (size_t i = 0; i < n; i++) {
    all[i] = static_cast<int>(i);
  }
  return all;
}

// The gradients of `primals` numbered in `argnums`.
List backward(List& primals, const List& outputs, const List& cotangents, const std::vector<int>& argnums) {
  std::vector<std::pair<size_t, size_t>> pairs;
  for (size_t i = 0; i < outputs.size(); i++) {
    if (stops(outputs[i])) {
      continue;
    }
    const size_t next = pairs.size();
    if (next >= cotangents.size()) {
      throw std::invalid_argument("[vjp] Number of outputs to compute gradients for (" + std::to_string(outputs.size()) +
                                  ") does not match number of cotangents (" + std::to_string(cotangents.size()) + ").");
    }
    if (outputs[i].shape() != cotangents[next].shape()) {
      std::ostringstream msg;
      msg << "[vjp] Output shape " << outputs[i].shape() << " does not match cotangent shape "
          << cotangents[next].shape() << ".";
      if (outputs.size() == 1 && outputs[i].size() == 1) {
        msg << " If you are using grad your function must return a scalar.";
      }
      throw std::invalid_argument(msg.str());
    }
    pairs.emplace_back(i, next);
  }

  Ids seen, wanted;
  for (auto& p : primals) {
    p.set_tracer(false);
    seen.insert(p.id());
  }
  for (int i : argnums) {
    wanted.insert(primals[i].id());
  }
  const auto tape = tape_of(outputs, std::move(seen), wanted);

  std::unordered_map<std::uintptr_t, array> found;
  for (const auto& [i, next] : pairs) {
    found.insert({outputs[i].id(), mx::astype(cotangents[next], outputs[i].dtype(), stream_of(outputs[i]))});
  }
  for (auto it = tape.rbegin(); it != tape.rend(); ++it) {
    auto a = *it;
    const auto results = a.outputs();
    bool needed = false;
    for (const auto& r : results) {
      needed |= found.count(r.id()) > 0 && r.size() > 0;
    }
    // No gradient leads through an array without elements, and MLX's rules divide by its size.
    std::vector<int> numbers;
    for (size_t i = 0; needed && i < a.inputs().size(); i++) {
      if (wanted.count(a.inputs()[i].id()) && a.inputs()[i].size() > 0) {
        numbers.push_back(static_cast<int>(i));
      }
    }
    if (numbers.empty()) {
      continue;
    }
    const auto s = a.primitive().stream();
    List by;
    for (const auto& r : results) {
      if (auto at = found.find(r.id()); at != found.end()) {
        by.push_back(found.extract(at).mapped());
      } else {
        by.push_back(mx::zeros_like(r, s));
      }
    }
    const Asked asked(numbers);
    auto ours = vjp_rule(a, by, numbers);
    const auto grads = ours ? std::move(*ours) : a.primitive().vjp(a.inputs(), by, numbers, results);
    for (size_t i = 0; i < numbers.size(); i++) {
      const auto id = a.inputs()[numbers[i]].id();
      if (auto at = found.find(id); at != found.end()) {
        at->second = mx::add(at->second, grads[i], s);
      } else {
        found.insert({id, grads[i]});
      }
    }
  }
  List grads;
  for (int i : argnums) {
    const auto at = found.find(primals[i].id());
    grads.push_back(at != found.end() ? at->second : mx::zeros_like(primals[i], stream_of(primals[i])));
  }
  return grads;
}

std::pair<List, List> vjp(const Function& f, const List& inputs, const List& cotangents, const std::vector<int>& argnums) {
  List primals, outputs, grads;
  differentiating(
      [&] {
        for (const auto& p : inputs) {
          primals.push_back(make_tracer(p));
        }
        outputs = f(primals);
      },
      [&] { grads = backward(primals, outputs, cotangents, argnums); });
  return {std::move(outputs), std::move(grads)};
}

// The outputs of `f`, and their changes.
List forward(const Function& f, const List& inputs, const List& tangents, List& outputs) {
  List primals;
  for (const auto& p : inputs) {
    primals.push_back(make_tracer(p));
  }
  outputs = f(primals);
  Ids seen, wanted;
  std::unordered_map<std::uintptr_t, array> found;
  for (size_t i = 0; i < primals.size(); i++) {
    primals[i].set_tracer(false);
    seen.insert(primals[i].id());
    found.insert({primals[i].id(), tangents[i]});
  }
  wanted = seen;
  for (auto a : tape_of(outputs, std::move(seen), wanted)) {
    std::vector<int> numbers;
    List by;
    for (size_t i = 0; i < a.inputs().size(); i++) {
      if (auto at = found.find(a.inputs()[i].id()); at != found.end() && a.inputs()[i].size() > 0) {
        numbers.push_back(static_cast<int>(i));
        by.push_back(at->second);
      }
    }
    const auto results = a.outputs();
    if (numbers.empty() || nothing(results)) {
      continue;
    }
    auto ours = jvp_rule(a, by, numbers);
    const auto changes = ours ? std::move(*ours) : a.primitive().jvp(a.inputs(), by, numbers);
    for (size_t i = 0; i < changes.size() && i < results.size(); i++) {
      found.insert({results[i].id(), changes[i]});
    }
  }
  List changes;
  for (const auto& out : outputs) {
    const auto at = found.find(out.id());
    changes.push_back(at != found.end() ? at->second : mx::zeros_like(out, stream_of(out)));
  }
  return changes;
}

std::pair<List, List> jvp(const Function& f, const List& inputs, const List& tangents) {
  if (inputs.size() != tangents.size()) {
    throw std::invalid_argument("[jvp] Number of inputs does not match number of tangents.");
  }
  for (size_t i = 0; i < inputs.size(); i++) {
    if (inputs[i].shape() != tangents[i].shape()) {
      throw std::invalid_argument("[jvp] Input shape does not match shape of tangent.");
    }
  }
  List outputs, changes;
  differentiating([&] { changes = forward(f, inputs, tangents, outputs); }, [] {});
  return {std::move(outputs), std::move(changes)};
}

List vmap_replace(const List& inputs,
                  const List& traced,
                  const List& outputs,
                  const std::vector<int>& in_axes,
                  const std::vector<int>& out_axes) {
  int size = -1;
  Ids seen, wanted;
  std::unordered_map<std::uintptr_t, std::pair<array, int>> found;
  for (size_t i = 0; i < inputs.size(); i++) {
    auto in = traced[i];
    seen.insert(in.id());
    if (in_axes[i] >= 0) {
      size = inputs[i].shape(in_axes[i]);
      found.insert({in.id(), {inputs[i], in_axes[i]}});
      wanted.insert(in.id());
      in.set_tracer(false);
    }
  }
  List tape;
  List roots;
  for (const auto& out : outputs) {
    if (out.has_primitive()) {
      roots.push_back(out);
    }
  }
  walk(
      roots, seen, [](array&) {},
      [&](array& a) {
        if (reads(a, wanted)) {
          a.set_tracer(false);
          for (auto s : a.siblings()) {
            s.set_tracer(false);
          }
          insert_outputs(a, wanted);
          tape.push_back(a);
        }
      });
  for (auto& a : tape) {
    const auto results = a.outputs();
    if (nothing(results)) {
      for (const auto& r : results) {
        auto shape = r.shape();
        shape.insert(shape.begin(), size);
        found.insert({r.id(), {mx::zeros(shape, r.dtype(), a.primitive().stream()), 0}});
      }
      continue;
    }
    List ins;
    std::vector<int> axes;
    for (const auto& in : a.inputs()) {
      const auto at = found.find(in.id());
      ins.push_back(at != found.end() ? at->second.first : in);
      axes.push_back(at != found.end() ? at->second.second : -1);
    }
    auto ours = vmap_rule(a, ins, axes);
    const auto [made, of] = ours ? std::move(*ours) : a.primitive().vmap(ins, axes);
    if (made.size() != results.size() || of.size() != results.size()) {
      throw std::runtime_error(std::string("[vmap] Not implemented for ") + a.primitive().name());
    }
    for (size_t i = 0; i < results.size(); i++) {
      // Some rules call the operation again, which casts on the way.
      const auto out = mx::astype(made[i], results[i].dtype(), a.primitive().stream());
      found.insert({results[i].id(), {out, of[i]}});
    }
  }
  List out;
  for (size_t i = 0; i < outputs.size(); i++) {
    const auto at = found.find(outputs[i].id());
    const bool batched = at != found.end() && at->second.second >= 0;
    if (batched) {
      const auto& [a, axis] = at->second;
      out.push_back(axis == out_axes[i] ? a : mx::moveaxis(a, axis, out_axes[i]));
    } else {
      const auto& a = at != found.end() ? at->second.first : outputs[i];
      out.push_back(mx::repeat(mx::expand_dims(a, out_axes[i]), size, out_axes[i]));
    }
  }
  return out;
}

} // namespace

} // namespace mlxrs

extern "C" int mlxrs_value_and_grad(mlx_vector_array* values,
                                    mlx_vector_array* grads,
                                    const mlx_closure f,
                                    const mlx_vector_array inputs,
                                    const int* argnums,
                                    size_t count) {
  return mlxrs::guarded("transforms.cpp", [&] {
    const auto& all = mlxrs::list(inputs);
    const std::vector<int> numbers(argnums, argnums + count);
    if (numbers.empty() || numbers.front() < 0 || numbers.back() >= static_cast<int>(all.size())) {
      throw std::invalid_argument("[grad] Invalid argument number for function with " + std::to_string(all.size()) +
                                  " inputs.");
    }
    const auto& call = mlxrs::function(f);
    auto first = [&call](const mlxrs::List& x) {
      auto out = call(x);
      for (size_t i = 1; i < out.size(); i++) {
        out[i] = mlx::core::stop_gradient(out[i], mlxrs::stream_of(out[i]));
      }
      return out;
    };
    auto [out, by] = mlxrs::vjp(first, all, {mlx::core::array(1.0f)}, numbers);
    mlxrs::give(values, std::move(out));
    mlxrs::give(grads, std::move(by));
  });
}

extern "C" int mlxrs_vjp(mlx_vector_array* values,
                         mlx_vector_array* grads,
                         const mlx_closure f,
                         const mlx_vector_array primals,
                         const mlx_vector_array cotangents) {
  return mlxrs::guarded("transforms.cpp", [&] {
    const auto& all = mlxrs::list(primals);
    auto [out, by] = mlxrs::vjp(mlxrs::function(f), all, mlxrs::list(cotangents), mlxrs::all_numbers(all.size()));
    mlxrs::give(values, std::move(out));
    mlxrs::give(grads, std::move(by));
  });
}

extern "C" int mlxrs_jvp(mlx_vector_array* values,
                         mlx_vector_array* changes,
                         const mlx_closure f,
                         const mlx_vector_array primals,
                         const mlx_vector_array tangents) {
  return mlxrs::guarded("transforms.cpp", [&] {
    auto [out, by] = mlxrs::jvp(mlxrs::function(f), mlxrs::list(primals), mlxrs::list(tangents));
    mlxrs::give(values, std::move(out));
    mlxrs::give(changes, std::move(by));
  });
}

extern "C" int mlxrs_vmap_replace(mlx_vector_array* res,
                                  const mlx_vector_array inputs,
                                  const mlx_vector_array traced,
                                  const mlx_vector_array outputs,
                                  const int* in_axes,
                                  const int* out_axes) {
  return mlxrs::guarded("transforms.cpp", [&] {
    const auto& in = mlxrs::list(inputs);
    const auto& out = mlxrs::list(outputs);
    mlxrs::give(res, mlxrs::vmap_replace(in, mlxrs::list(traced), out, {in_axes, in_axes + in.size()},
                                         {out_axes, out_axes + out.size()}));
  });
}

extern "C" int mlxrs_checkpoint(mlx_closure* res, const mlx_closure f) {
  return mlxrs::guarded("transforms.cpp", [&] {
    const auto call = mlxrs::function(f);
    auto backward = [call](const mlxrs::List& primals, const mlxrs::List& cotangents, const mlxrs::List& outputs) {
      const auto after = mlx::core::depends(primals, outputs);
      return mlxrs::vjp(call, after, cotangents, mlxrs::all_numbers(after.size())).second;
    };
    mlxrs::Function made = mlx::core::custom_vjp(call, backward);
    if (res->ctx) {
      *static_cast<mlxrs::Function*>(res->ctx) = std::move(made);
    } else {
      res->ctx = new mlxrs::Function(std::move(made));
    }
  });
}
