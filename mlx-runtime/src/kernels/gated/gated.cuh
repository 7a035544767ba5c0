// silu(x) or the tanh form of gelu(x), and the slope there.
template <bool GELU>
__device__ __forceinline__ float activation(float x, float& slope) {
  if constexpr (GELU) {
    constexpr float factor = 0.7978845608028654f; // sqrt(2 / pi)
    const float t = tanhf(factor * (x + 0.044715f * x * x * x));
    slope = 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * factor * (1 + 3 * 0.044715f * x * x);
    return 0.5f * x * (1 + t);
  } else {
    const float s = 1 / (1 + __expf(-x));
    slope = s + x * s * (1 - s);
    return x * s;
  }
}
