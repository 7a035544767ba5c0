#include "fused/attention_loops.h"

#include <cstring>

#include "fused/blas.h"
#include "fused/kernels.h"
#include "fused/rope_table.h"

namespace mlxrs {

namespace {

// The rows of a block [from, to) of queries of one group, between the layout of the outside
// (`outer`: [T, H*D], at the group's first head) and [rows, G, D].
void gather(const AttentionSizes& n, const float* outer, float* rows, int from, int to) {
  for (int t = from; t < to; t++, rows += n.G * n.D) {
    std::memcpy(rows, outer + size_t(t) * n.row_q(), n.G * n.D * sizeof(float));
  }
}
void scatter(const AttentionSizes& n, const float* rows, float* outer, int from, int to) {
  for (int t = from; t < to; t++, rows += n.G * n.D) {
    std::memcpy(outer + size_t(t) * n.row_q(), rows, n.G * n.D * sizeof(float));
  }
}

} // namespace

void AttentionForward::run() const {
  const RopeTable& table = rope_table(freqs, n.half, n.T, options.offset);
  for (int b = 0; b < n.B; b++) {
    for (int h = 0; h < n.K; h++) {
      group(table, b, h);
    }
  }
}

void AttentionForward::group(const RopeTable& table, int b, int h) const {
  using enum Op;
  const int D = n.D, G = n.G;
  const size_t bh = size_t(b) * n.K + h;
  float *Q = queries + bh * n.T * G * D, *K = keys + bh * n.T * D;
  float* S = stats + bh * n.T * G * 2;
  const float* V = v + (size_t(b) * n.T * n.K + h) * D;
  const size_t outer = (size_t(b) * n.T * n.K + h) * G * D;
  auto turn = [&](const float* in, int in_stride, float* out, int out_stride) {
    kernels().rope(in,
                  in_stride,
                  out,
                  out_stride,
                  table.cos.data(),
                  table.sin.data(),
                  n.T,
                  n.half,
                  options.traditional,
                  false);
  };
  for (int g = 0; g < G; g++) {
    turn(q + outer + g * D, n.row_q(), Q + g * D, G * D);
  }
  turn(k + (size_t(b) * n.T * n.K + h) * D, n.row_k(), K, D);
  for (int from = 0; from < n.T; from += n.block()) {
    const int to = std::min(n.T, from + n.block()), m = (to - from) * G;
    const float* Qb = Q + size_t(from) * G * D;
    gemm(as_is, transposed, m, to, D, options.scale, Qb, D, K, D, 0, scores, to);
    kernels().causal_softmax(scores, S + size_t(from) * G * 2, m, to, from, G);
    gemm(as_is, as_is, m, D, to, 1, scores, to, V, n.row_k(), 0, rows, D);
    scatter(n, rows, o + outer, from, to);
  }
}

void AttentionBackward::run() const {
  const RopeTable& table = rope_table(freqs, n.half, n.T, options.offset);
  for (int b = 0; b < n.B; b++) {
    for (int h = 0; h < n.K; h++) {
      group(table, b, h);
    }
  }
}

void AttentionBackward::group(const RopeTable& table, int b, int h) const {
  using enum Op;
  const int D = n.D, G = n.G;
  const size_t bh = size_t(b) * n.K + h;
  const float *Q = queries + bh * n.T * G * D, *K = keys + bh * n.T * D;
  const float* S = stats + bh * n.T * G * 2;
  const size_t inner = (size_t(b) * n.T * n.K + h) * D, outer = inner * G;
  auto turn_back =
      [&](const float* in, int in_stride, float* out, int out_stride, int from, int count) {
        const size_t at = size_t(from) * n.half;
        kernels().rope(in,
                      in_stride,
                      out,
                      out_stride,
                      table.cos.data() + at,
                      table.sin.data() + at,
                      count,
                      n.half,
                      options.traditional,
                      true);
      };
  // From the last block, which sees all keys, to the first: the last one sets the sums over
  // queries (dk, dv), the others add to them.
  const int blocks = (n.T + n.block() - 1) / n.block();
  for (int block = blocks - 1; block >= 0; block--) {
    const int from = block * n.block(), to = std::min(n.T, from + n.block());
    const int m = (to - from) * G;
    const float add = block == blocks - 1 ? 0 : 1;
    const float* Qb = Q + size_t(from) * G * D;
    gemm(as_is, transposed, m, to, D, options.scale, Qb, D, K, D, 0, scores, to);
    kernels().causal_softmax_again(scores, S + size_t(from) * G * 2, m, to, from, G);
    gather(n, d_out + outer, rows, from, to);
    if (dv) { // dV = P^T dO
      gemm(transposed, as_is, to, D, m, 1, scores, to, rows, D, add, dv + inner, n.row_k());
    }
    if (!dq && !dk) {
      continue;
    }
    // dP = dO V^T
    gemm(as_is, transposed, m, to, D, 1, rows, D, v + inner, n.row_k(), 0, dscores, to);
    kernels().causal_softmax_grad(scores, dscores, m, to, from, G, options.scale);
    if (dk) { // dK = dS^T Q
      gemm(transposed, as_is, to, D, m, 1, dscores, to, Qb, D, add, turned, D);
    }
    if (dq) { // dQ = dS K
      gemm(as_is, as_is, m, D, to, 1, dscores, to, K, D, 0, rows, D);
      for (int g = 0; g < G; g++) {
        turn_back(rows + g * D,
                  G * D,
                  dq + outer + size_t(from) * n.row_q() + g * D,
                  n.row_q(),
                  from,
                  to - from);
      }
    }
  }
  if (dk) {
    turn_back(turned, D, dk + inner, n.row_k(), 0, n.T);
  }
}

} // namespace mlxrs
