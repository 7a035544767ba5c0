// Adam with decoupled weight decay, one value a thread. Rates are the bits of float32 numbers.
const long at = long(blockIdx.x) * blockDim.x + threadIdx.x;
if (at < count) {
  const float grad = g[at];
  const float mean = __int_as_float(keep_m) * m[at] + __int_as_float(take_m) * grad;
  const float square = __int_as_float(keep_v) * v[at] + __int_as_float(take_v) * grad * grad;
  const float kept = w[at] * (1 - lr[0] * __int_as_float(decay));
#if CORRECTED
  const float step = c1[0] * mean;
  const float root = sqrtf(square) * c2[0];
#else
  const float step = lr[0] * mean;
  const float root = sqrtf(square);
#endif
  new_w[at] = kept - step / (root + __int_as_float(eps));
  new_m[at] = mean;
  new_v[at] = square;
}
