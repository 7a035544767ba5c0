// Generated kernels as a primitive; see mlx_rs_rows.h.

#include "rows/mlx_rs_rows.h"

#include <atomic>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "blas/cpu_pool.h"
#include "compat/capi.h"
#include "fused/common.h"
#include "fused/kernels.h"
#include "mlx/mlx.h"
#include "mlx/transforms.h"

namespace mlxrs {

namespace {

using Function = std::function<List(const List&)>;

// An empty function for an empty handle.
Function function(const mlx_closure handle) {
  return handle.ctx ? *static_cast<const Function*>(handle.ctx) : Function();
}

const Function& recorded(const Function& f) {
  if (!f) {
    throw std::runtime_error("[mlx_kernel] This value was recorded outside of the transform.");
  }
  return f;
}

// The Rust side of a call.
struct Work {
  Work(const mlxrs_rows& call)
      : name(call.name), payload(call.payload), free(call.free), run(call.run), parts(call.parts) {}
  ~Work() {
    free(payload);
  }
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;

  void all(const std::vector<const void*>& inputs, const std::vector<void*>& outputs) const {
    std::atomic<bool> failed{false};
    auto part = [&](int i) {
      if (run(payload, inputs.data(), outputs.data(), i) != 0) {
        failed = true;
      }
    };
#ifdef MLXRS_OPENBLAS
    parallel(parts, part);
#else
    for (int i = 0; i < parts; i++) {
      part(i);
    }
#endif
    if (failed) {
      throw std::runtime_error("kernel " + name + " failed");
    }
  }

  const std::string name;
  void* const payload;
  void (*const free)(void*);
  int (*const run)(void*, const void* const*, void* const*, int);
  const int parts;
};

class Rows : public CpuPrimitive {
 public:
  Rows(mx::Stream s, std::shared_ptr<Work> work, Function composed, Function backward)
      : CpuPrimitive(s), work_(std::move(work)), composed_(std::move(composed)), backward_(std::move(backward)) {}

  const char* name() const override {
    return "Rows";
  }

  void eval_cpu(const List& in, List& out) override {
    Evaluation e(stream());
    std::vector<const void*> inputs;
    std::vector<void*> outputs;
    for (const auto& a : in) {
      inputs.push_back(e.input<char>(a));
    }
    for (auto& a : out) {
      outputs.push_back(e.bytes(a));
    }
    e.run([work = work_, inputs = std::move(inputs), outputs = std::move(outputs)] { work->all(inputs, outputs); });
  }

  List vjp(const List& in, const List& cotangents, const std::vector<int>& argnums, const List& out) override {
    List all = in;
    all.insert(all.end(), cotangents.begin(), cotangents.end());
    all.insert(all.end(), out.begin(), out.end());
    const List grads = recorded(backward_)(all);
    List asked;
    for (int i : argnums) {
      asked.push_back(grads.at(i));
    }
    return asked;
  }

  List jvp(const List& in, const List& tangents, const std::vector<int>& argnums) override {
    List moved;
    for (int i : argnums) {
      moved.push_back(in[i]);
    }
    auto f = [this, &in, &argnums](const List& given) {
      List all = in;
      for (size_t i = 0; i < argnums.size(); i++) {
        all[argnums[i]] = given[i];
      }
      return recorded(composed_)(all);
    };
    return mx::jvp(Function(f), moved, tangents).second;
  }

  std::pair<List, std::vector<int>> vmap(const List& in, const std::vector<int>& axes) override {
    auto out = mx::vmap(recorded(composed_), axes)(in);
    std::vector<int> zeros(out.size(), 0);
    return {std::move(out), std::move(zeros)};
  }

 private:
  std::shared_ptr<Work> work_;
  Function composed_;
  Function backward_;
};

} // namespace

} // namespace mlxrs

extern "C" int mlxrs_rows_apply(mlx_vector_array* res,
                                const mlx_vector_array inputs,
                                const mlxrs_rows* call,
                                const mlx_closure composed,
                                const mlx_closure backward,
                                const mlx_stream s) {
  return mlxrs::guarded("rows.cpp", [&] {
    auto work = std::make_shared<mlxrs::Work>(*call);
    // Wrong variables are errors here, not on the stream's thread.
    mlxrs::kernels();
#ifdef MLXRS_OPENBLAS
    mlxrs::check_pool_threads();
#endif
    if (!s.ctx) {
      throw std::runtime_error("expected a stream");
    }
    // MLX C's numbers of dtypes (mlx/c/array.h).
    namespace mx = mlx::core;
    static const mx::Dtype dtypes[] = {mx::bool_, mx::uint8, mx::uint16, mx::uint32, mx::uint64,
                                       mx::int8, mx::int16, mx::int32, mx::int64, mx::float16,
                                       mx::float32, mx::float64, mx::bfloat16, mx::complex64};
    std::vector<mx::Shape> shapes;
    std::vector<mx::Dtype> kinds;
    const int32_t* sizes = call->sizes;
    for (size_t i = 0; i < call->outputs; i++) {
      const int32_t* end = sizes + call->dimensions[i];
      shapes.emplace_back(sizes, end);
      kinds.push_back(dtypes[call->dtypes[i]]);
      sizes = end;
    }
    auto rows = std::make_shared<mlxrs::Rows>(*static_cast<const mx::Stream*>(s.ctx), std::move(work),
                                              mlxrs::function(composed), mlxrs::function(backward));
    mlxrs::give(res, mx::array::make_arrays(std::move(shapes), kinds, std::move(rows), mlxrs::list(inputs)));
  });
}
