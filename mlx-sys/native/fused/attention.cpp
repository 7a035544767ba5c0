// The primitives around attention_loops.h.

#include <memory>

#include "fused/attention_loops.h"
#include "fused/common.h"

namespace mlxrs {

namespace {

AttentionSizes sizes_of(const array& q, const array& k, int head_dim) {
  const int key_heads = k.shape(2) / head_dim;
  return {q.shape(0), q.shape(1), key_heads, q.shape(2) / k.shape(2), head_dim, head_dim / 2};
}

// The shapes of the output and of the arrays kept for the gradient: turned queries, turned keys and statistics.
std::vector<mx::Shape> forward_shapes(const array& q, const array& k, int head_dim) {
  const AttentionSizes n = sizes_of(q, k, head_dim);
  return {q.shape(), {n.B, n.K, n.T, n.G, n.D}, {n.B, n.K, n.T, n.D}, {n.B, n.K, n.T, n.G, 2}};
}

// turned queries, turned keys, v, statistics, freqs, d_out -> the wanted ones of dq, dk, dv
class RopeAttentionGrad : public Fused<RopeAttentionGrad, std::pair<AttentionOptions, Wanted>> {
 public:
  static constexpr const char* NAME = "FusedRopeAttentionGrad";
  using Fused::Fused;

  std::vector<mx::Shape> output_shapes(const std::vector<array>& in) override {
    std::vector<mx::Shape> shapes;
    for (int i : options_.second.inputs()) {
      shapes.push_back(i == 0 ? in[5].shape() : in[2].shape());
    }
    return shapes;
  }

  void eval_cpu(const std::vector<array>& in, std::vector<array>& out) override {
    Evaluation e(stream());
    const auto& [options, wanted] = options_;
    const AttentionSizes n = sizes_of(in[5], in[2], options.head_dim);
    auto output = [&](int i) { return wanted.has(i) ? e.output(out[wanted.index(i)]) : nullptr; };
    AttentionBackward work;
    work.n = n;
    work.options = options;
    work.queries = e.input(in[0]);
    work.keys = e.input(in[1]);
    work.v = e.input(in[2]);
    work.stats = e.input(in[3]);
    work.freqs = e.input(in[4]);
    work.d_out = e.input(in[5]);
    work.dq = output(0);
    work.dk = output(1);
    work.dv = output(2);
    work.scores = e.scratch(n.block() * n.G, n.T);
    work.dscores = e.scratch(n.block() * n.G, n.T);
    work.rows = e.scratch(n.block() * n.G, n.D);
    work.turned = e.scratch(n.T, n.D);
    e.run([work] { work.run(); });
  }
};

// q, k, v, freqs -> out, turned queries, turned keys, statistics
class RopeAttention : public Fused<RopeAttention, AttentionOptions> {
 public:
  static constexpr const char* NAME = "FusedRopeAttention";
  using Fused::Fused;

  std::vector<mx::Shape> output_shapes(const std::vector<array>& in) override {
    return forward_shapes(in[0], in[1], options_.head_dim);
  }

  void eval_cpu(const std::vector<array>& in, std::vector<array>& out) override {
    Evaluation e(stream());
    const AttentionSizes n = sizes_of(in[0], in[1], options_.head_dim);
    AttentionForward work;
    work.n = n;
    work.options = options_;
    work.q = e.input(in[0]);
    work.k = e.input(in[1]);
    work.v = e.input(in[2]);
    work.freqs = e.input(in[3]);
    work.o = e.output(out[0]);
    work.queries = e.output(out[1]);
    work.keys = e.output(out[2]);
    work.stats = e.output(out[3]);
    work.scores = e.scratch(n.block() * n.G, n.T);
    work.rows = e.scratch(n.block() * n.G, n.D);
    e.run([work] { work.run(); });
  }

  std::vector<array> vjp(const std::vector<array>& in,
                         const std::vector<array>& cotangents,
                         const std::vector<int>& argnums,
                         const std::vector<array>& out) override {
    Wanted wanted(argnums, {0, 1, 2});
    std::vector<mx::Shape> shapes;
    for (int i : wanted.inputs()) {
      shapes.push_back(in[i].shape());
    }
    std::vector<array> each;
    if (!shapes.empty()) {
      each = array::make_arrays(shapes,
                                std::vector<mx::Dtype>(shapes.size(), mx::float32),
                                std::make_shared<RopeAttentionGrad>(stream(), std::pair(options_, wanted)),
                                {out[1], out[2], in[2], out[3], in[3], cotangents[0]});
    }
    std::vector<array> grads;
    for (int i : argnums) {
      grads.push_back(wanted.has(i) ? each[wanted.index(i)] : mx::zeros_like(in[i], stream()));
    }
    return grads;
  }
};

} // namespace

array rope_attention(const array& q,
                     const array& k,
                     const array& v,
                     const array& freqs,
                     const AttentionOptions& options,
                     mx::Stream stream) {
  const char* op = "rope_attention";
  require_cpu(op, stream);
  const char* names[] = {"q", "k", "v"};
  std::vector<array> inputs{q, k, v};
  const int d = options.head_dim;
  if (d <= 0 || d % 2 != 0) {
    refuse(op, "head_dim is " + std::to_string(d) + ", not a positive even number.");
  }
  for (int i = 0; i < 3; i++) {
    require_rows(op, names[i], inputs[i]);
    if (inputs[i].ndim() != 3 || inputs[i].shape(2) % d != 0) {
      refuse(op,
             std::string(names[i]) + " must have shape [B, L, heads * " + std::to_string(d) + "].");
    }
  }
  require_float32(op, "q", q);
  inputs[1] = float32_of(op, "k", k, stream);
  inputs[2] = float32_of(op, "v", v, stream);
  inputs.push_back(freqs);
  require_shape(op, "k", k, {q.shape(0), q.shape(1), k.shape(2)});
  require_shape(op, "v", v, k.shape());
  if (q.shape(2) % k.shape(2) != 0) {
    refuse(op, "The number of query heads is not a multiple of the number of key heads.");
  }
  require_float32(op, "freqs", freqs);
  require_shape(op, "freqs", freqs, {d / 2});
  auto shapes = forward_shapes(q, k, d);
  return array::make_arrays(shapes,
                            std::vector<mx::Dtype>(shapes.size(), mx::float32),
                            std::make_shared<RopeAttention>(stream, options),
                            inputs)[0];
}

} // namespace mlxrs
