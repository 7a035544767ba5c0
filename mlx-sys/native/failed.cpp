// Arrays that could not be computed; see mlx_rs_failed.h.

#include "mlx_rs_failed.h"

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "capi.h"
#include "graph_guard.h"
#include "mlx/mlx.h"
#include "mlx/primitives.h"

namespace mlxrs {

namespace mx = mlx::core;
using mx::array;

namespace {

class Failed : public mx::Primitive {
 public:
  Failed(mx::Stream stream, std::string message) : mx::Primitive(stream), message_(std::move(message)) {}

  void eval_cpu(const List&, List&) override {
    throw std::runtime_error(message_);
  }
  void eval_gpu(const List&, List&) override {
    throw std::runtime_error(message_);
  }
  const char* name() const override {
    return "Failed";
  }

 private:
  std::string message_;
};

// Runs `compute`; if it throws, those of `arrays` that were not computed before fail from then on.
void guarding(const List& arrays, const std::function<void()>& compute) {
  List pending;
  for (const auto& a : arrays) {
    if (!a.is_available()) {
      pending.push_back(a);
    }
  }
  const auto fail = [&](const char* why) {
    const auto s = mx::default_stream(mx::default_device());
    for (auto& a : pending) {
      if (a.status() == array::Status::unscheduled) {
        // Nothing was queued: it may be computed yet, on another thread or with more memory.
        continue;
      }
      a.primitive_ptr() = std::make_shared<Failed>(s, why);
      a.inputs().clear();
      a.set_status(array::Status::unscheduled);
    }
  };
  const List held = held_while_read(arrays);
  try {
    compute();
  } catch (const std::exception& e) {
    fail(e.what());
    throw;
  } catch (...) {
    fail("unknown exception");
    throw;
  }
}

} // namespace

} // namespace mlxrs

extern "C" int mlxrs_eval(const mlx_vector_array arrays) {
  return mlxrs::guarded("failed.cpp", [&] {
    const auto& all = mlxrs::list(arrays);
    mlxrs::guarding(all, [&] { mlx::core::eval(all); });
  });
}

extern "C" int mlxrs_async_eval(const mlx_vector_array arrays) {
  return mlxrs::guarded("failed.cpp", [&] {
    const auto& all = mlxrs::list(arrays);
    const auto held = mlxrs::held_while_read(all);
    mlx::core::async_eval(all);
  });
}

extern "C" int mlxrs_array_eval(const mlx_array a) {
  return mlxrs::guarded("failed.cpp", [&] {
    if (!a.ctx) {
      throw std::runtime_error("expected a non-empty mlx_array");
    }
    auto& one = *static_cast<mlx::core::array*>(a.ctx);
    if (!one.is_available()) {
      mlxrs::guarding({one}, [&] { one.eval(); });
    }
  });
}
