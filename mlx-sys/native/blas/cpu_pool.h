// A few threads for work on the CPU, shared by the products and the fused operations.
#pragma once

#include <type_traits>

namespace mlxrs {

// The number of threads that a loop started here could use; 1 inside a loop.
int pool_threads();

// Limits the pool to this many threads from now on.
void set_pool_threads(int threads);

// Throws std::invalid_argument if the environment variable MLX_SYS_CPU_THREADS is set to something else
// than a number of threads. (The pool then has one for each processor.)
void check_pool_threads();

// Calls item(context, i) for i in 0..n, in any order and on any thread, and returns when all are done. A loop inside a
// loop, or beside another one, runs on its own thread alone. Throws the first exception of an item. n < 65536.
void pool_run(int n, void (*item)(void* context, int i), void* context);

// f(i) for i in 0..n.
template <class F>
void parallel(int n, F&& f) {
  pool_run(
      n,
      [](void* context, int i) { (*static_cast<std::remove_reference_t<F>*>(context))(i); },
      &f);
}

} // namespace mlxrs
