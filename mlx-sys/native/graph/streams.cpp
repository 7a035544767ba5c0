// Moves graphs between streams; see mlx_rs_streams.h.

#include "graph/mlx_rs_streams.h"

#include <cstdint>
#include <stdexcept>
#include <unordered_set>
#include <utility>

#include "compat/capi.h"
#include "mlx/primitives.h"
#include "mlx/stream.h"

extern "C" int mlxrs_run_on(const mlx_vector_array outputs, const mlx_vector_array inputs, const mlx_stream stream) {
  using namespace mlxrs;
  namespace mx = mlx::core;
  return guarded("streams.cpp", [&] {
    if (!stream.ctx) {
      throw std::runtime_error("expected a non-empty mlx_stream");
    }
    const auto here = *static_cast<const mx::Stream*>(stream.ctx);
    std::unordered_set<std::uintptr_t> seen;
    for (const auto& a : list(inputs)) {
      seen.insert(a.id());
    }
    List left = list(outputs);
    while (!left.empty()) {
      const mx::array a = std::move(left.back());
      left.pop_back();
      if (!a.has_primitive() || a.status() != mx::array::Status::unscheduled || !seen.insert(a.id()).second) {
        continue;
      }
      const auto& now = a.primitive().stream();
      const auto there = now.device == here.device ? here : mx::default_stream(now.device);
      if (now != there) {
        // A private member that is not constant.
        const_cast<mx::Stream&>(now) = there;
      }
      left.insert(left.end(), a.inputs().begin(), a.inputs().end());
    }
  });
}
