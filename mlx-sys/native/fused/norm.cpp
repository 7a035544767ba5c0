// RMSNorm, alone and with the residual addition before it.

#include <memory>

#include "fused/common.h"
#include "fused/kernels.h"

namespace mlxrs {

namespace {

// x, w, rstd, dy[, dh] -> dx
class RmsNormGrad : public Fused<RmsNormGrad> {
 public:
  static constexpr const char* NAME = "FusedRmsNormGrad";
  using Fused::Fused;

  std::vector<mx::Shape> output_shapes(const std::vector<array>& in) override {
    return {in[0].shape()};
  }

  void eval_cpu(const std::vector<array>& in, std::vector<array>& out) override {
    Evaluation e(stream());
    e.run([x = e.input(in[0]),
           w = e.input(in[1]),
           rstd = e.input(in[2]),
           dy = e.input(in[3]),
           dh = in.size() > 4 ? e.input(in[4]) : nullptr,
           dx = e.output(out[0]),
           rows = row_count(in[0]),
           d = in[0].shape(-1)] { kernels().rms_norm_grad(x, w, rstd, dy, dh, dx, rows, d); });
  }
};

// The sum of rows [n, d] -> [d], in blocks: MLX adds one row after the other in float32.
array sum_of_rows(array rows, mx::Stream s) {
  constexpr int block = 64;
  const int d = rows.shape(1);
  while (rows.shape(0) > block) {
    const int n = rows.shape(0), whole = n / block * block;
    auto sums = mx::sum(mx::reshape(mx::slice(rows, {0, 0}, {whole, d}, s), {-1, block, d}, s), 1, false, s);
    rows = mx::concatenate({sums, mx::slice(rows, {whole, 0}, {n, d}, s)}, 0, s);
  }
  return mx::sum(rows, 0, false, s);
}

// Sum over the rows of dy * x * rstd. Composed of MLX's operations: norms are frozen as a rule.
array weight_grad(const array& x, const array& rstd, const array& dy, mx::Stream s) {
  auto normed = mx::multiply(x, mx::expand_dims(rstd, -1, s), s);
  return sum_of_rows(mx::reshape(mx::multiply(normed, dy, s), {-1, x.shape(-1)}, s), s);
}

// x, w -> y, rstd  or, with the addition,  x, r, w -> y, rstd, h
class RmsNorm : public Fused<RmsNorm, float> {
 public:
  static constexpr const char* NAME = "FusedRmsNorm";
  using Fused::Fused;

  std::vector<mx::Shape> output_shapes(const std::vector<array>& in) override {
    std::vector<mx::Shape> shapes{in[0].shape(), leading(in[0].shape())};
    if (in.size() == 3) {
      shapes.push_back(in[0].shape());
    }
    return shapes;
  }

  void eval_cpu(const std::vector<array>& in, std::vector<array>& out) override {
    Evaluation e(stream());
    const bool adds = in.size() == 3;
    e.run([x = e.input(in[0]),
           r = adds ? e.input(in[1]) : nullptr,
           w = e.input(in.back()),
           y = e.output(out[0]),
           rstd = e.output(out[1]),
           h = adds ? e.output(out[2]) : nullptr,
           rows = row_count(in[0]),
           d = in[0].shape(-1),
           eps = options_] { kernels().rms_norm(x, r, w, h, y, rstd, rows, d, eps); });
  }

  std::vector<array> vjp(const std::vector<array>& in,
                         const std::vector<array>& cotangents,
                         const std::vector<int>& argnums,
                         const std::vector<array>& out) override {
    const bool adds = in.size() == 3;
    const array& h = adds ? out[2] : in[0];
    std::vector<array> inputs{h, in.back(), out[1], cotangents[0]};
    if (adds) {
      inputs.push_back(cotangents[2]);
    }
    // Lazy: computed only if some gradient below is this array. x and r have the same one.
    array dx(h.shape(), h.dtype(), std::make_shared<RmsNormGrad>(stream()), std::move(inputs));
    std::vector<array> grads;
    for (int i : argnums) {
      const bool is_weight = i == static_cast<int>(in.size()) - 1;
      grads.push_back(is_weight ? weight_grad(h, out[1], cotangents[0], stream()) : dx);
    }
    return grads;
  }
};

std::vector<array> build(const char* op, std::vector<array> inputs, float eps, mx::Stream s) {
  require_cpu(op, s);
  const array x = inputs[0];
  require_float32(op, "x", x);
  require_rows(op, "x", x);
  std::vector<mx::Shape> shapes{x.shape(), leading(x.shape())};
  if (inputs.size() == 3) {
    inputs[1] = float32_of(op, "r", inputs[1], s);
    require_shape(op, "r", inputs[1], x.shape());
    shapes.push_back(x.shape());
  }
  inputs.back() = float32_of(op, "w", inputs.back(), s);
  require_shape(op, "w", inputs.back(), {x.shape(-1)});
  return array::make_arrays(shapes,
                            std::vector<mx::Dtype>(shapes.size(), mx::float32),
                            std::make_shared<RmsNorm>(s, eps),
                            inputs);
}

} // namespace

array rms_norm(const array& x, const array& w, float eps, mx::Stream stream) {
  return build("rms_norm", {x, w}, eps, stream)[0];
}

std::vector<array> add_rms_norm(const array& x,
                                const array& r,
                                const array& w,
                                float eps,
                                mx::Stream stream) {
  auto out = build("add_rms_norm", {x, r, w}, eps, stream);
  return {out[2], out[0]};
}

} // namespace mlxrs
