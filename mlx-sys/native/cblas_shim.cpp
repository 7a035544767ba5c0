// The three BLAS functions that MLX takes from its BLAS, forwarded to OpenBLAS.
//
// MLX's Linux files come with the reference BLAS, some forty times slower. The dynamic linker looks
// names up in the order in which libraries are loaded, and this library comes before MLX's BLAS in
// every program that links it, so these definitions are the ones that MLX calls.

#ifdef MLXRS_OPENBLAS

// The enums of cblas.h (order, transposition) are ints in the ABI.
#define MLXRS_FORWARD_GEMM(letter, scalar, element)                        \
  extern "C" void scipy_cblas_##letter##gemm(                              \
      int, int, int, int, int, int, scalar, const element*, int,           \
      const element*, int, scalar, element*, int);                         \
  extern "C" void cblas_##letter##gemm(                                    \
      int order, int trans_a, int trans_b, int m, int n, int k,            \
      scalar alpha, const element* a, int lda, const element* b, int ldb,  \
      scalar beta, element* c, int ldc) {                                  \
    scipy_cblas_##letter##gemm(                                            \
        order, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c,  \
        ldc);                                                              \
  }

MLXRS_FORWARD_GEMM(s, float, float)
MLXRS_FORWARD_GEMM(d, double, double)
// Complex scalars are passed by pointer.
MLXRS_FORWARD_GEMM(c, const void*, void)

#endif
