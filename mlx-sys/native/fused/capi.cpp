// The C functions of mlx_rs_fused.h.

#include "fused/mlx_rs_fused.h"

#include <stdexcept>
#include <utility>

#include "fused/fused.h"
#include "compat/capi.h"

namespace {

constexpr const char* file = "fused/capi.cpp";

// MLX C's handles: `ctx` is the C++ object (mlx/c/private/array.h and stream.h there).

const mlxrs::array& get(const mlx_array a) {
  if (!a.ctx) {
    throw std::runtime_error("expected a non-empty mlx_array");
  }
  return *static_cast<const mlxrs::array*>(a.ctx);
}

const mlx::core::Stream& get(const mlx_stream s) {
  if (!s.ctx) {
    throw std::runtime_error("expected a non-empty mlx_stream");
  }
  return *static_cast<const mlx::core::Stream*>(s.ctx);
}

void set(mlx_array* out, mlxrs::array value) {
  if (out->ctx) {
    *static_cast<mlxrs::array*>(out->ctx) = std::move(value);
  } else {
    out->ctx = new mlxrs::array(std::move(value));
  }
}

} // namespace

extern "C" bool mlxrs_fused_available(const mlx_array x, const mlx_stream s) {
  return x.ctx && s.ctx && mlxrs::fused_available(get(x), get(s));
}

extern "C" int mlxrs_rope_attention(mlx_array* res,
                                    const mlx_array q,
                                    const mlx_array k,
                                    const mlx_array v,
                                    const mlx_array freqs,
                                    int head_dim,
                                    bool traditional,
                                    float scale,
                                    int offset,
                                    const mlx_stream s) {
  return mlxrs::guarded(file, [&] {
    mlxrs::AttentionOptions options{head_dim, traditional, scale, offset};
    set(res, mlxrs::rope_attention(get(q), get(k), get(v), get(freqs), options, get(s)));
  });
}

extern "C" int mlxrs_linear_cross_entropy(mlx_array* res,
                                          const mlx_array x,
                                          const mlx_array w,
                                          const mlx_array targets,
                                          const mlx_array weights,
                                          bool with_grad,
                                          const mlx_stream s) {
  return mlxrs::guarded(file, [&] {
    set(res,
        mlxrs::linear_cross_entropy(get(x), get(w), get(targets), get(weights), with_grad, get(s)));
  });
}

extern "C" int mlxrs_gather(mlx_array* res, const mlx_vector_array arrays, const mlx_stream s) {
  return mlxrs::guarded(file, [&] {
    if (!arrays.ctx) {
      throw std::runtime_error("expected a non-empty mlx_vector_array");
    }
    const auto& all = *static_cast<const std::vector<mlxrs::array>*>(arrays.ctx);
    set(res, mlxrs::gather(all, get(s)));
  });
}
