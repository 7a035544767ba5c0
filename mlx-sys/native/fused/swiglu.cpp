// The gate of a feed-forward block: silu(g) * u.

#include <memory>

#include "fused/common.h"
#include "fused/kernels.h"

namespace mlxrs {

namespace {

// g, u, dy -> dg, du. Always both, because they share nearly all of the work.
class SwigluGrad : public Fused<SwigluGrad> {
 public:
  static constexpr const char* NAME = "FusedSwigluGrad";
  using Fused::Fused;

  std::vector<mx::Shape> output_shapes(const std::vector<array>& in) override {
    return {in[0].shape(), in[0].shape()};
  }

  void eval_cpu(const std::vector<array>& in, std::vector<array>& out) override {
    Evaluation e(stream());
    e.run([g = e.input(in[0]),
           u = e.input(in[1]),
           dy = e.input(in[2]),
           dg = e.output(out[0]),
           du = e.output(out[1]),
           n = in[0].size()] { kernels().swiglu_grad(g, u, dy, dg, du, n); });
  }
};

// g, u -> silu(g) * u
class Swiglu : public Fused<Swiglu> {
 public:
  static constexpr const char* NAME = "FusedSwiglu";
  using Fused::Fused;

  std::vector<mx::Shape> output_shapes(const std::vector<array>& in) override {
    return {in[0].shape()};
  }

  void eval_cpu(const std::vector<array>& in, std::vector<array>& out) override {
    Evaluation e(stream());
    e.run([g = e.input(in[0]), u = e.input(in[1]), y = e.output(out[0]), n = in[0].size()] {
      kernels().swiglu(g, u, y, n);
    });
  }

  std::vector<array> vjp(const std::vector<array>& in,
                         const std::vector<array>& cotangents,
                         const std::vector<int>& argnums,
                         const std::vector<array>&) override {
    auto both = array::make_arrays({in[0].shape(), in[0].shape()},
                                   {mx::float32, mx::float32},
                                   std::make_shared<SwigluGrad>(stream()),
                                   {in[0], in[1], cotangents[0]});
    std::vector<array> grads;
    for (int i : argnums) {
      grads.push_back(both[i]);
    }
    return grads;
  }
};

} // namespace

array swiglu(const array& g, const array& u, mx::Stream stream) {
  const char* op = "swiglu";
  require_cpu(op, stream);
  require_float32(op, "g", g);
  require_rows(op, "g", g);
  require_shape(op, "u", u, g.shape());
  return array(g.shape(),
               mx::float32,
               std::make_shared<Swiglu>(stream),
               {g, float32_of(op, "u", u, stream)});
}

} // namespace mlxrs
