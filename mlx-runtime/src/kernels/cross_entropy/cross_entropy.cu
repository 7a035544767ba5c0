// One row of logits a block: losses = logsumexp(x) - x[target], and dz = softmax(x), less 1 at the target, where x is z, or
// cap * tanh(z / cap), whose slope is 1 - (x / cap)^2.
constexpr int N = Pack<T>::N;
const float cap = __int_as_float(cap_bits);
const auto capped = [=](T z) { return CAPPED ? cap * tanhf(f32(z) / cap) : f32(z); };
const auto slope = [=](float x) { return CAPPED ? 1 - x / cap * (x / cap) : 1.0f; };
const long row = long(blockIdx.x) * V;
const bool aligned = whole(z) && V % N == 0;
const int target = targets[blockIdx.x];
// Running statistics of a thread's logits: the largest, and the sum of exp(z - largest).
float most = -INFINITY;
float sum = 0;
for (int at = threadIdx.x * N; at < V; at += THREADS * N) {
  float x[N];
  float here = most;
#pragma unroll
  for (int j = 0; j < N; ++j) {
    x[j] = -INFINITY;
  }
  if (aligned) {
    const Pack<T> pack = load(z + row + at, true);
#pragma unroll
    for (int j = 0; j < N; ++j) {
      x[j] = capped(pack.v[j]);
    }
  } else {
    for (int j = 0; j < N && at + j < V; ++j) {
      x[j] = capped(z[row + at + j]);
    }
  }
#pragma unroll
  for (int j = 0; j < N; ++j) {
    here = fmaxf(here, x[j]);
  }
  if (here > -INFINITY) {
    // Sums each pack first, because the fewer terms a sum has in a row, the smaller is its error.
    float part = 0;
#pragma unroll
    for (int j = 0; j < N; ++j) {
      part += __expf(x[j] - here);
    }
    sum = sum * __expf(most - here) + part;
    most = here;
  }
  // fmaxf passes over NaN, which must not get lost.
#pragma unroll
  for (int j = 0; j < N; ++j) {
    if (isnan(x[j])) {
      sum = x[j];
    }
  }
}
__shared__ float largest[32];
float all = most;
#pragma unroll
for (int lane = 16; lane > 0; lane /= 2) {
  all = fmaxf(all, __shfl_xor_sync(0xffffffff, all, lane));
}
if (threadIdx.x % 32 == 0) {
  largest[threadIdx.x / 32] = all;
}
__syncthreads();
all = largest[threadIdx.x % 32 < THREADS / 32 ? threadIdx.x % 32 : 0];
#pragma unroll
for (int lane = 16; lane > 0; lane /= 2) {
  all = fmaxf(all, __shfl_xor_sync(0xffffffff, all, lane));
}
const float part = most > -INFINITY ? sum * __expf(most - all) : isnan(sum) ? sum : 0.0f;
const float lse = all + __logf(block_sum<THREADS>(part));
const bool known = target >= 0 && target < V;
if (threadIdx.x == 0) {
  losses[blockIdx.x] = known ? lse - capped(z[row + target]) : NAN;
}
for (int at = threadIdx.x * N; at < V; at += THREADS * N) {
  if (aligned) {
    Pack<T> pack = load(z + row + at, true);
#pragma unroll
    for (int j = 0; j < N; ++j) {
      const float x = capped(pack.v[j]);
      pack.v[j] = T((at + j == target ? expm1f(x - lse) : __expf(x - lse)) * slope(x));
    }
    store(dz + row + at, pack);
  } else {
    for (int j = 0; j < N && at + j < V; ++j) {
      const float x = capped(z[row + at + j]);
      dz[row + at + j] = T((at + j == target ? expm1f(x - lse) : __expf(x - lse)) * slope(x));
    }
  }
}
