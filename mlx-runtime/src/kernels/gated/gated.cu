// act(gate) * up of rows [gate, up] side by side: [rows, 2 F] -> [rows, F].
constexpr int N = Pack<T>::N;
const long at = (long(blockIdx.x) * blockDim.x + threadIdx.x) * N;
if (at < long(rows) * F) {
  const long gate = at / F * 2 * F + at % F;
  const bool aligned = whole(gates);
  const Pack<T> g = load(gates + gate, aligned);
  const Pack<T> u = load(gates + gate + F, aligned);
  Pack<T> out;
#pragma unroll
  for (int j = 0; j < N; ++j) {
    float slope;
    out.v[j] = T(activation<GELU>(f32(g.v[j]), slope) * f32(u.v[j]));
  }
  store(y + at, out);
}
