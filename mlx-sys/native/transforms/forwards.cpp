// Copies of arrays with negative strides; see forwards.h.

#include "transforms/forwards.h"

#include <algorithm>
#include <string_view>

#include "compat/capi.h"
#include "graph/primitive_names.h"
#include "mlx/mlx.h"
#include "mlx/primitives.h"
#include "transforms/mlx_rs_forwards.h"

namespace mlxrs {

namespace mx = mlx::core;
using mx::array;

namespace {

bool negative(const auto& strides) {
  return std::any_of(strides.begin(), strides.end(), [](auto n) { return n < 0; });
}

// Operations with a result that is a view of their first input.
bool is_view(std::string_view name) {
  constexpr std::string_view views[] = {
      MLXRS_NAME(Broadcast), MLXRS_NAME(BroadcastAxes), MLXRS_NAME(Copy), MLXRS_NAME(DynamicSlice),
      MLXRS_NAME(ExpandDims), MLXRS_NAME(Flatten), MLXRS_NAME(Reshape), MLXRS_NAME(Split), MLXRS_NAME(Squeeze),
      MLXRS_NAME(StopGradient), MLXRS_NAME(Transpose), MLXRS_NAME(Unflatten)};
  return std::find(std::begin(views), std::end(views), name) != std::end(views) || name.starts_with("View ");
}

bool can_run_backwards(const array& given) {
  for (array a = given;;) {
    if (a.is_available()) {
      return negative(a.strides());
    }
    if (!a.has_primitive()) {
      // An argument of a function that is recorded.
      return true;
    }
    auto& p = a.primitive();
    const std::string_view name = p.name();
    if (name == MLXRS_NAME(Slice)) {
      if (negative(std::get<2>(static_cast<mx::Slice&>(p).state()))) {
        return true;
      }
    } else if (name == MLXRS_NAME(AsStrided)) {
      return negative(std::get<1>(static_cast<mx::AsStrided&>(p).state()));
    } else if (name == MLXRS_NAME(CustomTransforms) || name == MLXRS_NAME(Depends)) {
      // Each output is a view of another input.
      return true;
    } else if (!is_view(name)) {
      return false;
    }
    // A copy first: the assignment may free the node that holds its inputs.
    const array next = a.inputs()[0];
    a = next;
  }
}

} // namespace

array forwards(const array& a, mx::StreamOrDevice s) {
  return can_run_backwards(a) ? mx::contiguous(a, false, s) : a;
}

} // namespace mlxrs

extern "C" int mlxrs_forwards(mlx_array* res, const mlx_array a, const mlx_stream s) {
  return mlxrs::guarded("forwards.cpp", [&] {
    const auto& stream = *static_cast<mlx::core::Stream*>(s.ctx);
    auto found = mlxrs::forwards(*static_cast<mlx::core::array*>(a.ctx), stream);
    if (res->ctx) {
      *static_cast<mlx::core::array*>(res->ctx) = std::move(found);
    } else {
      res->ctx = new mlx::core::array(std::move(found));
    }
  });
}
