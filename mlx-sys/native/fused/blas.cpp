#include "fused/blas.h"

// Weak: a build of MLX may come with its BLAS linked in and hidden. Then nothing here is available.
extern "C" void cblas_sgemm(int order,
                            int trans_a,
                            int trans_b,
                            int m,
                            int n,
                            int k,
                            float alpha,
                            const float* a,
                            int lda,
                            const float* b,
                            int ldb,
                            float beta,
                            float* c,
                            int ldc) __attribute__((weak));

namespace mlxrs {

bool has_gemm() {
  return cblas_sgemm != nullptr;
}

void gemm(Op op_a,
          Op op_b,
          int m,
          int n,
          int k,
          float alpha,
          const float* a,
          int lda,
          const float* b,
          int ldb,
          float beta,
          float* c,
          int ldc) {
  // cblas.h's CblasRowMajor, CblasNoTrans and CblasTrans.
  constexpr int row_major = 101, as_is = 111, transposed = 112;
  cblas_sgemm(row_major,
              op_a == Op::as_is ? as_is : transposed,
              op_b == Op::as_is ? as_is : transposed,
              m,
              n,
              k,
              alpha,
              a,
              lda,
              b,
              ldb,
              beta,
              c,
              ldc);
}

} // namespace mlxrs
