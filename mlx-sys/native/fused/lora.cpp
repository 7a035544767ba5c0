// A frozen linear layer with a low-rank update.

#include <memory>
#include <stdexcept>

#include "fused/blas.h"
#include "fused/common.h"

namespace mlxrs {

namespace {

// Sizes of x @ w.T + scale * (x @ a) @ b.
struct LoraSizes {
  int rows, in, out, rank;

  LoraSizes(const array& x, const array& w, const array& a)
      : rows(row_count(x)), in(w.shape(1)), out(w.shape(0)), rank(a.shape(1)) {}
};

// x, w, a, b, z = x @ a, dy -> the wanted ones of dx, da, db
class LoraLinearGrad : public CpuPrimitive {
 public:
  LoraLinearGrad(mx::Stream stream, float scale, Wanted wanted)
      : CpuPrimitive(stream), scale_(scale), wanted_(std::move(wanted)) {}

  const char* name() const override {
    return "FusedLoraLinearGrad";
  }
  bool is_equivalent(const mx::Primitive& other) const override {
    auto& o = static_cast<const LoraLinearGrad&>(other);
    return scale_ == o.scale_ && wanted_ == o.wanted_;
  }
  std::vector<mx::Shape> output_shapes(const std::vector<array>& in) override {
    std::vector<mx::Shape> shapes;
    for (int i : wanted_.inputs()) {
      shapes.push_back(in[i].shape());
    }
    return shapes;
  }

  void eval_cpu(const std::vector<array>& in, std::vector<array>& out) override {
    Evaluation e(stream());
    const LoraSizes n(in[0], in[1], in[2]);
    auto output = [&](int i) { return wanted_.has(i) ? e.output(out[wanted_.index(i)]) : nullptr; };
    e.run([n,
           scale = scale_,
           x = e.input(in[0]),
           w = e.input(in[1]),
           a = e.input(in[2]),
           b = e.input(in[3]),
           z = e.input(in[4]),
           dy = e.input(in[5]),
           dx = output(0),
           da = output(2),
           db = output(3),
           dz = e.scratch(n.rows, n.rank)] {
      using enum Op;
      if (dx || da) { // dz = scale * dy b^T
        gemm(as_is, transposed, n.rows, n.rank, n.out, scale, dy, n.out, b, n.out, 0, dz, n.rank);
      }
      if (dx) { // dx = dy w + dz a^T
        gemm(as_is, as_is, n.rows, n.in, n.out, 1, dy, n.out, w, n.in, 0, dx, n.in);
        gemm(as_is, transposed, n.rows, n.in, n.rank, 1, dz, n.rank, a, n.rank, 1, dx, n.in);
      }
      if (da) { // da = x^T dz
        gemm(transposed, as_is, n.in, n.rank, n.rows, 1, x, n.in, dz, n.rank, 0, da, n.rank);
      }
      if (db) { // db = scale * z^T dy
        gemm(transposed, as_is, n.rank, n.out, n.rows, scale, z, n.rank, dy, n.out, 0, db, n.out);
      }
    });
  }

 private:
  float scale_;
  Wanted wanted_;
};

// x, w, a, b -> y, z = x @ a
class LoraLinear : public CpuPrimitive {
 public:
  LoraLinear(mx::Stream stream, float scale) : CpuPrimitive(stream), scale_(scale) {}

  const char* name() const override {
    return "FusedLoraLinear";
  }
  bool is_equivalent(const mx::Primitive& other) const override {
    return scale_ == static_cast<const LoraLinear&>(other).scale_;
  }
  std::vector<mx::Shape> output_shapes(const std::vector<array>& in) override {
    auto y = in[0].shape(), z = in[0].shape();
    y.back() = in[1].shape(0);
    z.back() = in[2].shape(1);
    return {y, z};
  }

  void eval_cpu(const std::vector<array>& in, std::vector<array>& out) override {
    Evaluation e(stream());
    e.run([n = LoraSizes(in[0], in[1], in[2]),
           scale = scale_,
           x = e.input(in[0]),
           w = e.input(in[1]),
           a = e.input(in[2]),
           b = e.input(in[3]),
           y = e.output(out[0]),
           z = e.output(out[1])] {
      using enum Op;
      gemm(as_is, transposed, n.rows, n.out, n.in, 1, x, n.in, w, n.in, 0, y, n.out);
      gemm(as_is, as_is, n.rows, n.rank, n.in, 1, x, n.in, a, n.rank, 0, z, n.rank);
      gemm(as_is, as_is, n.rows, n.out, n.rank, scale, z, n.rank, b, n.out, 1, y, n.out);
    });
  }

  std::vector<array> vjp(const std::vector<array>& in,
                         const std::vector<array>& cotangents,
                         const std::vector<int>& argnums,
                         const std::vector<array>& out) override {
    Wanted wanted(argnums, {0, 2, 3});
    std::vector<mx::Shape> shapes;
    for (int i : wanted.inputs()) {
      shapes.push_back(in[i].shape());
    }
    for (int i : argnums) {
      if (!wanted.has(i)) {
        throw std::invalid_argument("[lora_linear] The weight w is frozen: it has no gradient.");
      }
    }
    auto each = array::make_arrays(shapes,
                                   std::vector<mx::Dtype>(shapes.size(), mx::float32),
                                   std::make_shared<LoraLinearGrad>(stream(), scale_, wanted),
                                   {in[0], in[1], in[2], in[3], out[1], cotangents[0]});
    std::vector<array> grads;
    for (int i : argnums) {
      grads.push_back(each[wanted.index(i)]);
    }
    return grads;
  }

 private:
  float scale_;
};

} // namespace

array lora_linear(const array& x,
                  const array& w,
                  const array& a,
                  const array& b,
                  float scale,
                  mx::Stream stream) {
  const char* op = "lora_linear";
  require_cpu(op, stream);
  const char* names[] = {"x", "w", "a", "b"};
  std::vector<array> inputs{x, w, a, b};
  for (int i = 0; i < 4; i++) {
    require_rows(op, names[i], inputs[i]);
    if (i == 0) {
      require_float32(op, names[i], x);
      continue;
    }
    inputs[i] = float32_of(op, names[i], inputs[i], stream);
    if (inputs[i].ndim() != 2) {
      refuse(op, std::string(names[i]) + " must have two axes.");
    }
  }
  const int in = x.shape(-1), out = w.shape(0), rank = a.shape(1);
  require_shape(op, "w", w, {out, in});
  require_shape(op, "a", a, {in, rank});
  require_shape(op, "b", b, {rank, out});
  auto y = x.shape(), z = x.shape();
  y.back() = out;
  z.back() = rank;
  return array::make_arrays(
      {y, z}, {mx::float32, mx::float32}, std::make_shared<LoraLinear>(stream, scale), inputs)[0];
}

} // namespace mlxrs
