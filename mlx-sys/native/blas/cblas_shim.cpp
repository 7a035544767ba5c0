// The three BLAS functions that MLX takes from its BLAS, on OpenBLAS.
//
// MLX's Linux files come with the reference BLAS, some forty times slower. The dynamic linker looks
// names up in the order in which libraries are loaded, and this library comes before MLX's BLAS in
// every program that links it, so these definitions are the ones that MLX calls.
//
// Large float32 products are cut into pieces for our own threads (see cpu_pool.cpp).

#ifdef MLXRS_OPENBLAS

#include "blas/cpu_pool.h"
#include "blas/openblas.h"

#include <algorithm>
#include <cstddef>

namespace {

using Sgemm = void (*)(
    int, int, int, int, int, int, float, const float*, int, const float*, int, float, float*, int);

template <typename... Args>
void openblas_sgemm(Args... args) {
  static const auto sgemm = reinterpret_cast<Sgemm>(mlxrs::openblas("scipy_cblas_sgemm"));
  const mlxrs::InOpenblas inside;
  sgemm(args...);
}

constexpr int ROW_MAJOR = 101, AS_IS = 111;
constexpr double SMALL = 5e5; // multiplications: below, handing out takes longer than computing

} // namespace

extern "C" void cblas_sgemm(
    int order, int trans_a, int trans_b, int m, int n, int k,
    float alpha, const float* a, int lda, const float* b, int ldb,
    float beta, float* c, int ldc) {
  int threads = 1;
  if (order != ROW_MAJOR || double(m) * n * k < SMALL || (threads = mlxrs::pool_threads()) == 1) {
    openblas_sgemm(
        order, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    return;
  }
  bool columns = n >= m;
  int length = columns ? n : m;
  // Each piece packs the other operand again, so pieces stay wide; a few more of them than threads even out the load.
  int pieces = std::clamp(length / 256, threads, 4 * threads);
  int step = ((length + pieces - 1) / pieces + 15) / 16 * 16;
  pieces = (length + step - 1) / step;
  mlxrs::parallel(pieces, [=](int i) {
    int from = i * step, size = std::min(step, length - from);
    std::ptrdiff_t at = from;
    if (columns) {
      openblas_sgemm(
          order, trans_a, trans_b, m, size, k, alpha, a, lda,
          b + (trans_b == AS_IS ? at : at * ldb), ldb, beta, c + at, ldc);
    } else {
      openblas_sgemm(
          order, trans_a, trans_b, size, n, k, alpha,
          a + (trans_a == AS_IS ? at * lda : at), lda, b, ldb, beta, c + at * ldc, ldc);
    }
  });
}

#define MLXRS_FORWARD_GEMM(letter, scalar)                                 \
  extern "C" void cblas_##letter##gemm(                                    \
      int order, int trans_a, int trans_b, int m, int n, int k,            \
      scalar alpha, const void* a, int lda, const void* b, int ldb,        \
      scalar beta, void* c, int ldc) {                                     \
    using Gemm = void (*)(                                                 \
        int, int, int, int, int, int, scalar, const void*, int,            \
        const void*, int, scalar, void*, int);                             \
    static const auto gemm = reinterpret_cast<Gemm>(                       \
        mlxrs::openblas("scipy_cblas_" #letter "gemm"));                   \
    const mlxrs::InOpenblas inside;                                        \
    gemm(order, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, \
         ldc);                                                             \
  }

MLXRS_FORWARD_GEMM(d, double)
// Complex scalars are passed by pointer.
MLXRS_FORWARD_GEMM(c, const void*)

#endif
