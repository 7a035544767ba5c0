// Settings of the BLAS; see mlx_rs_blas.h.

#include "blas/mlx_rs_blas.h"

#include <exception>
#include <string>

#include "blas/cpu_pool.h"
#include "blas/openblas.h"

#ifdef MLXRS_OPENBLAS

extern "C" const char* mlxrs_blas_name(void) {
  using Text = const char* (*)();
  static const std::string name = []() -> std::string {
    try {
      const auto text = [](const char* function) {
        return std::string(reinterpret_cast<Text>(mlxrs::openblas(function))());
      };
      return text("scipy_openblas_get_config") + " " + text("scipy_openblas_get_corename");
    } catch (const std::exception& e) {
      return std::string("none (") + e.what() + ")";
    }
  }();
  return name.c_str();
}

extern "C" int mlxrs_blas_threads(void) {
  return mlxrs::pool_threads();
}

extern "C" int mlxrs_set_blas_threads(int threads) {
  if (threads < 1) {
    return 1;
  }
  mlxrs::set_pool_threads(threads);
  return 0;
}

#else

extern "C" const char* mlxrs_blas_name(void) {
  return "system";
}

extern "C" int mlxrs_blas_threads(void) {
  return 1;
}

extern "C" int mlxrs_set_blas_threads(int) {
  return 1;
}

#endif
