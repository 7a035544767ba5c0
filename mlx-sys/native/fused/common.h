// The helpers of the fused primitives: checks, memory and scheduling.
#pragma once

#include <initializer_list>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "fused/fused.h"
#include "mlx/backend/cpu/encoder.h"
#include "mlx/primitives.h"
#include "memory/planner.h"

namespace mlxrs {

// A primitive without an implementation on the GPU.
class CpuPrimitive : public mx::Primitive {
 public:
  using mx::Primitive::Primitive;
  void eval_gpu(const std::vector<array>&, std::vector<array>&) override;
};

// A fused primitive with the name `Self::NAME`. MLX takes two of them for one if their options are equal.
template <typename Self, typename Options = std::tuple<>>
class Fused : public CpuPrimitive {
 public:
  explicit Fused(mx::Stream stream, Options options = {})
      : CpuPrimitive(stream), options_(std::move(options)) {}

  const char* name() const override {
    return Self::NAME;
  }
  bool is_equivalent(const mx::Primitive& other) const override {
    return options_ == static_cast<const Fused&>(other).options_;
  }

 protected:
  const Options options_;
};

// One evaluation of a primitive: its memory, and the work for the stream's thread.
//
// Memory is allocated before the work is queued, so that a failure is an exception on the thread that evaluates. (MLX
// reports an exception of the work itself to the thread that waits for the stream.)
class Evaluation {
 public:
  explicit Evaluation(const mx::Stream& stream)
      : planner_(Planner::current()),
        encoder_(planner_ ? nullptr : &mx::cpu::get_command_encoder(stream)) {}

  // The elements of an input in row-major order: its own, or a copy if they lie otherwise.
  template <typename T = float>
  const T* input(const array& a) {
    if (planner_) {
      plan_input(a);
      return nullptr;
    }
    return dense(a).template data<T>();
  }

  // Memory for an output.
  float* output(array& a);

  // Memory for an output of any type; null while the evaluation is only replayed.
  char* bytes(array& a);

  // Memory of rows * columns floats until the work is done.
  float* scratch(int rows, int columns);

  // Queues the work.
  template <typename F>
  void run(F&& work) {
    if (planner_) {
      planner_->dispatch();
      return;
    }
    encoder_->dispatch(std::forward<F>(work));
  }

 private:
  array dense(const array& a);
  void plan_input(const array& a);

  // Not null while the evaluation is only replayed: nothing has data then.
  Planner* planner_;
  mx::cpu::CommandEncoder* encoder_;
};

// Checks; `op` is the operation's name and `name` the input's.
[[noreturn]] void refuse(const char* op, const std::string& message);
void require_cpu(const char* op, const mx::Stream& stream);
void require_float32(const char* op, const char* name, const array& a);
// The array as float32, to which MLX promotes half types beside a float32; refuses other types.
array float32_of(const char* op, const char* name, const array& a, mx::Stream stream);
// At least one axis, no axis of size 0, rows that can be counted in an int.
void require_rows(const char* op, const char* name, const array& a);
void require_shape(const char* op, const char* name, const array& a, const mx::Shape& shape);

// The shape without its last axis.
mx::Shape leading(mx::Shape shape);

// The number of rows of an array, if a row is the last axis.
int row_count(const array& a);

// The outputs of one primitive: a gradient for each distinct input that one is asked for.
class Wanted {
 public:
  // `differentiable` lists the inputs that have a gradient, ascending.
  Wanted(const std::vector<int>& argnums, std::initializer_list<int> differentiable);

  // Returns true if the gradient of input `i` is asked for; `index` returns its place among the outputs.
  bool has(int i) const {
    return index(i) >= 0;
  }
  int index(int i) const;

  const std::vector<int>& inputs() const {
    return inputs_;
  }
  bool operator==(const Wanted&) const = default;

 private:
  std::vector<int> inputs_;
};

} // namespace mlxrs
