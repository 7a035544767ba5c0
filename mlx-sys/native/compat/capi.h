// MLX C's conventions for our C functions: handles hold C++ objects, and errors go to its handler.
#pragma once

#include <exception>
#include <stdexcept>
#include <utility>
#include <vector>

#include "mlx/array.h"
#include "mlx/c/error.h"
#include "mlx/c/vector.h"

namespace mlxrs {

// Runs `f`, and turns an exception into MLX C's error. No exception reaches a caller in C.
template <typename F>
int guarded(const char* file, F&& f) {
  try {
    f();
    return 0;
  } catch (const std::exception& e) {
    _mlx_error(file, __LINE__, "%s", e.what());
  } catch (...) {
    _mlx_error(file, __LINE__, "%s", "unknown exception");
  }
  return 1;
}

using List = std::vector<mlx::core::array>;

inline const List& list(const mlx_vector_array handle) {
  if (!handle.ctx) {
    throw std::runtime_error("expected a non-empty mlx_vector_array");
  }
  return *static_cast<const List*>(handle.ctx);
}

// A null destination is filled, any other overwritten.
inline void give(mlx_vector_array* out, List value) {
  if (out->ctx) {
    *static_cast<List*>(out->ctx) = std::move(value);
  } else {
    out->ctx = new List(std::move(value));
  }
}

// The operation of `a` on other inputs: its outputs, in the order of `a.outputs()`.
inline List again(const mlx::core::array& a, List inputs) {
  using mlx::core::array;
  const auto outputs = a.outputs();
  if (outputs.size() == 1) {
    return {array(a.shape(), a.dtype(), a.primitive_ptr(), std::move(inputs))};
  }
  std::vector<mlx::core::Shape> shapes;
  std::vector<mlx::core::Dtype> dtypes;
  for (const auto& o : outputs) {
    shapes.push_back(o.shape());
    dtypes.push_back(o.dtype());
  }
  return array::make_arrays(std::move(shapes), dtypes, a.primitive_ptr(), inputs);
}

} // namespace mlxrs
