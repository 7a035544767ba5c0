// The one BLAS function that the fused operations use.
#pragma once

namespace mlxrs {

// Returns true if there is a BLAS to call.
bool has_gemm();

// C [m, n] = alpha * op(A) op(B) + beta * C, row-major; op transposes if asked. `lda`, `ldb` and `ldc` are the strides
// of the stored rows.
enum class Op { as_is, transposed };
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
          int ldc);

} // namespace mlxrs
