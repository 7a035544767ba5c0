// The gradients of attention with respect to k and v, for each head of the queries by itself, [B, L, H, D]. Heads that
// share a key are added up when they are joined. A block has ROWS keys of one head.
__shared__ Tile<T, D> tile;
__shared__ alignas(16) float rows[ROWS * D];
__shared__ alignas(16) float scores[ROWS * MOST];
const Place<H, K, D> at(length);
const int first = at.first, warp = at.warp, lane = at.lane;
// Queries before the first key do not see it.
const int begin = first / TILE * TILE;

rows_of<T, D>(rows, k + at.keys, first, length, K * D);
for (int from = begin; from < length; from += TILE) {
  __syncthreads();
  tile.fill(q + at.queries, from, length, H * D);
  __syncthreads();
  float s[EACH][2];
  dots<T, D>(rows, tile, s);
#pragma unroll
  for (int r = 0; r < EACH; ++r) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int query = from + lane + 32 * half;
      scores[(warp + r) * MOST + query] = query >= first + warp + r && query < length
          ? __expf(s[r][half] * __int_as_float(SCALE) - logs[at.sums + query])
          : 0.0f;
    }
  }
}
__syncthreads();
rows_of<T, D>(rows, v + at.keys, first, length, K * D);
float out[EACH][D / 32] = {};
for (int from = begin; from < length; from += TILE) {
  __syncthreads();
  tile.fill(dy + at.queries, from, length, H * D);
  __syncthreads();
  weighted<T, D>(scores, from, tile, out);
  // A warp's lanes have read the weights that they are about to change.
  __syncwarp();
  float s[EACH][2];
  dots<T, D>(rows, tile, s);
#pragma unroll
  for (int r = 0; r < EACH; ++r) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int query = from + lane + 32 * half;
      const float share = query < length ? shares[at.sums + query] : 0.0f;
      scores[(warp + r) * MOST + query] *= (s[r][half] - share) * __int_as_float(SCALE);
    }
  }
}
put<float, D>(dv + at.queries, first + warp, length, H * D, out);
#pragma unroll
for (int r = 0; r < EACH; ++r) {
#pragma unroll
  for (int j = 0; j < D / 32; ++j) {
    out[r][j] = 0;
  }
}
for (int from = begin; from < length; from += TILE) {
  __syncthreads();
  tile.fill(q + at.queries, from, length, H * D);
  __syncthreads();
  weighted<T, D>(scores, from, tile, out);
}
put<float, D>(dk + at.queries, first + warp, length, H * D, out);
