// The gradient of act(gate) * up with respect to [gate, up]: [rows, 2 F], [rows, F] -> [rows, 2 F].
constexpr int N = Pack<T>::N;
const long at = (long(blockIdx.x) * blockDim.x + threadIdx.x) * N;
if (at < long(rows) * F) {
  const long gate = at / F * 2 * F + at % F;
  const bool aligned = whole(gates);
  const Pack<T> g = load(gates + gate, aligned);
  const Pack<T> u = load(gates + gate + F, aligned);
  const Pack<T> by = load(dy + at, whole(dy));
  Pack<T> dg;
  Pack<T> du;
#pragma unroll
  for (int j = 0; j < N; ++j) {
    float slope;
    const float value = activation<GELU>(f32(g.v[j]), slope);
    dg.v[j] = T(f32(by.v[j]) * f32(u.v[j]) * slope);
    du.v[j] = T(f32(by.v[j]) * value);
  }
  store(dgates + gate, dg);
  store(dgates + gate + F, du);
}
