// A replay of MLX's evaluation (mlx/transforms.cpp, mlx/backend/cpu/eval.cpp): the same order and the same rules for
// allocating, sharing and freeing, on arrays without data.
//
// The graph is copied. The copies carry MLX's own reference counts, so an input that MLX would
// reuse is reused here, and operations that only view their input compute their strides themselves.

#include "memory/mlx_rs_simulator.h"

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <functional>
#include <memory>
#include <stack>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "compat/capi.h"
#include "graph/graph_guard.h"
#include "graph/primitive_names.h"
#include "mlx/mlx.h"
#include "mlx/primitives.h"
#include "memory/planner.h"
#include "memory/placement.h"

namespace mlxrs {

namespace mx = mlx::core;
using mx::array;

Planner*& Planner::current() {
  static thread_local Planner* planner = nullptr;
  return planner;
}

namespace {

using Block = std::shared_ptr<array::Data>;

// The number of bytes by which a reused buffer may exceed the output (mlx/backend/common/utils.h).
constexpr size_t donation_extra = 16384;

// The root of a graph, which depends on all outputs.
class Root : public mx::Primitive {
 public:
  using mx::Primitive::Primitive;
  void eval_cpu(const std::vector<array>&, std::vector<array>&) override {}
  void eval_gpu(const std::vector<array>&, std::vector<array>&) override {}
  const char* name() const override {
    return "Root";
  }
};

// The number of operations that MLX visits side by side (mlx/utils.h).
int width() {
  const char* text = std::getenv("MLX_BFS_MAX_WIDTH");
  return text ? std::atoi(text) : 20;
}

class Replay : public Planner {
 public:
  Replay(mlxrs_queue queue, uint64_t limit) : may_queue_(queue), limit_(limit) {}

  mlxrs_replay run(const std::vector<array>& outputs) {
    std::vector<array> roots = copy(outputs);
    eval(roots);
    // Buffers in the queue are freed once it has run.
    queue_.clear();
    result_.kept = active_;
    return result_;
  }

  void output(array& a) override {
    allocate(a, a.nbytes());
  }

  void temporary(size_t bytes) override {
    temporaries_.push_back(block(bytes));
  }

  void dispatch() override {
    dispatched_++;
    result_.kernels++;
  }

 private:
  // Memory that counts until nothing holds it. The block itself is empty: MLX's allocators free a
  // null buffer without complaint, and nothing reads it.
  array::Data* counted(size_t bytes) {
    active_ += bytes;
    now_ += bytes;
    result_.peak = std::max<uint64_t>(result_.peak, active_);
    return nullptr;
  }

  mx::Deleter deleter(size_t bytes) {
    return [this, bytes](mx::allocator::Buffer) { active_ -= bytes; };
  }

  Block block(size_t bytes) {
    counted(bytes);
    return std::make_shared<array::Data>(mx::allocator::Buffer(nullptr), deleter(bytes));
  }

  // Row-major memory.
  void allocate(array& a, size_t bytes) {
    counted(bytes);
    a.set_data(mx::allocator::Buffer(nullptr), deleter(bytes));
    sizes_[a.data_shared_ptr().get()] = bytes;
  }

  // Memory laid out as another array's.
  void allocate_like(array& a, const array& like) {
    const size_t bytes = like.data_size() * a.itemsize();
    counted(bytes);
    a.set_data(mx::allocator::Buffer(nullptr), like.data_size(), like.strides(), like.flags(), 0,
               deleter(bytes));
    sizes_[a.data_shared_ptr().get()] = bytes;
  }

  size_t size_of(const array& a) const {
    auto it = sizes_.find(a.data_shared_ptr().get());
    return it == sizes_.end() ? 0 : it->second;
  }

  bool donatable(const array& in, const array& out) const {
    return in.is_donatable() && in.itemsize() == out.itemsize() &&
        size_of(in) <= out.nbytes() + donation_extra;
  }

  // The graph again, without data, and the arrays that stand for `outputs`.
  std::vector<array> copy(const std::vector<array>& outputs) {
    std::unordered_map<std::uintptr_t, array> copies;
    std::unordered_map<const array::Data*, array> owners;
    auto pending = [](const array& a) {
      return a.status() == array::Status::unscheduled && a.has_primitive();
    };
    auto leaf = [&](const array& a) {
      array made(a.shape(), a.dtype(), nullptr, {});
      const auto* data = a.data_shared_ptr().get();
      auto it = owners.find(data);
      if (it == owners.end()) {
        array owner({0}, mx::uint8, nullptr, {});
        owner.set_data(mx::allocator::Buffer(nullptr), [](mx::allocator::Buffer) {});
        it = owners.emplace(data, owner).first;
        kept_.push_back(owner);
      }
      made.copy_shared_buffer(it->second, a.strides(), a.flags(), a.data_size());
      made.set_status(array::Status::available);
      return made;
    };
    std::stack<std::pair<array, size_t>> todo;
    auto visit = [&](const array& a) {
      if (copies.count(a.id())) {
        return;
      }
      if (!pending(a)) {
        copies.emplace(a.id(), leaf(a));
        return;
      }
      todo.emplace(a, 0);
    };
    for (const auto& root : outputs) {
      visit(root);
      while (!todo.empty()) {
        auto& [a, next] = todo.top();
        if (copies.count(a.id())) {
          todo.pop();
          continue;
        }
        if (next < a.inputs().size()) {
          const array in = a.inputs()[next++];
          visit(in);
          continue;
        }
        std::vector<array> inputs;
        for (const auto& in : a.inputs()) {
          inputs.push_back(copies.at(in.id()));
        }
        const auto all = a.outputs();
        const auto made = again(a, std::move(inputs));
        for (size_t i = 0; i < all.size(); i++) {
          copies.emplace(all[i].id(), made[i]);
        }
        todo.pop();
      }
    }
    std::vector<array> roots;
    for (const auto& a : outputs) {
      roots.push_back(copies.at(a.id()));
    }
    return roots;
  }

  // mlx::core::eval_impl: the order.
  void eval(const std::vector<array>& outputs) {
    array root({}, mx::bool_, std::make_shared<Root>(mx::default_stream(mx::default_device())),
               outputs);
    std::unordered_map<std::uintptr_t, int> degrees;
    {
      std::stack<std::pair<std::reference_wrapper<array>, int>> dfs;
      dfs.emplace(root, 0);
      while (!dfs.empty()) {
        auto& [a_ref, idx] = dfs.top();
        auto& a = a_ref.get();
        if (idx < static_cast<int>(a.inputs().size())) {
          auto& in = a.inputs()[idx++];
          auto it = degrees.find(in.id());
          if (it == degrees.end()) {
            dfs.emplace(in, 0);
            degrees.insert({in.id(), 1});
            for (auto& s : in.siblings()) {
              degrees.insert({s.id(), 1});
            }
          } else {
            it->second++;
            for (auto& s : in.siblings()) {
              degrees[s.id()]++;
            }
          }
          continue;
        }
        dfs.pop();
      }
    }
    std::deque<array> tape;
    {
      const int max_width = width();
      std::stack<std::pair<std::reference_wrapper<array>, int>> dfs;
      tape.push_back(root);
      for (size_t i = 0; !degrees.empty() && (i < tape.size() || !dfs.empty());) {
        auto& a = (i >= tape.size()) ? dfs.top().first.get() : tape[i];
        int j = 0;
        if (i >= tape.size()) {
          j = dfs.top().second;
          dfs.pop();
        } else {
          i++;
        }
        for (; j < static_cast<int>(a.inputs().size()); ++j) {
          auto& in = a.inputs()[j];
          if (in.status() != array::Status::unscheduled) {
            continue;
          }
          if (static_cast<int>(tape.size() - i) >= max_width) {
            dfs.emplace(a, j);
            break;
          }
          auto it = degrees.find(in.id());
          it->second -= 1;
          if (it->second != 0) {
            for (auto& s : in.siblings()) {
              degrees[s.id()] -= 1;
            }
            continue;
          }
          degrees.erase(it);
          for (auto& s : in.siblings()) {
            degrees.erase(s.id());
          }
          tape.push_back(in);
        }
      }
    }
    // The tape is of copies.
    const DetachAtOnce detach;
    while (!tape.empty()) {
      auto arr = std::move(tape.back());
      tape.pop_back();
      one(arr);
      arr.set_status(array::Status::evaluated);
      for (auto& s : arr.siblings()) {
        s.set_status(array::Status::evaluated);
      }
      arr.detach();
    }
  }

  // mlx::core::cpu::eval: one operation, and the buffers that its work holds until it has run.
  void one(array& arr) {
    now_ = 0;
    auto outputs = arr.outputs();
    if (std::string_view(arr.primitive().name()) != "Root") {
      result_.operations++;
      evaluate(arr, arr.inputs(), outputs);
    }
    result_.largest = std::max<uint64_t>(result_.largest, now_);
    std::unordered_set<Block> held;
    for (auto& in : arr.inputs()) {
      held.insert(in.data_shared_ptr());
    }
    for (auto& s : arr.siblings()) {
      held.insert(s.data_shared_ptr());
    }
    held.erase(arr.data_shared_ptr());
    // The work's own pieces, and on a CPU the one that releases its inputs.
    dispatched_ += may_queue_.releases ? 1 : 0;
    end_large_task(arr);
    queue_.push_back({dispatched_, {held.begin(), held.end()}, std::move(temporaries_)});
    temporaries_.clear();
    held.clear();
    outputs.clear();
    // MLX counts whole tasks. The end of a task is not known here, so the worst case counts: all pieces but one of
    // another task wait as well.
    const size_t each = may_queue_.pieces;
    // A GPU's task counts as done shortly before its inputs are freed.
    const size_t rest = may_queue_.tasks == 0 ? 0 : each - 1 + (may_queue_.releases ? 0 : each);
    const size_t most = may_queue_.tasks * each + rest;
    finish(dispatched_ - std::min(dispatched_, most));
    // Above the limit MLX waits for one task after the other until memory is free or none is left.
    for (size_t task = may_queue_.tasks; active_ > limit_ && task > 0; task--) {
      finish(dispatched_ - std::min(dispatched_, (task - 1) * each + rest));
    }
  }

  // A task whose arrays are large ends early: its missing pieces count as queued with it.
  void end_large_task(const array& arr) {
    const size_t each = may_queue_.pieces;
    if (each == 0 || may_queue_.elements == UINT64_MAX) {
      return;
    }
    if (dispatched_ / each != task_) {
      task_ = dispatched_ / each;
      task_arrays_.clear();
      task_elements_ = 0;
    }
    auto add = [&](const array& a) {
      if (task_arrays_.insert(a.data_shared_ptr().get()).second) {
        task_elements_ += a.data_size();
      }
    };
    for (const auto& in : arr.inputs()) {
      add(in);
    }
    for (const auto& out : arr.outputs()) {
      add(out);
    }
    if (task_elements_ > may_queue_.elements) {
      dispatched_ += each - dispatched_ % each;
    }
  }

  // The queue has run that many pieces of work.
  void finish(size_t pieces) {
    while (!queue_.empty() && queue_.front().at <= pieces) {
      queue_.pop_front();
    }
  }

  void evaluate(array& arr, const std::vector<array>& in, std::vector<array>& out) {
    const std::string_view name = arr.primitive().name();
    if (begins(name, "Fused")) {
      Planner*& current = Planner::current();
      current = this;
      try {
        arr.primitive().eval_cpu(in, out);
      } catch (...) {
        current = nullptr;
        throw;
      }
      current = nullptr;
      return;
    }
    if (views().count(name) && out[0].size() > 0) {
      arr.primitive().eval_cpu(in, out);
      return;
    }
    array& a = out[0];
    if (name == MLXRS_NAME(Reshape) || name == MLXRS_NAME(Flatten) || name == MLXRS_NAME(Unflatten)) {
      return reshape(in[0], a);
    }
    if (name == MLXRS_NAME(Concatenate)) {
      output(a);
      for (size_t i = 0; i < in.size(); i++) {
        dispatch();
      }
      return;
    }
    if (name == MLXRS_NAME(Contiguous)) {
      if (in[0].flags().row_contiguous && size_of(in[0]) <= a.nbytes() + donation_extra) {
        a.copy_shared_buffer(in[0]);
        return;
      }
      output(a);
    } else if (unary().count(name) && in.size() == 1) {
      like_or_new(in[0], a);
    } else if (binary().count(name) && in.size() == 2) {
      combine(in[0], in[1], a);
    } else if (name == MLXRS_NAME(Select)) {
      select(in, a);
    } else if (name == MLXRS_NAME(Softmax) || begins(name, named<mx::Scan>("Cum"))) {
      rows(in[0], a);
    } else if (name == MLXRS_NAME(Matmul) || name == MLXRS_NAME(AddMM)) {
      output(a);
      for (int i = 0; i < 2; i++) {
        product_input(in[i]);
      }
      if (name == MLXRS_NAME(AddMM)) {
        dispatch();
      }
    } else if (begins(name, MLXRS_NAME(Scatter)) || begins(name, MLXRS_NAME(SliceUpdate)) ||
               begins(name, MLXRS_NAME(DynamicSliceUpdate))) {
      if (in[0].flags().contiguous && in[0].size() == in[0].data_size() && donatable(in[0], a)) {
        a.copy_shared_buffer(in[0]);
      } else {
        output(a);
        dispatch();
      }
    } else {
      for (auto& o : out) {
        output(o);
      }
      if (name == MLXRS_NAME(QuantizedMatmul) || name == MLXRS_NAME(GatherQMM) ||
          name == MLXRS_NAME(LogSumExp)) {
        for (const auto& i : in) {
          if (!i.flags().row_contiguous) {
            temporary(i.nbytes());
            dispatch();
          }
        }
      }
    }
    dispatch();
  }

  // set_unary_output_data
  void like_or_new(const array& in, array& out) {
    if (!in.flags().contiguous) {
      output(out);
    } else if (donatable(in, out)) {
      out.copy_shared_buffer(in);
    } else {
      allocate_like(out, in);
    }
  }

  // set_binary_op_output_data
  void combine(const array& a, const array& b, array& out) {
    const bool one_a = a.data_size() == 1, one_b = b.data_size() == 1;
    if (one_a && one_b) {
      counted(out.itemsize());
      out.set_data(mx::allocator::Buffer(nullptr), 1, a.strides(), a.flags(), 0,
                   deleter(out.itemsize()));
    } else if (one_a && b.flags().contiguous) {
      like_or_new(b, out);
    } else if (one_b && a.flags().contiguous) {
      like_or_new(a, out);
    } else if ((a.flags().row_contiguous && b.flags().row_contiguous) ||
               (a.flags().col_contiguous && b.flags().col_contiguous)) {
      like_or_new(!donatable(a, out) && donatable(b, out) ? b : a, out);
    } else if (a.flags().row_contiguous && a.size() == out.size() && donatable(a, out)) {
      out.copy_shared_buffer(a);
    } else if (b.flags().row_contiguous && b.size() == out.size() && donatable(b, out)) {
      out.copy_shared_buffer(b);
    } else {
      output(out);
    }
  }

  void select(const std::vector<array>& in, array& out) {
    for (const auto& i : in) {
      if (i.flags().row_contiguous && i.size() == out.size() && donatable(i, out)) {
        out.copy_shared_buffer(i);
        return;
      }
    }
    output(out);
  }

  // Operations over the last axis that work in place.
  void rows(const array& in, array& out) {
    if (!in.flags().contiguous || in.ndim() == 0 || in.strides()[in.ndim() - 1] != 1) {
      dispatch();
      output(out);
    } else if (in.is_donatable()) {
      out.copy_shared_buffer(in);
    } else {
      allocate_like(out, in);
    }
  }

  // The BLAS reads rows or columns; anything else is copied.
  void product_input(const array& in) {
    if (in.ndim() < 2) {
      return;
    }
    const auto rows = in.strides()[in.ndim() - 2], columns = in.strides()[in.ndim() - 1];
    const bool plain = rows == in.shape(-1) && columns == 1;
    const bool turned = rows == 1 && columns == in.shape(-2);
    if (!plain && !turned) {
      temporary(in.nbytes());
      dispatch();
    }
  }

  // prepare_reshape and shared_buffer_reshape (mlx/backend/common/common.cpp)
  void reshape(const array& in, array& out) {
    mx::Strides strides;
    if (in.size() == 0 || in.flags().row_contiguous) {
      strides = out.strides();
    } else if (in.ndim() == 0) {
      strides = mx::Strides(out.ndim(), 0);
    } else {
      auto [shape, from] = collapsed(in);
      size_t j = 0;
      for (size_t i = 0; i < out.ndim(); i++) {
        const int n = out.shape(i);
        if (j < shape.size() && n > 0 && shape[j] % n == 0) {
          shape[j] /= n;
          strides.push_back(shape[j] * from[j]);
          j += shape[j] == 1;
        } else if (n == 1 && !strides.empty()) {
          strides.push_back(strides.back());
        } else {
          output(out);
          dispatch();
          return;
        }
      }
    }
    auto flags = in.flags();
    if (flags.row_contiguous) {
      const auto max = std::max_element(out.shape().begin(), out.shape().end());
      flags.col_contiguous =
          out.size() <= 1 || out.size() == static_cast<size_t>(*max);
    }
    out.copy_shared_buffer(in, strides, flags, in.data_size());
  }

  // collapse_contiguous_dims (mlx/backend/common/utils.cpp)
  static std::pair<mx::Shape, mx::Strides> collapsed(const array& a) {
    mx::Shape shape{a.shape(0)};
    mx::Strides strides{a.strides()[0]};
    for (size_t i = 1; i < a.ndim(); i++) {
      if (a.shape(i) == 1) {
        continue;
      }
      if (a.strides()[i] * a.shape(i) != strides.back()) {
        shape.push_back(a.shape(i));
        strides.push_back(a.strides()[i]);
      } else {
        shape.back() *= a.shape(i);
        strides.back() = a.strides()[i];
      }
    }
    return {shape, strides};
  }

  struct Work {
    // The number of pieces of work up to and with this one.
    size_t at;
    std::vector<Block> read;
    std::vector<Block> temporaries;
  };

  mlxrs_queue may_queue_;
  uint64_t limit_;
  mlxrs_replay result_{};
  // Declared before its users, so that it outlives them.
  size_t active_ = 0;
  size_t now_ = 0;
  size_t dispatched_ = 0;
  size_t task_ = 0;
  uint64_t task_elements_ = 0;
  std::unordered_set<const array::Data*> task_arrays_;
  std::unordered_map<const array::Data*, size_t> sizes_;
  std::vector<Block> temporaries_;
  std::deque<Work> queue_;
  // Stand-ins for memory that was there before; held so that it is never reused.
  std::vector<array> kept_;
};

} // namespace

} // namespace mlxrs

extern "C" int mlxrs_replay_eval(mlxrs_replay* res,
                                 const mlx_vector_array outputs,
                                 mlxrs_queue queue,
                                 uint64_t limit) {
  return mlxrs::guarded("simulator.cpp", [&] {
    *res = mlxrs::Replay(queue, limit).run(mlxrs::list(outputs));
  });
}
