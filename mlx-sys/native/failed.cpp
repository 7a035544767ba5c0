// Arrays that could not be computed; see mlx_rs_failed.h.

#include "mlx_rs_failed.h"

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#ifdef __unix__
#include <dlfcn.h>
#endif

#include "capi.h"
#include "graph_guard.h"
#include "mlx/mlx.h"
#include "mlx/primitives.h"
#include "mlx/scheduler.h"
#include "mlx/version.h"

// Found by the dynamic linker before MLX's own (graph_guard.cpp), and of one version.
#if defined(__unix__) && MLX_VERSION_MAJOR == 0 && MLX_VERSION_MINOR == 32
#define MLXRS_WATCHES_STREAMS
#endif

namespace mlxrs {

namespace mx = mlx::core;
using mx::array;

namespace {

class Failed : public mx::Primitive {
 public:
  Failed(mx::Stream stream, std::string message) : mx::Primitive(stream), message_(std::move(message)) {}

  void eval_cpu(const List&, List&) override {
    throw std::runtime_error(message_);
  }
  void eval_gpu(const List&, List&) override {
    throw std::runtime_error(message_);
  }
  const char* name() const override {
    return "Failed";
  }
  const std::string& message() const {
    return message_;
  }

 private:
  std::string message_;
};

// The texts of arrays of `mlxrs_failed`, by the arrays' ids. A node's primitive cannot be asked instead: another thread may
// be evaluating the node, which takes the primitive away. Never destroyed: arrays are dropped while the process ends.
std::mutex never_built_guard;
std::map<std::uintptr_t, const std::string*>& never_built() {
  static auto* all = new std::map<std::uintptr_t, const std::string*>;
  return *all;
}

// Failed when it was built, not when it was computed.
class NeverBuilt : public Failed {
 public:
  using Failed::Failed;
  ~NeverBuilt() override {
    const std::lock_guard lock(never_built_guard);
    never_built().erase(id);
  }
  std::uintptr_t id = 0;
};

// The handle's node, which is private: an explicit instantiation may name it.
template <auto node>
struct Reach {
  friend auto& node_of(array& a) {
    return a.*node;
  }
};
auto& node_of(array& a);
template struct Reach<&array::array_desc_>;

using Node = std::remove_reference_t<decltype(node_of(std::declval<array&>()))>::element_type;

// What one evaluation computes, without keeping it alive.
struct Evaluation {
  std::vector<std::weak_ptr<Node>> nodes;
  // The CPU's streams that work was queued on. A GPU's do not report errors of single operations.
  std::set<int> streams;
  // Those that have not done it all; none before all of it is queued.
  std::set<int> busy;
  bool started = false;
  // How many failures there were before.
  uint64_t failures = 0;
  std::optional<std::string> error;
};

// Guards what follows, and of the evaluations `busy`, `started` and `error`.
std::mutex guard;
// The last failure of each stream: its number and its message.
std::map<int, std::pair<uint64_t, std::string>>& failures() {
  static auto* all = new std::map<int, std::pair<uint64_t, std::string>>;
  return *all;
}
uint64_t failure_count = 0;
// Those that are not known to have ended well. Never destroyed: streams run while the process ends.
std::list<std::shared_ptr<Evaluation>>& running() {
  static auto* all = new std::list<std::shared_ptr<Evaluation>>;
  return *all;
}
std::atomic<bool> any_failed{false};
thread_local Evaluation* current = nullptr;

// Work on a stream has failed: so has what is queued behind it.
void stream_failed(int stream, const std::string& message) {
  const std::lock_guard lock(guard);
  failures()[stream] = {++failure_count, message};
  for (const auto& e : running()) {
    if (!e->error && e->busy.count(stream)) {
      e->error = message;
      any_failed = true;
    }
  }
}

void stream_done(const std::shared_ptr<Evaluation>& e, int stream) {
  const std::lock_guard lock(guard);
  e->busy.erase(stream);
}

void fail(Node& node, const std::string& why) {
  node.primitive = std::make_shared<Failed>(mx::Stream(0, mx::Device::cpu), why);
  node.inputs.clear();
  node.event = {};
  node.status = array::Status::unscheduled;
}

// Makes errors of the arrays of failed evaluations, unless graphs are read, and forgets those that ended well.
void settle() {
  std::vector<std::shared_ptr<Evaluation>> well, failed;
  const auto sort = [&] {
    const std::lock_guard lock(guard);
    auto& all = running();
    for (auto i = all.begin(); i != all.end();) {
      auto& e = *i;
      if (e->started && (e->error || e->busy.empty())) {
        (e->error ? failed : well).push_back(std::move(e));
        i = all.erase(i);
      } else {
        ++i;
      }
    }
    any_failed = false;
  };
  if (!any_failed) {
    return sort();
  }
  unless_read([&] {
    sort();
    for (const auto& e : failed) {
      for (const auto& weak : e->nodes) {
        if (const auto node = weak.lock()) {
          fail(*node, *e->error);
        }
      }
    }
  });
}

// Throws where one of the arrays has failed and graphs were read ever since.
void check(const List& arrays) {
  if (!any_failed) {
    return;
  }
  std::set<const void*> ids;
  for (auto a : arrays) {
    ids.insert(node_of(a).get());
  }
  const std::lock_guard lock(guard);
  for (const auto& e : running()) {
    if (e->error) {
      for (const auto& weak : e->nodes) {
        if (ids.count(weak.lock().get())) {
          throw std::runtime_error(*e->error);
        }
      }
    }
  }
}

bool is_computed(const array& a) {
  try {
    return a.is_available();
  } catch (const std::exception&) {
    // An error of its stream, which `wait` finds again.
    return false;
  }
}

// Runs `compute`, which queues work. If that fails, so does each array that depends on it; see mlx_rs_failed.h.
void recording(const List& arrays, bool waits, const std::function<void()>& compute) {
  settle();
  List pending;
  for (const auto& a : arrays) {
    if (!is_computed(a)) {
      pending.push_back(a);
    }
  }
  const List held = held_while_read(arrays);
  check(held);
  const auto e = std::make_shared<Evaluation>();
  {
    const std::lock_guard lock(guard);
    e->failures = failure_count;
  }
  auto* before = std::exchange(current, e.get());
  std::exception_ptr thrown;
  std::string why = "unknown exception";
  try {
    compute();
  } catch (const std::exception& error) {
    thrown = std::current_exception();
    why = error.what();
  } catch (...) {
    thrown = std::current_exception();
  }
  current = before;
  {
    const std::lock_guard lock(guard);
    e->started = true;
    for (const int s : e->streams) {
      if (const auto f = failures().find(s); f != failures().end() && f->second.first > e->failures) {
        e->error = f->second.second;
        any_failed = true;
      }
    }
    if (e->error || !waits || thrown) {
      e->busy = e->streams;
      running().push_back(e);
    }
  }
  for (const int s : e->error || (waits && !thrown) ? std::set<int>() : e->streams) {
    try {
      mx::scheduler::enqueue(mx::Stream(s, mx::Device::cpu), [e, s] { stream_done(e, s); });
    } catch (const std::exception& error) {
      // On the main thread, an error that the stream had before.
      stream_failed(s, error.what());
    }
  }
  if (thrown) {
    settle();
    // Where no stream says that it failed: a GPU, or macOS.
    for (auto& a : pending) {
      // What is not queued may be computed yet, on another thread or with more memory.
      if (a.status() != array::Status::unscheduled) {
        fail(*node_of(a), why);
      }
    }
    std::rethrow_exception(thrown);
  }
}

// Waits for what was queued.
void wait(array a) {
  try {
    if (a.status() != array::Status::unscheduled) {
      a.wait();
    }
  } catch (const std::exception& e) {
    settle();
    if (a.status() != array::Status::unscheduled) {
      fail(*node_of(a), e.what());
    }
    throw;
  }
  if (any_failed) {
    settle();
    check({a});
  }
  if (a.status() == array::Status::unscheduled) {
    // It failed.
    a.eval();
  }
}

} // namespace

void note_evaluated(array& a) {
  if (!current || !a.has_primitive()) {
    return;
  }
  for (auto& output : a.outputs()) {
    current->nodes.push_back(node_of(output));
  }
  const auto& s = a.primitive().stream();
  if (s.device == mx::Device::cpu) {
    current->streams.insert(s.index);
  }
}

} // namespace mlxrs

#ifdef MLXRS_WATCHES_STREAMS

namespace {

template <typename F>
F mlx_function(const char* name) {
  return reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}

// Queues work. On the main thread MLX throws what work before has thrown instead: its counts are wrong then, and it waits
// for events that nobody signals. The error is not lost: `stream_failed` knows it.
template <typename F>
void queue(F&& enqueue) {
  for (int i = 0; i < 8; i++) {
    try {
      return enqueue();
    } catch (const std::runtime_error&) {
      // It is thrown once, unless work fails in between.
    }
  }
  enqueue();
}

} // namespace

namespace mlx::core::scheduler {

// MLX keeps one error for a stream, which the first who asks takes away.
void Scheduler::enqueue(Stream s, std::function<void()> task) {
  using Enqueue = void (*)(Scheduler*, Stream, std::function<void()>);
  static const auto original = mlx_function<Enqueue>(
      "_ZN3mlx4core9scheduler9Scheduler7enqueueENS0_6StreamESt8functionIFvvEE");
  const std::function<void()> watched = [index = s.index, task = std::move(task)] {
    try {
      task();
    } catch (const std::exception& e) {
      mlxrs::stream_failed(index, e.what());
      throw;
    } catch (...) {
      mlxrs::stream_failed(index, "unknown exception");
      throw std::runtime_error("unknown exception");
    }
  };
  queue([&] { original(this, s, watched); });
}

// The stream fails where it waits for one that has.
void Scheduler::wait_event(Stream s, Event event, std::function<void(Event&)> task) {
  using Wait = void (*)(Scheduler*, Stream, Event, std::function<void(Event&)>);
  static const auto original = mlx_function<Wait>(
      "_ZN3mlx4core9scheduler9Scheduler10wait_eventENS0_6StreamENS0_5EventESt8functionIFvRS4_EE");
  queue([&] { original(this, s, event, task); });
  // What the stream took over from the event is thrown, seen above, and the stream's again.
  enqueue(s, [this, s] { check_error(s); });
}

void Scheduler::signal_event(Stream s, Event event, std::function<void(Event&)> task) {
  using Signal = void (*)(Scheduler*, Stream, Event, std::function<void(Event&)>);
  static const auto original = mlx_function<Signal>(
      "_ZN3mlx4core9scheduler9Scheduler12signal_eventENS0_6StreamENS0_5EventESt8functionIFvRS4_EE");
  queue([&] { original(this, s, event, task); });
}

} // namespace mlx::core::scheduler

#endif

extern "C" int mlxrs_eval(const mlx_vector_array arrays) {
  return mlxrs::guarded("failed.cpp", [&] {
    const auto& all = mlxrs::list(arrays);
    mlxrs::recording(all, true, [&] { mlx::core::eval(all); });
    for (const auto& a : all) {
      mlxrs::wait(a);
    }
  });
}

extern "C" int mlxrs_async_eval(const mlx_vector_array arrays) {
  return mlxrs::guarded("failed.cpp", [&] {
    const auto& all = mlxrs::list(arrays);
    mlxrs::recording(all, false, [&] { mlx::core::async_eval(all); });
  });
}

extern "C" int mlxrs_array_eval(const mlx_array a) {
  return mlxrs::guarded("failed.cpp", [&] {
    if (!a.ctx) {
      throw std::runtime_error("expected a non-empty mlx_array");
    }
    auto& one = *static_cast<mlx::core::array*>(a.ctx);
    using Status = mlx::core::array::Status;
    if (one.status() == Status::unscheduled) {
      mlxrs::recording({one}, true, [&] { one.eval(); });
    }
    mlxrs::wait(one);
  });
}

extern "C" mlx_array mlxrs_failed(const char* text) {
  using namespace mlxrs;
  mlx_array out{nullptr};
  guarded("failed.cpp", [&] {
    const auto why = std::make_shared<NeverBuilt>(mx::Stream(0, mx::Device::cpu), text);
    auto* made = new array(mx::Shape{}, mx::float32, why, List{});
    out.ctx = made;
    const std::lock_guard lock(never_built_guard);
    why->id = made->id();
    never_built()[why->id] = &why->message();
  });
  return out;
}

extern "C" const char* mlxrs_failure(const mlx_array a) {
  if (!a.ctx) {
    return nullptr;
  }
  const std::lock_guard lock(mlxrs::never_built_guard);
  const auto& all = mlxrs::never_built();
  const auto found = all.find(static_cast<mlx::core::array*>(a.ctx)->id());
  return found == all.end() ? nullptr : found->second->c_str();
}
