// The pool replaces OpenBLAS's own threads, because its workers wait for each other by spinning inside every product,
// so that one other busy process makes a product tens of times slower. Here the pieces of a loop are independent, any
// free thread takes the next one, and a thread that waits for long sleeps.
#ifdef MLXRS_OPENBLAS

#include "blas/cpu_pool.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

namespace mlxrs {
namespace {

constexpr int SPINS = 4000; // some 50 to 100 us
constexpr int MOST = 64;

// The one loop that runs. The ticket is its number << 32 | its items << 16 | the next item.
std::atomic<uint64_t> ticket{0};
std::atomic<uint32_t> number{0}, done{0}, sleepers{0}, waiting{0};
void (*item)(void*, int);
void* context;
// The first exception of an item. The others still run, because other threads may be in them.
std::atomic<bool> failed{false};
std::exception_ptr failure;

std::mutex busy;
std::once_flag once;
std::atomic<int> started{1}, limit{MOST};
thread_local bool inside = false;

void futex(std::atomic<uint32_t>& word, int op, uint32_t value) {
  syscall(SYS_futex, &word, op | FUTEX_PRIVATE_FLAG, value, nullptr, nullptr, 0);
}

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

void work() {
  for (;;) {
    uint64_t t = ticket.load();
    uint32_t i = t & 0xffff, n = (t >> 16) & 0xffff;
    if (i >= n) return;
    if (!ticket.compare_exchange_weak(t, t + 1)) continue;
    // The loop can't end while this item is open: item and context are this loop's.
    try {
      item(context, int(i));
    } catch (...) {
      if (!failed.exchange(true)) failure = std::current_exception();
    }
    if (done.fetch_add(1) + 1 == n && waiting.load()) futex(done, FUTEX_WAKE, 1);
  }
}

void worker(int index) {
  inside = true;
  uint32_t seen = 0;
  for (;;) {
    for (int s = 0; s < SPINS && number.load(std::memory_order_relaxed) == seen; s++) relax();
    while (number.load() == seen) {
      sleepers.fetch_add(1);
      futex(number, FUTEX_WAIT, seen);
      sleepers.fetch_sub(1);
    }
    seen = number.load();
    if (index < limit.load(std::memory_order_relaxed)) work();
  }
}

// The number in MLX_SYS_CPU_THREADS, 0 if it is not set, -1 if it is no number from 1 to MOST.
int threads_asked() {
  static const int asked = [] {
    const char* text = std::getenv("MLX_SYS_CPU_THREADS");
    if (!text) return 0;
    const char* end = text + std::strlen(text);
    int n = 0;
    auto [rest, error] = std::from_chars(text, end, n);
    return error == std::errc{} && rest == end && n >= 1 && n <= MOST ? n : -1;
  }();
  return asked;
}

// One for each processor that this process may use, unless the environment gives a number.
int threads_to_start() {
  if (threads_asked() > 0) return threads_asked();
  cpu_set_t set;
  int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  return std::min(n, MOST);
}

void start() {
  const int n = threads_to_start();
  int have = 1;
  try {
    for (; have < n; have++) std::thread(worker, have).detach();
  } catch (const std::system_error&) {
    // The pool has the threads that could be started.
  }
  started = have;
  pthread_atfork(nullptr, nullptr, [] { started = 1; }); // a forked process has no workers
}

} // namespace

int pool_threads() {
  if (inside) return 1;
  std::call_once(once, start);
  return std::min(started.load(), limit.load());
}

void set_pool_threads(int threads) {
  limit = threads;
}

void check_pool_threads() {
  if (threads_asked() < 0) {
    throw std::invalid_argument(std::string("invalid MLX_SYS_CPU_THREADS \"") +
                                std::getenv("MLX_SYS_CPU_THREADS") + "\": expected a number from 1 to " +
                                std::to_string(MOST));
  }
}

void pool_run(int n, void (*f)(void*, int), void* with) {
  if (n <= 1 || pool_threads() == 1 || !busy.try_lock()) {
    for (int i = 0; i < n; i++) f(with, i);
    return;
  }
  item = f;
  context = with;
  done = 0;
  uint32_t mine = number.load() + 1;
  ticket = uint64_t(mine) << 32 | uint64_t(n) << 16;
  number = mine;
  if (sleepers.load()) futex(number, FUTEX_WAKE, uint32_t(n - 1));
  inside = true;
  work();
  inside = false;
  uint32_t all = uint32_t(n);
  for (int s = 0; s < SPINS && done.load(std::memory_order_acquire) < all; s++) relax();
  if (done.load() < all) {
    waiting = 1;
    for (uint32_t d; (d = done.load()) < all;) futex(done, FUTEX_WAIT, d);
    waiting = 0;
  }
  const auto thrown = failed.exchange(false) ? std::exchange(failure, nullptr) : nullptr;
  busy.unlock();
  if (thrown) std::rethrow_exception(thrown);
}

} // namespace mlxrs

#endif
