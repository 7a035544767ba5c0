// Three functions of mlx/array.cpp, so that a graph may be shared by threads.
//
// MLX takes an array that it has evaluated out of its graph (`array::detach`): it frees the operation, the list of
// inputs and the list of siblings, the other outputs of the operation. Another thread that walks over the same graph,
// or drops a handle of a sibling, would read freed memory. Here an array stays in its graph while any thread reads
// graphs, and siblings are accessed under a lock. An evaluation then gives no input's buffer to its output
// (`held_while_read`), because the array stays in its graph with inputs that must keep their values. Otherwise graphs
// are built and dropped as before: an array without siblings, nearly every one, takes no lock.
//
// MLX's own library calls these through the dynamic linker, which finds this library first, as it does for the BLAS
// (cblas_shim.cpp). On macOS a library calls its own functions, so these have no effect.

#include "graph/graph_guard.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "mlx/primitives.h"
#include "mlx/version.h"
#include "graph/mlx_rs_graph.h"

// These are the functions of one version.
#if MLX_VERSION_MAJOR == 0 && MLX_VERSION_MINOR == 32
#define MLXRS_GUARDS_GRAPHS
#endif

namespace mlxrs {
namespace {

using mlx::core::array;

// The number of arrays that may wait to leave their graphs before new readers are held back, and the time that readers
// wait.
constexpr size_t many = 4096;
constexpr auto patience = std::chrono::milliseconds(100);

// Recursive, because dropping one array drops others.
std::recursive_mutex guard;
std::condition_variable_any left;
size_t readers = 0;
thread_local size_t reading = 0;
thread_local size_t at_once = 0;
std::atomic<size_t> waiting_count{0};

// Never destroyed: threads may evaluate while the process ends.
std::unordered_map<std::uintptr_t, array>& waiting() {
  static auto* all = new std::unordered_map<std::uintptr_t, array>;
  return *all;
}

} // namespace

List held_while_read(const List& roots) {
  List held;
  {
    const std::unique_lock<std::recursive_mutex> lock(guard);
    if (readers == 0) {
      return held;
    }
  }
  std::unordered_set<std::uintptr_t> seen;
  List left_to_see = roots;
  while (!left_to_see.empty()) {
    const array a = std::move(left_to_see.back());
    left_to_see.pop_back();
    if (!seen.insert(a.id()).second) {
      continue;
    }
    held.push_back(a);
    if (!a.is_available()) {
      left_to_see.insert(left_to_see.end(), a.inputs().begin(), a.inputs().end());
      left_to_see.insert(left_to_see.end(), a.siblings().begin(), a.siblings().end());
    }
  }
  return held;
}

using Lock = std::unique_lock<std::recursive_mutex>;

void unless_read(const std::function<void()>& change) {
  const Lock lock(guard);
  if (readers == 0) {
    change();
  }
}

DetachAtOnce::DetachAtOnce() {
  at_once++;
}

DetachAtOnce::~DetachAtOnce() {
  at_once--;
}

} // namespace mlxrs

#ifdef MLXRS_GUARDS_GRAPHS

namespace mlx::core {

void array::detach() {
  // Freed without the lock: an operation may own a closure with a destructor that does anything.
  std::shared_ptr<Primitive> primitive;
  std::vector<array> inputs, siblings;
  std::vector<std::vector<array>> of_siblings;
  mlxrs::note_evaluated(*this);
  const mlxrs::Lock lock(mlxrs::guard);
  if (mlxrs::readers > 0 && mlxrs::at_once == 0) {
    mlxrs::waiting().emplace(id(), *this);
    mlxrs::waiting_count = mlxrs::waiting().size();
    return;
  }
  primitive = std::exchange(array_desc_->primitive, nullptr);
  inputs = std::exchange(array_desc_->inputs, {});
  siblings = std::exchange(array_desc_->siblings, {});
  array_desc_->position = 0;
  for (auto& s : siblings) {
    s.array_desc_->primitive = nullptr;
  }
  for (auto& s : siblings) {
    of_siblings.push_back(std::exchange(s.array_desc_->inputs, {}));
    of_siblings.push_back(std::exchange(s.array_desc_->siblings, {}));
    s.array_desc_->position = 0;
  }
}

array::~array() {
  // Another thread may make either empty, never the other way round.
  if (array_desc_ == nullptr || array_desc_->primitive == nullptr || array_desc_->siblings.empty()) {
    return;
  }
  mlxrs::Lock lock(mlxrs::guard);
  const auto n = siblings().size();
  if (array_desc_->primitive == nullptr || n == 0) {
    return;
  }
  // Siblings hold each other: the last handle from outside releases them all.
  bool last = array_desc_.use_count() == static_cast<long>(n + 1);
  for (auto& s : siblings()) {
    last = last && s.array_desc_.use_count() == static_cast<long>(n);
  }
  if (last) {
    for (auto& s : siblings()) {
      for (auto& ss : s.siblings()) {
        ss.array_desc_ = nullptr;
      }
      s.array_desc_->siblings.clear();
    }
  }
}

// One after the other, not in each other's destructor: a graph is deeper than a stack.
array::ArrayDesc::~ArrayDesc() {
  if (inputs.empty()) {
    return;
  }
  std::vector<std::shared_ptr<ArrayDesc>> dead;
  auto take_inputs = [&dead](ArrayDesc& desc) {
    // Let go of without the lock, as above.
    std::unordered_map<std::uintptr_t, array> all;
    mlxrs::Lock lock(mlxrs::guard, std::defer_lock);
    for (const array& a : desc.inputs) {
      if (a.array_desc_ && !a.array_desc_->siblings.empty()) {
        lock.lock();
        break;
      }
    }
    for (array& a : desc.inputs) {
      if (a.array_desc_) {
        all.insert({a.id(), a});
        for (auto& s : a.siblings()) {
          all.insert({s.id(), s});
        }
      }
    }
    desc.inputs.clear();
    for (auto& [id, a] : all) {
      const auto n = static_cast<long>(a.siblings().size());
      bool is_dead = a.array_desc_.use_count() <= n + 1;
      for (auto& s : a.siblings()) {
        is_dead = is_dead && s.array_desc_.use_count() <= n + static_cast<long>(all.count(s.id()));
      }
      if (is_dead) {
        dead.push_back(std::move(a.array_desc_));
      }
    }
  };
  take_inputs(*this);
  while (!dead.empty()) {
    auto top = std::move(dead.back());
    dead.pop_back();
    take_inputs(*top);
    for (auto& s : top->siblings) {
      s.array_desc_ = nullptr;
    }
    top->siblings.clear();
  }
}

} // namespace mlx::core

#endif

extern "C" void mlxrs_graph_read_begin(void) {
  using namespace mlxrs;
  Lock lock(guard);
  if (reading++ == 0 && readers > 0 && waiting().size() > many) {
    left.wait_for(lock, patience, [] { return readers == 0; });
  }
  readers++;
}

extern "C" bool mlxrs_graph_read_end(void) {
  using namespace mlxrs;
  const Lock lock(guard);
  reading--;
  if (--readers > 0) {
    return false;
  }
  left.notify_all();
  return !waiting().empty();
}

extern "C" void mlxrs_graph_settle(void) {
  using namespace mlxrs;
  if (waiting_count == 0) {
    return;
  }
  std::unordered_map<std::uintptr_t, array> ready;
  {
    const Lock lock(guard);
    if (readers > 0) {
      return;
    }
    ready.swap(waiting());
    waiting_count = 0;
  }
  for (auto& [id, a] : ready) {
    // One that failed is an operation that throws.
    if (a.has_primitive() && a.status() != array::Status::unscheduled) {
      a.detach();
    }
  }
}
