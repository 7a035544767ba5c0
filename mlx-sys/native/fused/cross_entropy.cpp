// The cross entropy of a projection onto the vocabulary, without the logits ever existing whole.
//
// The gradient with respect to x needs the same logits as the value, and they are by far the
// largest thing in a training step. So both are computed together, some rows at a time, and the
// backward pass is one multiplication. (Wijmans et al., "Cut Your Losses", arXiv:2411.09009, has
// the idea of not storing logits.)

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <stdexcept>

#include "fused/blas.h"
#include "fused/common.h"
#include "fused/kernels.h"

namespace mlxrs {

namespace {

// Rows of logits at a time: enough that reading w is cheap beside the product, and never all.
constexpr int chunk_rows = 256;

struct CrossEntropyWork {
  int rows, d, vocabulary, chunk;
  const float *x, *w;
  const int32_t* targets;
  const float* weights;
  float* loss;
  float* dx; // null: not wanted
  float *logits, *packed, *packed_dx;
  int* counted;

  void run() const {
    std::memset(loss, 0, rows * sizeof(float));
    if (dx) {
      std::memset(dx, 0, size_t(rows) * d * sizeof(float));
    }
    int n = 0;
    for (int i = 0; i < rows; i++) {
      if (weights[i] != 0) { // true of NaN as well
        counted[n++] = i;
      }
    }
    // Chunks of equal size: the last one would else read all of w for a few rows.
    const int chunks = (n + chunk - 1) / chunk;
    for (int c = 0; c < chunks; c++) {
      const int from = static_cast<int>(int64_t(n) * c / chunks);
      const int to = static_cast<int>(int64_t(n) * (c + 1) / chunks);
      rows_of(counted + from, to - from);
    }
  }

 private:
  // The losses and gradients of the m rows that `row` lists.
  void rows_of(const int* row, int m) const {
    using enum Op;
    for (int i = 0; i < m; i++) {
      std::memcpy(packed + size_t(i) * d, x + size_t(row[i]) * d, d * sizeof(float));
    }
    gemm(as_is, transposed, m, vocabulary, d, 1, packed, d, w, d, 0, logits, vocabulary);
    float* scales = packed; // the rows themselves are not needed any more
    for (int i = 0; i < m; i++) {
      float* z = logits + size_t(i) * vocabulary;
      const int32_t target = targets[row[i]];
      const bool valid = target >= 0 && target < vocabulary;
      const float max = kernels().max(z, vocabulary), at_target = valid ? z[target] : NAN;
      const float sum =
          dx ? kernels().exp_and_sum(z, vocabulary, max) : kernels().sum_exp(z, vocabulary, max);
      const float weight = weights[row[i]];
      loss[row[i]] = weight * (std::log(sum) + (max - at_target));
      if (dx && valid) {
        // weight * (softmax - onehot) = weight / sum * (exp - sum * onehot): only d numbers of the product need scaling
        // then, not the whole row.
        z[target] -= sum;
      }
      scales[i] = valid ? weight / sum : NAN;
    }
    if (!dx) {
      return;
    }
    gemm(as_is, as_is, m, d, vocabulary, 1, logits, vocabulary, w, d, 0, packed_dx, d);
    for (int i = 0; i < m; i++) {
      float* to = dx + size_t(row[i]) * d;
      std::memcpy(to, packed_dx + size_t(i) * d, d * sizeof(float));
      kernels().scale(to, d, scales[i]);
    }
  }
};

// x, w, targets, weights -> losses, and with the option dx
class LinearCrossEntropy : public Fused<LinearCrossEntropy, bool> {
 public:
  static constexpr const char* NAME = "FusedLinearCrossEntropy";
  using Fused::Fused;

  std::vector<mx::Shape> output_shapes(const std::vector<array>& in) override {
    std::vector<mx::Shape> shapes{leading(in[0].shape())};
    if (options_) {
      shapes.push_back(in[0].shape());
    }
    return shapes;
  }

  void eval_cpu(const std::vector<array>& in, std::vector<array>& out) override {
    Evaluation e(stream());
    CrossEntropyWork work;
    work.rows = row_count(in[0]);
    work.d = in[0].shape(-1);
    work.vocabulary = in[1].shape(0);
    work.chunk = std::min(work.rows, chunk_rows);
    work.x = e.input(in[0]);
    work.w = e.input(in[1]);
    work.targets = e.input<int32_t>(in[2]);
    work.weights = e.input(in[3]);
    work.loss = e.output(out[0]);
    work.dx = options_ ? e.output(out[1]) : nullptr;
    work.logits = e.scratch(work.chunk, work.vocabulary);
    work.packed = e.scratch(work.chunk, work.d);
    work.packed_dx = options_ ? e.scratch(work.chunk, work.d) : nullptr;
    static_assert(sizeof(int) == sizeof(float));
    work.counted = reinterpret_cast<int*>(e.scratch(1, work.rows));
    e.run([work] { work.run(); });
  }

  std::vector<array> vjp(const std::vector<array>&,
                         const std::vector<array>& cotangents,
                         const std::vector<int>& argnums,
                         const std::vector<array>& out) override {
    for (int i : argnums) {
      if (i != 0) {
        throw std::invalid_argument(
            "[linear_cross_entropy] Only x has a gradient: w, targets and weights are constants.");
      }
    }
    if (!options_) {
      throw std::invalid_argument(
          "[linear_cross_entropy] This value was computed without its gradient.");
    }
    auto rows = mx::expand_dims(cotangents[0], -1, stream());
    return {mx::multiply(out[1], rows, stream())};
  }
};

} // namespace

array linear_cross_entropy(const array& x,
                           const array& w,
                           const array& targets,
                           const array& weights,
                           bool with_grad,
                           mx::Stream stream) {
  const char* op = "linear_cross_entropy";
  require_cpu(op, stream);
  require_float32(op, "x", x);
  require_rows(op, "x", x);
  require_rows(op, "w", w);
  if (w.ndim() != 2) {
    refuse(op, "w must have two axes.");
  }
  require_shape(op, "w", w, {w.shape(0), x.shape(-1)});
  const auto rows = leading(x.shape());
  require_shape(op, "targets", targets, rows);
  require_shape(op, "weights", weights, rows);
  // Wider integers could become a valid class when they are cut to 32 bits. (As uint32, values that do not fit become
  // negative.)
  if (!mx::issubdtype(targets.dtype(), mx::integer) || targets.itemsize() > 4) {
    refuse(op, "targets must be of an integer type of at most 32 bits.");
  }
  std::vector<array> inputs{x,
                            float32_of(op, "w", w, stream),
                            mx::astype(targets, mx::int32, stream),
                            float32_of(op, "weights", weights, stream)};
  auto primitive = std::make_shared<LinearCrossEntropy>(stream, with_grad);
  if (!with_grad) {
    return array(rows, mx::float32, primitive, inputs);
  }
  return array::make_arrays({rows, x.shape()}, {mx::float32, mx::float32}, primitive, inputs)[0];
}

} // namespace mlxrs
