// y = softmax(scale q k^T, causal) v, and the logarithm of each row's sum. q [B, L, H, D], k and v
// [B, L, K, D] -> y [B, L, H * D], sums [B, H, L]. A block has ROWS rows of one head.
__shared__ Tile<T, D> tile;
__shared__ alignas(16) float rows[ROWS * D];
__shared__ alignas(16) float scores[ROWS * MOST];
const Place<H, K, D> at(length);
const int first = at.first, last = at.last, warp = at.warp, lane = at.lane;

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
      scores[(warp + r) * MOST + key] =
          key <= first + warp + r ? s[r][half] * __int_as_float(SCALE) : -INFINITY;
    }
  }
}
float sums[EACH];
#pragma unroll
for (int r = 0; r < EACH; ++r) {
  // A warp reads values that its own lanes wrote.
  __syncwarp();
  float* own = scores + (warp + r) * MOST;
  float most = -INFINITY;
  for (int i = lane; i < MOST; i += 32) {
    most = fmaxf(most, own[i]);
  }
  most = warp_max(most);
  float sum = 0;
  for (int i = lane; i < MOST; i += 32) {
    own[i] = __expf(own[i] - most);
    sum += own[i];
  }
  sums[r] = warp_sum(sum);
  if (lane == 0 && first + warp + r < length) {
    logs[at.sums + first + warp + r] = most + __logf(sums[r]);
  }
}
float out[EACH][D / 32] = {};
for (int from = 0; from < last; from += TILE) {
  __syncthreads();
  tile.fill(v + at.keys, from, last, K * D);
  __syncthreads();
  weighted<T, D>(scores, from, tile, out);
}
#pragma unroll
for (int r = 0; r < EACH; ++r) {
#pragma unroll
  for (int j = 0; j < D / 32; ++j) {
    out[r][j] /= sums[r];
  }
}
put<T, D>(y + at.queries, first + warp, length, H * D, out);
