// Packed values of BITS bits, each group of GROUP with a scale and a bias: scale * value + bias, with
// ROUND as a machine computes that has the scales' type S alone.
// One thread for each packed word.
constexpr int VALUES = 32 / BITS;
constexpr int BYTES = VALUES * sizeof(T);
struct alignas(BYTES < 16 ? BYTES : 16) Out {
  T v[VALUES];
};
const long word = long(blockIdx.x) * blockDim.x + threadIdx.x;
if (word < words) {
  const long group = word * VALUES / GROUP;
  const float scale = f32(scales[group]);
  const float bias = f32(biases[group]);
  const unsigned packed = w[word];
  Out out;
#pragma unroll
  for (int j = 0; j < VALUES; ++j) {
    const float value = float(packed >> (BITS * j) & ((1u << BITS) - 1));
    if (ROUND) {
      // A sum of two halves is the same rounded once or twice.
      out.v[j] = T(f32(S(f32(S(__fmul_rn(scale, value))) + bias)));
    } else {
      out.v[j] = T(scale * value + bias);
    }
  }
  *reinterpret_cast<Out*>(y + word * VALUES) = out;
}
