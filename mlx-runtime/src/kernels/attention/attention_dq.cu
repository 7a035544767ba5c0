// The gradient of attention with respect to q [B, L, H, D], and the sum of a row's weights times their gradients, which
// the gradients of its scores share. A block has ROWS rows of one head.
__shared__ Tile<T, D> tile;
__shared__ alignas(16) float rows[ROWS * D];
__shared__ alignas(16) float scores[ROWS * MOST];
const Place<H, K, D> at(length);
const int first = at.first, last = at.last, warp = at.warp, lane = at.lane;

float log_sum[EACH];
#pragma unroll
for (int r = 0; r < EACH; ++r) {
  const int row = first + warp + r;
  log_sum[r] = row < length ? logs[at.sums + row] : INFINITY;
}
rows_of<T, D>(rows, q + at.queries, first, length, H * D);
for (int from = 0; from < MOST; from += TILE) {
  float s[EACH][2] = {};
  if (from < last) {
    __syncthreads();
    tile.fill(k + at.keys, from, last, K * D);
    __syncthreads();
    dots<T, D>(rows, tile, s);
  }
#pragma unroll
  for (int r = 0; r < EACH; ++r) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int key = from + lane + 32 * half;
      scores[(warp + r) * MOST + key] = key <= first + warp + r
          ? __expf(s[r][half] * __int_as_float(SCALE) - log_sum[r])
          : 0.0f;
    }
  }
}
__syncthreads();
rows_of<T, D>(rows, dy + at.queries, first, length, H * D);
float by[MOST / TILE][EACH][2] = {};
#pragma unroll
for (int part = 0; part < MOST / TILE; ++part) {
  if (part * TILE < last) {
    __syncthreads();
    tile.fill(v + at.keys, part * TILE, last, K * D);
    __syncthreads();
    dots<T, D>(rows, tile, by[part]);
  }
}
#pragma unroll
for (int r = 0; r < EACH; ++r) {
  // Each lane reads and changes its own values.
  float* own = scores + (warp + r) * MOST + lane;
  float common = 0;
#pragma unroll
  for (int i = 0; i < MOST / 32; ++i) {
    common += own[32 * i] * by[i / 2][r][i % 2];
  }
  common = warp_sum(common);
#pragma unroll
  for (int i = 0; i < MOST / 32; ++i) {
    own[32 * i] *= (by[i / 2][r][i % 2] - common) * __int_as_float(SCALE);
  }
  if (lane == 0 && first + warp + r < length) {
    shares[at.sums + first + warp + r] = common;
  }
}
float out[EACH][D / 32] = {};
for (int from = 0; from < last; from += TILE) {
  __syncthreads();
  tile.fill(k + at.keys, from, last, K * D);
  __syncthreads();
  weighted<T, D>(scores, from, tile, out);
}
put<T, D>(dq + at.queries, first + warp, length, H * D, out);
