// Rotary embedding and causal attention in one, over blocks of queries.
//
// A block of queries needs the keys up to its own end only: for long rows that saves half of the
// work. Scores exist for one block at a time; the backward pass computes them again from the
// rotated queries and keys and from each row's maximum and sum (Dao et al., "FlashAttention",
// arXiv:2205.14135), so that memory grows with the length, not with its square.
#pragma once

#include <algorithm>
#include <cstddef>

#include "fused/fused.h"

namespace mlxrs {

struct RopeTable;

// B batches, T rows, K key heads with G query heads each, D features a head. Queries are kept as
// [B, K, T, G, D]: the rows of a block of queries then follow each other for all heads of a group,
// and one product serves the group.
struct AttentionSizes {
  int B, T, K, G, D, half;

  // Queries in a block: a few hundred rows for each product, with all heads of the group.
  int block() const {
    return std::min(T, std::clamp(512 / G, 16, 128));
  }
  // Distances between rows outside.
  int row_q() const {
    return K * G * D;
  }
  int row_k() const {
    return K * D;
  }
};

struct AttentionForward {
  AttentionSizes n;
  AttentionOptions options;
  const float *q, *k, *v, *freqs;
  float* o;
  float *queries, *keys, *stats; // kept: turned queries and keys, [B, K, T, G, 2]
  float *scores, *rows;          // [block * G, T], [block * G, D]

  void run() const;

 private:
  // One key head of one batch, with its query heads.
  void group(const RopeTable& table, int b, int h) const;
};

struct AttentionBackward {
  AttentionSizes n;
  AttentionOptions options;
  const float *queries, *keys, *v, *stats, *freqs, *d_out;
  float *dq, *dk, *dv;            // null: not wanted
  float *scores, *dscores, *rows; // [block * G, T] twice, [block * G, D]
  float* turned;                  // [T, D]: the gradient of the turned keys

  void run() const;

 private:
  // One key head of one batch, with its query heads.
  void group(const RopeTable& table, int b, int h) const;
};

} // namespace mlxrs
